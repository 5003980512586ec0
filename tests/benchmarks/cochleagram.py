"""Speed, memory and error of the cochleagram: the fast method, the direct one, and its inverse FFTs alone.

Run `python -m tests.benchmarks.cochleagram`. The fast method is measured in both ways it has on a CPU, tensor by tensor
and as compiled code. All are measured in turn, again and again, in one run; times are medians, a sound. The FFTs alone
are those of each band at full length, once as the published software has them (all bands of a sound in one call) and
once a few bands at a time, which stays in a CPU's cache and is faster there. Set AUDITORY_TEST_DATA to the folder of
the tests' data for the error on natural sounds. A further table counts kernels and memory traffic on a GPU, which need
not be there. With `--device cuda`, also the share of a training step of CochCNN9.
"""

import argparse
import ctypes
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from datamodules.audio import fit_length, read_audio
from networks import AuditoryNetwork, CochCNN9, Cochleagram
from networks.front_ends.multirate import fused
from tests.helpers.device_costs import Costs, costs
from tests.helpers.pretend_device import move_to, pretend_gpu

NUM_SAMPLES, SAMPLE_RATE_HZ, NUM_BANDS = 40_000, 20_000, 211
BANDS_IN_CACHE = 16
LEVEL_RMS = 0.1
CONSOLE_WIDTH = 150
Settings = dict[str, Any]  # arguments of Cochleagram
Measured = dict[str, tuple[Callable[[], object], int]]  # name -> what is timed, sounds in it


def fast_settings() -> dict[str, Settings]:
    """The fast method tensor by tensor, and where there is a compiler also as compiled code."""
    tensors: dict[str, Settings] = {"tensors": {"fused": False}}
    try:
        fused.load()
    except fused.NoCompilerError as error:
        print(error)
        return tensors
    return tensors | {"compiled": {"fused": True}}


def at_level(sounds: np.ndarray) -> torch.Tensor:
    """(S, T) sounds at the published level; silence stays."""
    rms = np.sqrt(np.mean(sounds**2, axis=1, keepdims=True))
    return torch.tensor(LEVEL_RMS * sounds / np.where(rms > 0, rms, 1), dtype=torch.float32)


