"""Reference networks, which metrics compare the scored networks with."""

from __future__ import annotations

import copy
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from evaluate.benchmarks.benchmark import Benchmark
from evaluate.features.cache import ActivationCache, cached_activations
from evaluate.features.fingerprint import content_key, network_fingerprint
from evaluate.metrics.partition.network_parts import joined_space
from evaluate.options import DEFAULT_BATCH_SIZE, DEFAULT_MEMORY_LIMIT_GIB
from networks import Described
from networks.weights.source_names import SourceError, parse_source

if TYPE_CHECKING:
    import numpy as np

    from datamodules.progress import ReportProgress

_OF_SELF = re.compile(r"(?P<kind>untrained|permuted):self(:(?P<seed>\d+))?")
_log = logging.getLogger(__name__)


class _OwnControl(NamedTuple):
    """A control of the network that is scored."""

    kind: str
    seed: int


def check_reference(name: str) -> None:
    """Check the name of a reference network, without loading it.

    Args:
        name: A network, see `networks.load_network`; or `untrained:self[:SEED]` or `permuted:self[:SEED]`, the control
            of each scored network.

    Raises:
        SourceError: There is no such network.
    """
    if _own_control(name) is None:
        parse_source(name)


def reference_label(name: str) -> str:
    """Name a reference in tables, logs and file names: "SpectroTemporal", "untrained-self", "words-last"."""
    control, colon, path = name.rpartition(":")
    parts = [part for part in Path(path).with_suffix("").parts if part not in ("checkpoints", "/")]
    words = [control] if colon else []
    words += parts[-2:] if Path(path).suffix else parts[-1:]
    return re.sub(r"[^\w.]+", "-", "-".join(words)).strip("-")


@dataclass(eq=False)
class References:
    """Reference networks and their features for benchmarks, which are computed once and kept in memory."""

    _networks: dict[str, nn.Module] = field(default_factory=dict, init=False)
    _keys: dict[str, str] = field(default_factory=dict, init=False)
    _spaces: dict[tuple[str, str], tuple[str, np.ndarray]] = field(default_factory=dict, init=False)

    def key(self, name: str, net: nn.Module) -> str:
        """Hash what the reference of a network computes.

        Args:
            name: See `check_reference`.
            net: The network that is scored.

        Returns:
            64 hexadecimal digits.

        Raises:
            SourceError: The reference cannot be made.
        """
        control = _own_control(name)
        if control is None:
            if name not in self._keys:
                self._keys[name] = network_fingerprint(self._network(name))
            return self._keys[name]
        # The weights of an untrained control depend on its architecture alone.
        is_fixed = control.kind == "untrained" and isinstance(net, Described)
        own = content_key(net.description()) if is_fixed else network_fingerprint(net)  # type: ignore[operator]
        return content_key([*control, own])

    def features(
        self,
        name: str,
        benchmark: Benchmark,
        *,
        net: nn.Module,
        device: torch.device,
        cache: ActivationCache | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB,
        progress: ReportProgress | None = None,
    ) -> np.ndarray:
        """Compute a reference's features for the sounds of a benchmark, unless they are known.

        Args:
            name: See `check_reference`.
            benchmark: Benchmark of the sounds.
            net: The network that is scored; it is not changed.
            device: Device for the reference; without enough memory there, the CPU.
            cache: Cache of activations; None for none.
            batch_size: Sounds per forward pass.
            memory_limit_gib: Bound on the working memory, in GiB.
            progress: Called as `progress("activations", num_done, num_total)`.

        Returns:
            (S, D) float64 features of all of its stages together, see `joined_space`.

        Raises:
            SourceError: The reference cannot be made.
            StageError: Its activations are not finite.
        """
        place, key = (name, benchmark.content_hash()), self.key(name, net)
        known = self._spaces.get(place)
        if known is not None and known[0] == key:
            return known[1]
        control = _own_control(name)
        reference = self._network(name) if control is None else _control_of(net, control)

        def activations(where: torch.device) -> dict[str, np.ndarray]:
            return cached_activations(
                reference.to(where),
                benchmark,
                cache=cache,
                batch_size=batch_size,
                device=where,
                progress=progress,
            )

        try:
            found = activations(device)
        except torch.OutOfMemoryError:  # training may occupy most of the GPU
            _log.warning("computing activations of %s on the CPU: the GPU is out of memory", name)
            found = activations(torch.device("cpu"))
        finally:
            reference.cpu()
            self._networks.pop(name, None)
        # One for each name: a permuted control is another one at each step.
        self._spaces[place] = key, joined_space(found, memory_limit_gib=memory_limit_gib)
        return self._spaces[place][1]

    def _network(self, name: str) -> nn.Module:
        from networks import load_network

        if name not in self._networks:
            self._networks[name] = load_network(name).network
        return self._networks[name]


def _own_control(name: str) -> _OwnControl | None:
    match = _OF_SELF.fullmatch(name)
    return None if match is None else _OwnControl(match["kind"], int(match["seed"] or 0))


def _control_of(net: nn.Module, control: _OwnControl) -> nn.Module:
    """Make a control of a network, on the CPU."""
    from networks.weights.controls import permute_weights, untrained
    from networks.weights.fresh_weights import reset_weights

    try:
        if control.kind == "untrained" and isinstance(net, Described):
            return untrained(net, seed=control.seed).eval()
        own = copy.deepcopy(net).cpu().eval()
        make = permute_weights if control.kind == "permuted" else reset_weights
        return make(own, seed=control.seed)
    except (TypeError, ValueError) as error:
        raise SourceError(f"{control.kind}:self: {error}") from error
