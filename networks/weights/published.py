"""Load the weights published with Tuckute, Feather et al. 2023 (PLoS Biol 21(12): e3002366)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from networks.auditory_network import AuditoryNetwork
from networks.backbones.backbone import Backbone
from networks.backbones.cochcnn9 import CochCNN9
from networks.backbones.cochresnet import BLOCKS, CochResNet, CochResNet50
from networks.front_ends.cochleagram import Cochleagram
from networks.front_ends.front_end import FrontEnd
from networks.weights.strict import CheckpointError, differences, load_weights
from networks.weights.tensor_files import read_tensor_file

PUBLISHED_HEADS = {
    "word": "signal/word_int",
    "speaker": "signal/speaker_int",
    "audioset": "noise/labels_binary_via_int",
}
"""Published names of the tasks; other tasks keep their names."""
PUBLISHED_NUM_CLASSES = {"word": 794, "speaker": 433, "audioset": 517}
"""Number of classes of the published heads, including the null class."""
PUBLISHED_TASKS: dict[str, dict[str, Any]] = {
    "word": {"name": "word", "kind": "one_label", "side": "signal"},
    "speaker": {"name": "speaker", "kind": "one_label", "side": "signal"},
    "audioset": {"name": "audioset", "kind": "many_labels", "side": "noise"},
}
"""The published tasks; their labels are not in the files."""
_WEIGHTS_UNDER = ("model", "state_dict")  # entries of a file that may contain the weights
_PARALLEL = "module."
_BACKBONE = "model.1."
# Tensors that are not needed: the buffers of the front end and of the normaliser.
_NOT_NEEDED = ("model.0.", "normalizer.")
_COPY = "attacker."  # a copy of all tensors, from the training software


class PublishedWeights(NamedTuple):
    """Weights of a published file.

    Attributes:
        weights: Backbone and heads by published name, such as `conv0.weight` or `fc.signal/word_int.bias`.
        source: Name of their source, for messages.
    """

    weights: dict[str, Tensor]
    source: str

    def heads(self, head: str) -> dict[str, int]:
        """Find the number of classes of each head in the file, by published task name.

        Args:
            head: Name of the heads in this architecture, `classification` or `fc`.

        Returns:
            Number of classes by task. A single-task file, which does not name its task, has one head "".
        """
        found = {}
        for name, tensor in self.weights.items():
            if name.startswith(f"{head}.") and name.endswith("weight"):
                found[name.removeprefix(f"{head}.").removesuffix("weight").removesuffix(".")] = len(tensor)
        return found


def read_published(source: str | Path | Mapping[str, Any]) -> PublishedWeights:
    """Read a published file and keep the weights of backbone and heads.

    The weights are the file's entry `model` or `state_dict`, or the whole file. Their names may start with `module.`;
    `model.1.` is the backbone with its heads. The buffers of the front end (`model.0.`), `normalizer.*` and the copy of
    all tensors under `attacker.` are left out. Any other names are kept, and do not match later.

    Args:
        source: A file, read without running code from it (see `tensor_files.read_tensor_file`), or its loaded content.

    Returns:
        The weights.

    Raises:
        FileNotFoundError: The file does not exist.
        CheckpointError: The file cannot be read safely or does not contain published weights.
    """
    if isinstance(source, Mapping):
        return weights_of(source, "the dictionary")
    return weights_of(read_tensor_file(source), str(source))


def weights_of(content: Any, source: str) -> PublishedWeights:
    """Find the published weights in the content of a file, see `read_published`."""
    tensors = content
    if isinstance(content, Mapping):
        tensors = next((content[key] for key in _WEIGHTS_UNDER if isinstance(content.get(key), Mapping)), content)
    if not isinstance(tensors, Mapping) or not any(_BACKBONE in str(key) for key in tensors):
        if own := own_weights_advice(content):
            raise CheckpointError(f"{source}: {own} (expected published weights, named module.{_BACKBONE}...)")
        raise CheckpointError(
            f"{source}: expected published weights, named module.{_BACKBONE}... (under 'model' or 'state_dict', or "
            f"at the top level), got {_glimpse(tensors)}"
        )
    strange = [str(key) for key, value in tensors.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if strange:
        raise CheckpointError(f"{source}: expected only tensors among the weights, but {strange[0]!r} is not a tensor")
    named = {key.removeprefix(_PARALLEL): tensor for key, tensor in tensors.items()}
    weights = {
        key.removeprefix(_BACKBONE): tensor
        for key, tensor in named.items()
        if not (key.startswith(_NOT_NEEDED) or _is_copy(key, named))
    }
    return PublishedWeights(weights, source)


def own_weights_advice(content: Any) -> str:
    """Say what to do with weights of a network that is neither published nor of this project; "" if there are none."""
    candidates = [content, *(content.values() if isinstance(content, Mapping) else ())]
    for tensors in candidates:
        if not isinstance(tensors, Mapping):
            continue
        names = [str(name) for name, value in tensors.items() if isinstance(value, Tensor)]
        if names and not any(_BACKBONE in name for name in names):
            return (
                f"weights of a network that is not from this project ({names[0]!r}, ...), which only its own code can "
                "make: write a function that makes the network, loads these weights and returns it in "
                "networks.StagedNetwork, and name that function in place of the file, as my_models.py:make_network"
            )
    return ""


def load_published(network: AuditoryNetwork, source: str | Path | Mapping[str, Any]) -> AuditoryNetwork:
    """Load published weights into a network, which must have their architecture and tasks.

    Tasks are matched by name: "word" is `signal/word_int`, "speaker" is `signal/speaker_int`, "audioset" is
    `noise/labels_binary_via_int`, and any other has the same name. The head of a single-task file has no name and is
    loaded into a network with one task.

    Args:
        network: Network with a `CochCNN9` or `CochResNet`.
        source: A published file, or its loaded content; see `read_published`.

    Returns:
        The same network.

    Raises:
        FileNotFoundError: The file does not exist.
        CheckpointError: The file cannot be read safely, or its names and shapes differ from those of the network; the
            message lists missing, unexpected and misshapen tensors. The network is then unchanged.
    """
    return fill(network, read_published(source))


def fill(network: AuditoryNetwork, published: PublishedWeights) -> AuditoryNetwork:
    """Load published weights that have been read into a network, see `load_published`."""
    head = network.backbone.published_head
    if head is None:
        raise CheckpointError(
            f"{published.source}: there are no published weights of {type(network.backbone).__name__}, only of "
            f"{CochCNN9.__name__} and {CochResNet50.__name__}"
        )
    names = _published_names(network, head, single="" in published.heads(head))
    expected = {names[name]: tensor for name, tensor in network.state_dict().items() if name in names}
    problems = differences(expected, published.weights)
    if problems:
        raise CheckpointError(
            f"{published.source}: weights of another architecture or other tasks than this network, a "
            f"{type(network.backbone).__name__} with {', '.join(network.heads)}: {'; '.join(problems)}"
        )
    own = {name: tensor for name, tensor in network.state_dict().items() if name not in names}
    ours = {name: published.weights[theirs] for name, theirs in names.items()}
    load_weights(network, own | ours, source=published.source)
    return network


def published_network(
    published: PublishedWeights,
    *,
    architecture: str | None = None,
    tasks: Iterable[str] | None = None,
    front_end: Cochleagram | FrontEnd | None = None,
) -> AuditoryNetwork:
    """Make the network of a published file.

    Args:
        published: Result of `read_published`.
        architecture: A name in `architectures`; None infers it from the names of the layers.
        tasks: Names of the tasks; None uses those in the file. The task of a single-task file is inferred from its
            number of classes.
        front_end: None for the published cochleagram.

    Returns:
        The network with the file's weights, in evaluation mode.

    Raises:
        CheckpointError: The architecture is unknown, or names and shapes differ from those of the architecture.
    """
    known = architectures()
    architecture = architecture or _architecture_of(published)
    if architecture not in known:
        raise CheckpointError(f"expected an architecture of {', '.join(known)}, got {architecture!r}")
    backbone = _backbone(architecture, published)
    heads = published.heads(str(backbone.published_head))
    if not heads:
        raise CheckpointError(
            f"{published.source}: expected heads of {architecture}, named {backbone.published_head}.*, got none"
        )
    num_classes = _num_classes(heads, None if tasks is None else tuple(tasks), published.source)
    return fill(AuditoryNetwork(backbone, num_classes, front_end), published).eval()


def architectures() -> tuple[str, ...]:
    """Names of the architectures that `published_network` makes."""
    return (CochCNN9.__name__, *(f"{CochResNet.__name__}{depth}" for depth in BLOCKS))


def _published_names(network: AuditoryNetwork, head: str, *, single: bool) -> dict[str, str]:
    """Map our name of every tensor of backbone and heads to the published one."""
    names = {}
    for name in network.state_dict():
        if name.startswith("backbone."):
            names[name] = name.removeprefix("backbone.")
        elif name.startswith("heads."):
            _, task, kind = name.split(".")
            unnamed = single and len(network.heads) == 1
            names[name] = f"{head}.{kind}" if unnamed else f"{head}.{PUBLISHED_HEADS.get(task, task)}.{kind}"
    return names


def _num_classes(heads: Mapping[str, int], tasks: tuple[str, ...] | None, source: str) -> dict[str, int]:
    """Map our name of each task in the file to its number of classes."""
    ours = {theirs: task for task, theirs in PUBLISHED_HEADS.items()}
    if "" in heads:
        by_classes = {number: task for task, number in PUBLISHED_NUM_CLASSES.items()}
        ours[""] = tasks[0] if tasks else by_classes.get(heads[""], "task")
    found = {ours.get(theirs, theirs): number for theirs, number in heads.items()}
    if tasks is not None and set(tasks) != set(found):
        raise CheckpointError(f"{source}: expected the tasks {', '.join(tasks)}, but the file has {', '.join(found)}")
    return found


def _architecture_of(published: PublishedWeights) -> str:
    if "conv0.weight" in published.weights:
        return CochCNN9.__name__
    blocks = tuple(
        len({name.split(".")[1] for name in published.weights if name.startswith(f"layer{layer}.")})
        for layer in (1, 2, 3, 4)
    )
    bottlenecks = "layer1.0.conv3.weight" in published.weights
    for depth, expected in BLOCKS.items():
        if blocks == expected and bottlenecks == (depth >= 50):
            return f"{CochResNet.__name__}{depth}"
    raise CheckpointError(
        f"{published.source}: expected the layers of one of {', '.join(architectures())}, got "
        f"{_glimpse(published.weights)}"
    )


def _backbone(architecture: str, published: PublishedWeights) -> Backbone:
    """Make the backbone with the width of the file's weights."""
    if architecture == CochCNN9.__name__:
        dense = published.weights.get("fullyconnected.bias")
        return CochCNN9(width=1.0 if dense is None else len(dense) / 4096)
    first = published.weights.get("conv1.weight")
    width = 1.0 if first is None else len(first) / 64
    if architecture == CochResNet50.__name__:
        return CochResNet50(width=width)
    return CochResNet(depth=int(architecture.removeprefix(CochResNet.__name__)), width=width)


def _is_copy(key: str, named: Mapping[str, Tensor]) -> bool:
    """Whether a tensor is in the training software's copy, with its original in the file or not needed."""
    original = key.removeprefix(_COPY)
    return original != key and (original in named or original.startswith(_NOT_NEEDED))


def _glimpse(value: object) -> str:
    if isinstance(value, Mapping):
        names = [repr(str(key)) for key in list(value)[:3]]
        return f"a dictionary of {', '.join(names)}, ..." if names else "an empty dictionary"
    return f"a {type(value).__name__}"
