"""Control networks: the same architecture with permuted or with untrained weights."""

import copy
import zlib
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from networks.description import Described, Description, build

Network = TypeVar("Network", bound=nn.Module)


def permutation_indices(name: str, num_elements: int, seed: int = 0) -> NDArray[np.int64]:
    """The permutation of one tensor's elements.

    `numpy.random.Generator(numpy.random.PCG64([seed, zlib.crc32(name)])).permutation(num_elements)`: a function of
    its arguments alone, not of the other tensors, their order, the device or the version of PyTorch.

    Args:
        name: Name of the tensor in the network's state dict, as `backbone.conv0.weight`.
        num_elements: Elements of the tensor, D.
        seed: Seed of all permutations of a network, at least 0.

    Returns:
        (D,) indices: element `i` of the permuted tensor, flattened, is element `indices[i]` of the original.

    Raises:
        ValueError: For a negative seed.
    """
    if seed < 0:
        raise ValueError(f"expected a seed of at least 0, got {seed}")
    generator = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
    return generator.permutation(num_elements)


def permute_weights(network: Network, *, seed: int = 0) -> Network:
    """A copy of a network in which every tensor's elements are shuffled among themselves.

    A control for architecture at equal weight statistics (Tuckute, Feather et al. 2023): each weight, bias, and
    parameter and statistic of a batch norm is flattened and permuted over all its elements by its own permutation
    (`permutation_indices`). The front end, a submodule named `front_end`, is left alone, and so are tensors of
    one element, as `num_batches_tracked`.

    Args:
        network: The network, trained; it is not changed.
        seed: Seed of the permutations, at least 0.

    Returns:
        A new network, on the same device and in the same mode.

    Raises:
        ValueError: If there is nothing to permute, or for a negative seed.
    """
    permuted = copy.deepcopy(network)
    tensors = {name: tensor for name, tensor in permuted.state_dict().items() if _is_permuted(name, tensor)}
    if not tensors:
        raise ValueError(f"expected a network with weights to permute, but {type(network).__name__} has none")
    original = network.state_dict()
    with torch.no_grad():
        for name, tensor in tensors.items():
            indices = torch.from_numpy(permutation_indices(name, tensor.numel(), seed)).to(tensor.device)
            tensor.copy_(original[name].flatten()[indices].reshape(tensor.shape))
    return permuted


def untrained(network: Described | Description, *, seed: int = 0) -> nn.Module:
    """A network of the same architecture at its random initialisation.

    Args:
        network: The network, which is not changed, or its `networks.Described.description`.
        seed: Seed of the initialisation. PyTorch's global generators are left as they were found.

    Returns:
        A new network on the CPU, in training mode as any new one.

    Raises:
        TypeError: For a network that does not know how it was made.
        ValueError: For a description whose class is not found, is no `networks.Described`, or refuses its
            arguments.
    """
    if isinstance(network, nn.Module) and not isinstance(network, Described):
        raise TypeError(
            f"expected a network derived from networks.Described, which knows its arguments, got "
            f"{type(network).__name__}"
        )
    description = network.description() if isinstance(network, Described) else network
    # Only the CPU's generator is used, so only it is seeded: torch.manual_seed would seed those of all GPUs too.
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)
        fresh: nn.Module = build(description)
    return fresh


def _is_permuted(name: str, tensor: object) -> bool:
    return isinstance(tensor, Tensor) and tensor.numel() > 1 and not name.startswith("front_end.")
