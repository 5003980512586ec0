"""Speed and memory of loading: examples a second of one core, beside bare decoding, webdataset and HDF5.

Run `python -m tests.benchmarks.loading`. Shards of noise-like clips are made first (2 s of signal, 4 s of noise, at
20 kHz): FLAC of noise is as long to decode as any. All are measured in turn, again and again, in one process and one
thread; rates are medians, by the CPU's time. An example needs a signal clip and a noise clip, so "decoding" decodes one
of either with soundfile alone, from bytes that are in memory. Before that: start-up of an index of a million clips.
"""

import argparse
import hashlib
import io
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
import webdataset
from rich.console import Console
from rich.table import Table

from datamodules.batches.augmentation.augmentation import Augmentation
from datamodules.batches.augmentation.band_limit import BandLimit
from datamodules.batches.augmentation.equalization import Equalization
from datamodules.batches.augmentation.gain import Gain
from datamodules.batches.augmentation.more_noises import MoreNoises
from datamodules.batches.augmentation.pitch import Pitch
from datamodules.batches.augmentation.plan import AugmentationPlan
from datamodules.batches.augmentation.reverberation import Reverberation
from datamodules.batches.augmentation.speed import Speed
from datamodules.batches.examples import MixtureDataset, MixtureSettings
from datamodules.batches.mixing import mix
from datamodules.batches.order import TrainingOrder
from datamodules.batches.random_streams import Purpose
from datamodules.batches.streaming_order import StreamedTrainingOrder
from datamodules.shards.hdf5_clips import Hdf5Clips
from datamodules.shards.index import ShardFile
from datamodules.shards.reader import ShardSet
from datamodules.shards.streaming import StreamedClips
from datamodules.shards.writer import ClipRecord, NewClip, ShardRecord, write_index, write_shard
from datamodules.tasks import NULL_LABEL, LabelSet, Task, resolve_task

SAMPLE_RATE_HZ = 20_000
SIGNAL_SAMPLES, NOISE_SAMPLES = 2 * SAMPLE_RATE_HZ, 4 * SAMPLE_RATE_HZ
CLIPS_PER_SHARD = 128
WORDS = tuple(f"word{i}" for i in range(793))
TAGS = tuple(f"tag{i}" for i in range(516))
SIGNAL_SETS = {"word": LabelSet("one_label", (NULL_LABEL, *WORDS))}
NOISE_SETS = {"audioset": LabelSet("many_labels", (NULL_LABEL, *TAGS))}
TARGET_SHARE, TARGET_IN_A_ROOM, TARGET_START_S = 0.6, 0.55, 2.0


