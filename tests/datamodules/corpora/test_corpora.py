import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile

from datamodules.__main__ import main
from datamodules.corpora import fsdd
from datamodules.corpora.fsdd import make_manifest
from datamodules.corpora.sounds import CorpusError, run_jobs, write_sound
from datamodules.demo import texture_corpus
from datamodules.demo.corpus import make_words
from datamodules.demo.manners import MANNERS
from datamodules.demo.phrases import phrase_around
from datamodules.demo.texture_corpus import make_textures
from datamodules.demo.textures import TEXTURE_LABELS
from datamodules.demo.words import WORDS


@pytest.fixture
def digits(tmp_path):
    """Two digits by two speakers in takes 0, 14, 15 and 19."""
    folder = tmp_path / "digits"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for digit in (0, 7):
        for speaker in ("anna", "bert"):
            for take in (0, 14, 15, 19):
                sound = 0.1 * rng.standard_normal(2400)
                soundfile.write(folder / f"{digit}_{speaker}_{take}.wav", sound, 8000)
    return folder


@pytest.fixture
def needs_espeak():
    pytest.importorskip("espeakng_loader", reason="synthesised speech needs the extra 'demo'")


def test_fsdd_manifest(digits, tmp_path):
    table = pd.read_csv(make_manifest(digits, tmp_path / "out" / "fsdd.csv"))
    assert len(table) == 16
    assert set(table["word"]) == {"zero", "seven"}
    assert set(table["speaker"]) == {"anna", "bert"}
    assert set(table.loc[table["split"] == "val", "take"]) == {15, 19}
    assert set(table.loc[table["split"] == "train", "take"]) == {0, 14}
    row = table[(table["word"] == "seven") & (table["take"] == 14)].iloc[0]
    assert row["path"] == str((digits / f"7_{row['speaker']}_14.wav").resolve())


def test_fsdd_accepts_a_clone_and_other_takes(digits, tmp_path):
    (tmp_path / "clone").mkdir()
    shutil.move(digits, tmp_path / "clone" / "recordings")
    table = pd.read_csv(make_manifest(tmp_path / "clone", tmp_path / "fsdd.csv", val_takes=[0]))
    assert set(table.loc[table["split"] == "val", "take"]) == {0}


