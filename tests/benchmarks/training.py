"""Speed of training steps: from shards beside resident random data, and the shares of front end and backbone.

Run `python -m tests.benchmarks.training --signal data/fsdd/signal --noise data/fsdd/noise`. On a GPU it also compares
float32 with bfloat16, channels last and the compiled backbone.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from networks import CochCNN9, Cochleagram, CochResNet50
from train.learning.module import AuditoryModule

if TYPE_CHECKING:  # the GPU check measures where it cannot be imported
    from datamodules.data_module import AuditoryDataModule

PUBLISHED_SPEECH_CLIPS = 230_356
"""Clips of one pass over the published training data (Feather et al. 2019)."""
BACKBONES = {"CochCNN9": CochCNN9, "CochResNet50": CochResNet50}


def make_module(data: "AuditoryDataModule", arguments: argparse.Namespace, **settings: Any) -> AuditoryModule:
    """The network with the front end asked for."""
    torch.manual_seed(0)
    backbone = BACKBONES[arguments.backbone](width=arguments.width)
    front_end = Cochleagram(method=arguments.method)
    return AuditoryModule(backbone=backbone, tasks=data.tasks, front_end=front_end, **settings).to(arguments.device)


def random_batches(data: "AuditoryDataModule", batch_size: int, device: str) -> Iterator[dict[str, Any]]:
    """One batch of noise, again and again."""
    waveform = 0.1 * torch.randn(batch_size, data.num_samples, device=device)
    targets = {task.name: torch.zeros(batch_size, dtype=torch.long, device=device) for task in data.tasks}
    while True:
        yield {"waveform": waveform, "targets": targets}


def shard_batches(data: "AuditoryDataModule", device: str) -> Iterator[dict[str, Any]]:
    """Batches of training, epoch after epoch."""
    loader = data.train_dataloader()
    while True:
        for batch in loader:
            targets = {name: target.to(device, non_blocking=True) for name, target in batch["targets"].items()}
            sounds = {name: batch[name] for name in ("waveform", "signal", "noise", "snr_db") if name in batch}
            moved = {name: sound.to(device, non_blocking=True) for name, sound in sounds.items()}
            yield data.on_after_batch_transfer({**moved, "targets": targets}, 0)


def wait(device: str) -> None:
    """Until the device has done what it was told."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def seconds_each(work: Callable[[], Any], device: str, num_steps: int, num_warm: int = 2) -> float:
    """Median seconds of a piece of work."""
    times = []
    for step in range(num_warm + num_steps):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        if step >= num_warm:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def step_seconds(
    module: AuditoryModule, batches: Iterator[dict[str, Any]], arguments: argparse.Namespace, *, bfloat16: bool = False
) -> float:
    """Seconds of one step: forward, backward, update."""
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9)
    device_type = arguments.device.split(":")[0]

    def step() -> None:
        batch = next(batches)
        with torch.autocast(device_type, torch.bfloat16, enabled=bfloat16):
            _, losses = module._logits_and_losses(module._heard(batch), module.objectives)
        optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
        optimizer.step()

    return seconds_each(step, arguments.device, arguments.steps, arguments.warm)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signal", default="data/fsdd/signal")
    parser.add_argument("--noise", default="data/fsdd/noise")
    parser.add_argument("--task", action="append", help="task, default word and speaker")
    parser.add_argument("--backbone", default="CochCNN9", choices=sorted(BACKBONES))
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--method", default="multirate", choices=("direct", "multirate"))
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warm", type=int, default=2, help="steps before those that are timed")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    from datamodules.batches.augmentation.reverberation import Reverberation
    from datamodules.data_module import AuditoryDataModule

    size, device = arguments.batch_size, arguments.device
    data, in_rooms = (
        AuditoryDataModule(
            signal=arguments.signal,
            noise=arguments.noise,
            tasks=arguments.task or ["word", "speaker"],
            batch_size=size,
            num_workers=arguments.workers,
            augmentation=augmentation,
        )
        for augmentation in (None, [Reverberation()])
    )
    module = make_module(data, arguments)
    resident = next(random_batches(data, size, device))
    print(f"{arguments.backbone}, width {arguments.width}, batch {size}, {torch.get_num_threads()} threads, {device}\n")
    print(f"{'':<44}{'sounds/s':>10}{'share':>8}")

    def show(name: str, seconds: float, whole: float) -> None:
        print(f"{name:<44}{size / seconds:>10.1f}{100 * seconds / whole:>7.0f} %", flush=True)

    whole = step_seconds(module, random_batches(data, size, device), arguments)
    show("step on resident random data", whole, whole)
    with torch.no_grad():
        front_end = seconds_each(lambda: module.network.front_end(resident["waveform"]), device, arguments.steps)
    show(f"  front end alone ({arguments.method})", front_end, whole)
    batches = shard_batches(data, device)
    from_shards = step_seconds(module, batches, arguments)
    show(f"step from shards ({arguments.workers} workers)", from_shards, whole)
    from_rooms = step_seconds(module, shard_batches(in_rooms, device), arguments)
    show(f"step from shards, in rooms ({arguments.workers} workers)", from_rooms, whole)
    show("loading alone", seconds_each(lambda: next(batches), device, arguments.steps, num_warm=10), whole)
    variants: list[tuple[str, dict[str, Any], bool]] = [("channels last", {"channels_last": True}, False)]
    if device.startswith("cuda"):
        variants += [
            ("bfloat16", {}, True),
            ("bfloat16, channels last", {"channels_last": True}, True),
            ("bfloat16, channels last, compiled", {"channels_last": True, "compile_backbone": True}, True),
        ]
    for name, settings, bfloat16 in variants:
        other = make_module(data, arguments, **settings)
        show(
            f"step, {name}",
            step_seconds(other, random_batches(data, size, device), arguments, bfloat16=bfloat16),
            whole,
        )
    print(
        f"\nfrom shards: {100 * whole / from_shards:.0f} % of the rate on resident data, in rooms "
        f"{100 * whole / from_rooms:.0f} % (target: 90 %)"
    )
    print(f"a pass over the published speech clips: {PUBLISHED_SPEECH_CLIPS * from_shards / size / 3600:.1f} h")
    memory_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if device.startswith("cuda"):
        memory_gib = torch.cuda.max_memory_allocated() / 2**30
    print(f"peak memory: {memory_gib:.1f} GiB")


if __name__ == "__main__":
    main()
