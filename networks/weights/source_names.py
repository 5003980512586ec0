"""What networks are called on a command line; what a name stands for is imported when it is loaded (`sources`)."""

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
"""Backbones of this package that are known by their class's name alone."""

PUBLISHED_ARCHITECTURES = ("CochCNN9", "CochResNet18", "CochResNet34", "CochResNet50", "CochResNet101")
"""What published weights may be of."""


class SourceError(ValueError):
    """The name of a network that is not known; the message lists what is."""


class Source(NamedTuple):
    """What a name on the command line stands for.

    Attributes:
        kind: Which of the forms it has.
        target: A file's path; for "external" `NAME:FOLDER`, for "factory" `MODULE:FACTORY`; for "untrained" a path,
            a backbone's class or the name of a ready network; for "permuted" the name of a trained network; the
            baseline's name.
        seed: Of a control, else None.
    """

    kind: SourceKind
    target: str
    seed: int | None = None

    def __str__(self) -> str:
        """The name in full, seed included: the same for all ways of writing it."""
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
        """Readable name that also says which run it is of, as files of all runs are named alike.

        Args:
            run: The run that trained the network; empty where there is none.

        Returns:
            As `words/last (permuted, seed 0)`; `label` for what is no control, or of no run.
        """
        if self.seed is None:
            return self.label
        name = self.short_target
        whose = name if run in ("", name, self.target) else f"{run}/{name}"
        return f"{whose} ({self.kind}, seed {self.seed})"

    @property
    def short_target(self) -> str:
        """Readable name of what a control is made of: the stem of a file, or the name of a class."""
        path = self.target.removeprefix("published:")
        if Path(path).is_file():
            return Path(path).stem
        return self.target if ":" in self.target else self.target.rpartition(".")[2]


def parse_source(name: str) -> Source:
    """Understand the name of a network, without loading it.

    - `PATH`: a checkpoint of this project or a file of published weights, which are told apart by what is in them;
    - `published:PATH`: a file of published weights;
    - `NAME:FOLDER`: a network of another package (`EXTERNAL_NETWORKS`) with the weights in a folder;
    - `MODULE:FACTORY`, as `package.module:function` or `path/file.py:function`: what a user's own function or
      class makes when it is called; the only form that runs code from elsewhere;
    - `SpectroTemporal`, in any case: the baseline;
    - `permuted:NETWORK[:SEED]`: any of the former, but the baseline, with permuted weights;
    - `untrained:PATH[:SEED]`: a checkpoint's architecture at its random initialisation;
    - `untrained:BACKBONE[:SEED]`: a backbone of `networks` by name, or a `package.Class`, likewise;
    - `untrained:NAME[:SEED]`: a network of another package, likewise.

    Seeds are 0 where none is given. A checkpoint whose name could be taken for another form is given as `./NAME`.

    Args:
        name: The name.

    Returns:
        What it stands for. The file of a checkpoint exists.

    Raises:
        SourceError: For a file that is not there, or a name of no known form; lists those that are.
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
    """Names of networks that are no control and not the baseline."""
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
    """List the names of networks that `parse_source` understands, for errors and helps; simple ones first.

    Returns:
        One sentence's end.
    """
    external = ", ".join(EXTERNAL_NETWORKS)
    return (
        f"the path of a checkpoint or of published weights (.pt); {BASELINE}, the baseline; the controls "
        "permuted:CHECKPOINT[:SEED], likewise with published weights and the networks below, and "
        "untrained:CHECKPOINT[:SEED]; published:PATH; "
        f"NAME:FOLDER with NAME one of {external}; package.module:FACTORY or file.py:FACTORY; "
        f"untrained:NAME[:SEED] with one of {external}, {', '.join(BACKBONES)} or package.Class"
    )
