"""Stages named by module path or glob pattern."""

import difflib
import fnmatch
import re
from collections.abc import Mapping, Sequence

from torch import nn

PATHS_SHOWN = 12  # module paths listed in an error message


def find_stages(module: nn.Module, stages: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Find the submodules that match patterns or have given paths.

    In a pattern, `*` matches any text without a dot, `?` and `[0-9]` match one character, and `**` as a part of its own
    matches any number of parts: `encoder.layers.*` are the layers, `encoder.**` is everything inside the encoder.

    Args:
        module: The network.
        stages: Patterns, or a path for each name of a stage; "" is the network itself.

    Returns:
        Path of each stage. Stages found by patterns are named by their paths and have the order of the modules.

    Raises:
        ValueError: If there are no stages, or no submodule has such a path. The message lists similar ones.
    """
    if isinstance(stages, str):
        raise ValueError(f"expected a list of patterns, got the text {stages!r}: write [{stages!r}]")
    if not stages:
        raise ValueError("expected at least one stage, got none")
    paths = [path for path, _ in module.named_modules()]
    if isinstance(stages, Mapping):
        _raise_unknown([path for path in dict.fromkeys(stages.values()) if path not in paths], paths)
        return dict(stages)
    matching = {
        pattern: [path for path in paths if path and _expression(pattern).fullmatch(path)] for pattern in stages
    }
    _raise_unknown([pattern for pattern, found in matching.items() if not found], paths)
    found = {path for every in matching.values() for path in every}
    return {path: path for path in paths if path in found}


def numbered(name: str, path: str, module: nn.Module, *, first: int = 0) -> dict[str, str]:
    """Name all items of a list of modules: `{"layer0": "layers.0", "layer1": "layers.1", ...}`.

    Args:
        name: Prefix of the names of the stages.
        path: Path of the list in the network.
        module: The network.
        first: Number of the first stage.

    Returns:
        Path of each stage.
    """
    parts = [part for part, _ in module.get_submodule(path).named_children()]
    return {f"{name}{number}": f"{path}.{part}" for number, part in enumerate(parts, start=first)}


def _expression(pattern: str) -> re.Pattern[str]:
    parts = []
    for part in pattern.split("."):
        if part == "**":
            parts.append(r"[^.]+(?:\.[^.]+)*")
        else:
            # The expression that fnmatch makes of a part, in which the star stops at a dot.
            parts.append(fnmatch.translate(part).replace(".*", "[^.]*").replace("(?>", "(?:"))
    return re.compile(r"\.".join(parts).replace(r"\Z", "").replace(r"\z", ""))


def _raise_unknown(patterns: Sequence[str], paths: Sequence[str]) -> None:
    if patterns:
        raise ValueError(". ".join(_unknown(pattern, paths) for pattern in patterns))


def _unknown(pattern: str, paths: Sequence[str]) -> str:
    similar = difflib.get_close_matches(pattern, paths, n=PATHS_SHOWN, cutoff=0.3) or [path for path in paths if path]
    shown = ", ".join(similar[:PATHS_SHOWN]) or "none"
    return f"no module of the network matches the stage {pattern!r}; similar or first ones are: {shown}"
