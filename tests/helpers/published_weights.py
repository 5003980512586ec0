"""The golden values' weights, filled by rule from the published names (see the reference values' README)."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def published_weights(shapes_file: Path) -> dict[str, Tensor]:
    """Published name -> tensor."""
    shapes = json.loads(shapes_file.read_text())
    batch_norms = {name.rpartition(".")[0] for name in shapes if name.endswith("running_mean")}
    weights = {}
    for name, shape in shapes.items():
        z = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
        module, _, parameter = name.rpartition(".")
        if parameter == "num_batches_tracked":
            value = torch.tensor(0)
        elif parameter == "running_var":
            value = torch.tensor(1 + 0.1 * abs(z))
        elif parameter == "running_mean":
            value = torch.tensor(0.1 * z)
        elif module in batch_norms:
            value = torch.tensor(1 + 0.1 * z if parameter == "weight" else 0.1 * z)
        elif parameter == "bias":
            value = torch.tensor(0.01 * z)
        else:
            value = torch.tensor(z * np.sqrt(2 / np.prod(shape[1:])))
        weights[name] = value.float() if value.is_floating_point() else value
    return weights


def published_file(weights: dict[str, Tensor], *, under: str | None = "model", parallel: bool = True) -> dict:
    """Content of a published file: the weights as the backbone of a model, its copy, front end and normaliser."""
    named = {f"model.1.{name}": tensor for name, tensor in weights.items()}
    named |= {"model.0.rep.filters": torch.ones(3), "model.0.rep.kernel": torch.ones(1, 1, 5)}
    named |= {f"attacker.{name}": tensor for name, tensor in named.items()}
    named |= {"normalizer.new_mean": torch.zeros(1), "attacker.normalizer.new_mean": torch.zeros(1)}
    named = {f"module.{name}" if parallel else name: tensor for name, tensor in named.items()}
    return named if under is None else {under: named, "epoch": 3, "optimizer": {"state": {}, "lr": 0.1}}


def published_names(network) -> dict[str, Tensor]:
    """Weights of a network by published name, written down apart from the package's own table."""
    heads = {
        "word": "signal/word_int",
        "speaker": "signal/speaker_int",
        "audioset": "noise/labels_binary_via_int",
    }
    head = {"CochCNN9": "classification", "CochResNet": "fc", "CochResNet50": "fc"}[type(network.backbone).__name__]
    weights = {name: tensor.clone() for name, tensor in network.backbone.state_dict().items()}
    for task, layer in network.heads.items():
        middle = f".{heads[task]}" if len(network.heads) > 1 else ""
        weights |= {f"{head}{middle}.{name}": tensor.clone() for name, tensor in layer.state_dict().items()}
    return weights
