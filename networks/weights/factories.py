"""Networks made by a user's own code or another package: `package.module:name` and `file.py:name`."""

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from networks.external.bundles import Bundle, bundle_network
from networks.external.transformers_files import without_bars
from networks.named_objects import ObjectName, make_object
from networks.stages import HasStages


def make_network(name: ObjectName, *, seed: int = 0) -> nn.Module:
    """Import a module and call its factory. This runs the code in the module, whoever wrote it.

    Args:
        name: Function or class that returns a network when called without arguments, or a network; or a bundle such as
            `torchaudio.pipelines:WAV2VEC2_BASE`, or a function or class that returns one.
        seed: Seed of PyTorch's random numbers within the factory, so that an untrained network is always the same. The
            random state is restored afterwards.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: The module or factory is not found, or its network cannot be scored.
    """
    with torch.random.fork_rng(devices=[]), _without_loading_bars(name.module):
        torch.default_generator.manual_seed(seed)
        made: Any = make_object(
            name,
            lambda made: isinstance(made, Bundle) or (isinstance(made, nn.Module) and isinstance(made, HasStages)),
            expected="a network with stages, sample_rate_hz, num_samples and stage_modules() "
            "(networks.StagedNetwork adds these to any module)",
        )
        network: nn.Module = bundle_network(made) if isinstance(made, Bundle) else made
    return network.eval()


@contextmanager
def _without_loading_bars(module: str) -> Iterator[None]:
    """Turn off the bars of transformers while a module that names it makes a network."""
    if b"transformers" not in _source_of(module) or importlib.util.find_spec("transformers") is None:
        yield
        return
    with without_bars(importlib.import_module("transformers")):
        yield


def _source_of(module: str) -> bytes:
    """The code of a module or file, without running it; empty if there is none."""
    try:
        spec = None if module.endswith(".py") else importlib.util.find_spec(module)
        return Path(module if spec is None else str(spec.origin)).read_bytes()
    except Exception:  # a module that is missing or broken, which is reported when it is imported
        return b""
