"""The command `python -m evaluate fetch`: the public release of brain responses, downloaded and unpacked."""

import argparse
from pathlib import Path

from rich.console import Console

from datamodules.progress import BYTES, ProgressDisplay
from evaluate.benchmarks import load_benchmark
from evaluate.benchmarks.problems import BenchmarkError
from evaluate.benchmarks.published.release_download import RELEASE_URL, fetch_release
from evaluate.commands.errors import CommandError

NUM_SHA256_DIGITS = 64
EXIT_PROBLEMS = 1

DESCRIPTION = f"""
Download the data published with Tuckute, Feather et al. 2023 (NH2015, B2021, NH2015comp and the 165 sounds) from
{RELEASE_URL} and unpack them to DEST/data. What came before a connection broke is kept: run the command again to go on.
Exit code: 0; 1 where a data set of the release has problems, which are listed; 2 where nothing could be fetched.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments.

    Args:
        parser: Gets them.
    """
    parser.description = DESCRIPTION
    parser.add_argument("destination", type=Path, metavar="DEST", help="folder that the data go to")
    parser.add_argument("--url", default=RELEASE_URL, help="another address of the archive (default: %(default)s)")
    parser.add_argument("--sha256", metavar="HEX", help="expected checksum of the archive (none is published)")
    parser.add_argument("--keep-archive", action="store_true", help="keep the archive beside the unpacked data")


def run(args: argparse.Namespace) -> int:
    """Fetch the release.

    Args:
        args: What `add_arguments` asks for.

    Returns:
        Exit code, see the description of the command.

    Raises:
        CommandError: A checksum that is none.
        BenchmarkError: The archive cannot be fetched or is not the release.
    """
    console = Console(soft_wrap=True, highlight=False, markup=False)
    digits = (args.sha256 or "").lower()
    if args.sha256 is not None and (len(digits) != NUM_SHA256_DIGITS or set(digits) - set("0123456789abcdef")):
        raise CommandError(f"--sha256 is {NUM_SHA256_DIGITS} hexadecimal digits, got {args.sha256!r}")
    with ProgressDisplay(f"fetching {args.url}") as display:

        def report(what: str, num_done: int, num_total: int | None) -> None:
            display.report(what, num_done, num_total, unit="files" if what == "unpacking" else BYTES)

        display.report("connecting")
        release = fetch_release(
            args.destination, url=args.url, sha256=args.sha256, keep_archive=args.keep_archive, progress=report
        )
    if release.sha256 is None:
        console.print(f"{release.folder} is there already")
    else:
        console.print(f"unpacked to {release.folder}; the archive's SHA-256 is {release.sha256}")
    has_problems = False
    for name in release.names:
        try:
            benchmark = load_benchmark(name)
        except BenchmarkError as error:
            has_problems = True
            for problem in error.problems:
                console.print(f"{name}: {problem}", style="red")
        else:
            console.print(f"{name}: {benchmark.num_stimuli} sounds, {benchmark.num_units} units")
    return EXIT_PROBLEMS if has_problems else 0
