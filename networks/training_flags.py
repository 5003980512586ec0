"""Training flags: evaluation mode for a while, every submodule's own flag restored afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def flags_restored(module: nn.Module) -> Iterator[None]:
    """Restore the training flag of every submodule on exit, also after an error."""
    flags = [(submodule, submodule.training) for submodule in module.modules()]
    try:
        yield
    finally:
        for submodule, training in flags:
            # Not submodule.train(...), which would also change what is inside it.
            submodule.training = training


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Switch a module to evaluation mode; frozen parts and all others get their own flags back on exit."""
    with flags_restored(module):
        module.eval()
        yield
