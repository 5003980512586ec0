"""Time and memory of the encoding engine beside scikit-learn and himalaya, at the size of NH2015 (one stage).

Run `python -m tests.benchmarks.encoding`. The peers are timed on a sample and scaled; `--units 26792` is B2021.
himalaya is compared where it is installed (extra `benchmarks`); its leave-one-out refits each fold, and its alphas
stop where its float64 solver still works.
"""

import argparse
import resource
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from torch.utils.flop_counter import FlopCounterMode

from evaluate.metrics.encoding.encoding import encode
from evaluate.metrics.encoding.penalties import PUBLISHED_ALPHAS
from evaluate.metrics.splits import Splits, published_splits

NUM_STIMULI, NUM_REPETITIONS = 165, 3


def make_problem(num_units: int, num_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Features with the spectrum of network activations (1 / index), voxels from no signal to much."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((NUM_STIMULI, 200)) / np.sqrt(1 + np.arange(200))
    features = np.maximum(latent @ rng.standard_normal((200, num_features)), 0)
    centred = features - features.mean(axis=0)
    signal = centred @ rng.standard_normal((num_features, num_units))
    signal *= rng.uniform(0, 1.5, num_units) / signal.std(axis=0)
    noise = rng.standard_normal((NUM_STIMULI, num_units, NUM_REPETITIONS))
    return features.astype(np.float32), signal[:, :, None] + noise


class Timer:
    """Wall-clock and processor seconds; the latter mean more on a machine that others use too."""

    def __enter__(self) -> "Timer":
        self._start = np.array([time.perf_counter(), time.process_time()])
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = np.array([time.perf_counter(), time.process_time()]) - self._start


def all_targets(responses: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The four fits of each unit, (n, 4 V)."""
    parts = [responses.mean(axis=2), *np.moveaxis(responses, 2, 0)]
    return np.concatenate(parts, axis=1)[train]


def time_engine(features: np.ndarray, responses: np.ndarray, splits: Splits, device: str) -> tuple[np.ndarray, float]:
    """Seconds (wall, processor), and GiB of memory added at the peak."""
    encode(features, responses[:, :50], splits, device=device)  # libraries load and threads start
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    with Timer() as timer:
        encode(features, responses, splits, device=device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return timer.seconds, (peak - pages * resource.getpagesize()) / 2**30


def time_one_by_one(features: np.ndarray, responses: np.ndarray, splits: Splits, num_fits: int) -> np.ndarray:
    """Seconds for one fit of RidgeCV to one unit and repetition, with its prediction."""
    train, test = splits.train[0], splits.test[0]
    wide = features.astype(np.float64)
    targets = all_targets(responses[:, :num_fits], train)
    with Timer() as timer:
        for column in range(num_fits):
            RidgeCV(alphas=PUBLISHED_ALPHAS).fit(wide[train], targets[:, column]).predict(wide[test])
    return timer.seconds / num_fits


def time_many_targets(features: np.ndarray, responses: np.ndarray, splits: Splits, num_units: int) -> np.ndarray:
    """Seconds for one split and `num_units` with RidgeCV's own way with several targets."""
    train, test = splits.train[0], splits.test[0]
    wide = features.astype(np.float64)
    targets = all_targets(responses[:, :num_units], train)
    with Timer() as timer:
        RidgeCV(alphas=PUBLISHED_ALPHAS, alpha_per_target=True).fit(wide[train], targets).predict(wide[test])
    return timer.seconds


def time_himalaya(features: np.ndarray, responses: np.ndarray, splits: Splits, num_units: int) -> np.ndarray | None:
    """The same with himalaya's kernel ridge, a penalty per target, leave-one-out; None where it is not installed."""
    try:
        from himalaya.kernel_ridge import KernelRidgeCV
    except ImportError:
        return None
    train, test = splits.train[0], splits.test[0]
    wide = features.astype(np.float64)
    targets = all_targets(responses[:, :num_units], train)
    mean = wide[train].mean(axis=0)
    scaled = (wide - mean) / np.abs(wide - mean).max()
    alphas = np.logspace(-20, 20, len(PUBLISHED_ALPHAS))
    with Timer() as timer, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = KernelRidgeCV(alphas=alphas, fit_intercept=True, cv=int(train.sum()))
        model.fit(scaled[train], targets).predict(scaled[test])
    return timer.seconds


def count_operations(features: np.ndarray, responses: np.ndarray, splits: Splits) -> float:
    """Floating-point operations in matrix products, counted in one split and scaled."""
    first = Splits(splits.train[:1], splits.test[:1])
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the counter sees one thread only
    with FlopCounterMode(display=False) as counter:
        encode(features, responses, first)
    torch.set_num_threads(num_threads)
    return counter.get_total_flops() * splits.num_splits


def matmul_rate() -> float:
    """Floating-point operations per second of a large float64 matrix product."""
    matrix = torch.randn(3000, 3000, dtype=torch.float64)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - start)
    return 2 * 3000**3 / min(seconds)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=7694)
    parser.add_argument("--features", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=None, help="CPU threads, default all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sample-fits", type=int, default=8, help="fits of RidgeCV to single targets")
    parser.add_argument("--sample-units", type=int, default=250, help="units of RidgeCV(alpha_per_target=True)")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    splits = published_splits(NUM_STIMULI)
    features, responses = make_problem(arguments.units, arguments.features)
    seconds, memory_gib = time_engine(features, responses, splits, arguments.device)
    num_fits = arguments.units * (1 + NUM_REPETITIONS) * splits.num_splits
    single = time_one_by_one(features, responses, splits, arguments.sample_fits) * num_fits
    sample = min(arguments.sample_units, arguments.units)
    scale = arguments.units / sample * splits.num_splits
    many = time_many_targets(features, responses, splits, sample) * scale
    himalaya = time_himalaya(features, responses, splits, sample)
    operations = count_operations(features, responses, splits)
    rate = matmul_rate()
    print(
        f"{NUM_STIMULI} stimuli x {arguments.units} units x {NUM_REPETITIONS} repetitions, {arguments.features} "
        f"features, {splits.num_splits} splits, {len(PUBLISHED_ALPHAS)} penalties, 4 fits; "
        f"{torch.get_num_threads()} threads\n"
    )
    print(f"{'method':<42}{'wall s':>10}{'ratio':>8}{'processor s':>13}{'ratio':>8}")
    for name, measured in (
        ("encode", seconds),
        ("RidgeCV, one target at a time (scaled)", single),
        ("RidgeCV(alpha_per_target=True) (scaled)", many),
        ("himalaya KernelRidgeCV (scaled)", None if himalaya is None else himalaya * scale),
    ):
        if measured is None:
            print(f"{name:<42}  not installed")
            continue
        ratio = measured / seconds
        print(f"{name:<42}{measured[0]:>10.2f}{ratio[0]:>8.0f}{measured[1]:>13.2f}{ratio[1]:>8.0f}")
    print(f"\npeak memory over the data: {memory_gib:.2f} GiB")
    print(
        f"matrix products: {operations / 1e9:.0f} GFLOP, {operations / seconds[0] / 1e9:.1f} GFLOP/s, "
        f"{100 * operations / seconds[0] / rate:.0f} % of the {rate / 1e9:.0f} GFLOP/s of a large product"
    )


if __name__ == "__main__":
    main()
