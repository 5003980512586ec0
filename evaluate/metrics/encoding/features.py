"""Features of a stage, checked before they are fitted."""

from collections.abc import Mapping

import numpy as np

from evaluate.metrics.splits import Splits

_SHAPES = {2: "(S, D)", 3: "(S, D, N)"}
_AXES = ("stimulus", "column", "frame")


def check_features(
    features: np.ndarray, splits: Splits, *, stage: str | None = None, name: str = "features", num_axes: int = 2
) -> np.ndarray:
    """Check that features are real, finite numbers of the stimuli of splits.

    Args:
        features: (S, D), or (S, D, N) with N frames.
        splits: Splits of S stimuli.
        stage: Name of the stage for error messages.
        name: Name of the argument for error messages.
        num_axes: 2 for (S, D), 3 for (S, D, N).

    Returns:
        The features as an array.

    Raises:
        ValueError: They are not; the message gives the position.
    """
    name = name if stage is None else f"{name} of stage {stage!r}"
    if isinstance(features, Mapping):
        raise ValueError(
            f"{name} must be those of one stage, got a dictionary of {', '.join(map(repr, features)) or 'none'}: "
            "choose one of its values"
        )
    features = np.asarray(features)
    if features.ndim != num_axes or 0 in features.shape[1:] or features.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be real numbers {_SHAPES[num_axes]}, got {features.dtype} {features.shape}")
    if features.shape[0] != splits.num_stimuli:
        raise ValueError(f"{name} have {features.shape[0]} stimuli, but the splits have {splits.num_stimuli}")
    # One sound at a time: the mask of all would need a quarter of their memory.
    num_bad = [int((~np.isfinite(sound)).sum()) for sound in features]
    if any(num_bad):
        stimulus = int(np.flatnonzero(num_bad)[0])
        position = (stimulus, *np.argwhere(~np.isfinite(features[stimulus]))[0])
        where = ", ".join(f"{axis} {index}" for axis, index in zip(_AXES, position, strict=False))
        raise ValueError(
            f"{name} contain {sum(num_bad)} NaN or infinite values, the first at {where}: "
            "check the network's weights and the activations"
        )
    return features
