"""The weight of each task: learnt from its uncertainty, and measured by its gradient."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, distributed, nn
from torch.nn import Parameter


class UncertaintyWeights(nn.Module):
    """Weighs the losses of several tasks by learnt uncertainties (Kendall, Gal & Cipolla 2018, eq. 10).

    `L = sum_t w_t (exp(-s_t) L_t + s_t / 2)`, with `s_t = log sigma_t^2`

    for classification losses `L_t` and fixed weights `w_t`, summed over the tasks that have labels in the batch:
    `s_t / 2` without a loss would increase the weights of rarely labelled tasks. All `s_t` start at 0, where the
    gradient of the network is that of the fixed weights. Weight decay pulls them there.

    Args:
        tasks: Names of the tasks.
    """

    def __init__(self, tasks: Iterable[str]) -> None:
        super().__init__()
        self.log_variances = nn.ParameterDict({task: nn.Parameter(torch.zeros(())) for task in tasks})

    def forward(
        self, losses: Mapping[str, Tensor], weights: Mapping[str, float], num_labelled: Mapping[str, Tensor]
    ) -> Tensor:
        """Combine mean losses, fixed weights and numbers of labelled examples by task into the loss to minimise.

        A task without labels adds 0 with a gradient of 0, so that every parameter has a gradient on all ranks.
        """
        terms = [
            weights[task] * (num_labelled[task] > 0) * (torch.exp(-log_variance) * losses[task] + log_variance / 2)
            for task, log_variance in self.log_variances.items()
        ]
        return torch.stack(terms).sum()

    def effective(self, weights: Mapping[str, float]) -> dict[str, Tensor]:
        """Return the current weight of each task, given the fixed weights."""
        return {task: weights[task] * torch.exp(-value.detach()) for task, value in self.log_variances.items()}

    def deviations(self) -> dict[str, Tensor]:
        """Return the learnt sigma of each task."""
        return {task: torch.exp(log_variance.detach() / 2) for task, log_variance in self.log_variances.items()}


def gradient_norm(loss: Tensor, parameters: Iterable[Parameter]) -> Tensor:
    """Compute the Euclidean norm of the gradient of a loss, with the gradient averaged over ranks as in training.

    Args:
        loss: Scalar with a graph, which is retained.
        parameters: Parameters, of which the loss depends on at least one. All ranks must call this together.

    Returns:
        Scalar, float32.
    """
    gradients = torch.autograd.grad(loss, list(parameters), retain_graph=True, allow_unused=True)
    joined = torch.cat([gradient.float().flatten() for gradient in gradients if gradient is not None])
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(joined)
        joined /= distributed.get_world_size()
    return torch.linalg.vector_norm(joined)
