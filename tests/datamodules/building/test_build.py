import csv
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from datamodules.__main__ import main
from datamodules.audio import read_audio, resample
from datamodules.building.build import build_shards
from datamodules.building.build_report import BuildError
from datamodules.building.clips import cut_clip
from datamodules.manifests.manifest import ManifestError
from datamodules.shards.reader import ShardSet
from datamodules.shards.verify import damages

RATE_HZ = 4000


def build(manifest, out, **changes):
    settings = {"one_label": ["word"], "sample_rate_hz": RATE_HZ, "num_workers": 1, "progress": False, "picture": False}
    return build_shards(manifest, out, **{**settings, **changes})


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def left_behind(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".") or path.name.endswith(".building")]


def test_every_row_becomes_one_clip(corpus, signal_folder):
    rows = list(csv.DictReader((corpus / "words.csv").open()))
    found = {}
    for split in ("train", "val"):
        shards = ShardSet(signal_folder / split)
        assert list(damages(shards.folder)) == []
        for i in range(len(shards)):
            clip = shards.read(i)
            labels = {name: shards.label_sets[name].labels[clip.labels[name]] for name in ("word", "speaker")}
            found[clip.key.split("-")[0]] = (split, labels, clip)
    assert len(found) == 30
    for row in rows:
        split, labels, clip = found[row["path"].removesuffix(".wav").replace("/", "_").replace(" ", "_")]
        assert split == row["split"]
        assert labels == {"word": row["word"], "speaker": row["speaker"]}
        original = read_audio(corpus / row["path"], sample_rate_hz=RATE_HZ)
        np.testing.assert_allclose(clip.waveform, original, atol=0.51 / 32767)
        assert clip.midpoint == len(original) // 2
    index = ShardSet(signal_folder / "train").index
    assert [shard.num_clips for shard in index.shards] == [10, 10, 3]
    assert index.label_sets["word"].labels == ("<null>", "nan", "null", "seven")
    assert index.label_sets == ShardSet(signal_folder / "val").label_sets


def test_clips_are_mixed_over_the_shards(signal_folder):
    keys = [ShardSet(signal_folder / "train").key(i) for i in range(23)]
    assert keys != sorted(keys)


def test_same_bytes_for_any_order_of_rows_and_number_of_workers(corpus, signal_folder, make_manifest, tmp_path):
    rows = list(csv.DictReader((corpus / "words.csv").open()))
    make_manifest(corpus / "reversed.csv", rows[::-1])
    settings = {"one_label": ["word", "speaker"], "clips_per_shard": 10}
    build(corpus / "reversed.csv", tmp_path / "again", **settings, num_workers=2)
    expected, found = files_of(signal_folder), files_of(tmp_path / "again")
    assert expected.keys() == found.keys()
    assert {path for path in found if found[path] != expected[path]} == {Path("build.json")}  # names the manifest
    build(corpus / "words.csv", tmp_path / "seed", **settings, seed=1)
    assert files_of(tmp_path / "seed")[Path("train/clips.parquet")] != expected[Path("train/clips.parquet")]


def test_stretches_and_midpoints(tmp_path, make_manifest):
    rng = np.random.default_rng(0)
    sound = 0.1 * rng.standard_normal(5 * 8000)
    soundfile.write(tmp_path / "long.wav", sound, 8000, subtype="FLOAT")
    rows = [
        {"key": "whole"},
        {"key": "piece", "start_s": 1.0, "end_s": 2.5},
        {"key": "piece_mid", "start_s": 1.0, "end_s": 2.5, "midpoint_s": 1.2},
        {"key": "mid", "midpoint_s": 3.0},
        {"key": "mid_at_edge", "midpoint_s": 0.25},
        {"key": "rest", "start_s": 4.0},
        {"key": "a_little_over", "start_s": 4.0, "end_s": 5.005},
    ]
    rows = [{"path": "long.wav", "word": "w", **row} for row in rows]
    manifest = make_manifest(tmp_path / "m.csv", rows)
    build(manifest, tmp_path / "out", clip_duration_s=1.0)
    shards = ShardSet(tmp_path / "out" / "train")
    whole = resample(sound.astype(np.float32), 8000, RATE_HZ)
    expected = {
        "whole": (0.0, 5.0, 2.5),
        "piece": (1.0, 2.5, 0.75),
        "piece_mid": (1.0, 2.5, 0.2),
        "mid": (2.5, 3.5, 0.5),
        "mid_at_edge": (0.0, 0.75, 0.25),
        "rest": (4.0, 5.0, 0.5),
        "a_little_over": (4.0, 5.0, 0.5),
    }
    for i in range(len(shards)):
        clip = shards.read(i)
        start_s, end_s, midpoint_s = expected.pop(clip.key)
        np.testing.assert_allclose(
            clip.waveform, whole[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)], atol=0.6 / 32767
        )
        assert clip.midpoint == round(midpoint_s * RATE_HZ)
    assert not expected


