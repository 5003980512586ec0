"""The command `python -m evaluate convert`: any benchmark, or loose files, into the one documented format."""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from datamodules.progress import ProgressDisplay
from evaluate.benchmarks import Benchmark, load_benchmark
from evaluate.commands.errors import CommandError

DESCRIPTION = """\
Write a benchmark as a folder, or as one file where DEST ends in .zip or .npz, in the format for one's own recordings:

  benchmark.json      name, version, citation, unit_kind (voxel or component), noise_corrected (or benchmark.yaml)
  stimuli.csv         a row per stimulus: name and, if there are any, category
  units.csv           a row per unit: unit, subject, region; more columns are kept
  responses.npy       numbers (stimuli, units, repetitions) in these orders; NaN is a missing repetition
  stimuli/NAME.wav    a WAV or FLAC file per stimulus

SOURCE is a benchmark (a name, ROOT:NH2015 of the public release, a path) or a folder with loose parts: responses.npy,
or responses.csv with a row per response (stimulus, subject, unit, response and, if wanted, repetition), units.csv,
stimuli.csv and stimuli/; parts that lie elsewhere are named by options. Each unit needs at least one response to each
stimulus. A sound is brought to the length of a network's input (2 s for the published ones: cut, or filled with
zeros), freed of its mean and set to RMS 0.1 when it is used, not here. python -m evaluate check looks at the result.
"""

PART_OPTIONS = {
    "responses": ("responses.npy", "responses.csv"),
    "units": ("units.csv",),
    "stimuli": ("stimuli.csv",),
    "sounds": ("stimuli",),
}
"""For each part where it is looked for in SOURCE."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments.

    Args:
        parser: Gets them.
    """
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("source", metavar="SOURCE", help="a benchmark, or a folder with loose parts")
    parser.add_argument("destination", type=Path, metavar="DEST", help="a new folder, or a new .zip or .npz file")
    for part, names in PART_OPTIONS.items():
        parser.add_argument(f"--{part}", type=Path, metavar="PATH", help=f"default: SOURCE/{' or '.join(names)}")
    parser.add_argument("--name", help="name of the benchmark; needed for loose parts")
    parser.add_argument("--version", help="goes up when the data change (default: 1, or the source's)")
    parser.add_argument("--citation", help="what to cite")
    parser.add_argument("--unit-kind", choices=("voxel", "component"), help="default: voxel, or the source's")
    parser.add_argument(
        "--noise-corrected",
        action=argparse.BooleanOptionalAction,
        help="whether scores are corrected for noise (default: where there are repetitions, or as the source says)",
    )
    parser.add_argument(
        "--drop-incomplete", action="store_true", help="leave out units without any response to some stimulus"
    )


def run(args: argparse.Namespace) -> int:
    """Convert.

    Args:
        args: What `add_arguments` asks for.

    Returns:
        0.

    Raises:
        CommandError: Loose parts without a name.
        BenchmarkError: The source is not right, or the destination is there already.
    """
    from evaluate.benchmarks.recordings.writer import write_recordings

    console = Console(soft_wrap=True, highlight=False, markup=False)
    if args.destination.exists():
        raise CommandError(f"{args.destination} is there already: give a new name, or remove it first")
    with ProgressDisplay(f"writing {args.destination}") as display:
        display.report("reading")
        benchmark = _from_parts(args) if _has_loose_parts(args) else _loaded(args)
        write_recordings(benchmark, args.destination, progress=partial(display.report, "writing", unit="files"))
    console.print(
        f"wrote {args.destination}: {benchmark.name}, {benchmark.num_stimuli} stimuli, {benchmark.num_units} units, "
        f"{benchmark.num_repetitions} repetitions"
    )
    return 0


def _has_loose_parts(args: argparse.Namespace) -> bool:
    from evaluate.benchmarks.recordings.recordings import METADATA_FILES

    if any(getattr(args, part) is not None for part in PART_OPTIONS):
        return True
    source = Path(args.source)
    has_responses = any((source / name).is_file() for name in PART_OPTIONS["responses"])
    return has_responses and not any((source / name).is_file() for name in METADATA_FILES)


def _from_parts(args: argparse.Namespace) -> Benchmark:
    from evaluate.benchmarks.recordings.loose_parts import benchmark_from_parts
    from evaluate.benchmarks.recordings.recordings import Metadata

    if not args.name:
        raise CommandError("loose parts need a name for the benchmark: --name NAME")
    metadata = Metadata(
        name=args.name,
        version=args.version or "1",
        citation=args.citation or "",
        unit_kind=args.unit_kind or "voxel",
        noise_corrected=args.noise_corrected,
    )
    paths = {}
    for part, names in PART_OPTIONS.items():
        options = [Path(args.source, name) for name in names]
        paths[part] = getattr(args, part) or next((path for path in options if path.exists()), options[0])
    return benchmark_from_parts(metadata, **paths, drop_incomplete=args.drop_incomplete)


def _loaded(args: argparse.Namespace) -> Benchmark:
    from evaluate.benchmarks.recordings.recordings import recordings_benchmark

    if args.drop_incomplete:
        benchmark = recordings_benchmark(args.source, drop_incomplete=True)
    else:
        benchmark = load_benchmark(args.source)
    options = ("name", "version", "citation", "unit_kind", "noise_corrected")
    changes = {name: value for name in options if (value := getattr(args, name)) is not None}
    return replace(benchmark, **changes)
