"""Names of networks and folders, as short as they can be without being alike."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from networks.external.known import EXTERNAL_NETWORKS
from networks.text.wording import shortened

MAX_STAGE_LENGTH = 18
"""Characters of the names of stages in figures."""


def short_names(paths: Sequence[Path]) -> list[str]:
    """Find the shortest names that distinguish paths.

    Args:
        paths: At least one path; all differ.

    Returns:
        The last parts of each path, the same number for all.
    """
    for num_parts in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-num_parts:]) or "." for path in paths]
        if len(set(names)) == len(names):
            break
    return names


def readable_name(name: str) -> str:
    """Name a network without its folders: `nets.py:make` for `/a/nets.py:make`, `AST` for `AST:weights`.

    Args:
        name: A value of the column `run`; names of runs and of their controls have no colon and stay as they are.
    """
    form, colon, place = name.partition(":")
    if not colon:
        return name
    if form in EXTERNAL_NETWORKS:
        return form
    return form if "/" in place and "/" not in form else Path(name).name


def readable_names(names: Collection[str]) -> dict[str, str]:
    """Name networks without their folders; those that would become alike keep as much of them as tells them apart."""
    found = {name: readable_name(name) for name in names}
    times = Counter(found.values())
    alike = [name for name in names if times[found[name]] > 1]
    return found | (dict(zip(alike, short_names([Path(name) for name in alike]), strict=True)) if alike else {})


def short_stage_names(stages: Collection[str]) -> dict[str, str]:
    """Shorten paths of submodules: `conv_layers.1` for `feature_extractor.conv_layers.1`.

    Args:
        stages: All stages of a network.

    Returns:
        By stage, the shortest end of its path that is the end of no other stage, and that starts with a name and not
        with the number of a layer.
    """
    return {stage: next((end for end in _ends(stage) if _is_of_one(end, stages)), stage) for stage in stages}


def stage_labels(stages: Sequence[str]) -> list[str]:
    """Label the stages of a network in figures: the short names, cut in the middle if they are still long.

    Args:
        stages: All stages of a network, in order.

    Returns:
        Labels in the same order, no two of them alike: they are longer than `MAX_STAGE_LENGTH` if they must.
    """
    short = [short_stage_names(stages)[stage] for stage in stages]
    for length in range(MAX_STAGE_LENGTH, max(map(len, short), default=0)):
        labels = [shortened(name, length) for name in short]
        if len(set(labels)) == len(set(short)):
            return labels
    return short


def _ends(stage: str) -> Iterator[str]:
    parts = stage.split(".")
    for start in range(len(parts) - 1, 0, -1):
        if not parts[start].isdigit():
            yield ".".join(parts[start:])


def _is_of_one(end: str, stages: Collection[str]) -> bool:
    return sum(f".{stage}".endswith(f".{end}") for stage in stages) == 1


def distinct(names: Collection[str], shorten: Callable[[str], str]) -> dict[str, str]:
    """Shorten names; those that would become alike stay as they are."""
    short = {name: shorten(name) for name in names}
    times = Counter(short.values())
    return {name: text if times[text] == 1 else name for name, text in short.items()}