@pytest.fixture
def bad_corpus(tmp_path, make_sound, make_manifest):
    """Ten good clips and one of each kind of bad ones."""
    for i in range(10):
        make_sound(tmp_path / f"good{i}.wav", seed=i)
    (tmp_path / "broken.wav").write_bytes(b"no sound at all")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE_HZ)
    soundfile.write(tmp_path / "short.wav", 0.1 * np.ones(100), RATE_HZ)
    soundfile.write(tmp_path / "nan.wav", np.full(2000, np.nan), RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "zero.wav", np.zeros(2000), RATE_HZ)
    soundfile.write(tmp_path / "faint.wav", 1e-6 * np.ones(2000), RATE_HZ, subtype="FLOAT")
    rows = [{"path": f"good{i}.wav", "word": "ab"[i % 2]} for i in range(10)]
    names = ("broken", "empty", "short", "nan", "zero", "faint", "missing")
    rows += [{"path": f"{name}.wav", "word": "a"} for name in names]
    rows += [{"path": "good0.wav", "word": "a", "end_s": 3}, {"path": "good0.wav", "word": "a", "midpoint_s": 3}]
    make_manifest(tmp_path / "m.csv", rows)
    return tmp_path


def test_bad_clips_are_skipped_and_reported(bad_corpus):
    report = build(bad_corpus / "m.csv", bad_corpus / "out", skip_bad=True)
    assert len(report.shard_sets["train"]) == 10
    assert list(damages(report.shard_sets["train"].folder)) == []
    rows = list(csv.DictReader((bad_corpus / "out" / "report.csv").open()))
    assert [(row["row"], row["path"], row["kind"]) for row in rows] == [
        ("11", "broken.wav", "broken"),
        ("12", "empty.wav", "empty"),
        ("13", "short.wav", "too short"),
        ("14", "nan.wav", "not finite"),
        ("15", "zero.wav", "silent"),
        ("16", "faint.wav", "silent"),
        ("17", "missing.wav", "missing"),
        ("18", "good0.wav", "too short"),
        ("19", "good0.wav", "too short"),
    ]
    assert all(row["path"] in row["reason"] and row["key"] for row in rows)
    assert [problem.row for problem in report.problems] == list(range(11, 20))


def test_bad_clips_stop_the_build_and_nothing_is_left(bad_corpus):
    with pytest.raises(BuildError, match=r"at least 1 clip cannot be used:\n  row 17: .*missing\.wav: no such"):
        build(bad_corpus / "m.csv", bad_corpus / "out")
    shutil.copy(bad_corpus / "good0.wav", bad_corpus / "missing.wav")
    with pytest.raises(BuildError, match=r"row 1\d: .*\.wav: .*(?s:.)*--skip_bad"):
        build(bad_corpus / "m.csv", bad_corpus / "out", clips_per_shard=4, num_workers=2)
    assert not (bad_corpus / "out").exists()
    assert left_behind(bad_corpus) == []


def test_a_split_without_any_good_clip_is_an_error(bad_corpus, make_manifest):
    rows = [{"path": "good0.wav", "word": "a"}, {"path": "zero.wav", "word": "a", "split": "val"}]
    make_manifest(bad_corpus / "m.csv", rows)
    with pytest.raises(BuildError, match=r"no clip of split 'val' can be used: row 2: .*zero\.wav: silent"):
        build(bad_corpus / "m.csv", bad_corpus / "out", skip_bad=True)
    assert left_behind(bad_corpus) == []


