"""What a backbone is: the part between the front end and the heads, with named stages."""

from torch import Tensor, nn

from networks.description import Described


class Backbone(Described):
    """Base of all backbones, and of a user's own.

    A subclass sets `stages`, the names of its submodules whose outputs are analysed, in order, and maps
    cochleagrams (B, F, N) to features (B, D) in `forward`. Its constructor takes keyword arguments of plain Python
    values. Layers whose size follows the input are made with `nn.LazyLinear`; `networks.AuditoryNetwork`
    runs one silent example through, which fixes them.
    """

    stages: tuple[str, ...]
    published_head: str | None = None
    """What the heads of published networks with this backbone are called; None where there are none."""

    def stage_modules(self) -> dict[str, nn.Module]:
        """Stage name -> submodule whose output is the stage's activation."""
        return {name: self.get_submodule(name) for name in self.stages}

    def forward(self, cochleagram: Tensor) -> Tensor:
        """(B, F, N) -> (B, D)."""
        raise NotImplementedError
