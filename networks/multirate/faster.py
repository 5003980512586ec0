"""Whether the compiled code is the faster way on this machine: measured once, and kept beside the compiled library."""

import hashlib
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from networks.multirate import fused

SOUNDS_TIMED = 4
ROUNDS = 3
"""Measured in turn, after one round that warms up; the shortest time counts, as others are disturbed."""

_KNOWN: dict[str, bool] = {}

Way = Callable[[Tensor], Tensor]


def compiled_is_faster(compiled: Way, tensors: Way, *, num_samples: int, setting: str) -> bool:
    """Whether `compiled` takes less time than `tensors`, forward and backward.

    The first answer on a machine is kept, so that a run and its continuation compute with the same code. Where there
    is no compiler, or it fails, the answer is no, with a warning.

    Args:
        compiled: (B, T) waveforms to envelopes by the compiled code.
        tensors: the same, tensor by tensor.
        num_samples: samples of a waveform, T.
        setting: what distinguishes this front end from others.
    """
    key = hashlib.sha256(f"{fused.library_path().name} {setting}".encode()).hexdigest()[:16]
    if key not in _KNOWN:
        try:
            fused.load()
            _KNOWN[key] = _kept_or_measured(
                fused.library_path().with_name(f"faster-{key}.json"), compiled, tensors, num_samples
            )
        except fused.CompilingError as error:
            warnings.warn(f"the front end runs without compiled code, several times slower: {error}", stacklevel=2)
            _KNOWN[key] = False
    return _KNOWN[key]


def _kept_or_measured(file: Path, compiled: Way, tensors: Way, num_samples: int) -> bool:
    if not file.is_file():
        seconds = {"compiled": _seconds(compiled, num_samples), "tensors": _seconds(tensors, num_samples)}
        _keep(file, json.dumps(seconds))
    kept = json.loads(file.read_text(encoding="utf-8"))  # the first of several processes that measured at once
    return bool(kept["compiled"] < kept["tensors"])


def _keep(file: Path, text: str) -> None:
    """Write the whole file, unless another process did in the meantime."""
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        made = Path(folder) / file.name
        made.write_text(text, encoding="utf-8")
        if not file.exists():
            os.replace(made, file)


def _seconds(way: Way, num_samples: int) -> float:
    taken = []
    waveform = torch.sin(torch.arange(SOUNDS_TIMED * num_samples, dtype=torch.float32, device="cpu"))
    for _ in range(1 + ROUNDS):
        leaf = waveform.view(SOUNDS_TIMED, num_samples).requires_grad_()
        start = time.perf_counter()
        with torch.enable_grad():
            result = way(leaf)
        torch.autograd.grad(result, leaf, torch.ones_like(result))
        taken.append(time.perf_counter() - start)
    return min(taken[1:])
