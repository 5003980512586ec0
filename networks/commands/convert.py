"""The command `python -m networks convert`: published weights as a checkpoint of this project."""

import argparse
from pathlib import Path

from rich.console import Console

from networks.commands.errors import CommandError
from networks.weights.source_names import PUBLISHED_ARCHITECTURES

DESCRIPTION = """
Read weights published with Tuckute, Feather et al. 2023, single- or multi-task, and write them as a checkpoint that
networks.load_checkpoint and python -m evaluate score read. No code of the file is run.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments.

    Args:
        parser: gets them.
    """
    parser.description = DESCRIPTION
    parser.add_argument("published", type=Path, metavar="PUBLISHED", help="published file, as NAME.pt")
    parser.add_argument("out", type=Path, metavar="OUT", help="checkpoint to be written, as NAME.ckpt")
    parser.add_argument(
        "--architecture",
        choices=PUBLISHED_ARCHITECTURES,
        help="what the weights are of (default: recognised by their names)",
    )
    parser.add_argument(
        "--task",
        action="append",
        metavar="TASK",
        help="name of a task, as word, again for each one (default: those of the file; the one of a single-task file "
        "is recognised by its number of classes)",
    )
    parser.add_argument("--run", help="name of the run that the checkpoint says (default: the file's name)")
    parser.add_argument("--force", action="store_true", help="replace OUT if it is there")


def run(args: argparse.Namespace) -> None:
    """Convert.

    Args:
        args: what `add_arguments` asks for.

    Raises:
        CommandError: OUT is there already.
        CheckpointError: the file cannot be read safely, or its weights do not fit.
        OSError: a file is not there or cannot be written.
    """
    from networks.weights.checkpoint import save_checkpoint
    from networks.weights.published import PUBLISHED_TASKS, published_network, read_published

    if args.out.exists() and not args.force:
        raise CommandError(f"{args.out} is there already: name another file, or replace it with --force")
    published = read_published(args.published)
    network = published_network(published, architecture=args.architecture, tasks=args.task)
    tasks = [PUBLISHED_TASKS.get(task, {"name": task}) for task in network.heads]
    save_checkpoint(network, args.out, run=args.run or args.published.stem, tasks=tasks)
    heads = ", ".join(f"{task} ({number} classes)" for task, number in network.num_classes.items())
    line = f"wrote {args.out}: {type(network.backbone).__name__} with {heads}"
    Console(soft_wrap=True).print(line, markup=False, highlight=False)
