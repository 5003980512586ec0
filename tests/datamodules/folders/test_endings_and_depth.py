"""All endings that soundfile reads, at any depth; what is passed over is counted, named and reported."""

import csv
import json

import numpy as np
import pytest
import soundfile

from datamodules.__main__ import main
from datamodules.corpora.fsdd import digits, fingerprint
from datamodules.corpora.sounds import CorpusError
from datamodules.corpora.sounds import sounds_of as find_corpus_sounds
from datamodules.folders.sound_folders import SoundFolderError, describe, find_sounds, passed_over, sound_suffixes

WRITTEN = {
    "au": "AU", "snd": "AU", "caf": "CAF", "w64": "W64", "rf64": "RF64", "sph": "NIST", "nist": "NIST", "aifc": "AIFF",
    "aif": "AIFF", "oga": "OGG", "opus": "OGG", "ogg": "OGG", "mp3": "MP3", "wave": "WAV", "voc": "VOC", "avr": "AVR",
    "sf": "IRCAM", "paf": "PAF", "flac": "FLAC", "AU": "AU", "Caf": "CAF",
}  # fmt: skip


@pytest.mark.parametrize("ending", WRITTEN)
def test_all_that_soundfile_reads_is_read(tmp_path, ending):
    for k, genre in enumerate(("blues", "jazz")):
        (tmp_path / "g" / genre).mkdir(parents=True)
        for i in range(2):
            samples = 0.1 * np.random.default_rng(10 * k + i).standard_normal(16_000)
            with open(tmp_path / "g" / genre / f"{genre}.{i:05d}.{ending}", "wb") as file:
                soundfile.write(file, samples, 16_000, "OPUS" if ending == "opus" else None, format=WRITTEN[ending])
    arguments = ["genres", str(tmp_path / "g"), str(tmp_path / "out"), "--sample_rate_hz", "4000", "--num_workers", "1"]
    assert main(arguments) == 0
    assert json.loads((tmp_path / "out" / "train" / "index.json").read_text())["label_sets"]["genre"]["labels"][1:]


def test_endings_follow_what_soundfile_knows():
    assert {".au", ".caf", ".w64", ".rf64", ".sph", ".aifc", ".oga", ".wav", ".mp3"} <= sound_suffixes()
    assert not {".raw", ".mat", ".txt", ".csv"} & sound_suffixes()


