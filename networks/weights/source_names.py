"""Names of networks on a command line. Their code is imported only when they are loaded (`sources`)."""

import difflib
import os
import re
from pathlib import Path
from typing import Literal, NamedTuple

from networks.external.known import DESCRIBED_BY_FOLDERS, EXTERNAL_NETWORKS
from networks.files.relative_paths import where_looked
from networks.named_objects import parse_object_name
from networks.user_error import UserError
from networks.weights.run_layout import is_model, last_checkpoint_in

BASELINE = "SpectroTemporal"
SourceKind = Literal["checkpoint", "ema", "published", "external", "factory", "baseline", "permuted", "untrained"]
_WITH_SEED = re.compile(r"(?P<target>.+):(?P<seed>\d+)")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")

BACKBONES = ("CochCNN9", "CochResNet", "CochResNet50")
"""Backbones of this package that may be named by their class alone."""

PUBLISHED_ARCHITECTURES = ("CochCNN9", "CochResNet18", "CochResNet34", "CochResNet50", "CochResNet101")
"""Architectures of published weights."""


class SourceError(UserError):
    """The name of a network is unknown; the message lists the known forms."""


class Source(NamedTuple):
    """A network named on a command line.

    Attributes:
        kind: Form of the name.
        target: Path of a file; `NAME:PATH` for "external"; `MODULE:FACTORY` for "factory"; for "untrained" a path,
            the class of a backbone, an external network's name, with its folder if that describes it, or
            `MODULE:FACTORY`; for "permuted" another network's name; or the name of the baseline.
        seed: Seed of a control, otherwise None.
    """

    kind: SourceKind
    target: str
    seed: int | None = None

    def __str__(self) -> str:
        """The full name including the seed, the same for all ways of writing it."""
        if self.seed is not None:
            return f"{self.kind}:{self.target}:{self.seed}"
        return f"{self.kind}:{self.target}" if self.kind in ("published", "ema") else self.target

    @property
    def label(self) -> str:
        """Readable name: `last.ckpt`, `SpectroTemporal`, `VGGish:vggish.pth`, `last (permuted, seed 0)`."""
        if self.kind == "external":
            return _without_folders(self.target)
        if self.kind in ("baseline", "factory"):
            return self.target
        if self.seed is None:
            return Path(self.target).name + " (ema)" * (self.kind == "ema")
        return self.label_in("")

    def label_in(self, run: str) -> str:
        """Readable name with the run, as files of all runs have similar names.

        Args:
            run: The run that trained the network; empty if there is none.

        Returns:
            For a control, a name such as `words/last (permuted, seed 0)`; otherwise `label`.
        """
        if self.seed is None:
            return self.label
        name = self.short_target
        if run and name == self.target and ":" in name:  # not a file: the run says what it is
            name = run
        whose = name if run in ("", name, self.target) else f"{run}/{name}"
        return f"{whose} ({self.kind}, seed {self.seed})"

    @property
    def short_target(self) -> str:
        """Readable name of a control's network: the stem of a file, or the name of a class."""
        path = self.target.removeprefix("published:").removeprefix("ema:")
        if Path(path).is_file() or is_model(path):
            return Path(path).stem
        if _is_external_with_path(self.target):
            return _without_folders(self.target)
        return self.target if ":" in self.target else self.target.rpartition(".")[2]


def parse_source(name: str) -> Source:
    """Parse the name of a network, without loading it.

    - `PATH`: a checkpoint of this project, a folder of `cochlearn export`, or a file of published weights,
      distinguished by its content;
    - `RUN_DIR`: the newest checkpoint of a run, `last.ckpt` (on command lines that score, all of them);
    - `ema:PATH`: a checkpoint, with the averages of its weights;
    - `published:PATH`: a file of published weights;
    - `NAME:PATH`: an external network (`EXTERNAL_NETWORKS`) with weights from a file or folder, as `VGGish:FILE`;
    - `MODULE:FACTORY`, as `package.module:function` or `path/file.py:function`: the network returned by a user's own
      function or class, or a bundle such as `torchaudio.pipelines:WAVLM_BASE`; the only form that runs code from
      elsewhere;
    - `SpectroTemporal`, in upper or lower case: the baseline;
    - `permuted:NETWORK[:SEED]`: any of these except the baseline, with permuted weights; also an untrained one;
    - `untrained:PATH[:SEED]`: the architecture of a checkpoint with random initial weights;
    - `untrained:BACKBONE[:SEED]`: a backbone of `networks` by name, or a `package.Class`, with random initial weights;
    - `untrained:NAME[:SEED]`: an external network with random initial weights, `untrained:HuggingFace:FOLDER[:SEED]`
      for one that its folder describes;
    - `untrained:MODULE:FACTORY[:SEED]`: what the function makes, with new random weights in each layer.

    The default seed is 0. Write `./NAME` for a checkpoint whose name looks like one of these.

    Args:
        name: The name.

    Returns:
        The parsed name. The file of a checkpoint exists.

    Raises:
        SourceError: The file does not exist or is a Python file, or the name has no known form; the message lists the
            known forms.
    """
    if name.lower() == BASELINE.lower():
        return Source("baseline", BASELINE)
    form, _, rest = name.partition(":")
    target, seed = _split_seed(rest)
    if form == "permuted":
        parent = _parse_untrained(target) or _parse_trained(target)
        found = None if parent is None else Source("permuted", str(parent), seed)
    else:
        found = _parse_untrained(name) or _parse_trained(name)
    if found is not None:
        return found
    if target.lower() == BASELINE.lower():
        reason = f"{BASELINE} has no weights to {'permute' if form == 'permuted' else 'draw'}"
    else:
        reason = f"there is no such file or folder{_did_you_mean(name) or _where_looked(target or name)}"
    raise SourceError(f"unknown network {name!r}: {reason}. Known are: {known_forms()}")


