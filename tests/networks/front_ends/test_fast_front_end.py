"""Published networks hear the same through the fast front end as through the direct one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from evaluate import score_network, stage_activations
from evaluate.benchmarks import load_benchmark
from networks import AuditoryNetwork, CochCNN9, Cochleagram, CochResNet50, SpectroTemporal, load_published
from networks.weights.published import PUBLISHED_NUM_CLASSES
from tests.helpers.published_weights import published_file, published_weights

TOLERANCE = 4e-4  # of the fast method's cochleagrams


@pytest.mark.parametrize(
    ("name", "backbone"),
    [pytest.param("cochcnn9", CochCNN9, marks=pytest.mark.slow), ("cochresnet50", CochResNet50)],
)
def test_stages_of_published_networks_are_within_the_tolerance(shared_dir: Path, name, backbone):
    network = AuditoryNetwork(backbone(), PUBLISHED_NUM_CLASSES, Cochleagram())
    weights = published_weights(shared_dir / "golden" / f"{name}_published_shapes.json")
    load_published(network, published_file(weights))
    with np.load(shared_dir / "golden" / "cochleagram.npz") as sounds:
        activations = stage_activations(network, torch.tensor(sounds["woman_speaking/waveform"])[None])
    with np.load(shared_dir / "golden" / f"{name}.npz") as golden:
        for stage, value in activations.items():
            error = np.linalg.norm(np.asarray(value[0]) - golden[stage]) / np.linalg.norm(golden[stage])
            assert error <= TOLERANCE, stage


@pytest.mark.slow
def test_the_baseline_predicts_the_real_components_alike(shared_dir: Path):
    benchmark = load_benchmark(shared_dir / "data" / "natsound165")
    scores = []
    for method in ("direct", "multirate"):
        table = score_network(SpectroTemporal(Cochleagram(method=method)), benchmark)
        scores.append(table[table["metric"] == "encoding_r2"].set_index("region")["value"])
    assert scores[1].to_dict() == pytest.approx(scores[0].to_dict(), abs=TOLERANCE)
