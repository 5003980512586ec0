"""A benchmark is a value: stimuli, the responses to them, and a table of the units that responded.

It does not depend on the origin of the data or on how they are scored. NH2015, the components, a simulated cortex and a
user's own recordings are all built by small functions that return a `Benchmark`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from datamodules.audio import AudioError
from evaluate.array_shapes import show_shapes
from evaluate.benchmarks.problems import BenchmarkError, Problems, shorten
from evaluate.benchmarks.time_bins import TimeBins
from networks.commands.program import program
from networks.text.wording import counted
from networks.user_code import user_code

if TYPE_CHECKING:
    import pandas as pd

    from evaluate.benchmarks.behaviour.trials import Trials


ALL = "all"
"""Name for "over all subjects" or "over all regions" in score tables."""

NO_REGION = "Unlabelled"
"""Region of units in no region of interest (voxels outside the parcels used, or in two of them)."""

UNIT_COLUMNS = ("unit", "subject", "region")
"""Columns in the unit table of every benchmark; it may have more (hemisphere, coordinates, ...)."""

UnitKind = Literal["voxel", "component"]
WaveformSource = Callable[[int, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Stimuli, measured responses and their units.

    Letters in shapes: S stimuli, V units (voxels, electrodes, components), R repetitions, T samples.

    Attributes:
        name: Short name, used in score tables and logger keys (no `/`).
        version: Changes with the data. It is part of the content hash, so that results kept on disk are not used for
            other data.
        stimulus_names: S unique names, in the order of all arrays.
        waveforms: Called as `waveforms(sample_rate_hz, num_samples)`; returns the sounds as (S, T) float32. Use
            `stimuli`, which also checks the result.
        responses: (S, V, R) responses; R is 1 without repetitions. NaN is a missing repetition, allowed for voxels with
            at least one repetition of every stimulus; see `num_missing`. Responses in time are given as (S, V, R, T),
            with `rate_hz`: they become `time_courses`, and `responses` is their mean over the T bins.
        units: V rows with at least the columns `unit`, `subject`, `region`.
        categories: S category names, or None if stimuli have no categories.
        noise_corrected: Whether scores are corrected for the noise of the responses; needs R >= 2.
        citation: The paper to cite when scores on these data are shown.
        unit_kind: Scores of "voxel" units are summarised by medians within a subject and clipped to 1. Each "component"
            unit is reported separately, without clipping, as in Tuckute, Feather et al. 2023.
        unit_name: What one unit is called, such as "neuron" or "channel"; see `unit_word`.
        rate_hz: Time bins per second; None for responses without time.
        start_s: Start of the first bin in seconds from the onset of the sound; may be negative.
        time_courses: (S, V, R, T) responses in time; None without time.
        participant_ceiling: Whether scores are also shown as a share of what the other participants' responses explain;
            for units of two subjects or more that are no components, see `evaluate.metrics.between_participants`.
        trials: What listeners were asked, for benchmarks of behaviour: networks answer with a head, and only metrics of
            heads apply. See `evaluate.benchmarks.behaviour.listeners.make_listeners`.

    Raises:
        BenchmarkError: Shapes do not match, names are not unique, values are infinite, or NaN is not allowed; the
            message names the stimulus and the unit.
    """

    name: str
    version: str
    stimulus_names: tuple[str, ...]
    waveforms: WaveformSource
    responses: np.ndarray
    units: pd.DataFrame
    categories: tuple[str, ...] | None = None
    noise_corrected: bool = False
    citation: str = ""
    unit_kind: UnitKind = "voxel"
    rate_hz: float | None = None
    start_s: float = 0.0
    time_courses: np.ndarray | None = None
    participant_ceiling: bool = False
    trials: Trials | None = None
    unit_name: str = ""

    __repr__ = show_shapes

    def __post_init__(self) -> None:
        """Convert the fields to their types, then check that they match; all faults are reported together."""
        object.__setattr__(self, "stimulus_names", tuple(str(name) for name in self.stimulus_names))
        object.__setattr__(self, "units", self.units.reset_index(drop=True))
        if self.categories is not None:
            object.__setattr__(self, "categories", tuple(str(name) for name in self.categories))
        object.__setattr__(self, "responses", _as_float64(self.responses, f"benchmark {self.name!r}"))
        if self.responses.ndim == 4:
            object.__setattr__(self, "time_courses", self.responses)
            # A repetition without some of its bins has no mean: it counts as missing.
            object.__setattr__(self, "responses", self.responses.mean(axis=3))
        problems = Problems()
        checks = (self._check_name, self._check_stimuli, self._check_units, self._check_responses, self._check_time)
        for check in (*checks, self._check_ceiling, self._check_trials):
            problems.attempt(check)
        problems.raise_any()

    @property
    def num_stimuli(self) -> int:
        """Number of stimuli, S."""
        return len(self.stimulus_names)

    @property
    def num_units(self) -> int:
        """Number of units, V."""
        return len(self.units)

    @property
    def num_repetitions(self) -> int:
        """Number of repetitions, R."""
        return self.responses.shape[2]

    @property
    def bins(self) -> TimeBins:
        """Time bins of the responses.

        Raises:
            BenchmarkError: They have none.
        """
        if self.time_courses is None or self.rate_hz is None:
            raise BenchmarkError(f"benchmark {self.name!r} has responses without time")
        return TimeBins(self.time_courses.shape[3], self.rate_hz, self.start_s)

    @cached_property
    def num_missing(self) -> int:
        """Number of missing responses (NaN), over all stimuli, units and repetitions."""
        return int(np.isnan(self.responses).sum())

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subjects in the order of their first unit."""
        return tuple(dict.fromkeys(self.units["subject"]))

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions in the order of their first unit."""
        return tuple(dict.fromkeys(self.units["region"]))

    def stimuli(self, sample_rate_hz: int, num_samples: int) -> np.ndarray:
        """Return the sounds for a network, after checking them.

        Args:
            sample_rate_hz: Sample rate of the network's input in Hz.
            num_samples: Length T of the network's input.

        Returns:
            (S, T) float32.

        Raises:
            BenchmarkError: `waveforms` raises an error or returns another shape or type, or a sound is not finite; the
                message says where, or names the sound.
            AudioError: A sound file cannot be read.
        """
        call = f"benchmark {self.name!r}: waveforms({sample_rate_hz}, {num_samples})"
        with user_code(call, raises=BenchmarkError, passes=(BenchmarkError, AudioError)):
            waveforms = self.waveforms(sample_rate_hz, num_samples)
        expected = (self.num_stimuli, num_samples)
        if not isinstance(waveforms, np.ndarray) or waveforms.shape != expected or waveforms.dtype != np.float32:
            is_array = isinstance(waveforms, np.ndarray)
            found = f"{waveforms.shape} {waveforms.dtype}" if is_array else f"a {type(waveforms).__name__}"
            raise BenchmarkError(f"{call} returned {found}, expected {expected} float32")
        broken = np.flatnonzero(~np.isfinite(waveforms).all(axis=1))
        if broken.size:
            raise BenchmarkError(
                f"benchmark {self.name!r}: samples that are not finite in the sound of "
                f"{shorten([self.stimulus_names[i] for i in broken])}"
            )
        return waveforms

    def stimuli_fingerprint(self, sample_rate_hz: int, num_samples: int) -> str:
        """Hash the sounds as a network hears them, for the keys of cached activations.

        Args:
            sample_rate_hz: Sample rate of the network's input in Hz.
            num_samples: Length T of the network's input.

        Returns:
            64 hexadecimal digits (SHA-256 over names, sample rate and samples).
        """
        digest = hashlib.sha256(_encode_names(self.stimulus_names))
        digest.update(f"{sample_rate_hz}".encode())
        _update_with_array(digest, self.stimuli(sample_rate_hz, num_samples))
        return digest.hexdigest()

    @cached_property
    def _content_hash(self) -> str:
        digest = hashlib.sha256(_encode_names((self.name, self.version, self.unit_kind)))
        digest.update(_encode_names(self.stimulus_names))
        digest.update(_encode_names(self.categories or ()))
        digest.update(str(self.noise_corrected).encode())
        digest.update(self.units.to_csv(index=False).encode())
        _update_with_array(digest, self.responses)
        if self.time_courses is not None:
            digest.update(f"{self.rate_hz} {self.start_s}".encode())
            _update_with_array(digest, self.time_courses)
        if self.trials is not None:
            digest.update(_encode_names((self.trials.task, *self.trials.labels, *self.trials.conditions)))
            digest.update(self.trials.humans.to_csv(index=False).encode())
        return digest.hexdigest()

    def content_hash(self) -> str:
        """Hash all that scores depend on except the samples of the sounds; 64 hexadecimal digits (SHA-256)."""
        return self._content_hash

    @property
    def unit_word(self) -> str:
        """Word for one unit in texts: `unit_name` or, without one, "component" or "unit"."""
        return self.unit_name or ("component" if self.unit_kind == "component" else "unit")

    def _check_name(self) -> None:
        if not self.name or "/" in self.name:
            raise BenchmarkError(f"expected a benchmark name that is not empty and has no '/', got {self.name!r}")
        if self.unit_kind not in ("voxel", "component"):
            raise BenchmarkError(
                f"benchmark {self.name!r}: unit_kind must be 'voxel' or 'component', got {self.unit_kind!r}"
            )

    def _check_stimuli(self) -> None:
        if not self.stimulus_names:
            raise BenchmarkError(f"benchmark {self.name!r} has no stimuli")
        _check_unique(self.stimulus_names, f"benchmark {self.name!r}: stimulus names")
        if self.categories is not None and len(self.categories) != self.num_stimuli:
            raise BenchmarkError(
                f"benchmark {self.name!r}: {counted(len(self.categories), 'category')} for "
                f"{counted(self.num_stimuli, 'stimulus')}"
            )
        empty = [row for row, name in enumerate(self.categories or (), start=1) if not name.strip()]
        if empty:
            raise BenchmarkError(
                f"benchmark {self.name!r}: {len(empty)} stimuli have no category, first in row {empty[0]}; give each "
                "stimulus one, or none of them"
            )

    def _check_units(self) -> None:
        missing = [column for column in UNIT_COLUMNS if column not in self.units.columns]
        if missing:
            raise BenchmarkError(
                f"benchmark {self.name!r}: the unit table lacks the column {shorten(missing)}; "
                f"it has {shorten(list(self.units.columns), 10)}"
            )
        for column in UNIT_COLUMNS:
            empty = np.flatnonzero(self.units[column].isna() | (self.units[column].astype(str) == ""))
            if empty.size:
                raise BenchmarkError(
                    f"benchmark {self.name!r}: the unit table's column {column!r} is empty in {empty.size} "
                    f"rows, first in row {empty[0]}"
                )
        object.__setattr__(self, "units", self.units.astype(dict.fromkeys(UNIT_COLUMNS, str)))
        pairs = [f"{row.subject}: {row.unit}" for row in self.units[list(UNIT_COLUMNS)].itertuples()]
        _check_unique(pairs, f"benchmark {self.name!r}: units of a subject")
        if ALL in self.subjects and len(self.subjects) > 1:
            raise BenchmarkError(
                f"benchmark {self.name!r}: subject {ALL!r} stands for all subjects together; it cannot be "
                "one of several: rename it"
            )
        if ALL in self.regions:
            raise BenchmarkError(f"benchmark {self.name!r}: region {ALL!r} stands for all regions together; rename it")

    def _check_responses(self) -> None:
        shape = self.responses.shape
        if len(shape) != 3 or shape[:2] != (self.num_stimuli, self.num_units) or 0 in shape:
            raise BenchmarkError(
                f"benchmark {self.name!r}: responses have shape {shape}, expected (stimuli, units, "
                f"repetitions) = ({self.num_stimuli}, {self.num_units}, at least 1)"
            )
        may_miss = self.unit_kind == "voxel"
        broken = np.argwhere(np.isinf(self.responses) if may_miss else ~np.isfinite(self.responses))
        if len(broken):
            stimulus, unit, repetition = broken[0]
            raise BenchmarkError(
                f"benchmark {self.name!r}: {counted(len(broken), 'response', 'is')} not finite; the first is that of "
                f"{self._pair(stimulus, unit)}, repetition {repetition}"
            )
        empty = incomplete_units(self.responses)
        if empty.any():
            unit = int(np.flatnonzero(empty)[0])
            stimulus = int(np.flatnonzero(np.isnan(self.responses[:, unit]).all(axis=1))[0])
            raise BenchmarkError(
                f"benchmark {self.name!r}: {int(empty.sum())} of {self.num_units} units have stimuli without any "
                f"response; the first is that of {self._pair(stimulus, unit)}. Leave the units out "
                f"(`{program('evaluate', 'convert')} --drop_incomplete` does), or the stimuli"
            )
        if self.noise_corrected and self.num_repetitions < 2:
            raise BenchmarkError(
                f"benchmark {self.name!r}: noise correction needs at least 2 repetitions, got "
                f"{self.num_repetitions}; set noise_corrected=False to score raw R^2"
            )

    def _check_time(self) -> None:
        if self.time_courses is None:
            if self.rate_hz is not None:
                raise BenchmarkError(
                    f"benchmark {self.name!r}: rate_hz is {self.rate_hz:g}, but the responses have no time: expected "
                    f"(stimuli, units, repetitions, bins), got {self.responses.shape}"
                )
            return
        shape = self.time_courses.shape
        if len(shape) != 4 or shape[:3] != self.responses.shape or shape[3] < 1:
            raise BenchmarkError(
                f"benchmark {self.name!r}: time courses have shape {shape}, expected (stimuli, units, repetitions, "
                f"bins) as responses, {self.responses.shape}: give responses with four axes instead"
            )
        if self.rate_hz is None:
            raise BenchmarkError(
                f"benchmark {self.name!r}: responses with {shape[3]} time bins need their rate: give rate_hz, and "
                "start_s if the first bin does not begin with the sound"
            )
        try:
            TimeBins(shape[3], self.rate_hz, self.start_s)
        except (TypeError, ValueError) as error:
            raise BenchmarkError(f"benchmark {self.name!r}: {error}") from error

    def _check_trials(self) -> None:
        if self.trials is not None and len(self.trials.labels) != self.num_stimuli:
            raise BenchmarkError(
                f"benchmark {self.name!r}: {len(self.trials.labels)} trials for {self.num_stimuli} stimuli"
            )

    def _check_ceiling(self) -> None:
        if self.participant_ceiling and (self.unit_kind != "voxel" or self.units["subject"].nunique() < 2):
            raise BenchmarkError(
                f"benchmark {self.name!r}: a ceiling between participants needs units of two subjects or more, and no "
                f"components, got {self.unit_word}s of {self.units['subject'].nunique()}; leave out participant_ceiling"
            )

    def _pair(self, stimulus: int, unit: int) -> str:
        """Name a unit and a stimulus, even if the unit table is faulty."""
        if "unit" not in self.units.columns or "subject" not in self.units.columns:
            return f"unit {unit} to stimulus {self.stimulus_names[stimulus]!r}"
        row = self.units.iloc[unit]
        return f"unit {row['unit']!r} (subject {row['subject']!r}) to stimulus {self.stimulus_names[stimulus]!r}"


