"""A file of a user, which tests copy: benchmarks, metrics, a network and labelled sounds, good and bad ones."""

from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from evaluate import Benchmark, Metric, ScoreKind
from evaluate.probe import LabelledSounds
from networks import StagedNetwork

NUM_TONES, NUM_UNITS = 30, 4


def tones(categories=True):
    hz = np.geomspace(50, 400, NUM_TONES)

    def waveforms(sample_rate_hz, num_samples):
        time = np.arange(num_samples) / sample_rate_hz
        return (np.sqrt(2) * 0.1 * np.sin(2 * np.pi * hz[:, None] * time)).astype(np.float32)

    drive = np.exp(-np.square(np.log2(hz[:, None] / np.geomspace(50, 400, NUM_UNITS))))
    noise = np.random.default_rng(0).standard_normal((NUM_TONES, NUM_UNITS, 2))
    return Benchmark(
        name="tones",
        version="1",
        stimulus_names=[f"{each:.0f} Hz" for each in hz],
        waveforms=waveforms,
        responses=drive[..., None] + 0.1 * noise,
        units=pd.DataFrame({"unit": list("abcd"), "subject": ["s1", "s2"] * 2, "region": ["low"] * 2 + ["high"] * 2}),
        categories=["low" if each < 140 else "high" for each in hz] if categories else None,
    )


def unlabelled():
    return tones(categories=False)


def silent_and_loud():
    from dataclasses import replace

    made = tones()

    def waveforms(*arguments):
        sounds = made.waveforms(*arguments)
        sounds[0], sounds[1] = 0.0, 2 * sounds[1]
        return sounds

    return replace(made, waveforms=waveforms)


def raises():
    return tones()["key"]


def misnamed():
    return Benchmark(**vars(tones()) | {"name": "my/tones"})


def network():
    layers = nn.Sequential(nn.Unflatten(1, (1, -1)), nn.Conv1d(1, 6, 40, stride=10), nn.ReLU())
    return StagedNetwork(layers, stages={"filters": "2"}, sample_rate_hz=1000, num_samples=500)


def measure(features, benchmark, stage, computing):
    return {"mean": features.mean()}


def tabulate(results, benchmark):
    return [
        {"metric": "mean", "stage": stage, "region": "all", "subject": "all", "value": float(arrays["mean"])}
        for stage, arrays in results.items()
    ]


def metric():
    kind = ScoreKind(stage_metric="mean", label="mean", title="mean", symbol="m", name="mean")
    return Metric(measure=measure, tabulate=tabulate, kinds=lambda benchmark: (kind,))


def breaks(*arguments):
    raise IndexError("broken")


BREAKS = Metric(measure=breaks, tabulate=tabulate)
BREAKS_LATE = Metric(measure=measure, tabulate=breaks)
NO_KINDS = Metric(measure=measure, tabulate=tabulate, kinds=breaks)
ODD_KINDS = Metric(measure=measure, tabulate=tabulate, kinds=lambda benchmark: ("mean",))


def files():
    folder = Path(__file__).parent
    paths = tuple(sorted(folder.glob("*.wav")))
    labels = tuple(path.stem.partition("-")[0] for path in paths)
    return LabelledSounds(name="own", paths=paths, labels=labels, sources=tuple(map(str, paths)))