def kinds_of_sounds(num_natural: int) -> dict[str, torch.Tensor]:
    """Sounds of each kind on which errors are taken."""
    rng = np.random.default_rng(1)
    seconds = np.arange(NUM_SAMPLES) / SAMPLE_RATE_HZ
    clicks = np.zeros((6, NUM_SAMPLES))
    for train, period in zip(clicks, (250, 500, 1000, 2000, 2500, 5000), strict=True):
        train[::period] = 1
    single = np.zeros((1, NUM_SAMPLES))
    single[0, NUM_SAMPLES // 2] = 1
    tones = [np.sin(2 * np.pi * hz * seconds) for hz in (100, 440, 1000, 3000)]
    tones += [np.sin(2 * np.pi * hz * seconds) + np.sin(2 * np.pi * (hz + 300) * seconds) for hz in (1000, 4000)]
    kinds = {
        "noise": rng.standard_normal((4, NUM_SAMPLES)),
        "clicks": np.concatenate([clicks, single]),
        "tones": np.stack(tones),
        "silence": np.zeros((1, NUM_SAMPLES)),
        "noise, then silence": rng.standard_normal((2, NUM_SAMPLES)) * (seconds < 1),
    }
    folder = os.environ.get("AUDITORY_TEST_DATA")
    if folder:
        files = sorted((Path(folder) / "data" / "natsound165" / "stimuli").glob("*"))[:num_natural]
        sounds = [read_audio(file, sample_rate_hz=SAMPLE_RATE_HZ, duration_s=2.0) for file in files]
        kinds["natural sounds"] = np.stack([fit_length(sound, NUM_SAMPLES) for sound in sounds])
    return {name: at_level(sounds) for name, sounds in kinds.items()}


@torch.no_grad()
def largest_error(front_end: Cochleagram, direct: Cochleagram, sounds: torch.Tensor) -> float:
    """Largest relative L2 error of a sound's compressed cochleagram."""
    errors = []
    for sound in sounds.split(4):
        expected = direct(sound).flatten(1)
        differences = front_end(sound).flatten(1) - expected
        errors.append(float((differences.norm(dim=1) / expected.norm(dim=1)).max()))
    return max(errors)


def forward(front_end: Cochleagram, waveforms: torch.Tensor) -> Callable[[], object]:
    """What is timed: the forward pass without a graph."""

    def run() -> None:
        with torch.no_grad():
            front_end(waveforms)

    return run


def forward_backward(front_end: Cochleagram, waveforms: torch.Tensor) -> Callable[[], object]:
    """What is timed: forward and the gradient for the waveforms."""

    def run() -> None:
        leaf = waveforms.clone().requires_grad_()
        front_end(leaf).sum().backward()

    return run


def ffts_alone(bands_at_once: int, device: str) -> Callable[[], object]:
    """What is timed: a sound's inverse FFTs of all bands at full length."""
    spectra = torch.randn(bands_at_once, NUM_SAMPLES, dtype=torch.complex64, device=device)
    counts = [bands_at_once] * (NUM_BANDS // bands_at_once) + [NUM_BANDS % bands_at_once]

    def run() -> None:
        for count in counts:
            if count:
                torch.fft.ifft(spectra[:count])

    return run


def seconds_a_sound(measured: Measured, repetitions: int) -> dict[str, float]:
    """Median seconds a sound of each, measured in turn."""
    taken: dict[str, list[float]] = {name: [] for name in measured}
    for repetition in range(repetitions + 1):
        for name, (run, num_sounds) in measured.items():
            synchronize()
            start = time.perf_counter()
            run()
            synchronize()
            if repetition:  # the first warms up
                taken[name].append((time.perf_counter() - start) / num_sounds)
    return {name: statistics.median(values) for name, values in taken.items()}


def synchronize() -> None:
    """Wait for the GPU where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_memory(settings: Settings, backward: bool, num_sounds: int, result: "multiprocessing.Queue[float]") -> None:
    """Bytes that a front end adds at its peak, in a process of its own."""
    torch.set_num_threads(1)
    front_end = Cochleagram(**settings)
    waveforms = torch.randn(num_sounds, NUM_SAMPLES) * LEVEL_RMS
    ctypes.CDLL(None).malloc_trim(0)  # making the front end took memory too: give it back, and start the peak anew
    Path("/proc/self/clear_refs").write_text("5")
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    (forward_backward if backward else forward)(front_end, waveforms)()
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    result.put(peak - pages * resource.getpagesize())


def measure_memory(settings: Settings, *, backward: bool, num_sounds: int) -> float:
    """MiB of :func:`peak_memory`."""
    context = multiprocessing.get_context("spawn")
    result: multiprocessing.Queue[float] = context.Queue()
    process = context.Process(target=peak_memory, args=(settings, backward, num_sounds, result))
    process.start()
    value = result.get()
    process.join()
    return value / 2**20


def time_all(fronts: dict[str, Cochleagram], num_sounds: int, device: str, repetitions: int) -> dict[str, float]:
    """Seconds a sound of everything; the direct method on fewer sounds, its time a sound does not depend on them."""
    waveforms = torch.randn(num_sounds, NUM_SAMPLES, device=device) * LEVEL_RMS
    few = waveforms if device != "cpu" else waveforms[:4]
    measured: Measured = {
        "FFTs alone, all bands at once": (ffts_alone(NUM_BANDS, device), 1),
        f"FFTs alone, {BANDS_IN_CACHE} bands at once": (ffts_alone(BANDS_IN_CACHE, device), 1),
    }
    for name, front_end in fronts.items():
        sounds = few if name == "direct" else waveforms
        measured[f"{name}, forward"] = (forward(front_end, sounds), len(sounds))
        measured[f"{name}, forward and backward"] = (forward_backward(front_end, sounds), len(sounds))
    return seconds_a_sound(measured, repetitions)


def training_step_share(front_end: Cochleagram, num_sounds: int) -> tuple[float, float]:
    """Seconds of a training step of CochCNN9 on the GPU in bfloat16, and of the front end in it."""
    network = AuditoryNetwork(CochCNN9(), {"word": 794}, front_end).to("cuda")
    optimizer = torch.optim.Adam(network.parameters())
    waveforms = torch.randn(num_sounds, NUM_SAMPLES, device="cuda") * LEVEL_RMS
    targets = torch.zeros(num_sounds, dtype=torch.long, device="cuda")

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            logits = network(waveforms)["word"]
        torch.nn.functional.cross_entropy(logits.float(), targets).backward()
        optimizer.step()

    taken = seconds_a_sound({"step": (step, 1), "front end": (forward(front_end, waveforms), 1)}, 20)
    return taken["step"], taken["front end"]


def device_costs(settings: Settings, *, backward: bool, num_sounds: int) -> Costs:
    """Kernels and bytes on a pretend GPU."""
    front_end = Cochleagram(**settings)
    with pretend_gpu() as gpu:
        move_to(gpu, front_end)
        waveforms = torch.randn(num_sounds, NUM_SAMPLES, device="cuda")
        return costs((forward_backward if backward else forward)(front_end, waveforms))


def table_of_device_costs(num_sounds: int) -> Table:
    """Of the direct method, and of the fast one tensor by tensor and with its own kernels."""
    title = f"on a GPU, a batch of {num_sounds}, counted on a pretend one"
    table = Table("", "kernels", "MB a sound", "kernels with backward", "MB a sound with backward", title=title)
    ways: dict[str, Settings] = {"direct": {"method": "direct"}, "tensors": {"fused": False}, "own kernels": {}}
    for name, settings in ways.items():
        cells = []
        for backward in (False, True):
            counted = device_costs(settings, backward=backward, num_sounds=num_sounds)
            cells += [str(counted.kernels), f"{counted.bytes / num_sounds / 1e6:.1f}"]
        table.add_row(name, *cells)
    return table


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sounds", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--natural", type=int, default=165, help="natural sounds on which errors are taken")
    parser.add_argument("--tolerances", type=float, nargs="*", default=[1e-3, 3e-3], help="beside the default")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    console = Console(width=CONSOLE_WIDTH)
    all_settings: dict[str, Settings] = {"direct": {"method": "direct"}, **fast_settings()}
    for tolerance in arguments.tolerances:
        for name, settings in fast_settings().items():
            all_settings[f"{name}, tolerance {tolerance:g}"] = settings | {"tolerance": tolerance}
    fronts = {name: Cochleagram(**settings) for name, settings in all_settings.items()}
    kinds = kinds_of_sounds(arguments.natural)
    errors = {
        name: {kind: largest_error(front, fronts["direct"], sounds) for kind, sounds in kinds.items()}
        for name, front in fronts.items()
        if name != "direct"
    }
    all_threads = torch.get_num_threads()
    for num_threads in dict.fromkeys((1, all_threads) if arguments.device == "cpu" else (1,)):
        torch.set_num_threads(num_threads)
        for front_end in fronts.values():
            front_end.to(arguments.device)
        times = time_all(fronts, arguments.sounds, arguments.device, arguments.repetitions)
        whole, cached = (times[name] for name in list(times)[:2])
        where = f"{arguments.device} ({fused.instruction_set()})" if arguments.device == "cpu" else arguments.device
        title = f"{arguments.sounds} sounds of 2 s, {where}, {num_threads} threads"
        table = Table("", "ms a sound", "x all at once", f"x {BANDS_IN_CACHE} at once", *kinds, title=title)
        for name, seconds in times.items():
            front_errors = errors.get(name.removesuffix(", forward"), {})
            cells = [f"{1000 * seconds:.2f}", f"{whole / seconds:.1f}", f"{cached / seconds:.1f}"]
            table.add_row(name, *cells, *(f"{front_errors[kind]:.1e}" if front_errors else "" for kind in kinds))
        console.print(table)
    console.print(table_of_device_costs(arguments.sounds))
    if arguments.device == "cpu":
        table = Table("peak memory, MiB", "forward", "forward and backward")
        for name, settings in ({"direct": {"method": "direct"}} | fast_settings()).items():
            values = [measure_memory(settings, backward=b, num_sounds=arguments.sounds) for b in (False, True)]
            table.add_row(name, *(f"{value:.0f}" for value in values))
        console.print(table)
    else:
        step, front = training_step_share(Cochleagram(), arguments.sounds)
        console.print(
            f"front end: {arguments.sounds / front:.0f} sounds a second, {100 * front / step:.1f} % of a training step "
            f"of CochCNN9 ({1000 * step:.1f} ms for {arguments.sounds} sounds)"
        )


if __name__ == "__main__":
    main()
