"""How strongly each task pulls at what the tasks share."""

from collections.abc import Iterable

import torch
from torch import Tensor, distributed
from torch.nn import Parameter


def gradient_norm(loss: Tensor, parameters: Iterable[Parameter]) -> Tensor:
    """Euclidean norm of the gradient of a loss in parameters, the gradient averaged over ranks as training does.

    Args:
        loss: scalar with a graph, which is kept.
        parameters: parameters, at least one of which the loss depends on; all ranks call alike.

    Returns:
        Scalar, float32.
    """
    gradients = torch.autograd.grad(loss, list(parameters), retain_graph=True, allow_unused=True)
    joined = torch.cat([gradient.float().flatten() for gradient in gradients if gradient is not None])
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(joined)
        joined /= distributed.get_world_size()
    return torch.linalg.vector_norm(joined)
