"""Evaluation on a pretend GPU with values: all on the device, with the results of the CPU, and few waits for it."""

import numpy as np
import pandas as pd
import pytest
import torch

from evaluate import encode, partition, published_splits, score_network, stage_activations, temporal_encode
from evaluate.benchmarks import Benchmark
from evaluate.metrics.splits import Splits
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.plan import ScoringPlan
from networks import AuditoryNetwork, CochCNN9, Cochleagram, CochResNet, NetworkIdentity, SpectroTemporal
from tests.helpers.valued_device import DEVICE, OnDevice, move_to_valued, valued_gpu

NUM_STIMULI = 165
SMALL_FRONT_END = {
    "sample_rate_hz": 2000,
    "num_samples": 800,
    "num_filters": 8,
    "sample_factor": 1,
    "high_hz": 1000.0,
    "frame_rate_hz": 50.0,
    "num_taps": 81,
}
NETWORKS = {
    "CochCNN9": lambda: AuditoryNetwork(CochCNN9(width=0.1), {"word": 3}, Cochleagram(method="direct")),
    "CochCNN9, fast": lambda: AuditoryNetwork(CochCNN9(width=0.1), {"word": 3}, Cochleagram(method="multirate")),
    "CochResNet18": lambda: AuditoryNetwork(CochResNet(depth=18, width=0.1), {"word": 3}),
    "SpectroTemporal": SpectroTemporal,
}


