"""Responses in time in files that say what their axes are: NetCDF (xarray), MNE (.fif) and NWB.

Each needs its package: xarray, mne or pynwb. Samples are the centres of time bins: of samples at 0, 0.04, ... s, the
first bin is from -0.02 to 0.02 s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evaluate.benchmarks.benchmark import NO_REGION
from evaluate.benchmarks.problems import BenchmarkError, shorten
from evaluate.benchmarks.recordings.array_tables import RESPONSES

if TYPE_CHECKING:
    import pandas as pd

_UNEVEN = 1e-3
"""Deviation of steps between samples, relative to their mean, that is not rounding."""
_DEFAULT_SUBJECT = "subject1"
_NETCDF_AXES = {
    "stimulus": ("stimulus", "stimuli", "presentation"),
    "unit": ("unit", "neuroid", "channel", "electrode", "sensor", "voxel"),
    "repetition": ("repetition", "trial"),
    "time": ("time", "time_bin"),
}


class TimedResponses(NamedTuple):
    """Responses and what their file says about them."""

    responses: np.ndarray  # (S, V, R, T), or (S, V, R) without time; NaN for missing repetitions
    stimuli: pd.DataFrame  # column name, and category if there is one
    units: pd.DataFrame  # columns unit, subject, region
    rate_hz: float | None
    start_s: float


def read_timed(path: Path, variables: Mapping[str, str]) -> TimedResponses:
    """Read a file by its suffix, see `READERS`.

    Args:
        path: The file.
        variables: Name of the array of responses by "responses", if it has several.

    Returns:
        The responses, with stimuli and units.

    Raises:
        BenchmarkError: The file is missing or damaged, its axes are not known, or its package is not installed.
    """
    if not path.is_file():
        raise BenchmarkError(f"{path} does not exist")
    read, package = READERS[path.suffix.lower()]
    try:
        return read(path, variables.get(RESPONSES))
    except ImportError as error:
        raise BenchmarkError(
            f"{path}: files with the suffix {path.suffix} need the package {package}: pip install {package} ({error})"
        ) from error
    except BenchmarkError:
        raise
    except Exception as error:  # the packages raise errors of many types for damaged files
        raise BenchmarkError(f"{path} cannot be read by {package}: {type(error).__name__}: {error}") from error


def _read_netcdf(path: Path, variable: str | None) -> TimedResponses:
    """Read a DataArray or Dataset with named dimensions; coordinates name stimuli, units, subjects and regions."""
    import pandas as pd
    import xarray

    with xarray.open_dataset(path) as dataset:
        names = [str(name) for name, each in dataset.data_vars.items() if each.ndim >= 2]
        wanted = variable or (RESPONSES if RESPONSES in names or len(names) != 1 else names[0])
        if wanted not in names:
            raise BenchmarkError(
                f"{path} lacks the variable {wanted!r}; it has {shorten(names, 10)}: name one with --variable"
            )
        array = dataset[wanted].load()
    dims = [str(dim) for dim in array.dims]
    axes = {axis: next((dim for dim in options if dim in dims), None) for axis, options in _NETCDF_AXES.items()}
    unknown = [dim for dim in dims if dim not in axes.values()]
    if unknown or axes["stimulus"] is None or axes["unit"] is None:
        raise BenchmarkError(
            f"{path}: expected the dimensions stimulus, unit and, if there are any, repetition and time, got "
            f"{shorten(dims, 10)}"
        )
    order = [dim for dim in axes.values() if dim is not None]
    values = array.transpose(*order).to_numpy().astype(np.float64)
    if axes["repetition"] is None:
        values = np.expand_dims(values, 2)

    def column(dim: str, *options: str) -> list[str] | None:
        found = next((name for name in options if name in array.coords and array.coords[name].dims == (dim,)), None)
        return None if found is None else [str(value) for value in array.coords[found].to_numpy()]

    stimulus, unit = str(axes["stimulus"]), str(axes["unit"])
    names = column(stimulus, "name", "stimulus_name", "stimulus_id", stimulus) or []
    if not names:
        raise BenchmarkError(f"{path}: the dimension {stimulus!r} needs a coordinate with the names of the stimuli")
    stimuli = pd.DataFrame({"name": names})
    if (categories := column(stimulus, "category", "stimulus_category")) is not None:
        stimuli["category"] = categories
    num_units = values.shape[1]
    units = _units(
        column(unit, "unit", "unit_id", "neuroid_id", unit) or [f"u{number}" for number in range(num_units)],
        column(unit, "subject", "subject_id"),
        column(unit, "region"),
    )
    if axes["time"] is None:
        return TimedResponses(values, stimuli, units, None, 0.0)
    time = array.coords.get(axes["time"])
    if time is None:
        raise BenchmarkError(f"{path}: the dimension {axes['time']!r} needs a coordinate with the times in seconds")
    return TimedResponses(values, stimuli, units, *_bins_of(time.to_numpy(), path))


def _read_mne(path: Path, _variable: str | None) -> TimedResponses:
    """Read epochs, whose event names are those of the stimuli, or averages with the stimulus as comment."""
    import mne

    with mne.utils.use_log_level("ERROR"):
        if path.name.endswith(("-ave.fif", "_ave.fif")):
            evoked = mne.read_evokeds(path)
            info, times = evoked[0].info, evoked[0].times
            trials = [(str(each.comment), each.data[None]) for each in evoked]
            channels = evoked[0].ch_names
        else:
            epochs = mne.read_epochs(path).pick("data")
            info, times, channels = epochs.info, epochs.times, epochs.ch_names
            trials = [(name, epochs[name].get_data()) for name in epochs.event_id if len(epochs[name])]
    subject = (info.get("subject_info") or {}).get("his_id")
    return _of_trials(trials, channels, times, path, subject=subject)


def _read_nwb(path: Path, variable: str | None) -> TimedResponses:
    """Cut a continuous series by the table of trials, whose column `stimulus` names what was heard."""
    import pynwb

    with pynwb.NWBHDF5IO(str(path), "r") as file:
        session = file.read()
        series = {
            each.name: each
            for each in session.objects.values()
            if isinstance(each, pynwb.TimeSeries) and np.ndim(each.data) == 2
        }
        wanted = variable or (RESPONSES if RESPONSES in series or len(series) != 1 else next(iter(series)))
        if wanted not in series:
            raise BenchmarkError(
                f"{path} lacks the series {wanted!r} (times, channels); it has {shorten(list(series), 10)}: name one "
                "with --variable"
            )
        if session.trials is None or "stimulus" not in session.trials.colnames:
            raise BenchmarkError(f"{path} needs a table of trials with the column 'stimulus'")
        chosen = series[wanted]
        data, rate_hz, first_s = np.asarray(chosen.data, dtype=np.float64), chosen.rate, chosen.starting_time
        if rate_hz is None:
            stamps = np.asarray(chosen.timestamps)
            rate_hz, _ = _bins_of(stamps, path)
            first_s = float(stamps[0])
        rows = session.trials.to_dataframe()
        subject = None if session.subject is None else session.subject.subject_id
        electrodes = getattr(chosen, "electrodes", None)
        table = None if electrodes is None else electrodes.to_dataframe()
    starts = np.round((rows["start_time"].to_numpy() - (first_s or 0.0)) * rate_hz).astype(int)
    num_bins = int(np.floor((rows["stop_time"] - rows["start_time"]).min() * rate_hz + 1e-6))
    if num_bins < 1 or starts.min() < 0 or starts.max() + num_bins > len(data):
        raise BenchmarkError(f"{path}: trials are outside the series {wanted!r}, or shorter than its samples")
    cut: dict[str, list[np.ndarray]] = {}
    for name, start in zip(rows["stimulus"].astype(str), starts, strict=True):
        cut.setdefault(name, []).append(data[start : start + num_bins].T)
    channels = [str(number) for number in range(data.shape[1])]
    regions = None
    if table is not None:
        channels = [str(index) for index in table.index]
        regions = [str(each) for each in table["location"]] if "location" in table else None
    trials = [(name, np.stack(each)) for name, each in cut.items()]
    times = np.arange(num_bins) / rate_hz
    return _of_trials(trials, channels, times, path, subject=subject, regions=regions)


def _of_trials(
    trials: Sequence[tuple[str, np.ndarray]],
    channels: Sequence[str],
    times: np.ndarray,
    path: Path,
    *,
    subject: str | None,
    regions: Sequence[str] | None = None,
) -> TimedResponses:
    """Arrange trials (repetitions, V, T) of each stimulus; stimuli with fewer repetitions have NaN at the end."""
    import pandas as pd

    if not trials:
        raise BenchmarkError(f"{path} has no trials")
    most = max(len(values) for _, values in trials)
    responses = np.full((len(trials), len(channels), most, len(times)), np.nan)
    for number, (_, values) in enumerate(trials):
        responses[number, :, : len(values)] = values.transpose(1, 0, 2)
    stimuli = pd.DataFrame({"name": [name for name, _ in trials]})
    subjects = None if subject is None else [subject] * len(channels)
    return TimedResponses(responses, stimuli, _units(channels, subjects, regions), *_bins_of(times, path))


def _units(names: Sequence[str], subjects: Sequence[str] | None, regions: Sequence[str] | None) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "unit": list(names),
            "subject": list(subjects or [_DEFAULT_SUBJECT] * len(names)),
            "region": [region or NO_REGION for region in regions or [NO_REGION] * len(names)],
        },
        dtype=str,
    )


def _bins_of(times_s: np.ndarray, path: Path) -> tuple[float, float]:
    """Rate and start of the bins whose centres are samples at these times."""
    times_s = np.asarray(times_s, dtype=np.float64)
    steps = np.diff(times_s)
    if len(steps) == 0 or steps.min() <= 0 or np.ptp(steps) > _UNEVEN * steps.mean():
        raise BenchmarkError(f"{path}: expected two times or more, in seconds, at even distances")
    rate_hz = float(1 / steps.mean())
    rate_hz = round(rate_hz, 6)
    return rate_hz, round(float(times_s[0] - 0.5 / rate_hz), 9)


_Reader = Callable[[Path, "str | None"], TimedResponses]

READERS: dict[str, tuple[_Reader, str]] = {
    ".nc": (_read_netcdf, "xarray"),
    ".fif": (_read_mne, "mne"),
    ".nwb": (_read_nwb, "pynwb"),
}
"""Reader and package of each suffix."""
