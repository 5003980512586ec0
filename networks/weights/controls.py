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
    """Draw the permutation of one tensor's elements.

    `numpy.random.Generator(numpy.random.PCG64([seed, zlib.crc32(name)])).permutation(num_elements)`. It depends only on
    its arguments, not on other tensors, their order, the device or the version of PyTorch.

    Args:
        name: Name of the tensor in the network's state dict, such as `backbone.conv0.weight`.
        num_elements: Number of elements of the tensor, D.
        seed: Seed of all permutations of a network, at least 0.

    Returns:
        (D,) indices: element `i` of the flattened, permuted tensor is element `indices[i]` of the original.

    Raises:
        ValueError: The seed is negative.
    """
    if seed < 0:
        raise ValueError(f"expected a seed of at least 0, got {seed}")
    generator = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
    return generator.permutation(num_elements)


def permute_weights(network: Network, *, seed: int = 0) -> Network:
    """Copy a network and shuffle the elements within each of its tensors.

    This is a control for architecture at equal weight statistics (Tuckute, Feather et al. 2023). Each weight and bias,
    and each parameter and statistic of batch normalisation, is flattened and permuted over all its elements by its own
    permutation (`permutation_indices`). The front end, a submodule named `front_end`, and tensors with a single
    element, such as `num_batches_tracked`, are not permuted.

    Args:
        network: A trained network, which is not changed.
        seed: Seed of the permutations, at least 0.

    Returns:
        A new network, on the same device and in the same mode.

    Raises:
        ValueError: There is nothing to permute, or the seed is negative.
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
    """Make a network of the same architecture with random initial weights.

    Args:
        network: The network, which is not changed, or its `networks.Described.description`.
        seed: Seed of the initialisation. PyTorch's global generators are restored afterwards.

    Returns:
        A new network on the CPU, in training mode like any new one.

    Raises:
        TypeError: The network has no description.
        ValueError: The class in a description is not found, is not a `networks.Described`, or does not accept its
            arguments.
    """
    if isinstance(network, nn.Module) and not isinstance(network, Described):
        raise TypeError(
            f"expected a subclass of networks.Described, which records its arguments, got {type(network).__name__}"
        )
    description = network.description() if isinstance(network, Described) else network
    # Seed only the CPU's generator, the one in use: torch.manual_seed would also seed those of all GPUs.
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)
        fresh: nn.Module = build(description)
    return fresh


def _is_permuted(name: str, tensor: object) -> bool:
    return isinstance(tensor, Tensor) and tensor.numel() > 1 and not name.startswith("front_end.")
