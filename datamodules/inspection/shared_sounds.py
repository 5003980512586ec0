"""Sounds that are in several places that are used together: signal and noise, training and validation, a benchmark.

Sounds are the same if all their samples are, in 16 bits and at the sample rate of the shards. FLAC keeps a digest of
the samples in its header, so that clips of shard sets are compared without decoding them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from datamodules.audio import AudioError, read_stretch
from datamodules.inspection.findings import Finding, InspectedRow, finding
from datamodules.shards.flac_header import flac_digest
from datamodules.shards.index import ShardError
from datamodules.shards.reader import ShardSet
from datamodules.shards.writer import encode_flac
from networks.text.natural_order import natural_order
from networks.user_code import shown_path

if TYPE_CHECKING:
    from datamodules.inspection.inspecting import CorpusInspection
    from datamodules.progress import Progress

REFERENCE_SPLIT = ""
"""Split of sounds that are in no shard set, such as those of a benchmark: they should be in none."""


class Sounds(NamedTuple):
    """The sounds of one place.

    Attributes:
        place: Name of the place.
        split: Split of a shard set; `REFERENCE_SPLIT` for other places.
        names: A name of each sound by its digest.
        sample_rate_hz: Sample rate of a shard set in Hz; 0 for files, each of which has its own.
    """

    place: str
    split: str
    names: Mapping[str, str]
    sample_rate_hz: int = 0

    def is_apart_from(self, other: Sounds) -> bool:
        """Whether a sound of both makes results look better than they are, as it is learnt and held out."""
        return self.split != other.split or self.split == REFERENCE_SPLIT


def sounds_in_shards(folder: Path) -> Sounds | None:
    """The sounds of a shard set; None if it is damaged."""
    try:
        shard_set = ShardSet(folder)
        digests = [shard_set.sound_digest(i) for i in range(len(shard_set))]
    except ShardError:
        return None
    names = {digest: shard_set.key(i) for i, digest in enumerate(digests) if digest}
    return Sounds(str(folder), folder.name, names, shard_set.sample_rate_hz)


def sounds_heard(place: str, inspection: CorpusInspection) -> Sounds:
    """The sounds of a corpus that is not built, as far as they were heard; silent ones are left out.

    Args:
        place: Name of the corpus.
        inspection: What is known of it.
    """
    measured = inspection.measured.items()
    names = {sound.content: shown_path(path) for path, sound in measured if not sound.is_silent}
    return Sounds(place, REFERENCE_SPLIT, names)


def sounds_as_in_shards(place: str, rows: Sequence[InspectedRow], sample_rate_hz: int, display: Progress) -> Sounds:
    """The sounds of a corpus that is not built, as shards of a sample rate would hold them; unusable ones are skipped.

    Args:
        place: Name of the corpus.
        rows: Its rows.
        sample_rate_hz: Sample rate of the shards in Hz.
        display: Shows how many sounds were read.
    """
    names = {}
    for number, row in enumerate(rows, start=1):
        display.report(f"reading {place}", number, len(rows), unit="sounds")
        duration_s = None if row.end_s is None else row.end_s - row.start_s
        try:
            waveform = read_stretch(
                row.path, sample_rate_hz=sample_rate_hz, start_s=row.start_s, duration_s=duration_s
            ).waveform
        except AudioError:
            continue
        names[flac_digest(encode_flac(waveform, sample_rate_hz)[0])] = row.name
    return Sounds(place, REFERENCE_SPLIT, names)


def shared_sounds(one: Sounds, other: Sounds) -> list[Finding]:
    """The sounds that two places share, as a finding; nothing if there are none.

    Args:
        one: Sounds of one place.
        other: Sounds of the other, with digests of the same kind.
    """
    both = one.names.keys() & other.names.keys()
    pairs = [(one.names[each], other.names[each]) for each in both]
    cases = natural_order(name if name == twin else f"{name} = {twin}" for name, twin in pairs)
    return finding(f"sounds that {one.place} and {other.place} share", cases)