def incomplete_units(responses: np.ndarray) -> np.ndarray:
    """Which units (V,) lack all repetitions of some stimulus, of responses (S, V, R): they cannot be scored."""
    return np.asarray(np.isnan(responses).all(axis=2).any(axis=0))


def _as_float64(responses: np.ndarray, owner: str) -> np.ndarray:
    """Convert real numbers to float64; raise an error for anything else."""
    array = np.asarray(responses)
    if array.dtype.kind not in "fiu":
        raise BenchmarkError(f"{owner}: responses must be real numbers, got an array of type {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.float64)


def _check_unique(names: Sequence[str], what: str) -> None:
    """Raise an error if names are not unique, listing the repeated ones."""
    import pandas as pd

    counts = pd.Series(list(names), dtype=object).value_counts(sort=False)
    doubled = [str(name) for name in counts.index[counts > 1]]
    if doubled:
        raise BenchmarkError(f"{what} must be unique; more than once: {shorten(doubled)}")


def _encode_names(names: Sequence[str]) -> bytes:
    """Encode names, with their lengths, so that different lists always have different bytes."""
    return b"".join(len(data := name.encode()).to_bytes(8, "little") + data for name in names)


def _update_with_array(digest: hashlib._Hash, array: np.ndarray) -> None:
    """Add type, shape and values of an array to a hash."""
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
