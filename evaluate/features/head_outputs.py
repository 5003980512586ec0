"""Outputs of a network's head, recorded as if they were a stage."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from evaluate.features.recording import StageError


class HeadOutputs(nn.Module):
    """A network whose only stage is the output of one of its heads.

    Args:
        net: Network whose forward pass returns outputs (B, C) by the name of the head, as `networks.AuditoryNetwork`.
        head: The head.
    """

    def __init__(self, net: Any, head: str) -> None:
        super().__init__()
        self.net = net
        self.output = nn.Identity()
        self._head = head

    @property
    def stages(self) -> tuple[str, ...]:
        """The head."""
        return (self._head,)

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the input in Hz."""
        return int(self.net.sample_rate_hz)

    @property
    def num_samples(self) -> int:
        """Length of the input."""
        return int(self.net.num_samples)

    def stage_modules(self) -> dict[str, nn.Module]:
        """Return the module whose output is that of the head."""
        return {self._head: self.output}

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) waveforms -> (B, C) outputs of the head.

        Raises:
            StageError: The network has no such head.
        """
        found = self.net(waveform)
        if not isinstance(found, Mapping) or self._head not in found:
            heads = f"its heads are {', '.join(map(str, found))}" if isinstance(found, Mapping) else "it has no heads"
            raise StageError(f"the network has no head {self._head!r} to answer with: {heads}")
        output: Tensor = self.output(found[self._head])
        return output


def class_names(net: Any, head: str) -> tuple[str, ...]:
    """Names of a head's classes in the order of its outputs; empty if the network does not know them."""
    return tuple(getattr(net, "class_names", {}).get(head, ()))
