"""`python -m datamodules show`: listen to mixtures and look at them.

It lives here because it draws cochleagrams of mixtures, and `datamodules` and `networks` do not know each other.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from itertools import chain, islice
from math import ceil, inf
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import soundfile
from rich.console import Console

from datamodules.batches.clip_pairs import ClipPair, training_order
from datamodules.batches.mixing import DEFAULT_JITTER_S, PUBLISHED_SNR_DB
from datamodules.batches.order import Draw
from datamodules.files import replacing
from datamodules.shards.clip_sources import ClipSource, open_clips
from datamodules.shards.index import INDEX_FILE, ShardError
from datamodules.shards.reader import ShardSet
from datamodules.tasks import UNLABELLED, Side

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from datamodules.batches.examples import MixtureDataset
    from networks import Cochleagram

PICTURE_FILE = "mixtures.png"
MAX_LABELS_NAMED = 3
_NUM_COLUMNS = 2
_PANEL_SIZE_IN = (5.2, 2.6)
_MARKED_HZ = (100, 250, 500, 1000, 2000, 4000, 8000)
_TAPS_PER_SECOND = 50.0  # of the published low-pass kernel: 1001 taps at 20 kHz


class Shown(NamedTuple):
    """A mixture with what it is made of, in words."""

    file: str
    waveform: np.ndarray
    description: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = "Write a few mixtures as training hears them: WAV files and a picture of their cochleagrams."
    parser.add_argument("shards", help="folder of the signals: a shard set, one per split, or published HDF5 files")
    parser.add_argument("--noise", help="folder of the noises (default: signals in quiet)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for WAV files and picture")
    parser.add_argument("--num", type=int, default=8, help="mixtures (default: 8)")
    parser.add_argument("--split", default="train", help="of folders with one shard set per split (default: train)")
    parser.add_argument("--duration-s", type=float, default=2.0, help="of a mixture (default: 2)")
    parser.add_argument("--snr-db", type=float, nargs=2, default=PUBLISHED_SNR_DB, metavar=("LOW", "HIGH"))
    parser.add_argument("--jitter-s", type=float, default=DEFAULT_JITTER_S, help="shift in time (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="as of training (default: 0)")
    parser.add_argument("--epoch", type=int, default=0, help="the first mixtures of which epoch (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Mix, write, draw; 1 when there is nothing to show."""
    from datamodules.batches.examples import MixtureDataset, MixtureSettings
    from evaluate.report.figures import style

    signals = _opened(args.shards, args.split, "signal")
    pair = ClipPair(signals, None if args.noise is None else _opened(args.noise, args.split, "noise"))
    rate_hz = signals.sample_rate_hz
    _check(pair, args)
    settings = MixtureSettings(
        round(args.duration_s * rate_hz), (args.snr_db[0], args.snr_db[1]), jitter_s=args.jitter_s
    )
    dataset = MixtureDataset(*pair, [], settings, seed=args.seed)
    order = training_order(pair, batch_size=1, seed=args.seed, rank=0, num_ranks=1, num_workers=0)
    draws = islice(chain.from_iterable(order.batches(args.epoch)), args.num)
    shown = [_shown(number, draw, dataset, pair) for number, draw in enumerate(draws)]
    args.out.mkdir(parents=True, exist_ok=True)
    # One factor for all, so that none clips and all are as loud as training has them beside each other.
    factor = min(1.0, 0.99 / max(np.abs(one.waveform).max() for one in shown))
    for one in shown:
        with replacing(args.out / one.file) as temporary:
            soundfile.write(temporary, factor * one.waveform, rate_hz, subtype="PCM_16")
    with replacing(args.out / PICTURE_FILE) as temporary:
        picture(shown, rate_hz, title=f"{args.shards}: mixtures of epoch {args.epoch}").savefig(
            temporary, dpi=style.DPI
        )
    Console(soft_wrap=True).print(f"{len(shown)} mixtures and {PICTURE_FILE} are in {args.out}", markup=False)
    return 0


def picture(shown: Sequence[Shown], sample_rate_hz: int, *, title: str) -> Figure:
    """Draw the cochleagrams of mixtures, with what they are made of above each.

    Args:
        shown: the mixtures, of equal length.
        sample_rate_hz: their sample rate in Hz.
        title: shown on top.
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
    """The published cochleagram, as far as the sounds' rate and length allow."""
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


def _check(pair: ClipPair, args: argparse.Namespace) -> None:
    rate_hz = pair.signals.sample_rate_hz
    if pair.noises is not None and pair.noises.sample_rate_hz != rate_hz:
        raise ShardError(f"{pair.noises.folder}: has {pair.noises.sample_rate_hz} Hz, the signals {rate_hz} Hz")
    for clips in pair:
        if clips is not None and not len(clips):
            raise ShardError(f"{clips.folder}: has no clips")
    if args.num < 1 or args.duration_s * rate_hz < 1 or args.jitter_s < 0 or not args.snr_db[0] <= args.snr_db[1]:
        raise ShardError(
            "--num must be at least 1, --duration-s above 0, --jitter-s at least 0, --snr-db LOW at most HIGH; got "
            f"{args.num}, {args.duration_s}, {args.jitter_s}, {args.snr_db}"
        )


def _shown(number: int, draw: Draw, dataset: MixtureDataset, pair: ClipPair) -> Shown:
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
    return Shown(f"{number:02d}-{name}.wav", example.waveform, "\n".join([" in ".join(parts), ratio]))


def _labels(clips: ClipSource, i: int) -> str:
    """The labels of a clip in words."""
    found = []
    for name, numbers in clips.read(i).labels.items():
        labels = clips.label_sets[name].labels
        classes = (numbers,) if isinstance(numbers, int) else numbers
        named = [labels[place] for place in classes if place != UNLABELLED]
        more = f" and {len(named) - MAX_LABELS_NAMED} more" if len(named) > MAX_LABELS_NAMED else ""
        found.append(f"{name} {', '.join(named[:MAX_LABELS_NAMED]) or 'unlabelled'}{more}")
    return "; ".join(found)
