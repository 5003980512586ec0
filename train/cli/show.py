"""The command `python -m train show`: listen to mixtures and look at them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from math import ceil, inf
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import soundfile

from datamodules.batches.clip_pairs import ClipPair, training_order
from datamodules.batches.mixing import DEFAULT_JITTER_S, PUBLISHED_SNR_DB
from datamodules.batches.order import Draw
from datamodules.files import replacing
from datamodules.shards.clip_sources import ClipSource, open_clips
from datamodules.shards.index import INDEX_FILE, ShardError
from datamodules.shards.reader import ShardSet
from datamodules.tasks import UNLABELLED, Side
from networks.commands.dispatch import text_console
from train.errors import TrainingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from datamodules.batches.examples import MixtureDataset
    from networks import Cochleagram

MIXTURES_PICTURE = "mixtures.png"
MAX_LABELS_NAMED = 3
_NUM_COLUMNS = 2
_PANEL_SIZE_IN = (5.2, 2.6)
_MARKED_HZ = (100, 250, 500, 1000, 2000, 4000, 8000)
_TAPS_PER_SECOND = 50.0  # of the published low-pass kernel: 1001 taps at 20 kHz


class ShownMixture(NamedTuple):
    """A mixture, and in words what it is made of."""

    file: str
    waveform: np.ndarray
    description: str


@dataclass(kw_only=True)
class Show:
    """Write a few mixtures as training hears them: WAV files and a figure of their cochleagrams.

    All files are scaled by the same factor, so that none clips and their levels compare as in training.

    Attributes:
        shards: Folder of the signals: a shard set, a folder with one shard set per split, or published HDF5 files.
        noise: Folder of the noises. By default, signals are in quiet.
        out: Folder for the WAV files and the figure.
        num: Number of mixtures.
        split: Split of folders with one shard set per split.
        duration_s: Duration of a mixture.
        snr_db: Lowest and highest signal-to-noise ratio; -10 and 10 if not given.
        jitter_s: Largest shift of a clip in time.
        seed: Seed of the training.
        epoch: Epoch whose first mixtures are shown, from 0.
    """

    shards: str
    noise: str | None = None
    out: Path
    num: int = 8
    split: str = "train"
    duration_s: float = 2.0
    snr_db: list[float] | None = None
    jitter_s: float = DEFAULT_JITTER_S
    seed: int = 0
    epoch: int = 0
    positionals: ClassVar[tuple[str, ...]] = ("shards",)

    def run(self) -> None:
        """Mix, write and draw.

        Raises:
            TrainingError: An option is out of range.
            ShardError: There are no shards, or signals and noises do not fit.
        """
        from datamodules.batches.examples import MixtureDataset, MixtureSettings

        ratios_db = self._checked_options()
        pair = self._opened_clips()
        rate_hz = pair.signals.sample_rate_hz
        num_samples = round(self.duration_s * rate_hz)
        if num_samples < 1:
            raise TrainingError(f"expected a duration_s of at least one sample at {rate_hz} Hz, got {self.duration_s}")
        settings = MixtureSettings(num_samples, ratios_db, jitter_s=self.jitter_s)
        dataset = MixtureDataset(*pair, [], settings, seed=self.seed)
        order = training_order(pair, batch_size=1, seed=self.seed, rank=0, num_ranks=1, num_workers=0)
        draws = islice(chain.from_iterable(order.batches(self.epoch)), self.num)
        shown = [_shown(number, draw, dataset, pair) for number, draw in enumerate(draws)]
        self._write(shown, rate_hz)
        text_console(soft_wrap=True).print(
            f"wrote {len(shown)} mixtures and {MIXTURES_PICTURE} to {self.out}", markup=False
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

    def _write(self, shown: Sequence[ShownMixture], rate_hz: int) -> None:
        from evaluate.report.figures import style

        self.out.mkdir(parents=True, exist_ok=True)
        factor = min(1.0, 0.99 / max(np.abs(one.waveform).max() for one in shown))
        for one in shown:
            with replacing(self.out / one.file) as temporary:
                soundfile.write(temporary, factor * one.waveform, rate_hz, subtype="PCM_16")
        figure = draw_mixtures(shown, rate_hz, title=f"{self.shards}: mixtures of epoch {self.epoch}")
        with replacing(self.out / MIXTURES_PICTURE) as temporary:
            style.as_plain_text(figure)
            figure.savefig(temporary, dpi=style.DPI)


def draw_mixtures(shown: Sequence[ShownMixture], sample_rate_hz: int, *, title: str) -> Figure:
    """Draw the cochleagrams of mixtures, each below what it is made of.

    Args:
        shown: Mixtures of equal length.
        sample_rate_hz: Their sample rate in Hz.
        title: Title of the figure.

    Returns:
        The figure.
    """
    import torch

    from evaluate.report.figures import style

    waveforms = torch.from_numpy(np.stack([one.waveform for one in shown]))  # (M, T)
    front_end = _front_end(sample_rate_hz, waveforms.shape[1])
    with torch.inference_mode():
        cochleagrams = front_end(waveforms).numpy()  # (M, F, N)
    num_columns = min(_NUM_COLUMNS, len(shown))
    num_rows = ceil(len(shown) / num_columns)
    width, height = _PANEL_SIZE_IN
    figure = style.new_figure(num_columns * width, num_rows * height + 0.5, title)
    panels = figure.subplots(num_rows, num_columns, squeeze=False, sharex=True, sharey=True)
    for unused in panels.ravel()[len(shown) :]:
        unused.set_visible(False)
    freqs_hz = front_end.get_buffer("center_freqs_hz").numpy()  # (F,)
    marked_hz = [hz for hz in _MARKED_HZ if freqs_hz[0] <= hz <= freqs_hz[-1]]
    bands = np.interp(marked_hz, freqs_hz, np.arange(len(freqs_hz)))
    duration_s = waveforms.shape[1] / sample_rate_hz
    for panel, one, cochleagram in zip(panels.ravel(), shown, cochleagrams, strict=False):
        panel.imshow(
            cochleagram,
            origin="lower",
            aspect="auto",
            cmap="magma",
            interpolation="none",
            extent=(0, duration_s, -0.5, len(cochleagram) - 0.5),
        )
        panel.set_yticks(bands, [f"{hz / 1000:g}" for hz in marked_hz])
        panel.xaxis.set_major_formatter("{x:g}")
        panel.tick_params(labelsize=style.TICK_SIZE)
        panel.set_title(f"{one.file}\n{one.description}", fontsize=style.TICK_SIZE, loc="left", linespacing=1.35)
    figure.supxlabel("time (s)", fontsize=style.LABEL_SIZE)
    figure.supylabel("frequency (kHz)", fontsize=style.LABEL_SIZE)
    return figure


def _front_end(sample_rate_hz: int, num_samples: int) -> Cochleagram:
    """The published cochleagram, as far as the rate and length of the sounds allow."""
    from networks import Cochleagram

    num_taps = min(1001, 2 * round(sample_rate_hz / (2 * _TAPS_PER_SECOND)) + 1, num_samples)
    frame_rate_hz = next(rate for rate in (200, 100, 50, 20, 10, 5, 2, 1) if sample_rate_hz % rate == 0)
    return Cochleagram(
        sample_rate_hz=sample_rate_hz,
        num_samples=num_samples,
        high_hz=min(10_000.0, sample_rate_hz / 2),
        frame_rate_hz=frame_rate_hz,
        num_taps=num_taps,
    )


def _opened(location: str, split: str, side: Side) -> ClipSource:
    return ShardSet(location) if (Path(location) / INDEX_FILE).is_file() else open_clips(location, split, side=side)


def _shown(number: int, draw: Draw, dataset: MixtureDataset, pair: ClipPair) -> ShownMixture:
    from datamodules.batches.examples import Example

    example = dataset[draw]
    assert isinstance(example, Example)
    parts = []
    if example.snr_db != -inf:
        parts.append(_labels(pair.signals, draw.signal))
    if example.snr_db != inf and pair.noises is not None:
        parts.append(_labels(pair.noises, draw.noise))
    ratio = {inf: "signal alone", -inf: "noise alone"}.get(example.snr_db, f"{example.snr_db:+.1f} dB SNR")
    name = re.sub(r"[^A-Za-z0-9]+", "-", parts[0].replace(": ", "-"))[:40].strip("-")
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