def test_a_build_that_was_stopped_goes_on_where_it_was(corpus, tmp_path, monkeypatch):
    settings = {"clips_per_shard": 4}
    build(corpus / "words.csv", tmp_path / "whole", **settings)
    calls = []

    def stop_at(last):
        def cut(entry, cutting):
            calls.append(entry.key)
            if len(calls) > last:
                raise KeyboardInterrupt
            return cut_clip(entry, cutting)

        monkeypatch.setattr("datamodules.building.jobs.cut_clip", cut)

    stop_at(10)
    with pytest.raises(KeyboardInterrupt):
        build(corpus / "words.csv", tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()
    with pytest.raises(BuildError, match=r"out\.building: an unfinished build with .* other settings"):
        build(corpus / "words.csv", tmp_path / "out", **settings, seed=1)
    done = calls[:8]  # two tar files of four clips
    calls.clear()
    stop_at(1000)
    build(corpus / "words.csv", tmp_path / "out", **settings)
    assert len(calls) == 22
    assert not set(calls) & set(done)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"out", "whole"}


def test_building_again_does_nothing_unless_something_changed(corpus, make_sound, make_manifest, tmp_path):
    for i in range(4):
        make_sound(tmp_path / f"{i}.wav", seed=i)
    manifest = make_manifest(tmp_path / "m.csv", [{"path": f"{i}.wav", "word": "w"} for i in range(4)])
    out = tmp_path / "out"
    assert build(manifest, out).is_new
    before = (out / "train" / "index.json").stat().st_mtime_ns
    again = build(manifest, out, num_workers=2)
    assert not again.is_new
    assert len(again.shard_sets["train"]) == 4
    assert (out / "train" / "index.json").stat().st_mtime_ns == before
    with pytest.raises(BuildError, match=r"out: was built from another manifest.*--overwrite"):
        build(manifest, out, seed=1)
    make_sound(tmp_path / "0.wav", seed=0, duration_s=1.0)
    with pytest.raises(BuildError, match="other settings"):
        build(manifest, out)
    assert build(manifest, out, overwrite=True).is_new
    assert ShardSet(out / "train").index.duration_s == pytest.approx(1.9)
    assert left_behind(tmp_path) == []


