"""The base class of backbones: the part between front end and heads, with named stages."""

from torch import Tensor, nn

from networks.description import Described


class Backbone(Described):
    """Base class of backbones, for your own too.

    A subclass maps cochleagrams (B, F, N) to features (B, D) in `forward`. Its constructor takes keyword arguments that
    are plain Python values. Use `nn.LazyLinear` for layers whose size depends on the input: `networks.AuditoryNetwork`
    runs one silent example through the backbone, which determines it.

    Attributes:
        stages: Names of the submodules whose outputs are analysed, in order.
    """

    stages: tuple[str, ...]
    published_head: str | None = None
    """Name of the heads in published weights of this backbone; None if there are none."""

    def stage_modules(self) -> dict[str, nn.Module]:
        """Map each stage to the submodule whose output is its activation."""
        return {name: self.get_submodule(name) for name in self.stages}

    def forward(self, cochleagram: Tensor) -> Tensor:
        """(B, F, N) -> (B, D)."""
        raise NotImplementedError
