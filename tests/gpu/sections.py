"""What the GPU check measures, a function for each section; benchmarks of `tests/benchmarks` do the measuring.

Imports are in the functions: a package that is missing on the machine costs one section, not all.
"""

import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from tests.gpu.report import Recorder

ROOT = Path(__file__).resolve().parents[2]
FRONT_ENDS: dict[str, dict[str, Any]] = {
    "direct": {"method": "direct"},
    "fast": {},
    "fast, torch's operators alone": {"fused": False},
    "fast, own kernels": {"fused": True},
}
"""Settings of the cochleagrams that are compared; "fast" chooses between the two below it by measuring."""

MOST_FRONT_END_SHARE = 0.05
LEAST_SPEED_UP = 3.0
LEAST_SHARD_SHARE = 0.97
MOST_NH2015_S = 3.0
NUM_CLASSES = {"word": 794, "speaker": 433}


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        device: "cuda", or "cpu" for a rehearsal.
        batch_sizes: of training steps, the first is that of the published CochCNN9.
        width: of the backbones, as a share of the published one.
        num_steps: steps whose median counts.
        num_warm: steps before those.
        matrix_size: rows of the matrices that give the card's rate.
        num_clips: clips of each side, in shards made for the purpose.
        num_workers: processes that load them.
        num_units: voxels of the benchmark of NH2015's size.
        compiles: whether backbones are compiled.
    """

    device: str
    batch_sizes: tuple[int, ...]
    width: float
    num_steps: int
    num_warm: int
    matrix_size: int
    num_clips: int
    num_workers: int
    num_units: int
    compiles: bool


def full_size() -> Size:
    """Sizes for a card."""
    num_workers = max(2, (os.cpu_count() or 2) - 2)
    return Size("cuda", (128, 256), 1.0, 10, 3, 8192, 1024, num_workers, 7694, True)


REHEARSAL = Size("cpu", (1, 2), 0.05, 1, 0, 256, 16, 1, 12, False)
"""Small enough for two CPU cores and two minutes; numbers mean nothing."""


def run_tests(size: Size, record: Recorder) -> None:
    """Tests marked `gpu`; without a GPU they skip."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests/gpu", "-p", "no:cacheprovider"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    counts = ended.stdout.strip().splitlines()[-1] if ended.stdout.strip() else ended.stderr
    words = counts.replace(",", "").split()
    for outcome in ("passed", "failed", "skipped"):
        number = next((int(words[i - 1]) for i, word in enumerate(words) if word == outcome and i), 0)
        record.add(outcome, number, **({"goal": 0} if outcome == "failed" else {}))
    if ended.returncode:
        raise RuntimeError(f"{ended.stdout[-6000:]}\n{counts}")


def count_costs(size: Size, record: Recorder) -> None:
    """Kernels and bytes, counted on a pretend GPU: the same on every machine."""
    from networks import Cochleagram
    from tests.helpers.device_costs import costs
    from tests.helpers.pretend_device import DEVICE, move_to, pretend_gpu

    num_sounds = 128
    for name, settings in FRONT_ENDS.items():
        front_end = Cochleagram(**settings)
        with pretend_gpu() as gpu:
            move_to(gpu, front_end)
            waveforms = torch.randn(num_sounds, front_end.num_samples, device=DEVICE)
            with torch.no_grad():
                forward = costs(front_end, waveforms)
            waveforms.requires_grad_()
            both = costs(lambda front=front_end, sounds=waveforms: front(sounds).sum().backward())
        for what, found in (("forward", forward), ("forward and backward", both)):
            record.add(f"{name} front end, {what}: kernels for {num_sounds} sounds", found.kernels)
            record.add(f"{name} front end, {what}: traffic", found.bytes / num_sounds / 1e6, "MB a sound")
    module = _module(size, "CochCNN9", "fast", channels_last=True)
    with pretend_gpu() as gpu:
        move_to(gpu, module)
        batch = _resident(size, num_sounds, DEVICE)
        with torch.autocast(DEVICE, torch.bfloat16):
            found = costs(
                lambda: module._logits_and_losses(module._heard(batch), module.objectives)[1].total.backward()
            )
    record.add(f"step of CochCNN9 (width {size.width:g}), bfloat16: kernels for {num_sounds} sounds", found.kernels)


