"""Whether our own code is faster on this machine than PyTorch's operators: measured once and kept in the cache."""

import hashlib
import json
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from networks.files.write_once import write_once
from networks.front_ends.multirate.cache_folder import cache_folder

SOUNDS_TIMED = {"cpu": 4, "cuda": 64}
ROUNDS = 3
"""Measurements after one warm-up round. The shortest time counts, since disturbances only add time."""
LARGEST_DIFFERENCE = 1e-3
"""Relative L2 difference of results and gradients up to which two ways agree."""

_KNOWN: dict[str, bool] = {}

Way = Callable[[Tensor], Tensor]


def is_faster(own: Way, tensors: Way, waveform: Tensor, *, identity: str) -> bool:
    """Check whether `own` takes less time than `tensors`, forward and backward, and gives the same result.

    The first answer on a machine is kept, so that a run and its continuation use the same code. If `own` fails or gives
    another result, the answer is no, with a warning.

    Args:
        own: Our own code, from waveforms (B, T) to envelopes.
        tensors: The same with PyTorch's operators.
        waveform: (B, T). Only its length, type and device are used.
        identity: Text that distinguishes this code, front end and machine from others.

    Returns:
        Whether to use `own`.
    """
    key = hashlib.sha256(identity.encode()).hexdigest()[:16]
    if key not in _KNOWN:
        file = cache_folder() / f"faster-{key}.json"
        try:
            # The first use may be without gradients, under autocast or while operations are counted. A thread of its
            # own has none of these modes.
            with ThreadPoolExecutor(1) as thread:
                _KNOWN[key] = thread.submit(_found, file, own, tensors, waveform).result()
        except Exception as error:  # compilers fail in many ways; a slower front end is better than none
            warnings.warn(f"the front end runs without code of its own, several times slower: {error}", stacklevel=2)
            _KNOWN[key] = False
    return _KNOWN[key]


def _found(file: Path, own: Way, tensors: Way, waveform: Tensor) -> bool:
    with torch.cuda.device(waveform.device) if waveform.device.type == "cuda" else nullcontext():
        return _kept(file) if file.is_file() else _measured(file, own, tensors, waveform)


def _kept(file: Path) -> bool:
    seconds = json.loads(file.read_text(encoding="utf-8"))
    return bool(seconds["own"] < seconds["tensors"])


def _measured(file: Path, own: Way, tensors: Way, waveform: Tensor) -> bool:
    num_sounds, num_samples = SOUNDS_TIMED[waveform.device.type], waveform.shape[1]
    generator = torch.Generator().manual_seed(0)
    # Noise, which fills all bands: the gradients of a nearly silent band are rounding errors.
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
    except OSError:  # the next process measures again
        return seconds["own"] < seconds["tensors"]
    return _kept(file)  # if several processes measured at the same time, the first one decides


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
