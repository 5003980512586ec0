"""The command `python -m evaluate convert`: write a benchmark, or separate files, in the documented format."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from datamodules.progress import Progress
from evaluate.benchmarks import Benchmark, load_benchmark
from networks.commands.dispatch import CommandError, text_console

PART_OPTIONS = {
    "responses": ("responses.npy", "responses.csv", "responses.tsv", "responses.npz", "responses.mat"),
    "units": ("units.csv",),
    "stimuli": ("stimuli.csv",),
    "sounds": ("stimuli",),
}
"""File names of each part in SOURCE."""


@dataclass(kw_only=True)
class ConvertBenchmark:
    """Write a benchmark, or separate files, in the format for your own recordings.

    The result is a folder, or one file if DESTINATION ends in .zip or .npz:

      benchmark.json      name, version, citation, unit_kind (voxel or component), noise_corrected (or benchmark.yaml)
      stimuli.csv         one row per stimulus: name and optionally category
      units.csv           one row per unit: unit, subject, region; more columns are kept
      responses.npy       numbers (stimuli, units, repetitions) in these orders; NaN is a missing repetition
      stimuli/NAME.wav    one WAV or FLAC file per stimulus

    SOURCE is a benchmark (a name, ROOT:NH2015 of the public release, a path) or a folder with separate parts:
    responses.npy, or responses.csv with one row per response (stimulus, subject, unit, response and optionally
    repetition), units.csv, stimuli.csv and stimuli/. Options name parts in other places. Each unit needs at least one
    response to each stimulus. Sounds are not changed here: when they are used, they are cut or zero-padded to the
    length of a network's input (2 s for the published ones), demeaned and set to RMS 0.1. `python -m evaluate check`
    inspects the result.

    Attributes:
        source: A benchmark, or a folder with separate parts.
        destination: A new folder, or a new .zip or .npz file.
        responses: Array (.npy, .npz or .mat) or table (.csv, .tsv). Default: SOURCE/responses with one of these
            suffixes.
        variable: Name of the array in a .npz or .mat file. Default: responses, or the only array.
        units: Default: SOURCE/units.csv.
        stimuli: Default: SOURCE/stimuli.csv.
        sounds: Default: SOURCE/stimuli.
        name: Name of the benchmark; needed for separate parts.
        version: Version, to be changed with the data (default: 1, or that of the source).
        citation: The paper to cite.
        unit_kind: Default: voxel, or that of the source.
        noise_corrected: Whether scores are corrected for noise (default: if there are repetitions, or as in the
            source).
        drop_incomplete: Whether to leave out units without any response to some stimulus.
    """

    source: str
    destination: Path
    responses: Path | None = None
    variable: str | None = None
    units: Path | None = None
    stimuli: Path | None = None
    sounds: Path | None = None
    name: str | None = None
    version: str | None = None
    citation: str | None = None
    unit_kind: Literal["voxel", "component"] | None = None
    noise_corrected: bool | None = None
    drop_incomplete: bool = False
    positionals: ClassVar[tuple[str, ...]] = ("source", "destination")

    def run(self) -> None:
        """Convert the source.

        Raises:
            CommandError: Separate parts have no name, or the destination exists.
            BenchmarkError: The source cannot be used.
        """
        from evaluate.benchmarks.recordings.writer import write_recordings

        console = text_console(soft_wrap=True, highlight=False)
        if self.destination.exists():
            raise CommandError(f"{self.destination} exists already: choose another name, or remove it first")
        with Progress(f"writing {self.destination}") as display:
            display.report("reading")
            benchmark = self._from_parts() if self._has_loose_parts() else self._loaded()
            write_recordings(benchmark, self.destination, progress=partial(display.report, "writing", unit="files"))
        console.print(
            f"wrote {self.destination}: {benchmark.name}, {benchmark.num_stimuli} stimuli, {benchmark.num_units} "
            f"units, {benchmark.num_repetitions} repetitions"
        )

    def _has_loose_parts(self) -> bool:
        from evaluate.benchmarks.recordings.recordings import METADATA_FILES

        if any(getattr(self, part) is not None for part in PART_OPTIONS):
            return True
        source = Path(self.source)
        has_responses = any((source / name).is_file() for name in PART_OPTIONS["responses"])
        return has_responses and not any((source / name).is_file() for name in METADATA_FILES)

    def _from_parts(self) -> Benchmark:
        from evaluate.benchmarks.recordings.loose_parts import benchmark_from_parts
        from evaluate.benchmarks.recordings.recordings import Metadata

        if not self.name:
            raise CommandError("separate parts need a name for the benchmark: --name NAME")
        metadata = Metadata(
            name=self.name,
            version=self.version or "1",
            citation=self.citation or "",
            unit_kind=self.unit_kind or "voxel",
            noise_corrected=self.noise_corrected,
        )
        paths = {}
        for part, names in PART_OPTIONS.items():
            options = [Path(self.source, name) for name in names]
            paths[part] = getattr(self, part) or next((path for path in options if path.exists()), options[0])
        return benchmark_from_parts(metadata, **paths, variable=self.variable, drop_incomplete=self.drop_incomplete)

    def _loaded(self) -> Benchmark:
        from evaluate.benchmarks.recordings.recordings import recordings_benchmark

        if self.drop_incomplete:
            benchmark = recordings_benchmark(self.source, drop_incomplete=True)
        else:
            benchmark = load_benchmark(self.source)
        options = ("name", "version", "citation", "unit_kind", "noise_corrected")
        changes = {name: value for name in options if (value := getattr(self, name)) is not None}
        return replace(benchmark, **changes)
