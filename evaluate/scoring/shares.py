"""How networks and their stages are divided among processes."""

from collections.abc import Sequence
from typing import NamedTuple


class Share(NamedTuple):
    """One process's part of a network's stages: `stages[first::every]`.

    Attributes:
        source: The network.
        first: Number of the first stage.
        every: How many processes share the stages.
    """

    source: str
    first: int = 0
    every: int = 1

    def of(self, stages: Sequence[str]) -> list[str]:
        """Stages of this share. Neighbours go to different processes: early stages are large, late ones small."""
        return list(stages[self.first :: self.every])


def plan_rounds(sources: Sequence[str], num_ranks: int) -> list[list[Share]]:
    """Divide networks among processes, so that all have about as much to do.

    As long as there are as many networks as processes, each takes a network, whose activations are computed once; the
    stages of those that remain are dealt out.

    Args:
        sources: Networks.
        num_ranks: Number of processes.

    Returns:
        Rounds, after each of which the networks in it are finished; in a round, the share of each process.
    """
    num_full = len(sources) // num_ranks * num_ranks
    rounds = [
        [Share(source) for source in sources[start : start + num_ranks]] for start in range(0, num_full, num_ranks)
    ]
    return rounds + [[Share(source, rank, num_ranks) for rank in range(num_ranks)] for source in sources[num_full:]]
