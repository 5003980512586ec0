"""What every network has that can be scored: named stages."""

from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class HasStages(Protocol):
    """An `nn.Module` with named stages, such as `AuditoryNetwork` and `StagedNetwork`.

    The output of a stage's module is a tensor with time last, (B, C, F, N), or without time, (B, D). If the module is
    called several times, the last call counts. A network whose stages return something else has two more members, as
    `StagedNetwork` does: `average_stage(stage, output)` makes (B, D) float32 of whatever the module returned, and for
    activations in time `timed_stage(stage, output)` makes (B, D, N), with N = 1 without time. `stepped_stages` are the
    stages whose modules are called at every time step and averaged over their calls. Another stage whose module is
    called twice is then an error.
    """

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages, in order."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the input, in Hz."""
        ...

    @property
    def num_samples(self) -> int:
        """Length of the input, T."""
        ...

    def stage_modules(self) -> dict[str, nn.Module]:
        """Return the submodule whose forward output is the stage's activation, for every stage in order."""
        ...
