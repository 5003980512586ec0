"""The command `python -m evaluate probe`: the published transfer check on a collection of labelled sounds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from datamodules.progress import ProgressDisplay
from evaluate.benchmarks import ALL
from evaluate.commands.errors import CommandError, check_out, find_device, remark
from evaluate.commands.named_networks import HELP, networks_named
from evaluate.commands.shown_scores import NO_VALUE
from evaluate.options import DEFAULT_BATCH_SIZE, PUBLISHED_NUM_CROPS, PUBLISHED_NUM_FOLDS
from evaluate.probe import probe as p
from evaluate.probe.labelled_sounds import LabelledSounds, LabelledSoundsError, find_labelled_sounds
from evaluate.scoring import table as t
from evaluate.scoring.rows import Origin
from networks.commands.tables import print_table

if TYPE_CHECKING:
    import pandas as pd
    import torch


DESCRIPTION = f"""
Transfer check (Tuckute, Feather et al. 2023, on ESC-50): a linear support vector machine tells labelled sounds apart by
a stage's time-averaged activations to five random 2 s crops of each sound; the penalty C is chosen within the training
folds, the majority of a sound's crops counts. Shows accuracies and writes them to DIR/{t.PROBE_FILE}, in the columns of
a score table, where rows of the same network, stage and sounds are replaced.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments.

    Args:
        parser: Gets them.
    """
    parser.description = DESCRIPTION
    parser.add_argument("networks", nargs="+", metavar="NETWORK", help=HELP)
    parser.add_argument(
        "--sounds",
        required=True,
        type=Path,
        metavar="FOLDER_OR_CSV",
        help="the folder of ESC-50; a folder with a folder of sound files for each label; or a CSV table with the "
        "columns path, label and, where wanted, source (sounds of one source stay together) and fold",
    )
    stages = parser.add_mutually_exclusive_group()
    stages.add_argument(
        "--stage",
        action="append",
        metavar="STAGE",
        help="stage to read out; give it again for more (default: the last, before the heads)",
    )
    stages.add_argument("--stages", action="store_true", help="read out every stage")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where the table goes")
    parser.add_argument(
        "--folds",
        type=int,
        default=PUBLISHED_NUM_FOLDS,
        help="folds to deal the sounds out to, where the table has none (default: %(default)s)",
    )
    parser.add_argument("--crops", type=int, default=PUBLISHED_NUM_CROPS, help="per sound (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of crops and folds (default: %(default)s)")
    parser.add_argument("--device", help="where the networks run, as cpu or cuda:0 (default: a GPU if there is one)")
    parser.add_argument(
        "--batch-size", type=int, default=DEFAULT_BATCH_SIZE, help="crops per forward pass (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Probe the networks one after another; the table in the file grows network by network.

    Args:
        args: What `add_arguments` asks for.

    Returns:
        0.

    Raises:
        CommandError: Numbers, sounds or folds that cannot be, or a folder without checkpoints.
        SourceError: A network that is not known.
        StageError: A stage that a network does not have, or whose activations cannot be used.
        AudioError: A sound that cannot be read.
    """
    import pandas as pd

    for name, number, least in (("folds", args.folds, 3), ("crops", args.crops, 1), ("batch-size", args.batch_size, 1)):
        if number < least:
            raise CommandError(f"--{name} is at least {least}, got {number}")
    if args.seed < 0:
        raise CommandError(f"--seed is 0 or more, got {args.seed}")
    check_out(args.out)
    device = find_device(args.device)
    named = networks_named(args.networks)
    console = Console()
    for text in named.remarks:
        remark(text, console)
    results = []
    try:
        sounds = find_labelled_sounds(args.sounds)
        folds = _folds_of(sounds, args)
        if (args.out / t.PROBE_FILE).exists():
            t.read_table(args.out / t.PROBE_FILE)  # what is no table shows now, not after hours
        what = f"probing {len(named.sources)} network{'s' * (len(named.sources) > 1)}"
        with ProgressDisplay(what, num_parts=len(named.sources), part="network") as display:
            for source in named.sources:
                display.report(f"loading {Path(source).name}")
                rows = _probe(source, sounds, folds, args, device=device, progress=display.report)
                display.finish_part()
                t.append_rows(args.out / t.PROBE_FILE, rows)
                results.append(rows)
    except (LabelledSoundsError, p.ProbeError) as error:
        raise CommandError(str(error)) from error
    show_probes(pd.concat(results, ignore_index=True), console)
    console.print(f"wrote {args.out / t.PROBE_FILE}", soft_wrap=True, highlight=False, markup=False)
    return 0


