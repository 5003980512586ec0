"""Arguments that commands which score networks share, and the request that is made of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.benchmarks import BENCHMARKS, load_benchmark
from evaluate.commands.errors import CommandError, find_device
from evaluate.options import DEFAULT_BATCH_SIZE, DEFAULT_CACHE_GIB, DEFAULT_MEMORY_LIMIT_GIB, METRIC_NAMES

if TYPE_CHECKING:
    import torch

    from evaluate.scoring.score_run import Request


CACHE_FOLDER = "cache"
PARTS_FOLDER = "parts"
FIGURES_FOLDER = "figures"


def add_scoring_arguments(
    parser: argparse.ArgumentParser, *, folder: str, default_cache_gib: float = DEFAULT_CACHE_GIB
) -> None:
    """Declare what to score on, with what, and where.

    Args:
        parser: Gets the arguments.
        folder: What the help calls the folder of the cache.
        default_cache_gib: Size of the folder of activations where none is given.
    """
    known = ", ".join(repr(name) for name in BENCHMARKS)
    parser.add_argument(
        "--benchmark",
        action="append",
        required=True,
        metavar="NAME_OR_PATH",
        help=f"{known}, or the path of a benchmark; give it again for more benchmarks",
    )
    parser.add_argument(
        "--metric",
        action="append",
        choices=METRIC_NAMES,
        help=f"give it again for more metrics (default: {METRIC_NAMES[0]})",
    )
    parser.add_argument("--stages", nargs="+", metavar="STAGE", help="stages to score (default: all)")
    parser.add_argument("--device", help="where to compute, as cpu or cuda:0 (default: a GPU if there is one)")
    parser.add_argument(
        "--batch-size", type=int, default=DEFAULT_BATCH_SIZE, help="sounds per forward pass (default: %(default)s)"
    )
    parser.add_argument(
        "--memory-gib",
        type=float,
        default=DEFAULT_MEMORY_LIMIT_GIB,
        metavar="GIB",
        help="working memory of encoding in each process (default: %(default)s)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="CACHE",
        help=f"where activations are kept, to be shared with other runs (default: {folder}/{CACHE_FOLDER})",
    )
    parser.add_argument(
        "--cache-gib",
        type=float,
        default=default_cache_gib,
        metavar="GIB",
        help="size of that folder, above which what was used longest ago goes; 0 keeps nothing (default: %(default)s)",
    )


def make_request(args: argparse.Namespace, sources: Sequence[str], device_name: str | None) -> Request:
    """Check what was asked for, before any work.

    Args:
        args: What `add_scoring_arguments` asks for.
        sources: Networks.
        device_name: Where to compute.

    Returns:
        What is to be scored and how.

    Raises:
        CommandError: Numbers or a device that cannot be, two benchmarks of one name.
        BenchmarkError: A benchmark that cannot be loaded.
    """
    from evaluate.scoring.score_run import Request

    if args.batch_size < 1:
        raise CommandError(f"--batch-size is at least 1, got {args.batch_size}")
    if not args.memory_gib > 0:
        raise CommandError(f"--memory-gib is more than 0, got {args.memory_gib}")
    if not args.cache_gib >= 0:
        raise CommandError(f"--cache-gib is 0 (nothing is kept) or more, got {args.cache_gib}")
    device: torch.device = find_device(device_name)
    benchmarks = tuple(load_benchmark(name) for name in dict.fromkeys(args.benchmark))
    names = [benchmark.name for benchmark in benchmarks]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled:
        raise CommandError(f"two benchmarks are named {doubled!r}: their rows could not be told apart")
    return Request(
        sources=tuple(sources),
        benchmarks=benchmarks,
        metrics=tuple(metric for metric in METRIC_NAMES if metric in (args.metric or [METRIC_NAMES[0]])),
        stages=None if args.stages is None else tuple(args.stages),
        batch_size=args.batch_size,
        device=device,
        memory_limit_gib=args.memory_gib,
    )
