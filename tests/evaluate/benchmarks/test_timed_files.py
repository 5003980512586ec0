"""Responses in time in files of xarray, MNE and NWB."""

import datetime
import sys

import numpy as np
import pytest
import soundfile

from evaluate.__main__ import main
from evaluate.benchmarks import load_benchmark
from evaluate.benchmarks.time_bins import TimeBins

NAMES = [f"sound{number}" for number in range(6)]
SHAPE = (6, 2, 3, 8)  # stimuli, units, repetitions, bins
RATE_HZ = 40.0


@pytest.fixture
def courses():
    return np.random.default_rng(0).standard_normal(SHAPE)


@pytest.fixture
def folder(tmp_path):
    """A folder with sounds alone."""
    (tmp_path / "stimuli").mkdir()
    generator = np.random.default_rng(1)
    for name in NAMES:
        soundfile.write(tmp_path / "stimuli" / f"{name}.wav", 0.1 * generator.standard_normal(800), 8000)
    return tmp_path


def converted(folder, file, *more):
    out = folder / "out"
    assert not main(["convert", str(folder / file), str(out), "--name", "mine", *more])
    return load_benchmark(out)


def assert_same(benchmark, courses, start_s=-0.0125):
    assert sorted(benchmark.stimulus_names) == NAMES
    order = [benchmark.stimulus_names.index(name) for name in NAMES]
    np.testing.assert_allclose(benchmark.time_courses[order], courses, atol=1e-6)
    assert benchmark.bins == TimeBins(SHAPE[3], RATE_HZ, start_s)


def test_netcdf(folder, courses):
    """Dimensions in any order, named; coordinates name stimuli, units, subjects and regions."""
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    pytest.importorskip("h5netcdf", reason="h5netcdf, with which xarray writes NetCDF, is not installed")
    array = xarray.DataArray(
        courses.transpose(3, 1, 0, 2),
        dims=("time", "unit", "stimulus", "repetition"),
        coords={
            "time": np.arange(SHAPE[3]) / RATE_HZ,
            "stimulus": NAMES,
            "unit": ["e1", "e2"],
            "region": ("unit", ["STG", "HG"]),
            "subject": ("unit", ["01", "02"]),
        },
    )
    array.to_dataset(name="gamma").to_netcdf(folder / "session.nc", engine="h5netcdf")
    benchmark = converted(folder, "session.nc")
    assert_same(benchmark, courses)
    assert list(benchmark.units["unit"]) == ["e1", "e2"]
    assert list(benchmark.units["subject"]) == ["01", "02"]
    assert benchmark.regions == ("STG", "HG")


def test_netcdf_with_other_axes_is_named(folder, courses, capsys):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    pytest.importorskip("h5netcdf", reason="h5netcdf, with which xarray writes NetCDF, is not installed")
    array = xarray.DataArray(courses[..., 0], dims=("stimulus", "unit", "day"), coords={"stimulus": NAMES})
    array.to_dataset(name="x").to_netcdf(folder / "session.nc", engine="h5netcdf")
    assert main(["convert", str(folder / "session.nc"), str(folder / "out"), "--name", "mine"]) == 2
    assert "expected the dimensions stimulus, unit and" in " ".join(capsys.readouterr().err.split())


def test_epochs(folder, courses):
    """Event names are stimuli; one of them has fewer repetitions."""
    mne = pytest.importorskip("mne", reason="mne is not installed")
    info = mne.create_info(["A1", "A2"], RATE_HZ, "ecog")
    trials = [(stimulus, repetition) for repetition in range(3) for stimulus in range(6)][:-1]
    data = np.stack([courses[stimulus, :, repetition] for stimulus, repetition in trials])
    events = np.array([[100 * number, 0, stimulus + 1] for number, (stimulus, _) in enumerate(trials)])
    event_id = {name: number + 1 for number, name in enumerate(NAMES)}
    epochs = mne.EpochsArray(data, info, events, tmin=-0.05, event_id=event_id, verbose="error")
    epochs.save(folder / "session-epo.fif", fmt="double", verbose="error")
    benchmark = converted(folder, "session-epo.fif")
    courses[5, :, 2] = np.nan
    assert_same(benchmark, courses, start_s=-0.0625)
    assert list(benchmark.units["unit"]) == ["A1", "A2"]


def test_averages(folder, courses):
    mne = pytest.importorskip("mne", reason="mne is not installed")
    info = mne.create_info(["A1", "A2"], RATE_HZ, "eeg")
    evoked = [
        mne.EvokedArray(course.mean(axis=1), info, tmin=0, comment=name, verbose="error")
        for name, course in zip(NAMES, courses, strict=True)
    ]
    mne.write_evokeds(folder / "session-ave.fif", evoked, verbose="error")
    benchmark = converted(folder, "session-ave.fif", "--start_s", "0")
    assert_same(benchmark, courses.mean(axis=2, keepdims=True), start_s=0.0)
    assert not benchmark.noise_corrected


def test_nwb(folder, courses):
    """A continuous series, cut by the table of trials."""
    pynwb = pytest.importorskip("pynwb", reason="pynwb is not installed")
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    session = pynwb.NWBFile(session_description="s", identifier="i", session_start_time=start)
    session.subject = pynwb.file.Subject(subject_id="P7", species="Homo sapiens")
    session.add_trial_column("stimulus", "name of the sound")
    series = np.zeros((1000, 2))
    for number, (repetition, stimulus) in enumerate(np.ndindex(3, 6)):
        first = 20 + 10 * number
        series[first : first + SHAPE[3]] = courses[stimulus, :, repetition].T
        stop_s = (first + SHAPE[3]) / RATE_HZ
        session.add_trial(start_time=first / RATE_HZ, stop_time=stop_s, stimulus=NAMES[stimulus])
    session.add_acquisition(pynwb.TimeSeries(name="gamma", data=series, unit="z", rate=RATE_HZ, starting_time=0.0))
    with pynwb.NWBHDF5IO(str(folder / "session.nwb"), "w") as file:
        file.write(session)
    benchmark = converted(folder, "session.nwb")
    assert_same(benchmark, courses)
    assert set(benchmark.units["subject"]) == {"P7"}


@pytest.mark.parametrize(("suffix", "package"), [(".nc", "xarray"), (".fif", "mne"), (".nwb", "pynwb")])
def test_a_missing_package_is_named(folder, suffix, package, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    (folder / f"session{suffix}").write_bytes(b"?")
    assert main(["convert", str(folder / f"session{suffix}"), str(folder / "out"), "--name", "mine"]) == 2
    assert f"need the package {package}: pip install {package}" in " ".join(capsys.readouterr().err.split())


def test_a_damaged_file_is_named(folder, capsys):
    pytest.importorskip("xarray", reason="xarray is not installed")
    (folder / "session.nc").write_bytes(b"no NetCDF")
    assert main(["convert", str(folder / "session.nc"), str(folder / "out"), "--name", "mine"]) == 2
    assert "session.nc cannot be read by xarray" in " ".join(capsys.readouterr().err.split())
