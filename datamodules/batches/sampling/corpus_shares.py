"""The corpora of one side of the mixtures: one folder, several, or several with their shares of all draws."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from datamodules.batches.settings_error import DataSettingsError
from datamodules.inspection.places import why_no_clips
from datamodules.shards.clip_sources import ClipSource, open_clips
from datamodules.shards.index import ShardError
from datamodules.shards.joined_clips import JoinedClips
from datamodules.shards.streaming import is_remote
from datamodules.tasks import Side
from networks.files.relative_paths import where_looked

CorpusSetting = list[str] | dict[str, float] | str
"""A location, several, or the share of each."""


class CorpusShares(NamedTuple):
    """Where the clips of one side are.

    Args:
        side: The side.
        locations: Of each corpus, see `datamodules.shards.clip_sources.open_clips`.
        shares: Parts of all draws in training that each corpus gets, in any unit; None gives each clip the same.
    """

    side: Side
    locations: tuple[str, ...]
    shares: tuple[float, ...] | None = None

    def open(self, split: str) -> ClipSource:
        """Open the clips of a split; several corpora become one, see `datamodules.shards.joined_clips`.

        Raises:
            ShardError: Clips are missing or damaged, or the corpora do not fit together. The message names the setting,
                which may come from a recipe.
        """
        sources = [self._opened(location, split) for location in self.locations]
        return sources[0] if len(sources) == 1 else JoinedClips(sources, self.shares)

    def _opened(self, location: str, split: str) -> ClipSource:
        try:
            return open_clips(location, split, side=self.side)
        except ShardError as error:
            if reason := "" if is_remote(location) else why_no_clips(location, split):  # it says what to do
                raise ShardError(f"`data.{self.side}`: {reason}") from error
            quiet = ", or null for quiet" if self.side == "noise" else ""
            names = "is" if len(self.locations) == 1 else "names"
            missing = "" if is_remote(location) or Path(location).exists() else where_looked(location)
            raise ShardError(
                f"`data.{self.side}` {names} {location}{missing}: {error}. Set `data.{self.side}` to your folder{quiet}"
            ) from error


def corpora_of(setting: CorpusSetting, side: Side) -> CorpusShares:
    """Read a setting.

    Args:
        setting: A location, a list of them, or a mapping from each to its share of all draws.
        side: The side.

    Raises:
        DataSettingsError: There is no location, one is named twice, or a share is not above 0.
    """
    if isinstance(setting, str):
        return CorpusShares(side, (setting,))
    if not setting or not isinstance(setting, Mapping | Sequence) or len(set(setting)) < len(setting):
        raise DataSettingsError(
            f"`data.{side}` must be a folder, a list of different folders, or a mapping from folders to their shares, "
            f"got {setting!r}"
        )
    if not isinstance(setting, Mapping):
        return CorpusShares(side, tuple(setting))
    for location, share in setting.items():
        if not (math.isfinite(share) and share > 0):
            raise DataSettingsError(f"`data.{side}`: the share of {location} must be above 0, got {share}")
    return CorpusShares(side, tuple(setting), tuple(float(share) for share in setting.values()))
