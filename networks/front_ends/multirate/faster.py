"""Whether code of our own is the faster way on this machine: measured once, and kept in the user's cache folder."""

import hashlib
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from networks.front_ends.multirate.cache_folder import cache_folder, write_once

SOUNDS_TIMED = {"cpu": 4, "cuda": 64}
ROUNDS = 3
"""Measured in turn, after one round that warms up; the shortest time counts, as others are disturbed."""
LARGEST_DIFFERENCE = 1e-3
"""Relative L2 difference of results and gradients up to which two ways are the same one."""

_KNOWN: dict[str, bool] = {}

Way = Callable[[Tensor], Tensor]


def is_faster(own: Way, tensors: Way, waveform: Tensor, *, identity: str) -> bool:
    """Whether `own` takes less time than `tensors`, forward and backward, and gives the same.

    The first answer on a machine is kept, so that a run and its continuation compute with the same code. If `own`
    fails, or gives something else, the answer is no, with a warning.

    Args:
        own: (B, T) waveforms to envelopes by code of our own.
        tensors: The same, tensor by tensor.
        waveform: (B, T), whose length, type and device are taken.
        identity: What distinguishes this code, front end and machine from others.
    """
    key = hashlib.sha256(identity.encode()).hexdigest()[:16]
    if key not in _KNOWN:
        file = cache_folder() / f"faster-{key}.json"
        try:
            with torch.inference_mode(False), torch.enable_grad():  # wherever the first use may be
                _KNOWN[key] = _kept(file) if file.is_file() else _measured(file, own, tensors, waveform)
        except Exception as error:  # of whatever compiles the code: a slower front end is better than none
            warnings.warn(f"the front end runs without code of its own, several times slower: {error}", stacklevel=2)
            _KNOWN[key] = False
    return _KNOWN[key]


def _kept(file: Path) -> bool:
    seconds = json.loads(file.read_text(encoding="utf-8"))
    return bool(seconds["own"] < seconds["tensors"])


def _measured(file: Path, own: Way, tensors: Way, waveform: Tensor) -> bool:
    num_sounds, num_samples = SOUNDS_TIMED[waveform.device.type], waveform.shape[1]
    generator = torch.Generator().manual_seed(0)
    # Noise, which fills all bands: where a band is all but silent, gradients are those of rounding errors.
    noise = 0.1 * torch.randn(num_sounds, num_samples, generator=generator, device="cpu")
    sounds = noise.to(waveform.device, waveform.dtype)
    values = [_result_and_gradient(way, sounds) for way in (own, tensors)]
    for what, value, expected in zip(("results", "gradients"), *values, strict=True):
        difference = float((value - expected).norm() / expected.norm())
        if not difference <= LARGEST_DIFFERENCE:
            raise RuntimeError(f"its {what} differ from those of torch's operators by {difference:.1e}")
    seconds = {"own": _seconds(own, sounds), "tensors": _seconds(tensors, sounds)}
    try:
        write_once(file, json.dumps(seconds))
    except OSError:  # it is measured again in the next process
        return seconds["own"] < seconds["tensors"]
    return _kept(file)  # of the first of several processes that measured at once


def _result_and_gradient(way: Way, sounds: Tensor) -> tuple[Tensor, Tensor]:
    leaf = sounds.clone().requires_grad_()
    result = way(leaf)
    (gradient,) = torch.autograd.grad(result, leaf, torch.ones_like(result))
    return result.detach(), gradient


def _seconds(way: Way, sounds: Tensor) -> float:
    taken = []
    for _ in range(1 + ROUNDS):
        _wait_for(sounds.device)
        start = time.perf_counter()
        _result_and_gradient(way, sounds)
        _wait_for(sounds.device)
        taken.append(time.perf_counter() - start)
    return min(taken[1:])


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
