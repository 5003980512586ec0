"""Weights of encoding models, for maps and for predictions of other sounds."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evaluate.array_shapes import show_shapes


class LinearModel(NamedTuple):
    """A linear model of V units: its prediction for features (S, D) is `features @ weights + intercept`.

    Attributes:
        weights: (D, V), in the order of the features.
        intercept: (V,).
    """

    weights: np.ndarray
    intercept: np.ndarray


@dataclass(frozen=True, eq=False)
class EncodingWeights:
    """The models of V units in each split, fitted to the mean response.

    There are D x V weights in each split, often gigabytes. They are combinations of at most S directions in feature
    space, which all splits and units share. With features f, the prediction in split k is

        ((f - feature_mean) @ directions - train_mean[k]) @ coordinates[k] + response_mean[k]

    and the weights are `directions @ coordinates[k]`, computed when they are asked for. With P = min(S, D), all of it
    takes 8 (D P + splits P V) bytes: 135 MB for 165 stimuli, 25 000 features, 7694 voxels and 10 splits, where the
    weights would take 15 GB.

    Attributes:
        directions: (D, P) orthonormal columns.
        feature_mean: (D,) mean of the features over all stimuli.
        train_mean: (splits, P) mean of the training features on the directions.
        coordinates: (splits, P, V) weights on the directions.
        response_mean: (splits, V) mean training response.
    """

    directions: np.ndarray
    feature_mean: np.ndarray
    train_mean: np.ndarray
    coordinates: np.ndarray
    response_mean: np.ndarray

    __repr__ = show_shapes

    def model(self, split: int | None = None, units: slice | np.ndarray | list[int] = slice(None)) -> LinearModel:
        """Compute the weights and intercepts of some units.

        Args:
            split: Index of the split; None for the mean over splits, whose predictions are the means of theirs.
            units: Units to compute, as indices or a slice; each takes 8 D bytes.

        Returns:
            Weights (D, V) and intercepts (V,) in float64.

        Raises:
            IndexError: There is no such split or unit.
        """
        chosen = self._chosen(split)
        try:
            coordinates = self.coordinates[chosen][:, :, units]
        except IndexError as error:
            num_units = self.coordinates.shape[2]
            raise IndexError(
                f"expected units from 0 to {num_units - 1}, a mask of {num_units}, or a slice: {error}"
            ) from error
        offset = self.response_mean[chosen][:, units] - np.einsum("kp,kpv->kv", self.train_mean[chosen], coordinates)
        weights = self.directions @ coordinates.mean(axis=0)
        return LinearModel(weights, offset.mean(axis=0) - self.feature_mean @ weights)

    def predict(self, features: np.ndarray, split: int | None = None) -> np.ndarray:
        """Predict the mean responses to any sounds, without the loss of digits of `features @ weights + intercept`.

        Args:
            features: (S, D) features of the sounds, as those that were fitted.
            split: Index of the split; None for all.

        Returns:
            (splits, S, V) float64, or (S, V) of one split.

        Raises:
            ValueError: The features have another shape.
        """
        features = np.asarray(features)
        if features.ndim != 2 or features.shape[1] != len(self.feature_mean):
            raise ValueError(
                f"expected features (S, {len(self.feature_mean)}) as those that were fitted, got {features.shape}"
            )
        chosen = self._chosen(split)
        projected = (features.astype(np.float64) - self.feature_mean) @ self.directions
        predictions = (projected - self.train_mean[chosen][:, None]) @ self.coordinates[chosen]
        predictions += self.response_mean[chosen][:, None]
        return predictions if split is None else predictions[0]

    def _chosen(self, split: int | None) -> slice:
        if split is None:
            return slice(None)
        if not 0 <= split < len(self.coordinates):
            raise IndexError(f"expected a split from 0 to {len(self.coordinates) - 1}, got {split}")
        return slice(split, split + 1)