def compare_errors(size: Size, record: Recorder) -> None:
    """Largest relative error of the fast front end on the device, for each kind of sound."""
    from networks import Cochleagram
    from tests.benchmarks.cochleagram import kinds_of_sounds, largest_error

    fast, direct = (Cochleagram(**FRONT_ENDS[name]).to(size.device) for name in ("fast", "direct"))
    for kind, sounds in kinds_of_sounds(16 if size.device == "cuda" else 1).items():
        some = sounds if size.device == "cuda" else sounds[:1]
        record.add(f"error on {kind}", largest_error(fast, direct, some.to(size.device)))


def time_front_ends(size: Size, record: Recorder) -> None:
    """The front end alone, and its share of a training step of both published networks."""
    from networks import Cochleagram
    from tests.benchmarks.training import seconds_each

    for batch_size in size.batch_sizes:
        seconds = {}
        for name, settings in FRONT_ENDS.items():
            front_end = Cochleagram(**settings).to(size.device)
            waveforms = 0.1 * torch.randn(batch_size, front_end.num_samples, device=size.device)
            with torch.no_grad(), _peak_memory(size, record, f"{name} front end alone, batch {batch_size}"):
                seconds[name] = seconds_each(
                    lambda front=front_end, sounds=waveforms: front(sounds), size.device, size.num_steps, size.num_warm
                )
            record.add(f"{name} front end alone, batch {batch_size}", 1000 * seconds[name], "ms")
        for backbone in ("CochCNN9", "CochResNet50"):
            step = _step_seconds(size, backbone, "fast", batch_size, bfloat16=True, channels_last=True)
            for name in ("direct", "fast"):
                # The step with the direct front end is that with the fast one, and what the direct one takes longer.
                share = seconds[name] / (step + seconds[name] - seconds["fast"])
                is_goal = backbone == "CochCNN9" and name == "fast"
                goal = {"goal": MOST_FRONT_END_SHARE} if is_goal else {}
                record.add(
                    f"{name} front end's share of a bfloat16 step of {backbone}, batch {batch_size}", share, **goal
                )


def train_variants(size: Size, record: Recorder) -> None:
    """Samples per second from the published loop to the fastest, and their share of the card's matrix rate."""
    from torch.utils.flop_counter import FlopCounterMode

    rates = {name: _matrix_rate(size, name) for name in ("float32", "tf32", "bfloat16")}
    for name, rate in rates.items():
        record.add(f"large matrix product, {name}", rate / 1e12, "TFLOP/s")
    for backbone in ("CochCNN9", "CochResNet50"):
        batch_sizes = size.batch_sizes if backbone == "CochCNN9" else size.batch_sizes[-1:]
        network = _module(size, backbone, "fast").network.to(size.device)
        cochleagrams = network.front_end(_resident(size, 2, size.device)["waveform"])
        with FlopCounterMode(display=False) as counter:
            features = network.backbone(cochleagrams)
            sum(head(features).sum() for head in network.heads.values()).backward()
        flops = counter.get_total_flops() / 2
        del network, features, cochleagrams
        record.add(f"{backbone}: operations of a step, without the front end", flops / 1e9, "GFLOP a sound")
        for batch_size in batch_sizes:
            variants: dict[str, dict[str, Any]] = {
                "float32, eager, direct front end (the published loop)": {"front_end": "direct"},
                "float32, eager": {},
                "bfloat16, channels last": {"bfloat16": True, "channels_last": True},
            }
            if size.compiles:
                variants["bfloat16, channels last, compiled"] = {
                    "bfloat16": True,
                    "channels_last": True,
                    "compile_backbone": True,
                }
            published = None
            for name, settings in variants.items():
                label = f"{backbone}, batch {batch_size}, {name}"
                front_end = settings.pop("front_end", "fast")
                with _peak_memory(size, record, label):
                    seconds = _step_seconds(size, backbone, front_end, batch_size, **settings)
                published = published or seconds
                record.add(label, batch_size / seconds, "samples/s")
                rate = rates["bfloat16" if settings.get("bfloat16") else "tf32"]
                record.add(f"{label}: share of the matrix rate", flops * batch_size / seconds / rate)
            goal = {"goal": LEAST_SPEED_UP, "goal_is": "at least"} if backbone == "CochCNN9" else {}
            record.add(f"{backbone}, batch {batch_size}: {name}, times the published loop", published / seconds, **goal)


