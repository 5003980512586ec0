"""Training flags: temporary evaluation mode, after which every submodule has its own flag again."""

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
            # submodule.train(...) would also change the submodules inside.
            submodule.training = training


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Switch a module to evaluation mode. All parts, frozen ones included, get their own flags back on exit."""
    with flags_restored(module):
        module.eval()
        yield
