import csv
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from datamodules.__main__ import main
from datamodules.building.build import build_shards
from datamodules.building.clip_quality import clip_quality
from datamodules.building.picture import _bins, _draw_classes
from datamodules.manifests.manifest import ManifestError
from datamodules.manifests.splitting import SplitRule
from datamodules.shards.reader import ShardSet
from datamodules.tasks import LabelSet

RATE_HZ = 4000
NUM_KINDS = 7


def build(manifest, out, **changes):
    settings = {"one_label": ["word"], "sample_rate_hz": RATE_HZ, "num_workers": 1, "progress": False}
    return build_shards(manifest, out, **{**settings, "picture": False, **changes})


def rows_of(path):
    return list(csv.DictReader(path.open()))


def test_statistics_duplicates_and_picture(tmp_path, make_sound, make_manifest, capsys):
    for i in range(6):
        make_sound(tmp_path / f"{i}.wav", seed=i, duration_s=0.5)
    make_sound(tmp_path / "copy.wav", seed=0, duration_s=0.5)
    soundfile.write(tmp_path / "clipped.wav", np.clip(np.random.default_rng(0).standard_normal(2000), -1, 1), RATE_HZ)
    half = np.concatenate([np.zeros(1000), 0.1 * np.random.default_rng(1).standard_normal(1000)])
    soundfile.write(tmp_path / "half.wav", half, RATE_HZ)
    rows = [{"path": f"{i}.wav", "word": "ab"[i % 2], "split": "train"} for i in range(6)]
    rows += [{"path": f"{name}.wav", "word": "b", "split": "val"} for name in ("copy", "clipped", "half", "gone")]
    manifest = make_manifest(tmp_path / "m.csv", rows)
    report = build(manifest, tmp_path / "out", skip_bad=True, picture=True)
    found = {
        (r["split"], r["quantity"], r["name"]): float(r["value"]) for r in rows_of(tmp_path / "out/statistics.csv")
    }
    assert found["train", "clips", ""] == 6
    assert found["train", "clips of word", "a"] == 3
    assert found["val", "clips of word", "b"] == 3
    assert found["train", "duration_s", "total"] == 3.0
    assert (found["val", "clipped clips", ""], found["train", "clipped clips", ""]) == (1, 0)
    assert (found["val", "partly silent clips", ""], found["train", "partly silent clips", ""]) == (1, 0)
    assert found["val", "clips with copies", ""] == found["train", "clips with copies", ""] == 1
    assert found["val", "left out", "missing"] == 1
    assert found["train", "clips shorter than an example", "2 s"] == 6
    assert not any(quantity == "clips from a lower rate" for _, quantity, _ in found)
    assert [(d.split, d.source) for d in report.duplicates] == [("train", "0.wav"), ("val", "copy.wav")]
    assert matplotlib.image.imread(tmp_path / "out" / "report.png").std() > 0.05
    picture = (tmp_path / "out" / "report.png").read_bytes()
    build(manifest, tmp_path / "again", skip_bad=True, picture=True)
    assert (tmp_path / "again" / "report.png").read_bytes() == picture
    arguments = ["build", str(manifest), str(tmp_path / "out"), "--one_label", "word", "--skip_bad", "true"]
    assert main([*arguments, "--sample_rate_hz", str(RATE_HZ), "--num_workers", "1"]) == 0
    out = capsys.readouterr().out
    assert f"left out: 1 clip, see {tmp_path / 'out' / 'report.csv'}\n" in out  # in one line
    assert f"{tmp_path / 'out'} (up to date, nothing was done)\n" in out
    shown = " ".join(out.split())
    assert "2 clips share 1 sound, 1 of them across splits" in shown
    assert "9 of 9 clips are shorter than 2 s, the default duration of an example: training adds silence" in shown


