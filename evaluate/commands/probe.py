"""The command `python -m evaluate probe`: linear probes on a collection of labelled sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from datamodules.files import check_writable
from datamodules.folders.sound_folders import describe
from datamodules.progress import Progress, ReportProgress
from evaluate.benchmarks import ALL
from evaluate.commands.errors import find_device, remark
from evaluate.commands.named_networks import NetworksOption, check_network_names, networks_named
from evaluate.options import DEFAULT_BATCH_SIZE, NO_VALUE, PUBLISHED_NUM_CROPS, PUBLISHED_NUM_FOLDS
from evaluate.probe import probe as p
from evaluate.probe.labelled_sounds import LabelledSounds, LabelledSoundsError, find_labelled_sounds
from evaluate.scoring import table as t
from networks.commands.console_tables import Name, print_table
from networks.commands.dispatch import CommandError, text_console
from networks.commands.interruption import NOTHING_IS_KEPT, stopped_by_sigterm
from networks.text.natural_order import natural_order
from networks.text.wording import counted

if TYPE_CHECKING:
    import pandas as pd
    import torch


ALL_STAGES = "all"


@dataclass(kw_only=True)
class Probe(NetworksOption):
    """Classify labelled sounds by the activations of a stage (linear probes).

    The procedure is that of Tuckute, Feather et al. 2023 on ESC-50: a linear support vector machine classifies sounds
    by a stage's time-averaged activations for five random 2 s crops of each sound. The penalty C is chosen within the
    training folds, and the crops of a sound vote on its label. Prints accuracies and writes them to DIR/probe.csv, in
    the columns of a score table, where rows of the same network, stage and sounds are replaced.

    Attributes:
        sounds: Folder of ESC-50; a folder with one folder of sound files for each label; or a CSV table with the
            columns path, label and optionally source (sounds of one source stay together) and fold; or
            package.module:name or file.py:name of your own function, which returns an evaluate.probe.LabelledSounds, or
            an evaluate.Benchmark whose categories are the labels (its sounds are not cropped).
        stages: Stages to probe, or 'all' (default: the last one, before the heads).
        out: Folder for the table.
        folds: Number of folds, unless the table has folds.
        crops: Number of crops per sound.
        seed: Seed of crops and folds.
        device: Device of the networks, such as cpu or cuda:0 (default: a GPU if there is one).
        batch_size: Crops per forward pass.
    """

    sounds: Path
    out: Path
    stages: list[str] | None = None
    folds: int = PUBLISHED_NUM_FOLDS
    crops: int = PUBLISHED_NUM_CROPS
    seed: int = 0
    device: str | None = None
    batch_size: int = DEFAULT_BATCH_SIZE

    @property
    def when_interrupted(self) -> str:
        """What a Ctrl-C leaves."""
        table = self.out / t.PROBE_FILE
        return (
            f"networks probed so far are in {table}; name the others to go on" if table.is_file() else NOTHING_IS_KEPT
        )

    def run(self) -> None:
        """Probe the networks one by one, adding rows to the table after each.

        Raises:
            CommandError: Numbers, sounds or folds cannot be used, or a folder has no checkpoints.
            SourceError: A network is unknown.
            StageError: A network does not have a stage, or its activations cannot be used.
            AudioError: A sound cannot be read.
        """
        import pandas as pd

        for name, least in (("folds", 3), ("crops", 1), ("batch_size", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise CommandError(f"--{name} must be at least {least}, got {getattr(self, name)}")
        check_network_names(self.networks)
        check_writable(self.out)
        device = find_device(self.device)
        named = networks_named(self.networks)
        console = text_console()
        for text in named.remarks:
            remark(text, console)
        results = []
        try:
            sounds = find_labelled_sounds(self.sounds)
            if sounds.passed_over:
                remark(f"passed over in {self.sounds}: {describe(sounds.passed_over)}", console)
            folds = self._folds_of(sounds)
            if (self.out / t.PROBE_FILE).exists():
                t.read_table(self.out / t.PROBE_FILE)  # a damaged table raises before hours of work
            what = f"probing {counted(len(named.sources), 'network')}"
            with stopped_by_sigterm(), Progress(what, num_parts=len(named.sources), part="network") as display:
                for source in named.sources:
                    display.report(f"loading {Path(source).name}")
                    rows = self._probe(source, sounds, folds, device=device, progress=display.report)
                    display.finish_part()
                    t.append_rows(self.out / t.PROBE_FILE, rows)
                    results.append(rows)
        except (LabelledSoundsError, p.ProbeError) as error:
            raise CommandError(str(error)) from error
        show_probes(pd.concat(results, ignore_index=True), console)
        console.print(f"wrote {self.out / t.PROBE_FILE}", soft_wrap=True, highlight=False, markup=False)

    def _folds_of(self, sounds: LabelledSounds) -> np.ndarray:
        if sounds.folds is not None:
            return np.asarray(sounds.folds)
        return p.stratified_folds(sounds.labels, sounds.sources, num_folds=self.folds, seed=self.seed)

    def _probe(
        self, source: str, sounds: LabelledSounds, folds: np.ndarray, *, device: torch.device, progress: ReportProgress
    ) -> pd.DataFrame:
        """Probe the selected stages of one network."""
        from evaluate.features.activations import resolve_stages
        from evaluate.probe.crop_features import crop_features
        from networks import load_network

        loaded = load_network(source)
        net = loaded.network.to(device)
        wanted = None if self.stages == [ALL_STAGES] else self.stages or [net.stages[-1]]
        stages = resolve_stages(net, wanted)
        made = None if sounds.waveforms is None else sounds.waveforms(int(net.sample_rate_hz), int(net.num_samples))
        features = crop_features(
            net,
            sounds.paths if made is None else made,
            stages=stages,
            num_crops=self.crops if made is None else 1,  # all crops of a sound of the network's length are equal
            seed=self.seed,
            batch_size=self.batch_size,
            device=device,
            progress=progress,
        )
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
            rows += probe_rows(result, np.unique(folds), stage)
        return t.identified(rows, sounds.name, loaded.identity)


def probe_rows(result: p.ProbeResult, fold_names: Sequence[int] | np.ndarray, stage: str) -> list[dict[str, Any]]:
    """Make rows of a score table.

    Args:
        result: Result of `probe`.
        fold_names: (K,) names of the folds, in order.
        stage: Name of the stage.

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
    shared = {t.STAGE: stage, t.REGION: ALL}
    return [shared | {t.METRIC: metric, t.SUBJECT: subject, t.VALUE: float(value)} for metric, subject, value in values]