def make_shards(folder: Path, side: str, num_clips: int) -> Path:
    """Shards of speech-like (amplitude-modulated) noise."""
    rng = np.random.default_rng(0)
    num_samples = SIGNAL_SAMPLES if side == "signal" else NOISE_SAMPLES
    label_sets = SIGNAL_SETS if side == "signal" else NOISE_SETS
    envelope = 0.02 + np.abs(np.sin(2 * np.pi * 2 * np.arange(num_samples) / SAMPLE_RATE_HZ))

    def clips(first: int) -> Iterator[NewClip]:
        for i in range(first, min(first + CLIPS_PER_SHARD, num_clips)):
            labels = (
                {"word": (WORDS[i % len(WORDS)],)} if side == "signal" else {"audioset": TAGS[i % 500 : i % 500 + 3]}
            )
            waveform = 0.1 * envelope * np.convolve(rng.standard_normal(num_samples), [0.5, 0.5], mode="same")
            yield NewClip(f"clip{i:06d}", waveform, num_samples // 2, labels)

    out = folder / side / "train"
    out.mkdir(parents=True)
    shards = [
        write_shard(out / f"shard-{place:06d}.tar", clips(first), sample_rate_hz=SAMPLE_RATE_HZ)
        for place, first in enumerate(range(0, num_clips, CLIPS_PER_SHARD))
    ]
    write_index(out, shards, label_sets=label_sets, sample_rate_hz=SAMPLE_RATE_HZ)
    return folder / side


def make_hdf5(folder: Path, signal: ShardSet, noise: ShardSet) -> Path:
    """The same clips in the published layout, two seconds of each noise, as it has them."""
    import h5py

    out = folder / "hdf5" / "train_0"
    out.mkdir(parents=True)
    num = len(signal)
    with h5py.File(out / "JSIN_all__run_0.h5", "w") as file:
        sounds = (signal, SIGNAL_SAMPLES), (noise, SIGNAL_SAMPLES)
        for name, (clips, num_samples) in zip(("signal", "noise"), sounds, strict=True):
            values = np.stack([clips.read(i % len(clips)).waveform[:num_samples] for i in range(num)])
            file.create_dataset(f"sources/{name}/signal", data=values.astype(np.float32))
        file["sources/signal/word_int"] = np.arange(num) % len(WORDS) + 1
        file["sources/signal/speaker_int"] = np.ones(num, dtype=int)
        file["sources/noise/labels_binary_via_int"] = np.eye(len(TAGS) + 1, dtype=np.int8)[np.arange(num) % 500 + 1]
    return folder / "hdf5"


def flac_bytes(shards: ShardSet) -> list[bytes]:
    """The sounds of a shard set, undecoded."""
    return [shards._member(i) for i in range(len(shards))]


def decode(flac: bytes) -> np.ndarray:
    """Bare soundfile."""
    with soundfile.SoundFile(io.BytesIO(flac)) as file:
        return file.read(dtype="float32")


def webdataset_pipeline(folder: Path) -> webdataset.WebDataset:
    """What one would write with webdataset alone."""
    urls = [str(path) for path in sorted((folder / "train").glob("*.tar"))]

    def to_samples(sample: dict[str, bytes]) -> tuple[np.ndarray, dict]:
        return decode(sample["flac"]), json.loads(sample["json"])

    return webdataset.WebDataset(urls, shardshuffle=False).shuffle(100).map(to_samples)


def tasks_of() -> list[Task]:
    """One task about either side."""
    sides = {"signal": SIGNAL_SETS, "noise": NOISE_SETS}
    return [resolve_task(name, sides) for name in ("word", "audioset")]


def all_examples(dataset: MixtureDataset, order: TrainingOrder) -> Callable[[], int]:
    """An epoch of examples, in order."""

    def run() -> int:
        return sum(1 for batch in order.batches(0) for draw in batch if dataset[draw] is not None)

    return run


def measured(folder: Path, num_clips: int) -> dict[str, Callable[[], int]]:
    """What is timed, each giving the number of examples."""
    signal, noise = (make_shards(folder, side, num_clips) for side in ("signal", "noise"))
    signals, noises = ShardSet(signal / "train"), ShardSet(noise / "train")
    hdf5 = make_hdf5(folder, signals, noises)
    flacs = list(zip(flac_bytes(signals), flac_bytes(noises), strict=True))
    settings = MixtureSettings(num_samples=SIGNAL_SAMPLES, jitter_s=0.1)
    order = TrainingOrder(num_clips, num_clips, batch_size=8, seed=0)
    order_of_two = TrainingOrder(num_clips, num_clips, batch_size=8, seed=0, noises_per_example=2)
    word, tags = tasks_of()
    streamed = [StreamedClips(f"pipe:cat {folder}/{{path}}", "train") for folder in (signal, noise)]
    streamed_order = StreamedTrainingOrder(*(clips.clips_per_shard for clips in streamed), batch_size=8, seed=0)
    published = [Hdf5Clips(hdf5, "train", side=side) for side in ("signal", "noise")]
    no_tasks: list[Task] = []

    def augmented(*augmentations: Augmentation) -> AugmentationPlan:
        return AugmentationPlan(augmentations, num_samples=SIGNAL_SAMPLES, sample_rate_hz=SAMPLE_RATE_HZ, seed=0)

    def dataset(clips: list, **changes: object) -> MixtureDataset:
        return MixtureDataset(*clips, changes.pop("tasks", [word, tags]), settings, seed=0, **changes)  # type: ignore[arg-type]

    def bare() -> int:
        return sum(1 for pair in flacs if [decode(flac) for flac in pair])

    def reading() -> int:
        return sum(
            1 for batch in order.batches(0) for draw in batch if (signals.read(draw.signal), noises.read(draw.noise))
        )

    def webdatasets() -> int:
        return sum(1 for _ in zip(webdataset_pipeline(signal), webdataset_pipeline(noise), strict=True))

    def webdatasets_mixed() -> int:
        pairs = zip(webdataset_pipeline(signal), webdataset_pipeline(noise), strict=True)
        return sum(1 for one, other in pairs if mix(one[0], other[0][:SIGNAL_SAMPLES], 0.0) is not None)

    def bare_hdf5() -> int:
        import h5py

        with h5py.File(hdf5 / "train_0" / "JSIN_all__run_0.h5", locking=False) as file:
            sounds = [file[f"sources/{side}/signal"] for side in ("signal", "noise")]
            return sum(1 for i in range(num_clips) if [values[i] for values in sounds])

    return {
        "soundfile: decoding alone": bare,
        "shards: reading, decoding": reading,
        "shards: reading, decoding, mixing": all_examples(dataset([signals, noises]), order),
        "shards: reading, decoding, mixing, a room": all_examples(
            dataset([signals, noises], augmentation=augmented(Reverberation())), order
        ),
        "shards: reading, decoding, mixing, a room, two noises": all_examples(
            dataset([signals, noises], augmentation=augmented(Reverberation(), MoreNoises(most=1))), order_of_two
        ),
        **{
            f"shards: reading, decoding, mixing, {one.name}": all_examples(
                dataset([signals, noises], augmentation=augmented(one)), order
            )
            for one in (Equalization(), BandLimit(), Speed(), Pitch(), Gain())
        },
        "shards: reading, decoding, crops for the device": all_examples(
            dataset([signals, noises], is_mixed=False), order
        ),
        "shards streamed (cat): reading, decoding, mixing": all_examples(dataset(streamed), streamed_order),
        "webdataset: reading, decoding": webdatasets,
        "webdataset: reading, decoding, mixing": webdatasets_mixed,
        "h5py: reading rows in order": bare_hdf5,
        "HDF5 as published: reading, mixing": all_examples(dataset(published, tasks=no_tasks), order),
    }


def write_large_index(folder: Path, num_clips: int) -> Path:
    """The index of a shard set of so many clips, without the shards."""
    folder.mkdir()
    per_shard = 1000
    shards = []
    for number in range(num_clips // per_shard):
        first = number * per_shard
        clips = tuple(
            ClipRecord(
                f"source_folder_recording_{i}-{hashlib.sha256(str(i).encode()).hexdigest()[:12]}",
                1536 + (i - first) * 70_000,
                60_000,
                SIGNAL_SAMPLES,
                SIGNAL_SAMPLES // 2,
                1.0,
                {"word": (WORDS[i % len(WORDS)],), "audioset": TAGS[i % 500 : i % 500 + 3]},
            )
            for i in range(first, first + per_shard)
        )
        file = ShardFile(f"shard-{number:06d}.tar", per_shard, 80_000_000, "0" * 64)
        shards.append(ShardRecord(file, clips))
    write_index(folder, shards, label_sets={**SIGNAL_SETS, **NOISE_SETS}, sample_rate_hz=SAMPLE_RATE_HZ)
    return folder


OPENING = """
import resource, sys, time
import torch
from datamodules.shards.reader import ShardSet
def rss_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
before, start = rss_mb(), time.perf_counter()
shards = ShardSet(sys.argv[1], check_files=False)
print(time.perf_counter() - start, rss_mb() - before, len(shards))
"""


def opening(folder: Path) -> tuple[float, float, int]:
    """Seconds, MiB and clips of opening an index in a fresh process."""
    command = [sys.executable, "-c", OPENING, str(folder)]
    seconds, mib, num = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), float(mib), int(num)


def worker_memory(folder: Path, num_clips: int) -> float:
    """MiB that a worker process has of its own after an epoch (what it shares with its parent left out)."""
    pair = [ShardSet(folder / side / "train") for side in ("signal", "noise")]
    settings = MixtureSettings(num_samples=SIGNAL_SAMPLES, jitter_s=0.1)
    dataset = MixtureDataset(*pair, tasks_of(), settings, seed=0, purpose=Purpose.TRAINING_EXAMPLE)
    run = all_examples(dataset, TrainingOrder(num_clips, num_clips, batch_size=8, seed=0))
    receiving, sending = multiprocessing.Pipe(duplex=False)

    def work() -> None:
        run()
        rollup = dict(line.split(":") for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
        sending.send(int(rollup["Private_Dirty"].split()[0]) / 1024)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    found = receiving.recv()
    process.join()
    return float(found)


def cpu_s() -> float:
    """Seconds of CPU that this process and its children that have ended took: others may use the machine as well."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-clips", type=int, default=512)
    parser.add_argument("--num-rounds", type=int, default=7)
    parser.add_argument("--index-clips", type=int, default=1_000_000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = write_large_index(folder / "large", args.index_clips)
        starts = [opening(large) for _ in range(3)]
        size_mib = sum(path.stat().st_size for path in large.iterdir()) / 2**20
        console.print(
            f"index of {starts[0][2]} clips: opened in {min(start[0] for start in starts):.2f} s (target "
            f"{TARGET_START_S} s), {statistics.median(start[1] for start in starts):.0f} MiB in memory, "
            f"{size_mib:.0f} MiB on disk"
        )
        functions = measured(folder, args.num_clips)
        rates: dict[str, list[float]] = {name: [] for name in functions}
        for function in functions.values():
            function()
        for _ in range(args.num_rounds):
            for name, function in functions.items():
                start = cpu_s()
                num = function()
                rates[name].append(num / (cpu_s() - start))
        table = Table("what", "examples / s / core", "of bare decoding", title=f"{args.num_clips} examples, one thread")
        names = list(functions)
        for name in names:
            shares = [one / bare for one, bare in zip(rates[name], rates[names[0]], strict=True)]
            table.add_row(name, f"{statistics.median(rates[name]):.0f}", f"{100 * statistics.median(shares):.0f} %")
        console.print(table)
        console.print(
            f"target: mixing at {100 * TARGET_SHARE:.0f} % of bare decoding, in a room {100 * TARGET_IN_A_ROOM:.0f} %"
        )
        console.print(f"a worker's own memory: {worker_memory(folder, args.num_clips):.0f} MiB")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        console.print(f"this process at its peak, benchmark's data included: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