def load_from_shards(size: Size, record: Recorder) -> None:
    """Training from shards next to training on a batch that stays on the device, mixed by workers and on the device."""
    from datamodules.data_module import AuditoryDataModule
    from tests.benchmarks.loading import make_shards
    from tests.benchmarks.training import seconds_each, shard_batches, step_seconds

    batch_size = size.batch_sizes[0]
    settings = {"bfloat16": True, "channels_last": True, "compile_backbone": size.compiles}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side in ("signal", "noise"):
            make_shards(folder, side, size.num_clips)
            (folder / side / "val").symlink_to(folder / side / "train")
        resident = _step_seconds(size, "CochCNN9", "fast", batch_size, **settings)
        record.add(f"resident data, batch {batch_size}", batch_size / resident, "samples/s")
        for mix_on_device in (False, True):
            data = AuditoryDataModule(
                signal=str(folder / "signal"),
                noise=str(folder / "noise"),
                tasks=["word", "audioset"],
                batch_size=batch_size,
                num_workers=size.num_workers,
                mix_on_device=mix_on_device,
            )
            where = "mixed on the device" if mix_on_device else "mixed by the workers"
            batches = shard_batches(data, size.device)
            alone = seconds_each(lambda: next(batches), size.device, 2 * size.num_steps, num_warm=2)  # noqa: B023
            record.add(f"loading alone, {where}, {size.num_workers} workers", batch_size / alone, "samples/s")
            module = _module(size, "CochCNN9", "fast", tasks=data.tasks, **_of_module(settings)).to(size.device)
            arguments = Namespace(device=size.device, steps=4 * size.num_steps, warm=size.num_warm)
            seconds = step_seconds(module, batches, arguments, bfloat16=True)
            record.add(f"from shards, {where}", batch_size / seconds, "samples/s")
            goal = {"goal": LEAST_SHARD_SHARE, "goal_is": "at least"}
            record.add(f"from shards, {where}: share of the rate on resident data", resident / seconds, **goal)


def score_brains(size: Size, record: Recorder) -> None:
    """Activations and encoding of CochCNN9's stages at NH2015's size, in parts and as the callback does it."""
    from evaluate.features.activations import stage_activations
    from evaluate.metrics.encoding.encoding_metric import measure, tabulate
    from evaluate.metrics.metric import Computing
    from evaluate.scoring.engine import ScoringEngine
    from evaluate.scoring.plan import ScoringPlan
    from networks import AuditoryNetwork, CochCNN9, Cochleagram, NetworkIdentity
    from tests.benchmarks.evaluation import make_benchmark

    front_end = Cochleagram()
    net = AuditoryNetwork(CochCNN9(width=size.width), NUM_CLASSES, front_end).to(size.device)
    benchmark = make_benchmark(size.num_units, net.sample_rate_hz, net.num_samples)
    waveforms, computing = benchmark.stimuli(net.sample_rate_hz, net.num_samples), Computing(device=size.device)
    stages = net.stages if size.device == "cuda" else net.stages[-1:]
    with torch.no_grad():
        stage_activations(net, waveforms[:8], stages=stages)  # libraries load
    with _peak_memory(size, record, "activations and encoding"):
        features, of_activations = _timed(lambda: stage_activations(net, waveforms, stages=stages))
        if size.device == "cuda":
            measure(features[stages[-1]], benchmark, stages[-1], computing)
        scores, of_encoding = _timed(
            lambda: {stage: measure(one, benchmark, stage, computing) for stage, one in features.items()}
        )
    record.add(f"activations of {benchmark.num_stimuli} sounds, {len(stages)} stages", of_activations, "s")
    record.add(f"encoding of {size.num_units} voxels, {len(stages)} stages", of_encoding, "s")
    record.add("activations and encoding", of_activations + of_encoding, "s", goal=MOST_NH2015_S)
    record.add("table of scores", _timed(lambda: tabulate(scores, benchmark))[1], "s")
    engine = ScoringEngine(plan=ScoringPlan(benchmarks=(benchmark,), stages=tuple(stages)))
    record.add("callback, table included", _timed(lambda: engine.score(net, benchmark, NetworkIdentity()))[1], "s")


