"""Encoding in time of recorded responses, next to the ridge regressions of mne and mtrf on the same features.

Run `python -m tests.benchmarks.temporal`, with `AUDITORY_TEST_DATA` naming the folder of reference values. First, all
stages of a network (`--network`) are scored on the ECoG components of `golden/time_resolved.npz` by the metric
`temporal`: R^2, time and peak memory. Then one stage's components, in the bins of the responses, are given to each
method: lags of 0 to 360 ms, a penalty for each component out of the same 25, chosen by 5 folds over training sounds,
tested on the same sounds. mtrf chooses by correlation, the others by squared error. Peers that are not installed are
left out.
"""

import argparse
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from evaluate.benchmarks.benchmark import Benchmark
from evaluate.benchmarks.sound_files import sounds_in_folder
from evaluate.benchmarks.time_bins import TimeBins
from evaluate.features.cache import cached_activations
from evaluate.metrics import load_metrics
from evaluate.metrics.splits import published_splits
from evaluate.metrics.temporal.lagged_ridge import NUM_FOLDS, SCALES, LaggedRidge
from evaluate.metrics.temporal.sound_components import SoundComponents
from evaluate.scoring import table as t
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.plan import ScoringPlan
from networks import load_network

DURATION_S, RATE_HZ, NUM_LAGS = 2.0, 25.0, 10

Method = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""`method(rows, responses, train, test)` with (S, T, K), (S, T, V) and indices: predictions (tests, T, V)."""


class Timer:
    """Wall-clock and processor seconds; the latter mean more on a machine that others use too."""

    def __enter__(self) -> "Timer":
        self._start = np.array([time.perf_counter(), time.process_time()])
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = np.array([time.perf_counter(), time.process_time()]) - self._start


def ecog_benchmark(data: Path) -> Benchmark:
    """The seven ECoG components, with the sounds they respond to."""
    with np.load(data / "golden" / "time_resolved.npz") as golden:
        names, responses = tuple(map(str, golden["stimulus_names"])), golden["responses"].astype(np.float64)
    components = [f"component {number}" for number in range(1, responses.shape[1] + 1)]
    return Benchmark(
        name="ecog",
        version="1",
        stimulus_names=names,
        waveforms=sounds_in_folder(data / "data" / "natsound165" / "stimuli", names),
        responses=responses[:, :, None],
        units=pd.DataFrame({"unit": components, "subject": "all", "region": components}),
        unit_kind="component",
        rate_hz=RATE_HZ,
    )


def score_stages(net: torch.nn.Module, benchmark: Benchmark) -> None:
    """Score every stage, and print correlations, time and memory."""
    plan = ScoringPlan(benchmarks=(benchmark,), metrics=load_metrics(["temporal"]))
    engine = ScoringEngine(plan=plan)
    with Timer() as timer:
        table = engine.score(net, benchmark, load_network("SpectroTemporal").identity)
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    curve = t.summary_rows(table)
    curve = curve[(curve[t.METRIC] == t.TEMPORAL_R2) & (curve[t.REGION] == "all")]
    for stage, value in zip(curve[t.STAGE], curve[t.VALUE], strict=True):
        print(f"{stage:<14} R2 {value:.3f} (mean over components)")
    print(
        f"{len(curve)} stages, {benchmark.num_units} components: {timer.seconds[0]:.0f} s, processor "
        f"{timer.seconds[1]:.0f} s, peak memory of the process {peak_gib:.2f} GiB, {torch.get_num_threads()} threads\n"
    )


def stage_rows(features: np.ndarray, train: np.ndarray, num_components: int) -> np.ndarray:
    """Components (S, T, K) of the training sounds in the bins of the responses, 0 after the sound."""
    components = SoundComponents(
        features,
        TimeBins(75, RATE_HZ),
        DURATION_S,
        max_components=num_components,
        device=torch.device("cpu"),
        memory_limit_gib=1.5,
    )
    return components.project(train).numpy()


def ours(rows: np.ndarray, responses: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """`LaggedRidge`, on which the metric `temporal` is built."""
    padded = np.pad(rows, ((0, 0), (NUM_LAGS - 1, 0), (0, 0)))
    model = LaggedRidge(torch.from_numpy(padded), NUM_LAGS, train)
    return model.predict(model.fit(torch.from_numpy(responses)), test).numpy()


def penalty_unit(rows: np.ndarray, train: np.ndarray) -> float:
    """Penalty of scale 1, `tr(X' X) / p`, of the training rows without edges: the mean over lags differs little."""
    values = rows[train].reshape(-1, rows.shape[2])
    return float(((values - values.mean(axis=0)) ** 2).sum() / rows.shape[2])


def with_mne(rows: np.ndarray, responses: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """mne's ReceptiveField with TimeDelayingRidge; it has one penalty, so that the choice is made here."""
    import mne
    from mne.decoding import ReceptiveField, TimeDelayingRidge

    mne.set_log_level("error")
    tmax_s = (NUM_LAGS - 1) / RATE_HZ
    unit = penalty_unit(rows, train)

    def predict(alpha: float, fitted: np.ndarray, asked: np.ndarray) -> np.ndarray:
        ridge = TimeDelayingRidge(0.0, tmax_s, RATE_HZ, alpha=alpha)
        model = ReceptiveField(0.0, tmax_s, RATE_HZ, estimator=ridge)
        model.fit(rows[fitted].transpose(1, 0, 2), responses[fitted].transpose(1, 0, 2))
        return model.predict(rows[asked].transpose(1, 0, 2)).transpose(1, 0, 2)

    errors = np.zeros((len(SCALES), responses.shape[2]))
    for fold in range(NUM_FOLDS):
        left_out = train[fold::NUM_FOLDS]
        rest = np.setdiff1d(train, left_out)
        for place, scale in enumerate(SCALES):
            predicted = predict(scale * unit, rest, left_out)
            errors[place] += ((predicted - responses[left_out]) ** 2).sum(axis=(0, 1))
    chosen = errors.argmin(axis=0)
    predictions = np.empty((len(test), *responses.shape[1:]))
    for place in np.unique(chosen):
        predicted = predict(SCALES[place] * unit, train, test)
        predictions[:, :, chosen == place] = predicted[:, :, chosen == place]
    return predictions


