"""Stages named by module path, with glob patterns."""

import difflib
import fnmatch
import re
from collections.abc import Mapping, Sequence

from torch import nn

PATHS_SHOWN = 12  # module paths that an error lists


def find_stages(module: nn.Module, stages: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Find the submodules that patterns or names ask for.

    In a pattern `*` stands for any text without a dot, `?` and `[0-9]` for one character of a path's part, and a
    part `**` for any number of parts: `encoder.layers.*` are the layers, `encoder.**` all that is inside.

    Args:
        module: The network.
        stages: Patterns; or names of stages with the path of each, "" being the network itself.

    Returns:
        Stage name -> path. Of patterns, the paths are the names, in the order of the network's modules.

    Raises:
        ValueError: For no stages, or a pattern or path that no submodule has; lists similar ones.
    """
    if isinstance(stages, str):
        raise ValueError(f"expected a list of patterns, got the text {stages!r}: write [{stages!r}]")
    if not stages:
        raise ValueError("expected at least one stage, got none")
    paths = [path for path, _ in module.named_modules()]
    if isinstance(stages, Mapping):
        for path in stages.values():
            if path not in paths:
                raise ValueError(_unknown(path, paths))
        return dict(stages)
    found = set()
    for pattern in stages:
        matching = [path for path in paths if path and _expression(pattern).fullmatch(path)]
        if not matching:
            raise ValueError(_unknown(pattern, paths))
        found.update(matching)
    return {path: path for path in paths if path in found}


def numbered(name: str, path: str, module: nn.Module) -> dict[str, str]:
    """Stages of all parts of a list of modules: `{"layer0": "layers.0", "layer1": "layers.1", ...}`.

    Args:
        name: What the stages' names begin with.
        path: Path of the list in the network.
        module: The network.

    Returns:
        Stage name -> path.
    """
    return {f"{name}{part}": f"{path}.{part}" for part, _ in module.get_submodule(path).named_children()}


def _expression(pattern: str) -> re.Pattern[str]:
    parts = []
    for part in pattern.split("."):
        if part == "**":
            parts.append(r"[^.]+(?:\.[^.]+)*")
        else:
            # fnmatch's expression of a part, in which a star stops at a dot.
            parts.append(fnmatch.translate(part).replace(".*", "[^.]*").replace("(?>", "(?:"))
    return re.compile(r"\.".join(parts).replace(r"\Z", "").replace(r"\z", ""))


def _unknown(pattern: str, paths: Sequence[str]) -> str:
    similar = difflib.get_close_matches(pattern, paths, n=PATHS_SHOWN, cutoff=0.3) or [path for path in paths if path]
    shown = ", ".join(similar[:PATHS_SHOWN]) or "none"
    return f"no module of the network matches the stage {pattern!r}; similar or first ones are: {shown}"
