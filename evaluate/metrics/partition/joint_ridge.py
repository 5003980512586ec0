r"""Ridge regression on two feature spaces at once, with a mixing weight and a penalty for each target.

The kernel is `g K_A + (1 - g) K_B`, with the kernels of centred features, each divided by the mean of its training
diagonal. This is ridge regression on the features of A times `sqrt(g / d_A)` next to those of B times
`sqrt((1 - g) / d_B)`, so that the leave-one-out errors of all penalties are those of `LeaveOneOutRidge`.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from evaluate.metrics.encoding.penalties import TIE_TOLERANCE, first_row
from evaluate.metrics.encoding.ridge import LeaveOneOutRidge, Projection

NUM_STEPS = 10
"""Mixing weights are 0, 1/10, ..., 1."""

ALPHAS = 10.0 ** np.arange(10.0, -10.5, -0.5)
"""Penalties: 1e10 down to 1e-10 in half decades."""

# Directions with a smaller eigenvalue, relative to the largest, are left out; a ratio of singular values is its root.
_SMALLEST_EIGENVALUE = 1e-10


class MixedFit(NamedTuple):
    """Predictions of V targets with the best mixing weight and penalty of each."""

    predicted: Tensor  # (tests, V)
    gamma: Tensor  # (V,)
    alpha: Tensor  # (V,)


class JointRidge:
    """Ridge models of one split for all mixing weights of two feature spaces.

    Args:
        spaces: Features (S, D) of A and B, float64.
        train: (n,) indices of the training stimuli.
        test: (tests,) indices of the test stimuli.
    """

    def __init__(self, spaces: tuple[Tensor, Tensor], train: Tensor, test: Tensor) -> None:
        scaled = [_scaled(features, train) for features in spaces]
        self._num_tests = len(test)
        self._models = []
        for step in range(NUM_STEPS + 1):
            weights = step / NUM_STEPS, 1.0 - step / NUM_STEPS
            parts = [weight**0.5 * part for weight, part in zip(weights, scaled, strict=True) if weight]
            mixed = torch.cat(parts, dim=1)
            ridge = LeaveOneOutRidge(mixed[train], ALPHAS, smallest_ratio=_SMALLEST_EIGENVALUE**0.5)
            parts_of_test = (mixed[test] - ridge.decomposition.mean) @ ridge.decomposition.axes
            self._models.append((ridge, parts_of_test))

    def fit(self, targets: Tensor) -> tuple[MixedFit, MixedFit, MixedFit]:
        """Fit targets (n, V) with A alone, B alone, and both.

        Returns:
            The three fits, each with the penalty of the smallest leave-one-out error; of the fit with both, the mixing
            weight is chosen by the same error.
        """
        projections = [ridge.project(targets) for ridge, _ in self._models]
        errors = torch.stack([self._errors(step, each) for step, each in enumerate(projections)])  # (steps, A, V)
        alone = [self._best(errors, projections, [step]) for step in (NUM_STEPS, 0)]
        return alone[0], alone[1], self._best(errors, projections, list(range(NUM_STEPS + 1)))

    def _errors(self, step: int, projection: Projection) -> Tensor:
        """Sums of squared errors (A, V) of one mixing weight, infinite where they cannot be the smallest."""
        ridge = self._models[step][0]
        found = ridge.search(projection).errors
        errors = torch.full((len(ridge.alphas), found.shape[1]), torch.inf, dtype=found.dtype, device=found.device)
        errors[ridge.rows] = found
        return errors

    def _best(self, errors: Tensor, projections: list[Projection], steps: list[int]) -> MixedFit:
        """Choose among mixing weights: of errors that tie, the largest penalty, then the weight nearest to 1/2."""
        # In integers, as 0.3 and 0.7 are not equally far from 0.5 in floating point.
        steps = sorted(steps, key=lambda step: (abs(2 * step - NUM_STEPS), step))
        considered = errors[steps]
        tied = considered <= considered.amin(dim=(0, 1)) * (1.0 + TIE_TOLERANCE)  # (steps, A, V)
        penalty = first_row(tied.any(dim=0))
        column = torch.arange(errors.shape[2], device=errors.device)
        position = first_row(tied[:, penalty, column])
        step = torch.tensor(steps, device=errors.device)[position]
        predicted = torch.empty((self._num_tests, len(step)), dtype=errors.dtype, device=errors.device)
        for each in np.unique(step.cpu().numpy()).tolist():
            ridge, parts_of_test = self._models[each]
            units = (step == each).nonzero()[:, 0]
            coefficients = ridge.shrink(projections[each].coordinates[:, units], penalty[units])
            predicted[:, units] = parts_of_test @ coefficients + projections[each].mean[units]
        return MixedFit(predicted, step.double() / NUM_STEPS, self._models[0][0].alphas[penalty])


def _scaled(features: Tensor, train: Tensor) -> Tensor:
    """Centre features and divide them so that the mean of the training kernel's diagonal is 1."""
    centred = features - features[train].mean(dim=0)
    size = centred[train].square().sum(dim=1).mean().sqrt()
    return centred / size if size > 0 else torch.zeros_like(centred)
