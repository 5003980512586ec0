"""Weights of external networks by the rule of the reference values."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

COMPUTED = ("pe", "prob")


def golden_weights(shapes_file: Path) -> dict[str, Tensor]:
    """Weights of a file of shapes, but for computed buffers."""
    shapes: dict[str, list[int]] = json.loads(shapes_file.read_text())
    return {name: torch.from_numpy(_value(name, shapes)) for name in shapes if name.rpartition(".")[2] not in COMPUTED}


def _value(name: str, shapes: dict[str, list[int]]) -> np.ndarray:
    shape = shapes[name]
    parent, _, leaf = name.rpartition(".")
    if leaf == "num_batches_tracked":
        return np.zeros((), np.int64)
    z = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    if leaf in ("running_var", "ema_count"):
        return 1 + np.float32(0.1) * np.abs(z)
    if leaf in ("running_mean", "embedding", "ema_weight"):
        return np.float32(0.1) * z
    if leaf == "slope" or (leaf == "weight" and len(shape) == 1):
        return 1 + np.float32(0.1) * z
    if leaf == "bias" and len(shapes[f"{parent}.weight"]) == 1:
        return np.float32(0.1) * z
    if "bias" in leaf:
        return np.float32(0.01) * z
    if leaf.startswith(("weight_ih_l", "weight_hh_l")):
        hidden = shapes[f"{parent}.{leaf.replace('_ih_', '_hh_')}"][1]
        return z / np.float32(math.sqrt(hidden))
    assert leaf.endswith("weight"), name
    return z * np.float32(math.sqrt(1 / math.prod(shape[1:])))
