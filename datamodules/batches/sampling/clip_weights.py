"""The weights of all clips of a side: those of its sampling, within the shares of its corpora."""

import numpy as np

from datamodules.batches.sampling.sampling import Sampling
from datamodules.batches.settings_error import DataSettingsError
from datamodules.shards.clip_sources import ClipSource
from datamodules.shards.joined_clips import JoinedClips


def clip_weights(clips: ClipSource, sampling: Sampling | None) -> np.ndarray | None:
    """Weigh the training clips of one side.

    Args:
        clips: The clips.
        sampling: How often each is drawn; None draws all equally often.

    Returns:
        (num_clips,) float; None if every clip comes once per pass.

    Raises:
        DataSettingsError: The sampling's weights cannot be used.
    """
    shares = clips.shares if isinstance(clips, JoinedClips) else None
    if sampling is None and shares is None:
        return None
    weights = np.ones(len(clips)) if sampling is None else _checked(sampling, clips)
    if shares is None:
        return weights
    assert isinstance(clips, JoinedClips)
    corpus = clips.corpus_of_clip
    totals = np.bincount(corpus, weights, minlength=len(shares))
    for total, source in zip(totals, clips.sources, strict=True):
        if not total > 0:
            raise DataSettingsError(
                f"{type(sampling).__name__} gives every clip of {source.folder} the weight 0, but the corpus has a "
                "share: leave the corpus out"
            )
    return weights * (np.array(shares) / totals)[corpus]


def _checked(sampling: Sampling, clips: ClipSource) -> np.ndarray:
    weights = np.asarray(sampling.weights(clips), dtype=np.float64)
    name = type(sampling).__name__
    if weights.shape != (len(clips),):
        raise DataSettingsError(f"{name} must weigh each of the {len(clips)} clips, got shape {weights.shape}")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise DataSettingsError(f"{name}: weights must be finite, at least 0, and not all 0")
    return weights