@pytest.mark.parametrize(("num_classes", "names"), [(2, ["a0", "a1"]), (30, None)])
def test_few_classes_are_named_in_the_picture(num_classes, names):
    label_set = LabelSet("one_label", tuple(f"a{number}" for number in range(num_classes)), null_label=None)
    panel = Figure().subplots()
    _draw_classes(panel, {"train": []}, "word", label_set)
    assert ([text.get_text() for text in panel.get_xticklabels()] == names) == (names is not None)
    assert bool(panel.get_xlabel()) == (names is None)
    assert panel.get_ylim()[0] == 0
    # Classes have no order: no line joins them.
    assert len(panel.patches) == (num_classes if names else 0)
    assert all(line.get_linestyle() == "None" for line in panel.lines)


def test_histograms_of_equal_clips_have_a_plain_axis():
    """Levels that differ by rounding filled the axis, whose ticks were 1e-7 apart."""
    edges = _bins({"train": [-20.0, -20.0000001], "val": []}, 2.0, lowest=-96.0)
    assert (edges[0], edges[-1]) == pytest.approx((-21, -19))
    assert _bins({"train": [0.3]}, 1.0, lowest=0.0)[0] == 0.0  # no negative durations
    np.testing.assert_allclose(_bins({"train": [1.0], "val": [5.0]}, 1.0, lowest=0.0)[[0, -1]], [1, 5])
    assert len(_bins({}, 1.0, lowest=0.0)) == 41


def test_long_names_leave_room_for_the_panel():
    label_set = LabelSet(
        "one_label", tuple(f"a class with a long name {number}" for number in range(3)), null_label=None
    )
    panel = Figure().subplots()
    _draw_classes(panel, {"train": []}, "environmental_sound_categories_of_the_corpus", label_set)
    assert len(panel.get_title()) <= 40
    assert max(len(text.get_text()) for text in panel.get_xticklabels()) <= 16


@pytest.mark.parametrize("num_workers", [1, 2])
def test_clips_from_files_of_lower_rates_are_counted_and_named(
    tmp_path, make_sound, make_manifest, capsys, num_workers
):
    for number, rate_hz in enumerate((RATE_HZ, RATE_HZ, 1000, 2000, 2000, 8000)):
        make_sound(tmp_path / f"{number}.wav", seed=number, sample_rate_hz=rate_hz, duration_s=2.0)
    rows = [{"path": f"{i}.wav", "word": "a", "split": ("train", "val")[i % 2]} for i in range(6)]
    arguments = ["build", str(make_manifest(tmp_path / "m.csv", rows)), str(tmp_path / "out"), "--one_label", "word"]
    arguments += ["--sample_rate_hz", str(RATE_HZ), "--num_workers", str(num_workers), "--clips_per_shard", "2"]
    expected = (
        "3 of 6 clips are from files of less than 4000 Hz (1000 Hz 1, 2000 Hz 2): they have nothing above half of"
    )
    for _ in range(2):  # the report says so again if there is nothing to do
        assert main(arguments) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert expected in shown
        assert "shorter than" not in shown
    assert main([*arguments, "--min_source_rate_hz", str(RATE_HZ), "--skip_bad", "true", "--overwrite", "true"]) == 0
    assert "from files of less" not in capsys.readouterr().out


def test_quality():
    x = np.array([0.0, 1.0, -1.0, 0.5], dtype=np.float32)
    quality = clip_quality(x, RATE_HZ)
    assert (quality.clipped_fraction, quality.zero_fraction) == (0.5, 0.25)
    assert quality.rms == pytest.approx(0.75)
    assert quality.content == clip_quality(x + 1e-7, 0).content != clip_quality(x / 2, 0).content


