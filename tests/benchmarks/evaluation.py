"""Time of a whole evaluation as the callback does it: CochCNN9, all stages, a benchmark of NH2015's size.

Run `python -m tests.benchmarks.evaluation`. The sounds are noise and the voxels random mixtures of a stage's features:
neither changes what the work costs.
"""

import argparse
import resource
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas as pd
import torch

from evaluate.benchmarks import Benchmark
from evaluate.features.activations import stage_activations
from evaluate.metrics.encoding.encoding_metric import measure, tabulate
from evaluate.metrics.metric import Computing
from networks import AuditoryNetwork, CochCNN9, Cochleagram

NUM_STIMULI, NUM_REPETITIONS, NUM_SUBJECTS = 165, 3, 8
REGIONS = ("Primary", "Anterior", "Lateral", "Posterior", "Other")
NUM_CLASSES = {"word": 794, "speaker": 433, "audioset": 517}
T = TypeVar("T")


def make_benchmark(num_units: int, sample_rate_hz: int, num_samples: int) -> Benchmark:
    """Noise bursts and voxels of reliabilities from none to high."""
    rng = np.random.default_rng(0)
    sounds = rng.standard_normal((NUM_STIMULI, num_samples)).astype(np.float32) * 0.1
    latent = rng.standard_normal((NUM_STIMULI, 30))
    signal = latent @ rng.standard_normal((30, num_units)) * rng.uniform(0, 0.3, num_units)
    noise = rng.standard_normal((NUM_STIMULI, num_units, NUM_REPETITIONS))
    units = pd.DataFrame(
        {
            "unit": [f"v{number}" for number in range(num_units)],
            "subject": [f"s{number * NUM_SUBJECTS // num_units}" for number in range(num_units)],
            "region": [REGIONS[number % len(REGIONS)] for number in range(num_units)],
        }
    )
    return Benchmark(
        name="NH2015-size",
        version="1",
        stimulus_names=tuple(f"sound{number}" for number in range(NUM_STIMULI)),
        waveforms=lambda _rate, _length: sounds,
        responses=signal[:, :, None] + noise,
        units=units,
        noise_corrected=True,
    )


def timed(name: str, work: Callable[[], T]) -> T:
    """Do work and print how long it took."""
    start = time.perf_counter()
    result = work()
    print(f"{name:<46}{time.perf_counter() - start:>10.1f} s", flush=True)
    return result


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=7694)
    parser.add_argument("--method", default="multirate", choices=("direct", "multirate"), help="of the cochleagram")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads, default all")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    net = AuditoryNetwork(CochCNN9(), NUM_CLASSES, front_end=Cochleagram(method=arguments.method))
    net = net.to(arguments.device)
    benchmark = make_benchmark(arguments.units, net.sample_rate_hz, net.num_samples)
    print(f"{NUM_STIMULI} sounds, {arguments.units} units, {torch.get_num_threads()} threads, {arguments.device}\n")
    start = time.perf_counter()
    waveforms = benchmark.stimuli(net.sample_rate_hz, net.num_samples)
    features = timed("activations", lambda: stage_activations(net, waveforms))
    scores = {}
    for stage, of_stage in features.items():
        name = f"encoding {stage} ({of_stage.shape[1]} features)"
        scores[stage] = timed(name, lambda one=of_stage, stage=stage: measure(one, benchmark, stage, Computing()))  # type: ignore[misc]
    timed("table", lambda: tabulate(scores, benchmark))
    timed("table, again (stage selection's draws are kept)", lambda: tabulate(scores, benchmark))
    print(f"{'all':<46}{time.perf_counter() - start:>10.1f} s")
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
