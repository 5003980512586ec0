"""What `python -m datamodules check` makes of a place: shard sets, an unfinished build, or a mistake."""

import re
import shutil

import pytest

from datamodules.__main__ import main
from datamodules.building import jobs
from datamodules.building.build import build_shards, merge_parts
from datamodules.inspection.places import why_no_clips

RATE_HZ = 4000


@pytest.fixture
def build(corpus, tmp_path):
    def run(**settings):
        return build_shards(
            corpus / "words.csv",
            tmp_path / "data" / "out",
            one_label=["word"],
            sample_rate_hz=RATE_HZ,
            clips_per_shard=10,
            num_workers=1,
            progress=False,
            picture=False,
            **settings,
        )

    return run


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*places):
        code = main(["check", *places])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def test_shard_sets_are_found_in_a_parent_folder(check, tmp_path, signal_folder, noise_folder):
    shutil.copytree(signal_folder, tmp_path / "data" / "speech")
    shutil.copytree(noise_folder, tmp_path / "data" / "noise")
    (tmp_path / "data" / "logs").mkdir()
    names = ("noise/train", "noise/val", "speech/train", "speech/val")
    expected = "\n".join(f"data/{name}: OK" for name in names)
    code, shown = check("data")
    assert code == 0, "builds with other label sets do not disagree"
    assert shown.strip() == expected


def test_a_build_in_parts_is_unfinished_rather_than_damaged(build, check):
    build(part=(0, 2))
    unfinished = (
        "data/out: its build has not finished: 2 of 4 tar files are written. Unless it is running, run the same"
    )
    for place in ("data", "data/out", "data/out/train", "data/out.building", "data/out.building/out/val"):
        code, shown = check(place)
        assert code == 1
        assert unfinished in shown
        assert "then `cochlearn merge data/out`" in shown
        assert "DAMAGED" not in shown
    build(part=(1, 2))
    assert check("data")[1].strip() == (
        "data/out: its build has not finished: all 4 tar files are written. Complete it: `cochlearn merge data/out`"
    )
    merge_parts("data/out", progress=False)
    assert check("data/out") == (0, "data/out/train: OK\ndata/out/val: OK\n")


def test_a_build_that_was_stopped_is_unfinished(build, check, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "_do_job", stop)
    with pytest.raises(KeyboardInterrupt):
        build()
    code, shown = check("data/out")
    assert (code, "0 of 4 tar files are written" in shown) == (1, True)


def test_a_split_that_is_missing_says_which_command_needs_none(tmp_path, signal_folder):
    shutil.copytree(signal_folder, tmp_path / "data")
    reason = why_no_clips(tmp_path / "data", "test")
    assert "has shard sets of train, val, but none of test; `cochlearn validate` measures a checkpoint on val" in reason
    assert "Set `data" not in reason


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("data/speehc", r"data/speehc: no such file or folder \(did you mean data/speech\?\)"),
        ("gone", "gone: no such file or folder"),
        ("data/speech/train/shard-000000.tar", "is a file of a shard set: check its folder, data/speech/train"),
        ("empty", "empty has no sounds at any depth"),
        ("hdf5", "hdf5 holds the published HDF5 files, .*`cochlearn hdf5 hdf5 OUT` makes shard sets"),
    ],
)
def test_mistakes_are_one_line(check, tmp_path, signal_folder, place, message):
    shutil.copytree(signal_folder, tmp_path / "data" / "speech")
    (tmp_path / "empty").mkdir()
    (tmp_path / "hdf5" / "train_RQTTZ4C4TY").mkdir(parents=True)
    (tmp_path / "hdf5" / "train_RQTTZ4C4TY" / "JSIN_all__run_0.h5").touch()
    code, shown = check(place)
    assert code == 2
    assert re.search(f"^error: .*{message}", shown.strip())
    assert "\n" not in shown.strip()


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            "data/out.building",
            "data/out.building is where a build works: name its output, `cochlearn merge",
        ),
        ("data/done", "data/done is complete: nothing is left to merge"),
        ("gone", "gone.building: no parts of a build here to merge; build them with --part and --parts first"),
    ],
)
def test_what_cannot_be_merged(build, check, capsys, signal_folder, tmp_path, named, message):
    build(part=(0, 2))
    shutil.copytree(signal_folder, tmp_path / "data" / "done")
    assert main(["merge", named]) == 2
    assert message in capsys.readouterr().err


def test_sounds_that_places_share_are_named(check, corpus, tmp_path, signal_folder, noise_folder, make_sound):
    """Clips of shards are compared with those of other shards and with files."""
    shutil.copytree(signal_folder, tmp_path / "signal")
    make_sound(tmp_path / "other" / "new.wav", seed=999)
    rows = [{"path": str(corpus / "words" / f"clip {i}.wav"), "word": "x", "split": "train"} for i in (3, 28)]
    rows.append({"path": str(tmp_path / "other" / "new.wav"), "word": "x", "split": "train"})
    with (tmp_path / "noise.csv").open("w") as file:
        file.write("path,word,split\n" + "".join(f"{','.join(row.values())}\n" for row in rows))
    settings = {"sample_rate_hz": RATE_HZ, "num_workers": 1, "progress": False, "picture": False}
    build_shards(tmp_path / "noise.csv", tmp_path / "noise", one_label=["word"], **settings)
    code, shown = check("signal", "noise")
    assert code == 1
    assert "sounds that signal/val and noise/train share: 1\n" in shown  # 23 to 29 are held out
    assert "sounds that signal/train and noise/train share: 1\n" in shown
    assert "clip_28" in shown
    shutil.copytree(corpus / "words", tmp_path / "stimuli")
    assert "sounds that noise/train and stimuli share: 2\n" in check("noise", "stimuli")[1]
    shutil.copytree(noise_folder, tmp_path / "textures")
    assert "share" not in check("signal", "textures")[1]
    (tmp_path / "a").mkdir()
    shutil.copy(corpus / "words" / "clip 3.wav", tmp_path / "a" / "one.wav")
    code, shown = check("a", "stimuli")
    assert code == 1
    assert "sounds that a and stimuli share: 1\n" in shown
