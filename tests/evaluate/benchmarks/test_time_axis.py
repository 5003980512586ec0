"""Responses in time: bins, benchmarks, own recordings in every format, and what `check` shows."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.io
import soundfile

from evaluate.__main__ import main
from evaluate.benchmarks import BenchmarkError, load_benchmark
from evaluate.benchmarks.recordings.recordings import compact_repetitions
from evaluate.benchmarks.recordings.writer import write_recordings
from evaluate.benchmarks.time_bins import TimeBins

NUM_SOUNDS, NUM_UNITS, NUM_REPETITIONS, NUM_BINS = 6, 2, 3, 5
SHAPE = (NUM_SOUNDS, NUM_UNITS, NUM_REPETITIONS, NUM_BINS)


@pytest.fixture
def courses():
    generator = np.random.default_rng(0)
    drive = generator.standard_normal((NUM_SOUNDS, NUM_UNITS, 1, NUM_BINS))
    return drive + 0.3 * generator.standard_normal(SHAPE)


@pytest.fixture
def folder(tmp_path, courses):
    """A folder of a user with 40 Hz responses that begin 50 ms before the sounds."""
    folder = tmp_path / "ecog"
    (folder / "stimuli").mkdir(parents=True)
    names = [f"sound{i}" for i in range(NUM_SOUNDS)]
    generator = np.random.default_rng(1)
    for name in names:
        soundfile.write(folder / "stimuli" / f"{name}.wav", 0.1 * generator.standard_normal(800), 8000)
    (folder / "benchmark.json").write_text(json.dumps({"name": "ecog", "rate_hz": 40, "start_s": -0.05}))
    pd.DataFrame({"name": names}).to_csv(folder / "stimuli.csv", index=False)
    units = {"unit": ["e1", "e2"], "subject": ["1", "1"], "region": ["STG", "HG"]}
    pd.DataFrame(units).to_csv(folder / "units.csv", index=False)
    np.save(folder / "responses.npy", courses)
    return folder


def test_weights_of_frames_in_bins():
    bins = TimeBins(4, 2.0, -0.5)
    np.testing.assert_allclose(bins.edges_s, [-0.5, 0.0, 0.5, 1.0, 1.5])
    expected = [[0, 0, 0], [2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3], [0, 0, 0]]
    np.testing.assert_allclose(bins.weights(3, 1.0), expected, atol=1e-12)
    assert str(bins) == "4 bins at 2 Hz, from -0.5 to 1.5 s"


def test_a_folder_with_a_rate_has_time(folder, courses):
    benchmark = load_benchmark(folder)
    np.testing.assert_array_equal(benchmark.time_courses, courses)
    np.testing.assert_allclose(benchmark.responses, courses.mean(axis=3))
    assert benchmark.bins == TimeBins(NUM_BINS, 40.0, -0.05)
    assert benchmark.noise_corrected
    later = replace(benchmark, start_s=0.0)
    assert later.content_hash() != benchmark.content_hash()


def test_one_repetition_without_its_axis(folder, courses):
    np.save(folder / "responses.npy", courses[:, :, 0])
    benchmark = load_benchmark(folder)
    np.testing.assert_array_equal(benchmark.time_courses, courses[:, :, :1])
    assert not benchmark.noise_corrected


@pytest.mark.parametrize("target", ["copy", "copy.zip"])
def test_written_and_read_again(folder, tmp_path, target):
    benchmark = load_benchmark(folder)
    again = load_benchmark(write_recordings(benchmark, tmp_path / target))
    assert again.content_hash() == benchmark.content_hash()
    assert again.bins == benchmark.bins


def test_a_repetition_without_some_bins_is_missing(folder, courses):
    courses[2, 1, 0, 3] = np.nan
    np.save(folder / "responses.npy", courses)
    benchmark = load_benchmark(folder)
    assert np.isnan(benchmark.time_courses[2, 1, 2, 3])  # moved behind the complete ones
    assert np.isnan(benchmark.responses[2, 1]).tolist() == [False, False, True]
    compacted = compact_repetitions(courses)
    np.testing.assert_array_equal(compacted[2, 1], courses[2, 1, [1, 2, 0]])
    courses[2, 1, :, 3] = np.nan
    np.save(folder / "responses.npy", courses)
    with pytest.raises(BenchmarkError, match="without any response"):
        load_benchmark(folder)


@pytest.mark.parametrize("suffix", ["npy", "npz", "mat", "csv"])
def test_separate_parts_of_every_format(folder, tmp_path, courses, suffix):
    (folder / "benchmark.json").unlink()
    (folder / "responses.npy").unlink()
    path = folder / f"responses.{suffix}"
    if suffix == "npy":
        np.save(path, courses)
    elif suffix == "npz":
        np.savez(path, responses=courses)
    elif suffix == "mat":
        scipy.io.savemat(path, {"responses": courses})
    else:
        index = pd.MultiIndex.from_product([range(size) for size in SHAPE], names=["s", "v", "repetition", "bin"])
        rows = pd.DataFrame({"response": courses.ravel()}, index=index).reset_index()
        rows["stimulus"], rows["subject"] = "sound" + rows["s"].astype(str), "1"
        rows["unit"] = "e" + (rows["v"] + 1).astype(str)
        rows.drop(columns=["s", "v"]).sample(frac=1, random_state=0).to_csv(path, index=False)
    out = tmp_path / "out"
    options = ["--name", "ecog", "--rate_hz", "40", "--start_s", "-0.05"]
    assert not main(["convert", str(folder), str(out), *options])
    benchmark = load_benchmark(out)
    assert benchmark.bins == TimeBins(NUM_BINS, 40.0, -0.05)
    found = benchmark.time_courses
    if suffix == "csv":  # rows are in any order, and repetitions in that of their first rows
        found = found[:, :, np.argsort(pd.read_csv(path)["repetition"].unique().argsort())]
    np.testing.assert_allclose(found, courses)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate_hz": None}, "with rate_hz in the metadata, the last axis is time"),
        ({"rate_hz": "fast"}, "rate_hz must be a number, got 'fast'"),
        ({"rate_hz": -40}, "rate_hz must be a positive number of bins per second, got -40"),
        ({"start_s": True}, "start_s must be a number, got True"),
    ],
)
def test_impossible_metadata_is_named(folder, change, message):
    (folder / "benchmark.json").write_text(json.dumps({"name": "ecog", "rate_hz": 40, **change}))
    with pytest.raises(BenchmarkError, match=message):
        load_benchmark(folder)


def test_rate_and_time_go_together(folder, make_benchmark):
    with pytest.raises(BenchmarkError, match="rate_hz is 40, but the responses have no time"):
        make_benchmark(rate_hz=40.0)
    with pytest.raises(BenchmarkError, match="need their rate: give rate_hz"):
        replace(load_benchmark(folder), rate_hz=None)
    with pytest.raises(BenchmarkError, match="has responses without time"):
        _ = make_benchmark().bins
    benchmark = load_benchmark(folder)
    with pytest.raises(BenchmarkError, match="give responses with four axes"):
        replace(benchmark, responses=benchmark.responses[:, :, :2])


def test_rows_need_bins_and_a_rate(folder, tmp_path, capsys):
    (folder / "benchmark.json").unlink()
    (folder / "responses.npy").unlink()
    rows = pd.DataFrame({"stimulus": ["sound0"], "subject": "1", "unit": "e1", "response": 1.0})
    rows.to_csv(folder / "responses.csv", index=False)
    command = ["convert", str(folder), str(tmp_path / "out"), "--name", "ecog"]
    assert main([*command, "--rate_hz", "40"]) == 2
    assert "need the column 'bin'" in capsys.readouterr().err
    rows.assign(bin=0).to_csv(folder / "responses.csv", index=False)
    assert main(command) == 2
    assert "give --rate_hz" in capsys.readouterr().err
    rows.assign(bin=0.5).to_csv(folder / "responses.csv", index=False)
    assert main([*command, "--rate_hz", "40"]) == 2
    assert "in whole numbers" in capsys.readouterr().err


def test_check_shows_rate_duration_and_reliability_in_time(folder, capsys):
    assert not main(["check", str(folder)])
    shown = capsys.readouterr().out
    assert "time: 5 bins at 40 Hz, from -0.05 to 0.075 s" in shown
    assert "3 repetitions" in shown
    assert "reliability of one repetition over stimuli and time (r; quantiles over 2 units)" in shown
    assert "in single bins (r over stimuli; median over units): -0.0375 s: 0." in shown


@pytest.mark.parametrize("has_time", [True, False])
def test_check_says_how_long_sounds_are_heard(folder, capsys, has_time):
    soundfile.write(folder / "stimuli" / "sound3.wav", 0.1 * np.sin(np.arange(3 * 8000)), 8000)
    if not has_time:
        np.save(folder / "responses.npy", np.load(folder / "responses.npy").mean(axis=3))
        (folder / "benchmark.json").write_text(json.dumps({"name": "ecog"}))
    assert not main(["check", str(folder)])
    shown = " ".join(capsys.readouterr().out.split())
    assert "1 sound is longer than 2 s" in shown
    assert ("only their beginning (for the metric temporal, all of them in overlapping windows): " in shown) == has_time


def test_convert_shows_the_bins(folder, tmp_path, capsys):
    assert not main(["convert", str(folder), str(tmp_path / "ecog.zip")])
    assert "3 repetitions, 5 bins at 40 Hz, from -0.05 to 0.075 s" in " ".join(capsys.readouterr().out.split())
