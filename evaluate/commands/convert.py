"""The command `python -m evaluate convert`: write a benchmark, or separate files, in the documented format."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from datamodules.files import check_writable
from datamodules.progress import Progress
from evaluate.benchmarks import Benchmark, BenchmarkError, load_benchmark
from networks.commands.dispatch import EXIT_IN_PART, CommandError, text_console
from networks.text.wording import counted


@dataclass(kw_only=True)
class ConvertBenchmark:
    """Write a benchmark, or separate files, in the format for your own recordings.

    The result is a folder, or one file if DESTINATION ends in .zip or .npz:

      benchmark.json      name, version, citation, unit_kind (voxel or component), unit_name, noise_corrected (or
                          benchmark.yaml)
      stimuli.csv         one row per stimulus: name and optionally category
      units.csv           one row per unit: unit, subject, region; more columns are kept
      responses.npy       numbers (stimuli, units, repetitions) in these orders; NaN is a missing repetition; in time
                          (stimuli, units, repetitions, bins), with rate_hz and start_s in benchmark.json
      stimuli/NAME.wav    one WAV or FLAC file per stimulus

    SOURCE is a benchmark (a name, ROOT:NH2015 of the public release, a path) or a folder with separate parts:
    responses.npy, or responses.csv with one row per response (stimulus, subject, unit, response and optionally
    repetition and bin), units.csv, stimuli.csv and stimuli/. Options name parts in other places. A table of responses
    may hold all but the sounds, in the columns region and, if wanted, category; so may a .mat file (MATLAB 5 to 7.3) or
    .npz file: the arrays responses, name and category of the stimuli, and unit, subject and region, each of which
    --variable can name. Names are cell arrays or rows of characters, or whole
    numbers. Each unit needs at least one response to each stimulus. Sounds are not changed here: when they are used,
    they are cut or zero-padded to the length of a network's input (2 s for the published ones), demeaned and set to RMS
    0.1. `cochlearn evaluate check` inspects the result.

    Attributes:
        source: A benchmark, a folder with separate parts, or a file of responses (.csv, .mat, .npz, ...) that holds all
            but the sounds.
        destination: A new folder, or a new .zip or .npz file.
        responses: Array (.npy, .npz or .mat), table (.csv, .tsv), or a file that says what its axes are: NetCDF (.nc;
            needs xarray), epochs or averages of MNE (.fif; needs mne) or NWB (.nwb; needs pynwb). Default:
            SOURCE/responses with one of these suffixes.
        variable: Names of arrays in the .npz or .mat file of the responses: NAME for the responses, PART=NAME for
            responses, name, category, unit, subject or region, fields of structures as STRUCTURE.FIELD. Default: these
            names (units.subject and so on), and the only array of numbers for the responses.
        units: Default: SOURCE/units.csv.
        stimuli: Default: SOURCE/stimuli.csv.
        sounds: Default: SOURCE/stimuli.
        name: Name of the benchmark; needed for separate parts.
        version: Version, to be changed with the data (default: 1, or that of the source).
        citation: The paper to cite.
        unit_kind: voxel for units that are summarised by the median within a subject, or component for units that are
            reported one by one. Default: voxel, or that of the source.
        unit_name: What one unit is called on screen, such as neuron or channel.
        noise_corrected: Whether scores are corrected for noise (default: if there are repetitions, or as in the
            source).
        rate_hz: Time bins per second of responses in time: their last axis, or the column `bin` of a table (0, 1, ...).
        start_s: Start of the first bin in seconds from the onset of the sound (default: 0).
        participant_ceiling: Whether scores are also shown as a share of what other participants' responses explain.
        drop_incomplete: Whether to leave out units without any response to some stimulus.
    """

    source: str
    destination: Path
    responses: Path | None = None
    variable: list[str] = field(default_factory=list)
    units: Path | None = None
    stimuli: Path | None = None
    sounds: Path | None = None
    name: str | None = None
    version: str | None = None
    citation: str | None = None
    unit_kind: Literal["voxel", "component"] | None = None
    unit_name: str | None = None
    noise_corrected: bool | None = None
    rate_hz: float | None = None
    start_s: float | None = None
    participant_ceiling: bool | None = None
    drop_incomplete: bool = False
    positionals: ClassVar[tuple[str, ...]] = ("source", "destination")

    def run(self) -> int:
        """Convert the source; return 1 if some sounds cannot be used.

        Raises:
            CommandError: Separate parts have no name, or the destination exists.
            BenchmarkError: The source cannot be used.
        """
        from evaluate.benchmarks.problems import shorten
        from evaluate.benchmarks.recordings.writer import write_recordings

        console = text_console(soft_wrap=True, highlight=False)
        if self.variable and not self._has_loose_parts():
            raise CommandError("--variable names arrays in a .npz or .mat file, but the source is a whole benchmark")
        check_writable(self.destination.parent)
        if self.destination.exists():
            raise CommandError(f"{self.destination} exists already: choose another name, or remove it first")
        with Progress(f"writing {self.destination}") as display:
            display.report("reading")
            benchmark = self._read()
            faults = _faults_of_sounds(benchmark, partial(display.report, "checking", unit="sounds"))
            write_recordings(benchmark, self.destination, progress=partial(display.report, "writing", unit="files"))
        console.print(
            f"wrote {self.destination}: {benchmark.name}, {counted(benchmark.num_stimuli, 'stimulus')}, "
            f"{counted(benchmark.num_units, 'unit')}, {counted(benchmark.num_repetitions, 'repetition')}"
            f"{'' if benchmark.time_courses is None else f', {benchmark.bins}'}"
        )
        if faults:
            line = (
                f"{counted(len(faults), 'sound')} cannot be used, so that no network can be scored: {shorten(faults)}"
            )
            console.print(line, style="red", markup=False)
        return EXIT_IN_PART if faults else 0

    def _read(self) -> Benchmark:
        """Read the source; list all problems if there are several."""
        try:
            return self._from_parts() if self._has_loose_parts() else self._loaded()
        except BenchmarkError as error:
            if len(error.problems) == 1:
                raise
            console = text_console(stderr=True, soft_wrap=True, highlight=False)
            for problem in error.problems:
                console.print(f"problem: {problem}", style="red")
            raise CommandError(
                f"{self.source}: {counted(len(error.problems), 'problem')}, nothing is written"
            ) from error

    def _has_loose_parts(self) -> bool:
        from evaluate.benchmarks.recordings.part_files import PART_FILES
        from evaluate.benchmarks.recordings.recordings import METADATA_FILES

        if any(getattr(self, part) is not None for part in PART_FILES) or self._is_file_of_responses():
            return True
        source = Path(self.source)
        has_responses = any((source / name).is_file() for name in PART_FILES["responses"])
        return has_responses and not any((source / name).is_file() for name in METADATA_FILES)

    def _is_file_of_responses(self) -> bool:
        """Whether the source is a file that holds all but the sounds, other than a whole benchmark in an archive."""
        from datamodules.tables import SEPARATORS
        from evaluate.benchmarks.recordings.array_formats import SEVERAL_ARRAYS
        from evaluate.benchmarks.recordings.recordings import is_archive_of_recordings
        from evaluate.benchmarks.recordings.timed_files import READERS

        source = Path(self.source)
        if not source.is_file() or source.suffix.lower() not in (*SEPARATORS, *SEVERAL_ARRAYS, *READERS):
            return False
        return source.suffix.lower() != ".npz" or not is_archive_of_recordings(source)

    def _from_parts(self) -> Benchmark:
        from evaluate.benchmarks.recordings.array_tables import parse_names
        from evaluate.benchmarks.recordings.loose_parts import benchmark_from_parts
        from evaluate.benchmarks.recordings.part_files import PART_FILES, parts_in
        from evaluate.benchmarks.recordings.recordings import Metadata

        if not self.name:
            raise CommandError("separate parts need a name for the benchmark: --name NAME")
        for part in PART_FILES:
            given: Path | None = getattr(self, part)
            if given is not None and not given.exists():
                raise CommandError(f"{given} does not exist: expected the file or folder of --{part}")
        metadata = Metadata(
            name=self.name,
            version=self.version or "1",
            citation=self.citation or "",
            unit_kind=self.unit_kind or "voxel",
            unit_name=self.unit_name or "",
            noise_corrected=self.noise_corrected,
            rate_hz=self.rate_hz,
            start_s=self.start_s,
            participant_ceiling=self.participant_ceiling,
        )
        try:
            variables = parse_names(self.variable)
        except BenchmarkError as error:
            raise CommandError(f"--variable: {error}") from error
        folder, paths = Path(self.source), {}
        if folder.is_file() and not self._is_file_of_responses():
            raise CommandError(
                f"{folder}: expected a folder with separate parts, or a table, .mat or .npz file of responses"
            )
        if self._is_file_of_responses():
            folder, paths["responses"] = folder.parent, folder
        paths = parts_in(folder) | paths | {part: path for part in PART_FILES if (path := getattr(self, part))}
        return benchmark_from_parts(metadata, **paths, variables=variables, drop_incomplete=self.drop_incomplete)

    def _loaded(self) -> Benchmark:
        from evaluate.benchmarks.recordings.recordings import recordings_benchmark

        if self.drop_incomplete:
            benchmark = recordings_benchmark(self.source, drop_incomplete=True)
        else:
            benchmark = load_benchmark(self.source)
        options = (
            *("name", "version", "citation", "unit_kind", "unit_name"),
            *("noise_corrected", "rate_hz", "start_s", "participant_ceiling"),
        )
        changes = {name: value for name in options if (value := getattr(self, name)) is not None}
        return replace(benchmark, **changes)


def _faults_of_sounds(benchmark: Benchmark, progress: Callable[[int, int], None]) -> list[str]:
    """Why sounds in files cannot be used, such as one that is cut short."""
    from evaluate.benchmarks.sound_files import SoundSet

    if not isinstance(benchmark.waveforms, SoundSet):
        return []
    return [sound.problem for sound in benchmark.waveforms.inspect(progress) if sound.problem]