def _where_looked(path: str) -> str:
    """Where a file was looked for, if a name that is unknown looks like the path of one."""
    return where_looked(path) if os.sep in path or Path(path).suffix else ""


def _did_you_mean(name: str) -> str:
    """The end of a message about a path that is missing: what is there and has a similar name; "" if nothing does."""
    path = Path(name.partition(":")[2] or name)
    try:
        there = sorted(each.name for each in path.parent.iterdir())
    except OSError:
        return ""
    similar = difflib.get_close_matches(path.name, there, n=1)
    return f" (did you mean {path.with_name(similar[0])}?)" if similar else ""


def _parse_untrained(name: str) -> Source | None:
    """Parse `untrained:NETWORK[:SEED]`; None if the name has a different format."""
    form, _, rest = name.partition(":")
    target, seed = _split_seed(rest)
    target = target if is_model(target) else str(last_checkpoint_in(target) or target)
    if _is_external_with_path(target):
        name, _, path = target.partition(":")
        is_known = name in DESCRIBED_BY_FOLDERS and Path(path).is_dir()
    elif target in EXTERNAL_NETWORKS:
        is_known = target not in DESCRIBED_BY_FOLDERS
    else:
        is_known = (
            Path(target).is_file()
            or is_model(target)
            or _is_class_name(target)
            or parse_object_name(target) is not None
        )
    return Source("untrained", target, seed) if form == "untrained" and is_known else None


def _parse_trained(name: str) -> Source | None:
    """Parse the name of a network that is not a control or the baseline; None if it has a different format."""
    if Path(name).is_file():
        if Path(name).suffix == ".py":
            raise SourceError(f"{name} is a Python file: name the function in it that makes a network, as {name}:NAME")
        return Source("checkpoint", name)
    if is_model(name) or last_checkpoint_in(name):
        return Source("checkpoint", name if is_model(name) else str(last_checkpoint_in(name)))
    form, _, rest = name.partition(":")
    if form == "ema":
        return Source("ema", rest) if Path(rest).is_file() else None
    if form == "published":
        return Source("published", rest) if Path(rest).is_file() else None
    if form in EXTERNAL_NETWORKS:
        return Source("external", name) if Path(rest).exists() and rest else None
    factory = parse_object_name(name)
    is_form = form in ("ema", "permuted", "untrained")
    return None if factory is None or is_form else Source("factory", name)


def _split_seed(rest: str) -> tuple[str, int]:
    match = _WITH_SEED.fullmatch(rest)
    if match is None or Path(rest).is_file():
        return rest, 0
    return match["target"], int(match["seed"])


def _is_external_with_path(target: str) -> bool:
    name, _, path = target.partition(":")
    return name in EXTERNAL_NETWORKS and path != ""


def _without_folders(target: str) -> str:
    """`NAME:PATH` with the last part of the path."""
    name, _, path = target.partition(":")
    return f"{name}:{Path(path).name}"


def _is_class_name(target: str) -> bool:
    return target in BACKBONES or (bool(_DOTTED.fullmatch(target)) and Path(target).suffix not in (".ckpt", ".pt"))


def known_forms() -> str:
    """List the forms of names that `parse_source` accepts, for errors and help, simple ones first.

    Returns:
        The end of a sentence.
    """
    external = ", ".join(EXTERNAL_NETWORKS)
    without_folders = ", ".join(name for name in EXTERNAL_NETWORKS if name not in DESCRIBED_BY_FOLDERS)
    return (
        f"the path of a checkpoint, of an exported model or of published weights (.pt); {BASELINE}, the baseline; "
        "the controls permuted:CHECKPOINT[:SEED] (also with published weights and the networks below) and "
        "untrained:CHECKPOINT[:SEED]; ema:CHECKPOINT, the averages of its weights; published:PATH; "
        f"NAME:PATH with NAME one of {external} and the file or folder of its weights; "
        "package.module:FACTORY or file.py:FACTORY; "
        f"untrained:NAME[:SEED] with one of {without_folders}, {', '.join(BACKBONES)}, package.Class or the name of a "
        f"FACTORY; untrained:{' or '.join(sorted(DESCRIBED_BY_FOLDERS))}:FOLDER[:SEED]"
    )
