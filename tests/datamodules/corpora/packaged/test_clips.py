"""Recordings are cut, copies left out, and files held out."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from datamodules.corpora.packaged.cutting import CLIP_S, SAME, CutFile, clips_of, cut_files, stretches
from datamodules.corpora.packaged.headerless import decode_all
from datamodules.corpora.packaged.recording import Recording
from datamodules.corpora.packaged.splits import draw_splits, without_rare_labels
from datamodules.corpora.sounds import write_sound

RATE_HZ = 8000


def noise(duration_s, level=0.3):
    return level * np.random.default_rng(0).standard_normal(round(duration_s * RATE_HZ)).astype(np.float32)


def test_silence_at_the_ends_is_cut_off():
    waveform = np.concatenate([np.zeros(RATE_HZ), noise(0.5), np.zeros(RATE_HZ // 2)])
    assert stretches(waveform, RATE_HZ, max_clips=9) == ((0.9, 1.6),)
    assert stretches(np.zeros(RATE_HZ), RATE_HZ, max_clips=9) == ()
    assert stretches(noise(0.01), RATE_HZ, max_clips=9) == ((0.0, 0.01),)


def test_long_sounds_are_cut_into_clips_without_the_quiet_ones():
    waveform = np.concatenate([noise(5), noise(5, level=0.003), noise(5)])
    found = stretches(waveform, RATE_HZ, max_clips=100)
    assert len(found) == 4
    assert all(end_s - start_s == pytest.approx(CLIP_S) for start_s, end_s in found)
    assert stretches(noise(30), RATE_HZ, max_clips=3) == ((0.0, 2.5), (13.75, 16.25), (27.5, 30.0))


def test_a_part_of_a_recording_has_no_word_and_copies_are_left_out():
    recordings = [Recording(path=Path(f"{name}.wav"), word="one", speaker="ann") for name in "abcd"]
    files = [
        CutFile("1", "a.wav", ((0.0, 0.5),), ""),
        CutFile("2", "b.wav", ((0.0, 2.5), (2.5, 5.0)), ""),
        CutFile("1", "c.wav", ((0.0, 0.5),), ""),
        CutFile("3", "d.wav", (), "silent"),
    ]
    clips, problems = clips_of(recordings, files)
    assert [(clip.path.name, clip.word, clip.start_s) for clip, _ in clips] == [
        ("a.wav", "one", 0.0),
        ("b.wav", "", 0.0),
        ("b.wav", "", 2.5),
    ]
    assert problems == {"c.wav": SAME, "d.wav": "silent"}


def test_copies_are_found_by_their_samples(tmp_path):
    paths = [tmp_path / f"{name}.ogg" for name in "abc"]
    for path, level in zip(paths, (0.3, 0.3, 0.2), strict=True):
        with soundfile.SoundFile(path, "w", RATE_HZ, 1, format="OGG", subtype="VORBIS") as file:
            file.title = path.stem
            file.write(noise(0.5, level))
    assert paths[0].read_bytes() != paths[1].read_bytes()
    files = cut_files(paths, tmp_path, max_clips=9, num_workers=0, description="sounds")
    _, problems = clips_of([Recording(path=path, speaker="ann") for path in paths], files)
    assert problems == {str(paths[1]): SAME}


def recordings(number, **labels):
    return [(Recording(path=Path(f"{n}.wav"), **labels), f"{labels}{n // 2}") for n in range(2 * number)]


def test_files_are_held_out_in_each_class():
    clips = [*recordings(10, word="one", language="en"), *recordings(3, word="two", language="en")]
    split = draw_splits(clips, seed=0)
    by_file = {}
    for clip, (_, digest) in zip(split, clips, strict=True):
        by_file.setdefault(digest, set()).add(clip.split)
    assert all(len(found) == 1 for found in by_file.values())
    assert sum(clip.split == "val" for clip in split if clip.word == "one") == 4
    assert not any(clip.split == "val" for clip in split if clip.word == "two")
    assert draw_splits(clips[::-1], seed=0)[::-1] == split
    assert draw_splits(clips, seed=1) != split


def test_rare_labels_are_removed():
    clips = draw_splits(recordings(2, word="one", speaker="ann") + recordings(1, word="two", speaker="ann"), seed=0)
    kept = without_rare_labels(clips, ("word", "speaker"), least=4)
    assert [clip.word for clip in kept] == ["one"] * 4 + [""] * 2
    assert without_rare_labels(clips, ("word",), least=4) == kept[:4]


def test_files_without_a_header_are_decoded(packages_root, tmp_path):
    folder = packages_root / "usr/share"
    paths = [folder / "saytime/3.au", folder / "asterisk/sounds/fr/digits/3.gsm", folder / "klettres/en/alpha/A.ogg"]
    found = decode_all(paths, tmp_path, num_workers=1)
    assert list(found) == paths[:2]
    for wav in found.values():
        waveform, rate_hz = soundfile.read(wav)
        assert rate_hz == RATE_HZ
        assert np.std(waveform[1000:2000]) > 0.05 > 0.01 > np.std(waveform[:500])
    files = cut_files(paths, tmp_path, max_clips=9, num_workers=1, description="prompts")
    assert [file.problem for file in files] == ["", "", ""]
    assert files[0].path == str(found[paths[0]])


@pytest.mark.parametrize("suffix", [".gsm", ".au"])
def test_empty_prompts_are_left_out(suffix, tmp_path):
    # As `is.g722` of the Russian prompts, which is shipped empty.
    prompt = tmp_path / f"is{suffix}"
    prompt.write_bytes(b"")
    decoded = tmp_path / "decoded"
    decoded.mkdir()
    (file,) = cut_files([prompt], decoded, max_clips=9, num_workers=1, description="prompts")
    assert file.problem.startswith(("too short", "cannot be read"))
    assert not file.stretches_s


def test_a_sound_without_samples_is_written(tmp_path):
    write_sound(tmp_path / "empty.wav", np.zeros(0, np.float32), RATE_HZ)
    assert soundfile.info(tmp_path / "empty.wav").frames == 0