def test_fsdd_errors_name_the_culprit(digits, tmp_path):
    with pytest.raises(CorpusError, match="nowhere: no such folder"):
        make_manifest(tmp_path / "nowhere", tmp_path / "fsdd.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=r"empty has no sounds directly in it\. Expected names like 7_jackson_0\.wav"):
        make_manifest(tmp_path / "empty", tmp_path / "fsdd.csv")
    with pytest.raises(
        CorpusError, match=r"'val' with takes 3 held out, but there are takes 0, 14, 15, 19: hold.*--val_takes 19`"
    ):
        make_manifest(digits, tmp_path / "fsdd.csv", val_takes=[3])
    (digits / "seven_anna.wav").touch()
    with pytest.raises(CorpusError, match=r"seven_anna\.wav not named"):
        make_manifest(digits, tmp_path / "fsdd.csv")
    assert not (tmp_path / "fsdd.csv").exists()


def test_fsdd_on_the_real_recordings(shared_dir, tmp_path):
    table = pd.read_csv(make_manifest(shared_dir / "data" / "fsdd", tmp_path / "fsdd.csv"))
    assert len(table) == 1200
    assert table["word"].nunique() == 10
    assert table["speaker"].nunique() == 6
    assert (table["split"] == "val").sum() == 300


def test_textures_manifest_splits_do_not_share_clips(tmp_path):
    path = make_textures(tmp_path, clips_per_class=2, val_clips_per_class=1, duration_s=0.5)
    table = pd.read_csv(path)
    assert list(table.columns) == ["path", "split", "texture"]
    assert (table.groupby(["split", "texture"]).size()["train"] == 2).all()
    assert tuple(sorted(set(table["texture"]))) == TEXTURE_LABELS
    contents = [(tmp_path / clip).read_bytes() for clip in table["path"]]
    assert len(set(contents)) == len(contents)
    assert soundfile.info(tmp_path / table["path"][0]).duration == 0.5
    again = make_textures(tmp_path / "again", clips_per_class=2, val_clips_per_class=1, duration_s=0.5)
    assert [(again.parent / clip).read_bytes() for clip in table["path"]] == contents


def test_a_part_of_the_textures_is_in_rooms_the_same_for_all_classes(tmp_path):
    arguments = {"clips_per_class": 4, "val_clips_per_class": 1, "duration_s": 0.5, "labels": ["birds", "rain"]}
    dry = make_textures(tmp_path / "dry", **arguments)
    some = make_textures(tmp_path / "some", **arguments, rooms=0.5)
    every = make_textures(tmp_path / "all", **arguments, rooms=1.0)
    table = pd.read_csv(dry)

    def differ(one, other):
        return [(one.parent / path).read_bytes() != (other.parent / path).read_bytes() for path in table["path"]]

    assert all(differ(dry, every))
    in_rooms = pd.Series(differ(dry, some))
    assert 0 < in_rooms.sum() < 10
    assert in_rooms[table["texture"] == "birds"].tolist() == in_rooms[table["texture"] == "rain"].tolist()
    assert np.array_equal(in_rooms, ~np.array(differ(some, every)))
    assert {soundfile.info(tmp_path / "all" / path).duration for path in table["path"]} == {0.5}


def test_textures_errors(tmp_path):
    with pytest.raises(CorpusError, match=r"rooms is a fraction of the clips, in 0-1, got -1"):
        make_textures(tmp_path, rooms=-1)
    with pytest.raises(CorpusError, match="at least 1 clip"):
        make_textures(tmp_path, clips_per_class=0)
    with pytest.raises(ValueError, match="unknown sound texture 'hail'"):
        make_textures(tmp_path, clips_per_class=1, labels=["hail"])
    assert not (tmp_path / "textures.csv").exists()


@pytest.mark.usefixtures("needs_espeak")
def test_words_manifest(tmp_path):
    path = make_words(tmp_path, num_words=3, num_voices=2, num_renditions=2, num_val_renditions=1)
    table = pd.read_csv(path)
    assert (table.groupby(["split", "word", "speaker"]).size()["train"] == 2).all()
    assert (table.groupby(["split", "word", "speaker"]).size()["val"] == 1).all()
    assert table["word"].nunique() == 3
    assert table["speaker"].nunique() == 2
    contents = [(tmp_path / clip).read_bytes() for clip in table["path"]]
    assert len(set(contents)) == len(contents)
    for row in table.itertuples():
        duration_s = soundfile.info(tmp_path / row.path).duration
        assert 0.2 * duration_s < row.midpoint_s < 0.8 * duration_s


@pytest.mark.usefixtures("needs_espeak")
def test_a_part_of_the_pairs_is_for_validation(tmp_path):
    arguments = {"num_words": 5, "num_voices": 4, "num_renditions": 1}
    every = pd.read_csv(make_words(tmp_path / "every", **arguments)).set_index("path")
    some = pd.read_csv(make_words(tmp_path / "some", **arguments, val_part=0.31)).set_index("path")
    assert some.groupby("split").size().to_dict() == {"train": 20, "val": 6}
    assert every.loc[some.index].equals(some)


@pytest.mark.usefixtures("needs_espeak")
def test_words_in_phrases_are_in_the_middle_of_running_speech(tmp_path):
    table = pd.read_csv(make_words(tmp_path, num_words=3, num_voices=2, num_renditions=1, phrases=1.0))
    assert len(table) == 12
    for row in table.itertuples():
        waveform, rate_hz = soundfile.read(tmp_path / row.path)
        assert row.start_s < row.midpoint_s < row.end_s <= len(waveform) / rate_hz
        assert row.end_s - row.start_s == pytest.approx(2.5, abs=0.3)
        levels = np.abs(waveform[round(row.start_s * rate_hz) : round(row.end_s * rate_hz)])
        twentieths = [part.max() for part in np.array_split(levels, 20)]
        assert np.mean(np.array(twentieths) > 0.02 * levels.max()) > 0.8  # speech all through, not one word in silence


@pytest.mark.usefixtures("needs_espeak")
def test_a_part_of_the_words_is_in_phrases_and_the_others_are_alone(tmp_path):
    table = pd.read_csv(make_words(tmp_path, num_words=4, num_voices=3, num_renditions=2, phrases=0.5))
    in_phrases = table["start_s"].notna()
    assert 6 < in_phrases.sum() < 30  # of 36
    durations_s = np.array([soundfile.info(tmp_path / path).duration for path in table["path"]])
    assert durations_s[~in_phrases].max() < durations_s[in_phrases].min()


@pytest.mark.usefixtures("needs_espeak")
def test_words_in_rooms_are_the_same_words(tmp_path):
    dry = make_words(tmp_path / "dry", num_words=2, num_voices=2, num_renditions=1, phrases=0.5)
    echoing = make_words(tmp_path / "rooms", num_words=2, num_voices=2, num_renditions=1, phrases=0.5, rooms=1.0)
    assert pd.read_csv(dry).equals(pd.read_csv(echoing))
    for path in pd.read_csv(dry)["path"]:
        waveforms = [soundfile.read(tmp_path / folder / path)[0] for folder in ("dry", "rooms")]
        assert len(waveforms[0]) == len(waveforms[1])
        assert not np.allclose(*waveforms, atol=0.01)


@pytest.mark.usefixtures("needs_espeak")
def test_a_part_of_the_words_is_in_other_manners_and_the_others_are_as_they_were(tmp_path):
    arguments = {"num_words": 4, "num_voices": 3, "num_renditions": 2, "phrases": 0.5}
    plain = make_words(tmp_path / "plain", **arguments)
    mixed = make_words(tmp_path / "mixed", **arguments, manners=0.6)
    tables = {path.parent: pd.read_csv(path).set_index("path") for path in (plain, mixed)}
    assert set(tables[plain.parent]["manner"]) == {"plain"}
    manners = tables[mixed.parent]["manner"]
    assert set(manners) == set(MANNERS)
    assert 8 < (manners == "plain").sum() < 22  # of 36
    for path, manner in manners.items():
        same = (plain.parent / path).read_bytes() == (mixed.parent / path).read_bytes()
        assert same == (manner == "plain"), path
    rows = tables[mixed.parent]
    assert rows.loc[manners == "sung", "pitch_range"].max() <= 5
    assert rows.loc[manners == "shouted", "pitch"].min() >= 65


@pytest.mark.usefixtures("needs_espeak")
def test_phrases_are_a_part():
    with pytest.raises(CorpusError, match=r"phrases is a fraction of the clips, in 0-1, got 2"):
        make_words("nowhere", phrases=2)


def test_a_phrase_has_its_word_once_in_the_middle():
    phrases = [phrase_around("river", np.random.default_rng(seed)) for seed in range(50)]
    assert len(set(phrases)) == 50
    for phrase in phrases:
        words = phrase.replace(",", "").split()
        assert words.count("river") == 1
        content = [word for word in words if word in WORDS]
        assert content.index("river") == 3
        assert len(content) == 7
    assert phrases[0] == phrase_around("river", np.random.default_rng(0))


@pytest.mark.parametrize("word", ["and", "under", "river"])
def test_a_word_that_connects_others_is_said_once(word):
    phrases = [phrase_around(word, np.random.default_rng(seed)) for seed in range(200)]
    assert {phrase.replace(",", "").split().count(word) for phrase in phrases} == {1}


@pytest.mark.usefixtures("needs_espeak")
def test_words_errors(tmp_path):
    with pytest.raises(CorpusError, match=r"num_words must be in 1-\d+, got 5000"):
        make_words(tmp_path, num_words=5000)
    with pytest.raises(CorpusError, match=r"num_voices must be in 1-\d+, got 0"):
        make_words(tmp_path, num_voices=0)
    with pytest.raises(CorpusError, match="num_val_renditions must be at least 1, got 0"):
        make_words(tmp_path, num_val_renditions=0)
    with pytest.raises(CorpusError, match=r"val_part is a fraction of the clips, in 0-1, got 1\.5"):
        make_words(tmp_path, val_part=1.5)


@pytest.mark.parametrize("is_begun", [False, True])
def test_an_interrupted_command_says_what_is_kept(is_begun, digits, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"

    def interrupt(*args, **kwargs):
        if is_begun:
            (out / "signal").mkdir(parents=True)
            (out / "signal" / "part").write_bytes(b"")
        raise KeyboardInterrupt

    monkeypatch.setattr(fsdd, "make_manifest", interrupt)
    assert main(["fsdd", str(digits), str(out)]) == 130
    kept = "nothing is kept yet, so that the same command starts again"
    if is_begun:
        kept = f"the shards built so far are kept in {out}; the same command makes the sounds again and resumes"
    assert capsys.readouterr().err == f"error: interrupted: {kept}\n"


def test_processes_give_the_same_rows_in_the_same_order():
    jobs = list(range(50))
    assert run_jobs(_square, jobs, num_workers=2, description="squares") == [_square(job) for job in jobs]


def _square(number):
    return {"number": number, "square": number**2}


def test_loud_sounds_are_scaled_and_others_kept(tmp_path):
    quiet = np.array([0.5, -0.25, 0.0])
    for name, waveform, expected in (("loud", 8 * quiet, 8 * quiet * 0.99 / 4), ("quiet", quiet, quiet)):
        write_sound(tmp_path / f"{name}.wav", waveform, 8000)
        np.testing.assert_allclose(soundfile.read(tmp_path / f"{name}.wav")[0], expected, atol=1e-4)
    assert {path.name for path in tmp_path.iterdir()} == {"loud.wav", "quiet.wav"}


def test_fsdd_command_builds_both_sides(digits, tmp_path, monkeypatch, capsys):
    out = tmp_path / "shards"
    arguments = ["--clips_per_class", "1", "--texture_duration_s", "0.5", "--num_workers", "1"]
    assert main(["fsdd", str(digits), str(out), *arguments]) == 0
    for side in ("signal", "noise"):
        assert {"train", "val"} <= {path.name for path in (out / side).iterdir()}
    assert {path.name for path in out.iterdir()} == {"signal", "noise", "corpus.json"}
    before = (out / "signal" / "build.json").stat().st_mtime_ns
    monkeypatch.setattr(texture_corpus, "make_textures", lambda *args, **kwargs: pytest.fail("made again"))
    assert main(["fsdd", str(digits), str(out), *arguments]) == 0
    assert "up to date" in capsys.readouterr().out
    assert (out / "signal" / "build.json").stat().st_mtime_ns == before
    assert main(["fsdd", str(digits), str(out), *arguments, "--seed", "1"]) == 2
    assert "was made with other settings; --overwrite true" in " ".join(capsys.readouterr().err.split())


@pytest.mark.usefixtures("needs_espeak")
def test_demo_takes_digits_as_more_words(digits, tmp_path):
    out = tmp_path / "shards"
    few = ["--num_words", "2", "--num_voices", "2", "--num_renditions", "1", "--clips_per_class", "1"]
    few += ["--texture_duration_s", "0.5", "--num_workers", "1", "--digits", str(digits)]
    assert main(["demo", str(out), *few]) == 0
    sets = dict(json.loads((out / "signal" / "build.json").read_text())["label_sets"])
    assert set(sets["word"]["labels"]) >= {"window", "butterfly", "zero", "seven"}
    assert set(sets["speaker"]["labels"]) >= {"anna", "bert"}


def test_fsdd_command_fails_cleanly(tmp_path, capsys):
    assert main(["fsdd", str(tmp_path / "nowhere"), str(tmp_path / "shards"), "--num_workers", "1"]) == 2
    assert "no such folder of digit recordings" in capsys.readouterr().err
    assert not (tmp_path / "shards").exists()


@pytest.mark.usefixtures("needs_espeak")
def test_demo_command_builds_both_sides_and_keeps_sounds(tmp_path):
    arguments = "--num_words 2 --num_voices 2 --num_renditions 1 --clips_per_class 1 --texture_duration_s 0.5"
    out = tmp_path / "shards"
    arguments += " --num_workers 1 --keep_sounds true --phrases 1 --rooms 1"
    assert main(["demo", str(out), *arguments.split()]) == 0
    for side in ("signal", "noise"):
        assert {"train", "val"} <= {path.name for path in (out / side).iterdir()}
    assert (out / "sounds" / "words.csv").is_file()
    assert (out / "sounds" / "textures.csv").is_file()


def test_demo_command_without_espeak_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    assert main(["demo", str(tmp_path / "shards")]) == 2
    assert "cochlearn[demo]" in capsys.readouterr().err
    assert not (tmp_path / "shards").exists()