def problem(num_features: int, num_units: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((NUM_STIMULI, num_features)).astype(np.float32)
    signal = features[:, :10] @ rng.standard_normal((10, num_units))
    return features, signal[:, :, None] + 4 * rng.standard_normal((NUM_STIMULI, num_units, 3))


def tiny_benchmark() -> Benchmark:
    sounds = np.random.default_rng(1).standard_normal((NUM_STIMULI, 800)).astype(np.float32) * 0.1
    return Benchmark(
        name="tiny",
        version="1",
        stimulus_names=tuple(f"sound{i}" for i in range(NUM_STIMULI)),
        waveforms=lambda sample_rate_hz, num_samples: sounds,
        responses=problem(20, 4)[1],
        units=pd.DataFrame({"unit": list("abcd"), "subject": ["s1", "s1", "s2", "s2"], "region": "Primary"}),
        noise_corrected=True,
    )


def tiny_network() -> AuditoryNetwork:
    torch.manual_seed(0)
    return AuditoryNetwork(CochCNN9(width=0.05), {"word": 3}, Cochleagram(**SMALL_FRONT_END, method="direct"))


@pytest.mark.parametrize("name", NETWORKS)
def test_stage_activations_are_taken_on_the_device_and_read_once_a_stage_and_batch(name):
    torch.manual_seed(0)
    net = NETWORKS[name]()
    sounds = 0.1 * torch.randn(3, net.num_samples).numpy()
    expected = stage_activations(net, sounds, batch_size=2)
    with valued_gpu() as gpu:
        found = stage_activations(move_to_valued(net), sounds, batch_size=2)
    assert sum(gpu.waits.values()) == 2 * len(expected)
    for stage, values in expected.items():
        np.testing.assert_allclose(found[stage], values, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("num_features", [30, 400], ids=["fewer features than sounds", "more"])
@pytest.mark.parametrize("is_missing", [False, True], ids=["complete", "repetitions missing"])
def test_encoding_on_the_device_is_that_of_the_cpu(num_features, is_missing):
    features, responses = problem(num_features)
    if is_missing:
        responses[3:20, 1, 2] = np.nan
    whole = published_splits(NUM_STIMULI)
    splits = Splits(whole.train[:2], whole.test[:2])
    settings = {"allow_missing": is_missing, "keep_predictions": True}
    expected = encode(features, responses, splits, **settings)
    with valued_gpu() as gpu:
        found = encode(features, responses, splits, device="cuda", **settings)
    for name in ("r_test", "r2_test_corrected", "r2_train", "alpha", "predictions"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-10, atol=1e-12)
    assert sum(gpu.waits.values()) <= 2 * 50  # of the penalties' search, per split and chunk of units


@pytest.mark.parametrize("num_features", [5, 60], ids=["all components", "leading components"])
@pytest.mark.parametrize("memory_limit_gib", [2.0, 1e-6], ids=["much memory", "little memory"])
def test_encoding_in_time_on_the_device_is_that_of_the_cpu(num_features, memory_limit_gib):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((20, num_features, 9)) * 0.9 ** np.arange(num_features)[:, None]
    responses = features[:, :2].mean(axis=2)[:, :, None, None] + rng.standard_normal((20, 2, 2, 6))
    splits = published_splits(20, num_splits=1)
    settings = {"duration_s": 1.0, "rate_hz": 6.0, "num_lags": 2, "max_components": 5}
    settings["memory_limit_gib"] = memory_limit_gib
    expected = temporal_encode(features, responses, splits, **settings)
    with valued_gpu():
        found = temporal_encode(features, responses, splits, device="cuda", **settings)
    for name in ("r_test", "r2_test_corrected", "scale", "peak_lag_s", "r_by_bin"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6, atol=1e-8)


def test_partition_on_the_device_is_that_of_the_cpu():
    features, responses = problem(30, 4)
    splits = published_splits(NUM_STIMULI, num_splits=1)
    expected = partition(features[:, :20], features[:, 10:], responses, splits)
    with valued_gpu():
        found = partition(features[:, :20], features[:, 10:], responses, splits, device="cuda")
    for name in ("r_a", "r_b", "r_ab", "gamma", "alpha", "response_ceiling"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-10, atol=1e-12)


def test_scores_and_callback_encode_on_the_networks_gpu(monkeypatch):
    benchmark, stages, devices = tiny_benchmark(), ["relu0", "relufc"], []
    monkeypatch.setattr(
        "evaluate.metrics.encoding.encoding.encode",
        lambda *args, device, **settings: (
            devices.append(torch.device(device).type) or encode(*args, device=device, **settings)
        ),
    )
    score_network(tiny_network(), benchmark, stages=stages)
    assert set(devices) == {"cpu"}
    with valued_gpu():
        network = move_to_valued(tiny_network())
        devices.clear()
        scored = score_network(network, benchmark, stages=stages)
        engine = ScoringEngine(plan=ScoringPlan(benchmarks=(benchmark,), stages=tuple(stages)))
        called_back = engine.score(network, benchmark, NetworkIdentity())
    assert devices == ["cuda"] * 4
    np.testing.assert_array_equal(called_back["value"], scored["value"])


def test_a_stage_for_which_the_gpu_lacks_memory_is_encoded_on_the_cpu(monkeypatch, caplog):
    def encode_where_there_is_memory(*args, device, **settings):
        if torch.device(device).type != "cpu":
            raise torch.OutOfMemoryError
        return encode(*args, device=device, **settings)

    def encode_on_the_cpu(*args, device, **settings):
        return encode(*args, device="cpu", **settings)

    benchmark, name = tiny_benchmark(), "evaluate.metrics.encoding.encoding.encode"
    with valued_gpu():
        network = move_to_valued(tiny_network())
        monkeypatch.setattr(name, encode_on_the_cpu)
        expected = score_network(network, benchmark, stages=["relufc"])
        monkeypatch.setattr(name, encode_where_there_is_memory)
        found = score_network(network, benchmark, stages=["relufc"])
    np.testing.assert_array_equal(found["value"], expected["value"])
    assert "relufc on the CPU: the GPU is out of memory" in caplog.text


def test_the_device_refuses_tensors_of_the_cpu():
    with valued_gpu() as gpu:
        values = torch.arange(3.0).to("cuda")
        assert isinstance(values, OnDevice)
        assert values.device == DEVICE
        assert float((values * 2 + 1).sum()) == 9
        assert (values[values > 0].cpu() == torch.tensor([1.0, 2.0])).all()
        assert gpu.waits == {"aten::_local_scalar_dense": 1, "aten::index": 1, "aten::_to_copy": 1}
        with pytest.raises(RuntimeError, match="on the CPU"):
            values + torch.zeros(3)
