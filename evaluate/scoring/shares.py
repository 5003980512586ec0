"""How networks and their stages are divided among processes."""

from collections.abc import Sequence
from typing import NamedTuple


class Share(NamedTuple):
    """The part of a network's stages that one process computes: `stages[first::every]`.

    Attributes:
        source: The network.
        first: Index of the first stage.
        every: Number of processes that share the stages.
    """

    source: str
    first: int = 0
    every: int = 1

    def of(self, stages: Sequence[str]) -> list[str]:
        """Stages of this share. Adjacent stages go to different processes: early stages are large, late ones small."""
        return list(stages[self.first :: self.every])


def plan_rounds(sources: Sequence[str], num_ranks: int) -> list[list[Share]]:
    """Divide networks among processes, so that all have about the same amount of work.

    While at least as many networks as processes remain, each process takes a whole network, whose activations are then
    computed only once. The stages of the remaining networks are divided among all processes.

    Args:
        sources: Networks.
        num_ranks: Number of processes.

    Returns:
        Rounds, each with the share of every process. The networks of a round are finished after it.
    """
    num_full = len(sources) // num_ranks * num_ranks  # networks that are not divided
    rounds = [
        [Share(source) for source in sources[start : start + num_ranks]] for start in range(0, num_full, num_ranks)
    ]
    return rounds + [[Share(source, rank, num_ranks) for rank in range(num_ranks)] for source in sources[num_full:]]