SECTIONS: dict[str, tuple[Callable[[Size, Recorder], None], float]] = {
    "tests": (run_tests, 90),
    "costs": (count_costs, 60),
    "errors": (compare_errors, 40),
    "front end": (time_front_ends, 70),
    "training": (train_variants, 180),
    "loading": (load_from_shards, 110),
    "brain scores": (score_brains, 60),
}
"""Sections in their order, with the most seconds that each may take."""


def _module(size: Size, backbone: str, front_end: str, *, tasks: Any = None, **settings: Any) -> Any:
    from datamodules.tasks import Task
    from tests.benchmarks.training import make_module

    if tasks is None:
        tasks = [
            Task(name, "one_label", "signal", labels=("<null>", *(f"{name}{i}" for i in range(1, number))))
            for name, number in NUM_CLASSES.items()
        ]
    data: Any = SimpleNamespace(tasks=tasks)
    arguments = Namespace(
        backbone=backbone, width=size.width, method="direct" if front_end == "direct" else "multirate", device="cpu"
    )
    return make_module(data, arguments, **settings)


def _of_module(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "bfloat16"}


def _resident(size: Size, batch_size: int, device: str) -> dict[str, Any]:
    from tests.benchmarks.training import random_batches

    tasks = [SimpleNamespace(name=name) for name in NUM_CLASSES]
    data: Any = SimpleNamespace(num_samples=40_000, tasks=tasks)
    return next(random_batches(data, batch_size, device))


def _step_seconds(size: Size, backbone: str, front_end: str, batch_size: int, **settings: Any) -> float:
    """Seconds of a training step on a batch that stays on the device."""
    from itertools import repeat

    from tests.benchmarks.training import step_seconds

    torch._dynamo.reset()  # else the second batch size is compiled for any size
    module = _module(size, backbone, front_end, **_of_module(settings)).to(size.device)
    batches = repeat(_resident(size, batch_size, size.device))
    arguments = Namespace(device=size.device, steps=size.num_steps, warm=size.num_warm)
    return step_seconds(module, batches, arguments, bfloat16=settings.get("bfloat16", False))


def _matrix_rate(size: Size, precision: str) -> float:
    """Floating-point operations per second of a large matrix product."""
    from tests.benchmarks.training import seconds_each

    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    matrix = torch.randn(size.matrix_size, size.matrix_size, device=size.device, dtype=dtype)
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        seconds = seconds_each(lambda: matrix @ matrix, size.device, size.num_steps)
    finally:
        torch.backends.cuda.matmul.fp32_precision = before
    return 2 * size.matrix_size**3 / seconds


@contextmanager
def _peak_memory(size: Size, record: Recorder, what: str) -> Iterator[None]:
    if size.device != "cuda":
        yield
        return
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    yield
    record.add(f"{what}: peak memory", torch.cuda.max_memory_allocated() / 2**30, "GiB")


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return result, time.perf_counter() - start
