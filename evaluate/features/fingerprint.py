"""A key of what a network computes: a hash of its weights, its description and the code of its modules."""

import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def network_fingerprint(net: nn.Module) -> str:
    """Hash everything that a network's activations depend on, except the sounds.

    This covers its state dict and other buffers, its description (`networks.Described`) and the source files of its
    modules' classes, so that a network with edited code has another key. Modules imported by these files are not
    included.

    Args:
        net: Any module; the device of its tensors does not matter.

    Returns:
        64 hexadecimal digits (SHA-256).
    """
    digest = hashlib.sha256(content_key(_description(net)).encode())
    tensors = dict(net.named_buffers()) | net.state_dict()
    for name in sorted(tensors):
        tensor = tensors[name]
        if isinstance(tensor, Tensor):
            digest.update(content_key([name, str(tensor.dtype), list(tensor.shape)]).encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    for source in sorted({_source_digest(type(module).__module__) for module in net.modules()}):
        digest.update(source.encode())
    return digest.hexdigest()


def content_key(content: Mapping[str, Any] | list[Any]) -> str:
    """Hash plain values as JSON to 64 hexadecimal digits (SHA-256); the order in dictionaries does not matter."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _description(net: nn.Module) -> dict[str, Any]:
    describe = getattr(net, "description", None)
    name = f"{type(net).__module__}.{type(net).__qualname__}"
    # A network without a description is identified by the settings in the repr of its modules.
    return describe() if callable(describe) else {"class_path": name, "modules": repr(net)}


@lru_cache
def _source_digest(module_name: str) -> str:
    """Hash the source file of a module; PyTorch's own modules are not hashed."""
    if module_name.partition(".")[0] == "torch":
        return ""
    try:
        source = inspect.getsource(sys.modules[module_name])
    except (OSError, TypeError, KeyError):  # no source file: defined interactively, or compiled
        return ""
    return hashlib.sha256(source.encode()).hexdigest()


def source_digest(function: Callable[..., Any]) -> str:
    """Hash the file that defines a function: whatever it computes may change with the file.

    Args:
        function: Any function; for one without a file, such as one typed into a console, its name is hashed.

    Returns:
        64 hexadecimal digits.
    """
    try:
        content = Path(inspect.getsourcefile(function) or "").read_bytes()
    except (OSError, TypeError):
        content = repr(getattr(function, "__qualname__", function)).encode()
    return hashlib.sha256(content).hexdigest()
