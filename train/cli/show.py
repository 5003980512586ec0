"""The command `python -m train show`: listen to mixtures and look at them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import soundfile

from datamodules.audio import PUBLISHED_DURATION_S
from datamodules.batches.clip_pairs import ClipPair, training_order
from datamodules.batches.mixing import DEFAULT_JITTER_S, PUBLISHED_SNR_DB
from datamodules.batches.order import Draw
from datamodules.files import replacing, write_text
from datamodules.inspection.places import why_no_clips
from datamodules.shards.clip_sources import ClipSource, open_clips
from datamodules.shards.index import INDEX_FILE, ShardError
from datamodules.shards.reader import ShardSet
from datamodules.shards.streaming import is_remote
from datamodules.tasks import UNLABELLED, Side
from networks.commands.dispatch import text_console
from networks.text.file_names import file_name
from networks.text.wording import counted
from train.display.mixture_figure import ShownMixture, draw_mixtures
from train.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor

    from datamodules.batches.examples import MixtureDataset

MIXTURES_PICTURE = "mixtures.png"
MIXTURES_TABLE = "mixtures.csv"
"""Names and content of the WAV files; a later call removes those of an earlier one."""
MAX_LABELS_NAMED = 3
MAX_LABEL_IN_NAME = 40
_WAV_FILE = re.compile(r"\d{2,}-[^\s/\\]*\.wav")


class _Source(NamedTuple):
    """Where mixtures come from.

    Args:
        clips: The clips that they are made of.
        dataset: Makes an example of a draw.
        draws: The examples to show.
        finish: Does to a batch what training does on the device.
        title: Title of the figure.
    """

    clips: ClipPair
    dataset: MixtureDataset
    draws: list[Draw]
    finish: Callable[[dict[str, Any]], dict[str, Any]]
    title: str


@dataclass(kw_only=True)
class Show:
    """Write a few mixtures as training hears them: WAV files and a figure of their cochleagrams.

    With a configuration, the mixtures are those of its first batches. If it augments them, each is shown without and
    with what is done to it, next to each other.

    What an earlier call wrote to the same folder is replaced; other files in it are kept. All WAV files are scaled by
    the same factor, so that none clips and their levels compare as in training.

    Attributes:
        shards: Folder of the signals: a shard set, a folder with one shard set per split, or published HDF5 files. Or
            the configuration (a YAML file, or the name of a recipe) of a training whose data are shown, in place of all
            other options but `out`, `num`, `seed` and `epoch`.
        noise: Folder of the noises. By default, signals are in quiet.
        out: Folder for the WAV files and the figure.
        num: Number of mixtures.
        split: Split of folders with one shard set per split.
        duration_s: Duration of a mixture.
        snr_db: Lowest and highest signal-to-noise ratio; -10 and 10 if not given.
        jitter_s: Largest shift of a clip in time.
        seed: Seed of the training; 0 or that of the configuration if not given.
        epoch: Epoch whose first mixtures are shown, from 0.
    """

    shards: str
    noise: str | None = None
    out: Path
    num: int = 8
    split: str = "train"
    duration_s: float = PUBLISHED_DURATION_S
    snr_db: list[float] | None = None
    jitter_s: float = DEFAULT_JITTER_S
    seed: int | None = None
    epoch: int = 0
    positionals: ClassVar[tuple[str, ...]] = ("shards",)

    def run(self) -> None:
        """Mix, write and draw.

        Raises:
            TrainingError: An option is out of range.
            ShardError: There are no shards, or signals and noises do not fit.
            DataSettingsError: Settings of the configuration contradict each other.
        """
        from train.cli.configured_data import is_configuration

        ratios_db = self._checked_options()
        source = self._configured() if is_configuration(self.shards) else self._from_folders(ratios_db)
        shown = _shown(source)
        self._write(shown, source.clips.signals.sample_rate_hz, source.title)
        text_console(soft_wrap=True).print(
            f"wrote {counted(len(source.draws), 'mixture')} and {MIXTURES_PICTURE} to {self.out}", markup=False
        )

    def _from_folders(self, ratios_db: tuple[float, float]) -> _Source:
        from datamodules.batches.examples import MixtureDataset, MixtureSettings

        pair, seed = self._opened_clips(), self.seed or 0
        rate_hz = pair.signals.sample_rate_hz
        num_samples = round(self.duration_s * rate_hz)
        if num_samples < 1:
            raise TrainingError(f"expected a duration_s of at least one sample at {rate_hz} Hz, got {self.duration_s}")
        settings = MixtureSettings(num_samples, ratios_db, jitter_s=self.jitter_s)
        order = training_order(pair, batch_size=1, seed=seed, rank=0, num_ranks=1, num_workers=0)
        draws = list(islice(chain.from_iterable(order.batches(self.epoch)), self.num))
        dataset = MixtureDataset(*pair, [], settings, seed=seed)
        return _Source(pair, dataset, draws, lambda batch: batch, f"{self.shards}: mixtures of epoch {self.epoch}")

    def _configured(self) -> _Source:
        from train.cli.configured_data import configured_data

        if self.noise is not None or self.snr_db is not None:
            raise TrainingError(f"noise and snr_db are those of {self.shards}: change them there")
        data = configured_data(self.shards, seed=self.seed)
        loader = data.train_dataloader()
        # Whole pairs, as an augmentation may blend them.
        draws = list(islice(chain.from_iterable(loader.order.batches(self.epoch)), self.num + self.num % 2))
        return _Source(
            data.clips("train"),
            loader.dataset,
            draws,
            lambda batch: data.on_after_batch_transfer(batch, 0),
            f"{self.shards}: mixtures of epoch {self.epoch}",
        )

    def _checked_options(self) -> tuple[float, float]:
        """The range of signal-to-noise ratios; raises for options out of range."""
        ratios_db = PUBLISHED_SNR_DB if self.snr_db is None else self.snr_db
        if self.num < 1 or self.jitter_s < 0 or len(ratios_db) != 2 or not ratios_db[0] <= ratios_db[1]:
            raise TrainingError(
                "--num must be at least 1, --jitter_s at least 0, and --snr_db LOW HIGH with LOW at most HIGH; got "
                f"{self.num}, {self.jitter_s}, {list(ratios_db)}"
            )
        return ratios_db[0], ratios_db[1]

    def _opened_clips(self) -> ClipPair:
        signals = _opened(self.shards, self.split, "signal")
        noises = None if self.noise is None else _opened(self.noise, self.split, "noise")
        if noises is not None and noises.sample_rate_hz != signals.sample_rate_hz:
            rates = f"expected {signals.sample_rate_hz} Hz as for the signals, got {noises.sample_rate_hz} Hz"
            raise ShardError(f"{noises.folder}: {rates}")
        for clips in (signals, noises):
            if clips is not None and not len(clips):
                raise ShardError(f"{clips.folder} has no clips")
        return ClipPair(signals, noises)

    def _write(self, shown: Sequence[ShownMixture], rate_hz: int, title: str) -> None:
        from evaluate.report.figures import style

        self.out.mkdir(parents=True, exist_ok=True)
        for file in _files_in(self.out / MIXTURES_TABLE):
            (self.out / file).unlink(missing_ok=True)
        # Before the files, so that none of them is ever without its line.
        write_text(self.out / MIXTURES_TABLE, _table(shown))
        factor = min(1.0, 0.99 / max(np.abs(one.waveform).max() for one in shown))
        for one in shown:
            with replacing(self.out / one.file) as temporary:
                soundfile.write(temporary, factor * one.waveform, rate_hz, subtype="PCM_16")
        figure = draw_mixtures(shown, rate_hz, title=title)
        with replacing(self.out / MIXTURES_PICTURE) as temporary:
            style.as_plain_text(figure)
            figure.savefig(temporary, dpi=style.DPI)


def _table(shown: Sequence[ShownMixture]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("file", "content"))
    writer.writerows((one.file, one.description.replace("\n", ", ")) for one in shown)
    return buffer.getvalue()


def _files_in(table: Path) -> list[str]:
    """Names of the WAV files that an earlier call wrote."""
    if not table.is_file():
        return []
    with table.open(encoding="utf-8", errors="replace", newline="") as file:
        return [row[0] for row in csv.reader(file) if row and _WAV_FILE.fullmatch(row[0])]


def _opened(location: str, split: str, side: Side) -> ClipSource:
    if (Path(location) / INDEX_FILE).is_file():
        return ShardSet(location)
    try:
        return open_clips(location, split, side=side)
    except ShardError as error:
        reason = "" if is_remote(location) else why_no_clips(location, split)
        raise ShardError(reason or str(error)) from error


def _shown(source: _Source) -> list[ShownMixture]:
    """The mixtures; each is preceded by itself without augmentation if there is any."""
    from datamodules.batches.examples import MixtureDataset, collate

    dataset = source.dataset
    plain = MixtureDataset(*source.clips, [], dataset.settings, seed=dataset.seed)
    if not dataset.augmentation.augmentations:
        return [_mixture(number, draw, plain, source.clips) for number, draw in enumerate(source.draws)]
    batch = source.finish(collate([dataset[draw] for draw in source.draws]))
    change = batch.get("change_cochleagrams")
    shown = []
    for number, draw in enumerate(source.draws):
        before = _mixture(number, draw, plain, source.clips)
        done = dataset.augmentation.drawn(draw.epoch, draw.position).described()
        after = ShownMixture(
            f"{before.file.removesuffix('.wav')}-augmented.wav",
            batch["waveform"][number].numpy(),
            "\n".join(done) or "as it is",
            change and _of_example(change, number, len(source.draws)),
        )
        shown += [before, after]
    return shown


def _of_example(change: Callable[[Tensor], Tensor], number: int, batch_size: int) -> Callable[[Tensor], Tensor]:
    """What a change of batches does to one cochleagram (1, F, N)."""
    return lambda cochleagram: change(cochleagram.expand(batch_size, -1, -1))[number : number + 1]


def _mixture(number: int, draw: Draw, dataset: MixtureDataset, pair: ClipPair) -> ShownMixture:
    from datamodules.batches.examples import Example

    example = dataset[draw]
    assert isinstance(example, Example)
    parts = []
    if example.snr_db != -inf:
        parts.append(_labels(pair.signals, draw.signal))
    if example.snr_db != inf and pair.noises is not None:
        parts.append(_labels(pair.noises, draw.noise))
    ratio = {inf: "signal alone", -inf: "noise alone"}.get(example.snr_db, f"{example.snr_db:+.1f} dB SNR")
    name = file_name(parts[0])[:MAX_LABEL_IN_NAME].strip("-")
    return ShownMixture(f"{number:02d}-{name}.wav", example.waveform, "\n".join([" in ".join(parts), ratio]))


def _labels(clips: ClipSource, i: int) -> str:
    """Labels of a clip, in words."""
    found = []
    for name, numbers in clips.read(i).labels.items():
        labels = clips.label_sets[name].labels
        classes = (numbers,) if isinstance(numbers, int) else numbers
        named = [labels[place] for place in classes if place != UNLABELLED]
        more = f" and {len(named) - MAX_LABELS_NAMED} more" if len(named) > MAX_LABELS_NAMED else ""
        found.append(f"{name} {', '.join(named[:MAX_LABELS_NAMED]) or 'unlabelled'}{more}")
    return "; ".join(found)
