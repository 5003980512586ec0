"""Ranks without torchrun: a free port, and the environment that tells a process which rank it is."""

import os
import socket


def free_port() -> int:
    """A port on which the ranks of one test meet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def become_rank(rank: int, num_ranks: int, port: int) -> None:
    """Tell this process what torchrun would."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(num_ranks),
        LOCAL_WORLD_SIZE=str(num_ranks),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        TORCHELASTIC_RUN_ID="test",
        GROUP_RANK="0",
    )
