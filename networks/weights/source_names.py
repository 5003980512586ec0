"""Names of networks on a command line. Their code is imported only when they are loaded (`sources`)."""

import re
from pathlib import Path
from typing import Literal, NamedTuple

from networks.external.known import EXTERNAL_NETWORKS
from networks.named_objects import parse_object_name

BASELINE = "SpectroTemporal"
SourceKind = Literal["checkpoint", "published", "external", "factory", "baseline", "permuted", "untrained"]
_WITH_SEED = re.compile(r"(?P<target>.+):(?P<seed>\d+)")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")

BACKBONES = ("CochCNN9", "CochResNet", "CochResNet50")
"""Backbones of this package that may be named by their class alone."""

PUBLISHED_ARCHITECTURES = ("CochCNN9", "CochResNet18", "CochResNet34", "CochResNet50", "CochResNet101")
"""Architectures of published weights."""


class SourceError(ValueError):
    """The name of a network is unknown; the message lists the known forms."""


class Source(NamedTuple):
    """A network named on a command line.

    Attributes:
        kind: Form of the name.
        target: Path of a file; `NAME:FOLDER` for "external"; `MODULE:FACTORY` for "factory"; for "untrained" a path,
            the class of a backbone, or an external network's name; for "permuted" a trained network's name; or the
            name of the baseline.
        seed: Seed of a control, otherwise None.
    """

    kind: SourceKind
    target: str
    seed: int | None = None

    def __str__(self) -> str:
        """The full name including the seed, the same for all ways of writing it."""
        if self.seed is not None:
            return f"{self.kind}:{self.target}:{self.seed}"
        return f"published:{self.target}" if self.kind == "published" else self.target

    @property
    def label(self) -> str:
        """Readable name: `last.ckpt`, `SpectroTemporal`, `last (permuted, seed 0)`."""
        if self.kind in ("baseline", "external", "factory"):
            return self.target
        if self.seed is None:
            return Path(self.target).name
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
        whose = name if run in ("", name, self.target) else f"{run}/{name}"
        return f"{whose} ({self.kind}, seed {self.seed})"

    @property
    def short_target(self) -> str:
        """Readable name of a control's network: the stem of a file, or the name of a class."""
        path = self.target.removeprefix("published:")
        if Path(path).is_file():
            return Path(path).stem
        return self.target if ":" in self.target else self.target.rpartition(".")[2]


def parse_source(name: str) -> Source:
    """Parse the name of a network, without loading it.

    - `PATH`: a checkpoint of this project or a file of published weights, distinguished by its content;
    - `published:PATH`: a file of published weights;
    - `NAME:FOLDER`: a network of another package (`EXTERNAL_NETWORKS`) with weights from a folder;
    - `MODULE:FACTORY`, as `package.module:function` or `path/file.py:function`: the network returned by a user's own
      function or class; the only form that runs code from elsewhere;
    - `SpectroTemporal`, in upper or lower case: the baseline;
    - `permuted:NETWORK[:SEED]`: any of the above except the baseline, with permuted weights;
    - `untrained:PATH[:SEED]`: the architecture of a checkpoint with random initial weights;
    - `untrained:BACKBONE[:SEED]`: a backbone of `networks` by name, or a `package.Class`, with random initial weights;
    - `untrained:NAME[:SEED]`: a network of another package with random initial weights.

    The default seed is 0. Write `./NAME` for a checkpoint whose name looks like one of these.

    Args:
        name: The name.

    Returns:
        The parsed name. The file of a checkpoint exists.

    Raises:
        SourceError: The file does not exist, or the name has no known form; the message lists the known forms.
    """
    if name.lower() == BASELINE.lower():
        return Source("baseline", BASELINE)
    form, _, rest = name.partition(":")
    if form == "untrained":
        target, seed = _split_seed(rest)
        if Path(target).is_file() or target in EXTERNAL_NETWORKS or _is_class_name(target):
            return Source("untrained", target, seed)
    elif form == "permuted":
        target, seed = _split_seed(rest)
        trained = _parse_trained(target)
        if trained is not None:
            return Source("permuted", str(trained), seed)
    else:
        trained = _parse_trained(name)
        if trained is not None:
            return trained
    raise SourceError(f"unknown network {name!r}: there is no such file or folder. Known are: {known_forms()}")


def _parse_trained(name: str) -> Source | None:
    """Parse the name of a network that is not a control or the baseline; None if it has a different format."""
    if Path(name).is_file():
        return Source("checkpoint", name)
    form, _, rest = name.partition(":")
    if form == "published":
        return Source("published", rest) if Path(rest).is_file() else None
    if form in EXTERNAL_NETWORKS:
        return Source("external", name) if Path(rest).exists() and rest else None
    factory = parse_object_name(name)
    is_form = form in ("permuted", "untrained")
    return None if factory is None or is_form else Source("factory", name)


def _split_seed(rest: str) -> tuple[str, int]:
    match = _WITH_SEED.fullmatch(rest)
    if match is None or Path(rest).is_file():
        return rest, 0
    return match["target"], int(match["seed"])


def _is_class_name(target: str) -> bool:
    named = parse_object_name(target)
    if named is not None and not named.module.endswith(".py"):
        return True
    return target in BACKBONES or (bool(_DOTTED.fullmatch(target)) and Path(target).suffix not in (".ckpt", ".pt"))


def known_forms() -> str:
    """List the forms of names that `parse_source` accepts, for errors and help, simple ones first.

    Returns:
        The end of a sentence.
    """
    external = ", ".join(EXTERNAL_NETWORKS)
    return (
        f"the path of a checkpoint or of published weights (.pt); {BASELINE}, the baseline; the controls "
        "permuted:CHECKPOINT[:SEED] (also with published weights and the networks below) and "
        "untrained:CHECKPOINT[:SEED]; published:PATH; "
        f"NAME:FOLDER with NAME one of {external}; package.module:FACTORY or file.py:FACTORY; "
        f"untrained:NAME[:SEED] with one of {external}, {', '.join(BACKBONES)} or package.Class"
    )