def _folds_of(sounds: LabelledSounds, args: argparse.Namespace) -> np.ndarray:
    if sounds.folds is not None:
        return np.asarray(sounds.folds)
    return p.stratified_folds(sounds.labels, sounds.sources, num_folds=args.folds, seed=args.seed)


def _probe(
    source: str,
    sounds: LabelledSounds,
    folds: np.ndarray,
    args: argparse.Namespace,
    *,
    device: torch.device,
    progress: p.Progress,
) -> pd.DataFrame:
    """Probe the wanted stages of one network."""
    from evaluate.features.activations import resolve_stages
    from evaluate.probe.crop_features import crop_features
    from networks import load_network

    loaded = load_network(source)
    net = loaded.network.to(device)
    stages = resolve_stages(net, args.stage or (None if args.stages else [net.stages[-1]]))
    features = crop_features(
        net,
        sounds.paths,
        stages=stages,
        num_crops=args.crops,
        seed=args.seed,
        batch_size=args.batch_size,
        device=device,
        progress=progress,
    )
    origin = Origin(run=loaded.run, checkpoint=loaded.checkpoint, step=loaded.step, epoch=loaded.epoch)
    rows = []
    for stage in stages:
        result = p.probe(
            features.pop(stage),
            sounds.labels,
            folds,
            progress=lambda _, num_done, num_total, stage=stage: progress(  # type: ignore[misc]
                f"classifiers of {stage}", num_done, num_total
            ),
        )
        rows += probe_rows(result, np.unique(folds), stage, sounds.name, origin)
    return t.make_table(rows)


def probe_rows(
    result: p.ProbeResult, fold_names: Sequence[int] | np.ndarray, stage: str, sounds_name: str, origin: Origin
) -> list[dict[str, Any]]:
    """Make rows of a score table.

    Args:
        result: What was measured.
        fold_names: (K,) names of the folds, in order.
        stage: Stage that was read out.
        sounds_name: Name of the collection of sounds.
        origin: Which network.

    Returns:
        Accuracy and penalty of each fold (subject "fold 1", ...), mean, its standard error and chance (subject "all").
    """
    values: list[tuple[str, str, float]] = []
    for fold, accuracy, penalty in zip(fold_names, result.accuracy, result.penalty, strict=True):
        values += [(t.PROBE_ACCURACY, f"fold {fold}", accuracy), (t.PROBE_PENALTY, f"fold {fold}", penalty)]
    values += [
        (t.PROBE_ACCURACY, ALL, result.mean),
        (t.PROBE_STANDARD_ERROR, ALL, result.standard_error),
        (t.PROBE_CHANCE, ALL, result.chance),
    ]
    shared = asdict(origin) | {t.BENCHMARK: sounds_name, t.STAGE: stage, t.REGION: ALL}
    return [shared | {t.METRIC: metric, t.SUBJECT: subject, t.VALUE: float(value)} for metric, subject, value in values]


def show_probes(rows: pd.DataFrame, console: Console) -> None:
    """Print a table: a line per network and stage, a column per fold.

    Args:
        rows: Rows of `probe_rows`, of one collection of sounds.
        console: Where to print.
    """
    folds = [subject for subject in dict.fromkeys(rows[t.SUBJECT]) if subject != ALL]
    chance = 100 * rows[rows[t.METRIC] == t.PROBE_CHANCE][t.VALUE].iloc[0]
    title = f"{rows[t.BENCHMARK].iloc[0]}: % of test sounds right in {len(folds)} folds; chance: {chance:.1f} %"
    shown = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0))
    shown.add_column("network", overflow="fold", min_width=14)
    shown.add_column("stage", overflow="fold", min_width=8)
    for name in (*folds, "mean", "s.e."):
        shown.add_column(name.removeprefix("fold "), justify="right", no_wrap=True)
    for (_, run_name, step, stage), group in rows.groupby([t.CHECKPOINT, t.RUN, t.STEP, t.STAGE], sort=False):
        values = group.set_index([t.METRIC, t.SUBJECT])[t.VALUE]
        keys = [*((t.PROBE_ACCURACY, who) for who in (*folds, ALL)), (t.PROBE_STANDARD_ERROR, ALL)]
        name = str(run_name) or Path(str(group[t.CHECKPOINT].iloc[0])).name
        shown.add_row(
            f"{name}, step {step}" if step else name, str(stage), *(_percent(values.get(key)) for key in keys)
        )
    print_table(shown, console)


def _percent(share: float | None) -> str:
    return NO_VALUE if share is None else f"{100 * share:.1f}"
