"""Weights of external networks, given as a state dict, a file or a folder with one file."""

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from networks.weights.strict import CheckpointError
from networks.weights.tensor_files import read_tensor_file

Weights = str | Path | Mapping[str, Tensor]
"""File or folder of weights, or a state dict."""
PATTERNS = ("*.pt", "*.pth", "*.ckpt")
# Files that torch.hub downloads end with the first digits of their SHA-256, as vggish-10086976.pth.
_WITH_DIGEST = re.compile(r".+-(?P<digest>[0-9a-f]{8,})\.pth?")

_log = logging.getLogger(__name__)


class StateDict(NamedTuple):
    """Tensors by name, and where they come from.

    Attributes:
        tensors: The state dict.
        source: A file's path, or "state dict", for error messages.
    """

    tensors: Mapping[str, Tensor]
    source: str


def read_state_dict(
    weights: Weights, *, file_name: str = "", under: str = "", skipped: Sequence[str] = ()
) -> StateDict:
    """Read a state dict from wherever it is, without running code from files.

    Args:
        weights: State dict, file written by `torch.save`, or folder with one such file (`*.pt`, `*.pth` or `*.ckpt`).
        file_name: Name of the file in a folder with several.
        under: Entry of a file or dictionary that holds the state dict; "" if there is none, or if it may be missing.
        skipped: Names of objects in the file that are not needed, see `read_tensor_file`.

    Returns:
        The state dict and its source.

    Raises:
        FileNotFoundError: There is no such file, or the folder does not have exactly one.
        CheckpointError: The file cannot be read safely, or does not hold a dictionary.
    """
    content: Any
    if isinstance(weights, Mapping):
        content, source = weights, "state dict"
    else:
        path = _single_file(Path(weights), file_name)
        content, source = read_tensor_file(path, skipped=skipped), str(path)
        _warn_of_other_content(path)
    if isinstance(content, Mapping) and isinstance(content.get(under), Mapping):
        content = content[under]
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{source}: expected a state dict, got a {type(content).__name__}")
    return StateDict(content, source)


def _warn_of_other_content(path: Path) -> None:
    """Compare a file with the digits in its name: old formats of PyTorch have no checksums."""
    named = _WITH_DIGEST.fullmatch(path.name)
    if named is None:
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(named["digest"]):
        _log.warning(
            "%s: by its name, its SHA-256 begins with %s, but it begins with %s: the file is damaged, or another one",
            path,
            named["digest"],
            digest[: len(named["digest"])],
        )


def _single_file(path: Path, file_name: str) -> Path:
    if not path.is_dir():
        return path
    if file_name and (path / file_name).is_file():
        return path / file_name
    found = sorted(file for pattern in PATTERNS for file in path.glob(pattern))
    if len(found) != 1:
        expected = f"{file_name} or one file" if file_name else "one file"
        raise FileNotFoundError(f"{path}: expected {expected} of weights ({' or '.join(PATTERNS)}), found {len(found)}")
    return found[0]