def test_clips_with_many_zeros_or_of_low_rate_are_bad_where_asked(tmp_path, make_sound, make_manifest):
    make_sound(tmp_path / "good.wav", seed=0)
    make_sound(tmp_path / "low.wav", seed=0, sample_rate_hz=RATE_HZ // 2)
    soundfile.write(tmp_path / "zeros.wav", np.r_[np.zeros(300), np.full(700, 0.1)], RATE_HZ)
    manifest = make_manifest(tmp_path / "m.csv", [{"path": f"{n}.wav", "word": "a"} for n in ("good", "low", "zeros")])
    assert len(build(manifest, tmp_path / "all").shard_sets["train"]) == 3
    report = build(manifest, tmp_path / "out", skip_bad=True, max_zero_fraction=0.1, min_source_rate_hz=RATE_HZ)
    assert [(p.path, p.kind) for p in report.problems] == [("low.wav", "wrong rate"), ("zeros.wav", "many zeros")]
    assert "30 % of its samples are zero" in report.problems[1].reason


@pytest.fixture
def speakers(tmp_path, make_sound, make_manifest):
    """Clips of 10 speakers, two files each, two clips per file."""
    rows = []
    for i in range(20):
        make_sound(tmp_path / f"{i}.wav", seed=i, duration_s=0.4)
        rows += [
            {"path": f"{i}.wav", "start_s": start_s, "end_s": start_s + 0.2, "word": "a", "person": f"p{i // 2}"}
            for start_s in (0.0, 0.2)
        ]
    make_manifest(tmp_path / "reversed.csv", rows[::-1])
    return make_manifest(tmp_path / "m.csv", rows)


@pytest.mark.parametrize(("by", "num_val"), [("person", 8), ("path", 8)])
def test_split_by_rule_keeps_groups_together(speakers, tmp_path, by, num_val):
    report = build(speakers, tmp_path / "out", split_rule=SplitRule(by, 0.2))
    sets = report.shard_sets
    assert (len(sets["train"]), len(sets["val"])) == (40 - num_val, num_val)
    files = {split: {shards.key(i).split("-")[0] for i in range(len(shards))} for split, shards in sets.items()}
    assert not files["train"] & files["val"]
    if by == "person":
        people = {split: {int(file) // 2 for file in found} for split, found in files.items()}
        assert not people["train"] & people["val"]
    build(speakers.with_name("reversed.csv"), tmp_path / "again", split_rule=SplitRule(by, 0.2))
    again, other = (
        ShardSet(tmp_path / "again" / "val"),
        build(speakers, tmp_path / "s", split_rule=SplitRule(by), seed=1),
    )
    assert [again.key(i) for i in range(num_val)] == [sets["val"].key(i) for i in range(num_val)]
    assert {other.shard_sets["val"].key(0)} != {sets["val"].key(0)}


def test_a_split_by_path_is_the_same_wherever_the_corpus_is(tmp_path, make_sound, make_manifest):
    splits = []
    for place in ("here", "a/b/there", "linked"):
        folder = tmp_path / place
        if place == "linked":
            folder.symlink_to(tmp_path / "here")
        else:
            for i in range(8):
                make_sound(folder / f"s{i % 2}" / f"{i}.wav", seed=i)
        rows = [{"path": str(folder / f"s{i % 2}" / f"{i}.wav"), "word": "a"} for i in range(8)]
        manifest = make_manifest(tmp_path / f"{folder.name}.csv", rows)
        report = build(manifest, tmp_path / f"{folder.name}.out", split_rule=SplitRule("path", 0.4), folder=folder)
        val = report.shard_sets["val"]
        splits.append({val.key(i).rpartition("-")[0][-1] for i in range(len(val))})
        # A table in the corpus, with paths relative to it, gives the same.
        for row in rows:
            row["path"] = str(Path(row["path"]).relative_to(folder))
        relative = build(
            make_manifest(folder / "m.csv", rows), tmp_path / "o", split_rule=SplitRule("path", 0.4), overwrite=True
        )
        val = relative.shard_sets["val"]
        splits.append({val.key(i).rpartition("-")[0][-1] for i in range(len(val))})
    assert len(splits[0]) == 3
    assert all(found == splits[0] for found in splits)


def test_split_rules_that_cannot_be_followed(speakers, corpus, tmp_path, make_manifest):
    with pytest.raises(ManifestError, match="no column 'voice'"):
        build(speakers, tmp_path / "out", split_rule=SplitRule("voice"))
    with pytest.raises(ManifestError, match=r"cannot split by 'word': all clips have the same value, \['a'\]"):
        build(speakers, tmp_path / "out", split_rule=SplitRule("word"))
    with pytest.raises(ManifestError, match="val_fraction must be above 0 and below 1, got 1"):
        SplitRule("path", 1)
    rows = [{"path": "0.wav", "word": "a", "person": ""}, {"path": "1.wav", "word": "a", "person": "p"}]
    with pytest.raises(ManifestError, match="row 1: no value in column 'person'"):
        build(make_manifest(tmp_path / "n.csv", rows), tmp_path / "out", split_rule=SplitRule("person"))


def corpus_with_bad_clips(folder, num_clips, make_manifest):
    """One clip in a hundred is bad, the kinds in turn."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows, bad = [], {}
    for i in range(num_clips):
        path, label = folder / f"{i}.wav", f"w{i % 5}"
        if i % 100 != 50:
            soundfile.write(path, 0.1 * rng.standard_normal(400), RATE_HZ)
        else:
            kind = ("broken", "empty", "too short", "wrong rate", "not finite", "mislabelled", "missing")[
                i // 100 % NUM_KINDS
            ]
            bad[path.name] = kind
            if kind == "broken":
                path.write_bytes(b"RIFF and nothing else")
            elif kind == "empty":
                soundfile.write(path, np.zeros(0), RATE_HZ)
            elif kind == "too short":
                soundfile.write(path, 0.1 * rng.standard_normal(20), RATE_HZ)
            elif kind == "wrong rate":
                soundfile.write(path, 0.1 * rng.standard_normal(400), [7, 44_101, 900_000][i // 100 // NUM_KINDS % 3])
            elif kind == "not finite":
                soundfile.write(path, np.r_[np.zeros(300), np.nan], RATE_HZ, subtype="FLOAT")
            elif kind == "mislabelled":
                soundfile.write(path, 0.1 * rng.standard_normal(400), RATE_HZ)
                label = ["", "<null>", "unlisted"][i // 100 // NUM_KINDS % 3]
        rows.append({"path": path.name, "word": label, "split": "val" if i % 10 == 3 else "train"})
    (folder / "words.txt").write_text("".join(f"w{i}\n" for i in range(5)))
    return make_manifest(folder / "m.csv", rows), bad


@pytest.mark.parametrize("num_clips", [700, pytest.param(5000, marks=pytest.mark.slow)])
def test_one_bad_clip_in_a_hundred(tmp_path, make_manifest, num_clips):
    manifest, bad = corpus_with_bad_clips(tmp_path / "c", num_clips, make_manifest)
    report = build(manifest, tmp_path / "out", skip_bad=True, label_lists={"word": tmp_path / "c" / "words.txt"})
    assert {problem.path: problem.kind for problem in report.problems} == bad
    assert len(report.problems) == num_clips // 100
    assert sum(map(len, report.shard_sets.values())) == num_clips - num_clips // 100
    assert {row["path"]: row["kind"] for row in rows_of(tmp_path / "out" / "report.csv")} == bad


def test_counts_have_whole_ticks_and_nothing_left_out_is_said(tmp_path, make_sound, make_manifest, monkeypatch):
    panels = []
    draw = FigureCanvasAgg.print_png
    monkeypatch.setattr(
        FigureCanvasAgg, "print_png", lambda self, *a, **k: (panels.extend(self.figure.axes), draw(self, *a, **k))
    )
    for i in range(3):
        make_sound(tmp_path / f"{i}.wav", seed=i, duration_s=0.5)
    manifest = make_manifest(tmp_path / "m.csv", [{"path": f"{i}.wav", "word": "ab"[i % 2]} for i in range(3)])
    build(manifest, tmp_path / "out", picture=True)
    durations, levels, left_out, classes, *_ = panels
    assert left_out.get_title() == "Left out: none"
    assert not left_out.axison
    for axis in (durations.yaxis, levels.yaxis, classes.xaxis, classes.yaxis):
        assert all(float(tick).is_integer() for tick in axis.get_ticklocs())
