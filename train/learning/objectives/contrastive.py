"""Contrastive learning: recognise which two crops are of the same sound."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from networks import AuditoryNetwork
from train.errors import TrainingError
from train.learning.objectives.gathering import gathered, own_rank
from train.learning.objectives.objective import LOSS, Heard, Objective


class Contrastive(Objective):
    r"""Two crops of a sound are alike, those of other sounds are not (SimCLR, Chen et al. 2020; Saeed et al. 2021).

    Projections `z` of the features of both crops of all sounds in the batch, scaled to length 1, are compared. Each
    crop `i` has to be recognised by its partner `j`:

        loss_i = -log(exp(z_i z_j / t) / sum_{k != i} exp(z_i z_k / t))

    In training, the negatives `k` are all crops of the batch over all processes, so that two processes learn as one
    with twice the batch. In validation, they are those of the batch of one process. Needs `data.second_crop: true`.

    Also logged: `top1`, the share of crops whose partner is the most similar one, and `chance`.

    Args:
        name: See `Objective`.
        loss_weight: See `Objective`.
        temperature: `t`, above 0.
        num_hidden: Units of the hidden layer of the projection.
        num_projected: Dimensions of the projections.
    """

    def __init__(
        self,
        *,
        name: str = "contrastive",
        loss_weight: float = 1.0,
        temperature: float = 0.1,
        num_hidden: int = 512,
        num_projected: int = 128,
    ) -> None:
        super().__init__(name=name, loss_weight=loss_weight)
        if temperature <= 0 or num_hidden < 1 or num_projected < 1:
            raise TrainingError(
                f"objective {name!r}: temperature must be above 0 and sizes at least 1, got temperature {temperature}, "
                f"num_hidden {num_hidden}, num_projected {num_projected}"
            )
        self.temperature, self.num_hidden, self.num_projected = temperature, num_hidden, num_projected

    def build(self, network: AuditoryNetwork) -> None:
        """Make the projection: two dense layers, as in SimCLR, without batch statistics."""
        self.projection = nn.Sequential(
            nn.Linear(network.num_features, self.num_hidden),
            nn.ReLU(),
            nn.Linear(self.num_hidden, self.num_projected),
        )

    def forward(self, heard: Heard) -> dict[str, Tensor]:
        """Compute the loss."""
        first, second = (self._projected(features) for features in (heard.features, heard.second_features))
        is_training = self.training
        return contrastive_loss(
            first,
            second,
            gathered(first) if is_training else first,
            gathered(second) if is_training else second,
            temperature=self.temperature,
            offset=own_rank() * len(first) if is_training else 0,
        )

    def _projected(self, features: Tensor) -> Tensor:
        return normalize(self.projection(features).float(), dim=1)


def contrastive_loss(
    first: Tensor, second: Tensor, all_first: Tensor, all_second: Tensor, *, temperature: float, offset: int = 0
) -> dict[str, Tensor]:
    """Compute the mean loss of some crops among all.

    Args:
        first: (B, D) projections of first crops, of length 1.
        second: (B, D) projections of their partners.
        all_first: (N, D) projections of all first crops, of which `first` are the rows from `offset` on.
        all_second: (N, D) projections of all partners.
        temperature: Temperature of the similarities.
        offset: Index of the first of them among all.

    Returns:
        `loss`, `top1` and `chance`.
    """
    every, num_sounds = torch.cat([all_first, all_second]), len(all_first)
    own = torch.arange(offset, offset + len(first), device=first.device)
    itself = torch.cat([own, own + num_sounds])  # (2B,) columns of the crops themselves, and of their partners
    partner = torch.cat([own + num_sounds, own])
    similarity = torch.cat([first, second]) @ every.T / temperature  # (2B, 2N)
    similarity = similarity.scatter(1, itself[:, None], -torch.inf)
    is_right = similarity.detach().argmax(dim=1) == partner
    return {
        LOSS: cross_entropy(similarity, partner),
        "top1": is_right.float().mean(),
        "chance": similarity.new_tensor(1 / max(len(every) - 1, 1)),
    }