def test_what_is_passed_over_is_counted_named_and_reported(tmp_path, make_sound, capsys):
    for k, genre in enumerate(("blues", "jazz")):
        for i in range(7):
            make_sound(tmp_path / "g" / genre / f"{i}.wav", seed=10 * k + i)
            (tmp_path / "g" / genre / f"{i}.m4a").touch()
    make_sound(tmp_path / "g" / "loose [left].wav", seed=99)
    for name in ("README", "blues/notes.txt", "LICENSE", "more.zip", "jazz/video.MP4", "blues/unknown"):
        (tmp_path / "g" / name).touch()
    arguments = ["genres", str(tmp_path / "g"), str(tmp_path / "out"), "--sample_rate_hz", "4000", "--num_workers", "1"]
    expected = [
        "14 in a format that is not read (.m4a): blues/0.m4a, blues/1.m4a, blues/2.m4a, blues/3.m4a, blues/4.m4a and 9",
        "1 in a format that is not read (.mp4): jazz/video.MP4",
        "1 in a format that is not read (.zip): more.zip",
        "1 in a format that is not read (no ending): blues/unknown",
        "1 that the layout does not use: loose [left].wav",
    ]
    for _ in range(2):  # built, and up to date
        assert main(arguments) == 0
        shown = capsys.readouterr().out
        assert all(line in shown for line in expected)
        assert "notes.txt" not in shown
    with (tmp_path / "out" / "passed_over.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    assert {"kind": "that the layout does not use", "path": "loose [left].wav"} in rows


@pytest.mark.parametrize("layout", ["genres", "librispeech", "mine.py:rows"])
def test_every_layout_reports_it(tmp_path, make_sound, monkeypatch, capsys, layout):
    monkeypatch.chdir(tmp_path)
    for i in range(2):
        make_sound(tmp_path / "c" / "5" / f"5-{i}-0.wav", seed=i)
    (tmp_path / "c" / "5" / "5-3-0.aac").touch()
    (tmp_path / "mine.py").write_text(
        "def rows(folder):\n"
        "    yield {'path': '5/5-0-0.wav', 'speaker': 'a'}\n"
        "    yield {'path': '5/5-1-0.wav', 'left_out': 'known to be noise'}\n"
    )
    column = "genre" if layout == "genres" else "speaker"
    arguments = ["build", "c", "out", "--layout", layout, "--one_label", column, "--sample_rate_hz", "4000"]
    assert main([*arguments, "--num_workers", "1"]) == 0
    shown = capsys.readouterr().out
    assert "1 in a format that is not read (.aac): 5/5-3-0.aac" in shown
    assert ("1 known to be noise: 5/5-1-0.wav" in shown) == (layout == "mine.py:rows")


def test_parts_report_it_when_they_are_merged(tmp_path, make_sound, capsys):
    for i in range(4):
        make_sound(tmp_path / "g" / "ab"[i % 2] / f"{i}.wav", seed=i)
    (tmp_path / "g" / "a" / "x.wma").touch()
    arguments = ["genres", str(tmp_path / "g"), str(tmp_path / "out"), "--sample_rate_hz", "4000", "--num_workers", "1"]
    for part in range(2):
        assert main([*arguments, "--part", str(part), "--parts", "2", "--clips_per_shard", "1"]) == 0
    assert main(["merge", str(tmp_path / "out")]) == 0
    assert "(.wma): a/x.wma" in capsys.readouterr().out


def test_digits_report_it(tmp_path, make_sound):
    from datamodules.corpora.fsdd import in_addition

    make_sound(tmp_path / "recordings" / "7_ann_0.wav", seed=0)
    (tmp_path / "recordings" / "7_ann_1.m4a").touch()
    make_sound(tmp_path / "extra" / "7_ann_2.wav", seed=0)
    assert describe(in_addition(tmp_path)) == (
        "1 in a format that is not read (.m4a): recordings/7_ann_1.m4a; "
        "1 that the layout does not use: extra/7_ann_2.wav"
    )


def test_sounds_are_found_at_any_depth_or_the_depth_is_said(tmp_path, make_sound):
    deep = make_sound(tmp_path / "a" / "b" / "c" / "d" / "1.wav", seed=0)
    assert find_sounds(tmp_path) == [deep]
    with pytest.raises(SoundFolderError, match=r"has no sounds down to 2 .*found instead: 1 that .* a/b/c/d/1\.wav"):
        find_sounds(tmp_path, depth=2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "1.m4a").touch()
    with pytest.raises(
        CorpusError, match=r"empty has no sounds at any depth \(found instead: 1 .*\(\.m4a\): 1\.m4a; .*\.wav"
    ):
        find_corpus_sounds(tmp_path / "empty")


def test_audioset_clips_are_found_at_any_depth(tmp_path, make_sound, capsys):
    listed = [
        (i, n) for i, n in (("/m/a", "Dog"), ("1", "Speech"), ("2", "Whispering"), ("3", "Silence"), ("4", "Music"))
    ]
    ontology = [{"id": i, "name": n, "child_ids": [], "restrictions": []} for i, n in listed]
    (tmp_path / "ontology.json").write_text(json.dumps(ontology))
    clips = tmp_path / "clips"
    for k, (part, place) in enumerate((("train", "x/y/z/Yvideo0"), ("val", "video1"))):
        make_sound(clips / f"{place}.wav", seed=k)
        (tmp_path / f"{part}.csv").write_text(f'video{k}, 0.000, 4.000, "/m/a"\n')
    make_sound(clips / "x" / "unlisted.wav", seed=5)
    arguments = ["audioset", str(tmp_path / "out"), "--train", str(tmp_path / "train.csv"), "--val"]
    arguments += [str(tmp_path / "val.csv"), "--ontology", str(tmp_path / "ontology.json"), "--clips", str(clips)]
    assert main([*arguments, "--sample_rate_hz", "4000", "--num_workers", "1"]) == 0
    assert "1 that the layout does not use: x/unlisted.wav" in capsys.readouterr().out
    make_sound(clips / "other" / "Yvideo0.flac", seed=6)
    assert main(arguments) == 2
    assert "have the name of one segment; keep one of them" in capsys.readouterr().err


def test_passing_over_nothing_says_nothing(tmp_path, make_sound):
    make_sound(tmp_path / "1.wav", seed=0)
    assert describe(passed_over(tmp_path, find_sounds(tmp_path))) == ""


def test_classes_a_level_further_down_are_not_one_class(tmp_path, make_sound, capsys):
    for name in ("blues", "jazz"):
        make_sound(tmp_path / "music" / "genres_original" / name / "0.wav", seed=0)
    assert main(["genres", str(tmp_path / "music"), str(tmp_path / "out")]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "all sounds are in the one folder 'genres_original', in the folders 'blues', 'jazz': give " in message


def test_digits_further_down_are_named_and_links_without_their_file(tmp_path, make_sound):
    make_sound(tmp_path / "train" / "7_ann_0.wav", seed=0)
    with pytest.raises(CorpusError, match=r"no sounds directly in it; 1 sound is further down, .*7_ann_0\.wav"):
        digits(tmp_path)
    (tmp_path / "8_ann_0.wav").symlink_to(".git/annex/objects/8.wav")
    for find in (digits, fingerprint):
        with pytest.raises(CorpusError, match=r"8_ann_0\.wav: a link to \.git/annex.*which is missing; get the file"):
            find(tmp_path)
