"""The golden values' weights, filled by rule from the published names (see the reference values' README)."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

PUBLISHED_HEADS = {
    "word": "signal/word_int",
    "speaker": "signal/speaker_int",
    "audioset": "noise/labels_binary_via_int",
}


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