def with_mtrf(rows: np.ndarray, responses: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """mtrf's TRF, with its own choice of a penalty for each component."""
    from mtrf.model import TRF

    stimuli, measured = ([values[sound] for sound in train] for values in (rows, responses))
    # Its penalty is relative to the mean product of a sound, and multiplied by the rate.
    penalties = SCALES * penalty_unit(rows, train) / len(train) / RATE_HZ
    model = TRF(direction=1)
    tmax_s = (NUM_LAGS - 1) / RATE_HZ
    model.train(
        stimuli,
        measured,
        RATE_HZ,
        0.0,
        tmax_s,
        list(penalties),
        k=NUM_FOLDS,
        seed=0,
        verbose=False,
        reg_per_y_channel=True,
    )
    return np.stack(model.predict([rows[sound] for sound in test]))


def compare(
    features: np.ndarray, responses: np.ndarray, *, num_components: int, num_splits: int, methods: list[str]
) -> None:
    """Give the same rows to each method, and print the table."""
    known: dict[str, Method] = {"cochlearn": ours, "mtrf": with_mtrf, "mne": with_mne}
    splits = published_splits(len(responses))
    print(f"{'method':<12}{'mean r':>9}{'lowest r':>10}{'wall s / split':>16}{'processor s / split':>21}")
    for name in methods:
        found, seconds = [], np.zeros(2)
        for split in range(num_splits):
            train, test = (np.flatnonzero(mask[split]) for mask in (splits.train, splits.test))
            rows = stage_rows(features, train, num_components)
            try:
                with Timer() as timer:
                    predicted = known[name](rows, responses, train, test)
            except ImportError:
                break
            seconds += timer.seconds
            pairs = zip(
                predicted.reshape(-1, predicted.shape[2]).T,
                responses[test].reshape(-1, predicted.shape[2]).T,
                strict=True,
            )
            found.append([np.corrcoef(*pair)[0, 1] for pair in pairs])
        if not found:
            print(f"{name:<12}  not installed")
            continue
        wall, processor = seconds / num_splits
        print(f"{name:<12}{np.mean(found):>9.4f}{np.min(found):>10.4f}{wall:>16.2f}{processor:>21.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="untrained:CochCNN9")
    parser.add_argument("--stage", default="relu2", help="stage whose components the methods are given")
    parser.add_argument("--components", type=int, default=32)
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--methods", nargs="*", default=["cochlearn", "mtrf", "mne"])
    parser.add_argument("--only_compare", action="store_true", help="leave out the scores of all stages")
    arguments = parser.parse_args()
    benchmark = ecog_benchmark(Path(os.environ["AUDITORY_TEST_DATA"]))
    net = load_network(arguments.network).network
    if not arguments.only_compare:
        score_stages(net, benchmark)
    stages = [arguments.stage]
    features = cached_activations(net, benchmark, cache=None, stages=stages, average=False)[arguments.stage]
    assert benchmark.time_courses is not None
    responses = np.ascontiguousarray(benchmark.time_courses[:, :, 0].transpose(0, 2, 1))
    print(f"{arguments.stage} of {arguments.network}: {arguments.components} components, {NUM_LAGS} lags")
    compare(
        features,
        responses,
        num_components=arguments.components,
        num_splits=arguments.splits,
        methods=arguments.methods,
    )


if __name__ == "__main__":
    main()
