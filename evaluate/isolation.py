"""Evaluate during training without side effects: random states and training flags are restored."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from networks.training_flags import flags_restored


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Restore everything that an evaluation could change for the training around it, even if it raises.

    This covers the random states of Python, NumPy and PyTorch (including every GPU's) and the training flag of every
    submodule. Weights are not copied: code that changes them must restore them itself.

    Args:
        module: Module whose training flags are restored.

    Yields:
        Nothing.
    """
    states = _random_states()
    try:
        with flags_restored(module):
            yield
    finally:
        _set_random_states(states)


def _random_states() -> dict[str, Any]:
    # A GPU that has not been used yet has no state to lose, and reading its state would initialize it.
    has_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 - the global state is the one to restore
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if has_gpu else None,
    }


def _set_random_states(states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None:
        torch.cuda.set_rng_state_all(states["cuda"])