def show_probes(rows: pd.DataFrame, console: Console) -> None:
    """Print a table with one line per network and stage and one column per fold.

    Args:
        rows: Rows of `probe_rows`, for one collection of sounds.
        console: Console to print to.
    """
    folds = natural_order(subject for subject in rows[t.SUBJECT].unique() if subject != ALL)
    chance = 100 * rows[rows[t.METRIC] == t.PROBE_CHANCE][t.VALUE].iloc[0]
    title = f"{rows[t.BENCHMARK].iloc[0]}: % of test sounds correct in {len(folds)} folds; chance: {chance:.1f} %"
    shown = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0))
    shown.add_column("network", min_width=14)
    shown.add_column("stage", min_width=8)
    for name in (*folds, "mean", "s.e."):
        shown.add_column(name.removeprefix("fold "), justify="right", no_wrap=True)
    for (_, run_name, step, stage), group in rows.groupby([t.CHECKPOINT, t.RUN, t.STEP, t.STAGE], sort=False):
        values = group.set_index([t.METRIC, t.SUBJECT])[t.VALUE]
        keys = [*((t.PROBE_ACCURACY, who) for who in (*folds, ALL)), (t.PROBE_STANDARD_ERROR, ALL)]
        name = str(run_name) or Path(str(group[t.CHECKPOINT].iloc[0])).name
        shown.add_row(
            Name(name, f", step {step}" if step else ""), Name(str(stage)), *(_percent(values.get(key)) for key in keys)
        )
    print_table(shown, console)


def _percent(share: float | None) -> str:
    return NO_VALUE if share is None else f"{100 * share:.1f}"