def test_what_is_no_build_is_never_replaced(corpus, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(BuildError, match="was not made by a build"):
            build(corpus / "words.csv", tmp_path / "out", overwrite=overwrite)
    (tmp_path / "out" / "thesis.txt").unlink()
    assert build(corpus / "words.csv", tmp_path / "out").is_new  # an empty folder is no obstacle


def test_label_lists(corpus, tmp_path):
    labels = tmp_path / "words.txt"
    labels.write_text("seven\nnan\n<null>\nunheard\nnull\n")
    report = build(corpus / "words.csv", tmp_path / "out", label_lists={"word": labels})
    label_set = report.shard_sets["val"].label_sets["word"]
    assert label_set.labels == ("seven", "nan", "<null>", "unheard", "null")
    assert report.shard_sets["train"].index.num_clips_per_class["word"] == (7, 8, 0, 0, 8)
    labels.write_text("seven\nnan\n")
    with pytest.raises(ManifestError, match=r"words\.csv, row 1: word 'null' is not in the list .*words\.txt"):
        build(corpus / "words.csv", tmp_path / "out2", label_lists={"word": labels})
    with pytest.raises(ManifestError, match=r"label lists are given for \['speaker'\]"):
        build(corpus / "words.csv", tmp_path / "out2", label_lists={"speaker": labels})


def test_labels_that_only_validation_has_are_reported(corpus, make_manifest, tmp_path):
    rows = list(csv.DictReader((corpus / "words.csv").open()))
    rows[-1]["word"] = "new"
    report = build(make_manifest(corpus / "new.csv", rows), tmp_path / "out")
    assert report.labels_without_training == {"word": ("new",)}


def test_bad_numbers(corpus, tmp_path):
    for changes in ({"clips_per_shard": 0}, {"sample_rate_hz": 0}, {"sample_rate_hz": 16}, {"clip_duration_s": 0.0}):
        with pytest.raises(BuildError, match=next(iter(changes))):
            build(corpus / "words.csv", tmp_path / "out", **changes)


@pytest.mark.parametrize("splits", [("trian", "val"), ("trainings", "test"), ("other",)])
def test_a_mistyped_split_is_an_error(splits, corpus, make_manifest, tmp_path):
    rows = [row | {"split": splits[i % len(splits)]} for i, row in enumerate(read_rows(corpus / "words.csv"))]
    with pytest.raises(ManifestError, match=rf"no row has the split 'train'; there are .*{splits[0]}"):
        build(make_manifest(corpus / "mistyped.csv", rows), tmp_path / "out")


@pytest.mark.parametrize(
    ("splits", "remark"), [(("test",), False), (("val", "test"), False), (("train", "extra"), True)]
)
def test_splits_without_training_or_beside_it_are_built(splits, remark, corpus, make_manifest, tmp_path, capsys):
    rows = [row | {"split": splits[i % len(splits)]} for i, row in enumerate(read_rows(corpus / "words.csv"))]
    manifest = make_manifest(corpus / "few.csv", rows)
    assert main(["build", str(manifest), str(tmp_path / "out"), "--one_label", "word", "--num_workers", "1"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert ("training looks for train, val, test, not for extra: mistyped" in shown) == remark
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == set(splits)


def read_rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_command_line(bad_corpus, capsys):
    arguments = ["build", str(bad_corpus / "m.csv"), str(bad_corpus / "out"), "--one_label", "word"]
    arguments += ["--sample_rate_hz", str(RATE_HZ), "--num_workers", "1"]
    assert main(arguments) == 2
    assert "missing.wav: no such audio file" in capsys.readouterr().err
    assert main([*arguments, "--skip_bad", "true"]) == 0
    shown = capsys.readouterr().out
    assert "too short" in shown
    assert main([*arguments, "--skip_bad", "true"]) == 0
    assert "up to date" in " ".join(capsys.readouterr().out.replace("\n", " ").split())
    assert main(["check", str(bad_corpus / "out" / "train")]) == 0
    assert main([*arguments, "--label_list", "word"]) == 2
    assert "--label_list takes COLUMN=FILE, got 'word'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "Verify shard sets" in capsys.readouterr().out


def test_flac_and_other_formats_are_read(tmp_path, make_manifest):
    x = 0.1 * np.random.default_rng(0).standard_normal(RATE_HZ)
    for name in ("a.flac", "b.ogg", "c.aiff"):
        buffer = io.BytesIO()
        soundfile.write(buffer, x, RATE_HZ, format=name[2:])
        (tmp_path / name).write_bytes(buffer.getvalue())
    rows = [{"path": name, "word": "w"} for name in ("a.flac", "b.ogg", "c.aiff")]
    report = build(make_manifest(tmp_path / "m.csv", rows), tmp_path / "out")
    assert len(report.shard_sets["train"]) == 3


@pytest.mark.usefixtures("every_line")
@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_build_without_a_terminal_shows_how_far_it_is(corpus, tmp_path, capsys, num_workers):
    build(corpus / "words.csv", tmp_path / "out", clips_per_shard=6, progress=True, num_workers=num_workers)
    out, log = capsys.readouterr()
    lines = [line[9:] for line in log.splitlines()]
    assert out == ""
    assert f"reading {corpus / 'words.csv'}" in lines
    counted = [line for line in lines if line.startswith("writing shards: ")]
    assert counted[0] == "writing shards: 0 of 30 clips (0 %)"
    assert re.fullmatch(r"writing shards: 30 of 30 clips \(100 %\), [\d. ]+ clips/s", counted[-1])
    assert re.fullmatch(rf"building {tmp_path / 'out'}: done in \d+ s", lines[-1])
    assert "\x1b" not in log
    assert "\r" not in log


@pytest.mark.usefixtures("every_line")
def test_a_build_that_goes_on_counts_what_is_there(corpus, tmp_path, capsys):
    for part in (0, 1):
        build(corpus / "words.csv", tmp_path / "out", clips_per_shard=6, part=(part, 2))
    build(corpus / "words.csv", tmp_path / "out", clips_per_shard=6, progress=True, part=(0, 2))
    log = capsys.readouterr().err
    assert "verifying shards that are there: 18 of 18 clips (100 %)" in log


@pytest.mark.usefixtures("every_line")
def test_checking_without_a_terminal_shows_how_far_it_is(signal_folder, capsys):
    assert main(["check", str(signal_folder)]) == 0
    out, log = capsys.readouterr()
    assert f"checking {signal_folder / 'train'}: 23 of 23 clips (100 %)" in log
    assert out.splitlines() == [f"{signal_folder / split}: OK" for split in ("train", "val")]
