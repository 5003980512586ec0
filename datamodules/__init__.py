"""From corpora to shards, and from shards to batches of labelled mixtures.

A layout of a corpus (`corpora`) gives the rows of a manifest (`manifests`), whose sounds are cut and written as shard
sets (`building`, `python -m datamodules build`). Shards (`shards`), or the published HDF5 files as they are, are read
at any place, put in order and mixed (`batches`), and handed to Lightning by `AuditoryDataModule`.
"""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from datamodules.audio import AudioError, read_audio
    from datamodules.batches.augmentation.augmentation import Augmentation, CochleagramAugmentation, SoundAugmentation
    from datamodules.batches.augmentation.band_limit import BandLimit
    from datamodules.batches.augmentation.equalization import Equalization
    from datamodules.batches.augmentation.gain import Gain
    from datamodules.batches.augmentation.masks import FrequencyMask, TimeMask
    from datamodules.batches.augmentation.mixup import Mixup
    from datamodules.batches.augmentation.more_noises import MoreNoises
    from datamodules.batches.augmentation.pitch import Pitch
    from datamodules.batches.augmentation.reverberation import Reverberation
    from datamodules.batches.augmentation.speed import Speed
    from datamodules.batches.examples import MixtureDataset, MixtureSettings
    from datamodules.batches.sampling.balanced import BalancedSampling
    from datamodules.batches.sampling.sampling import Sampling
    from datamodules.batches.settings_error import DataSettingsError
    from datamodules.building.build import build_shards, merge_parts
    from datamodules.building.build_report import BuildError, BuildReport
    from datamodules.corpora.layouts import corpus_rows
    from datamodules.corpora.sounds import CorpusError
    from datamodules.data_module import AuditoryDataModule
    from datamodules.manifests.manifest import ManifestEntry, ManifestError, read_manifest
    from datamodules.manifests.splitting import SplitRule
    from datamodules.shards.clip_sources import ClipSource, open_clips
    from datamodules.shards.index import ShardError
    from datamodules.shards.reader import Clip, ShardSet
    from datamodules.shards.verify import damages
    from datamodules.shards.writer import NewClip, write_index, write_shard
    from datamodules.tasks import LabelSet, Task, TaskError

__all__ = [
    "AudioError",
    "AuditoryDataModule",
    "Augmentation",
    "BalancedSampling",
    "BandLimit",
    "BuildError",
    "BuildReport",
    "Clip",
    "ClipSource",
    "CochleagramAugmentation",
    "CorpusError",
    "DataSettingsError",
    "Equalization",
    "FrequencyMask",
    "Gain",
    "LabelSet",
    "ManifestEntry",
    "ManifestError",
    "MixtureDataset",
    "MixtureSettings",
    "Mixup",
    "MoreNoises",
    "NewClip",
    "Pitch",
    "Reverberation",
    "Sampling",
    "ShardError",
    "ShardSet",
    "SoundAugmentation",
    "Speed",
    "SplitRule",
    "Task",
    "TaskError",
    "TimeMask",
    "build_shards",
    "corpus_rows",
    "damages",
    "merge_parts",
    "open_clips",
    "read_audio",
    "read_manifest",
    "write_index",
    "write_shard",
]

_HOMES = {
    "AudioError": "datamodules.audio",
    "AuditoryDataModule": "datamodules.data_module",
    "Augmentation": "datamodules.batches.augmentation.augmentation",
    "BalancedSampling": "datamodules.batches.sampling.balanced",
    "BandLimit": "datamodules.batches.augmentation.band_limit",
    "BuildError": "datamodules.building.build_report",
    "BuildReport": "datamodules.building.build_report",
    "Clip": "datamodules.shards.reader",
    "ClipSource": "datamodules.shards.clip_sources",
    "CochleagramAugmentation": "datamodules.batches.augmentation.augmentation",
    "CorpusError": "datamodules.corpora.sounds",
    "DataSettingsError": "datamodules.batches.settings_error",
    "Equalization": "datamodules.batches.augmentation.equalization",
    "FrequencyMask": "datamodules.batches.augmentation.masks",
    "Gain": "datamodules.batches.augmentation.gain",
    "LabelSet": "datamodules.tasks",
    "ManifestEntry": "datamodules.manifests.manifest",
    "ManifestError": "datamodules.manifests.manifest",
    "MixtureDataset": "datamodules.batches.examples",
    "MixtureSettings": "datamodules.batches.examples",
    "Mixup": "datamodules.batches.augmentation.mixup",
    "MoreNoises": "datamodules.batches.augmentation.more_noises",
    "NewClip": "datamodules.shards.writer",
    "Pitch": "datamodules.batches.augmentation.pitch",
    "Reverberation": "datamodules.batches.augmentation.reverberation",
    "Sampling": "datamodules.batches.sampling.sampling",
    "ShardError": "datamodules.shards.index",
    "ShardSet": "datamodules.shards.reader",
    "SoundAugmentation": "datamodules.batches.augmentation.augmentation",
    "Speed": "datamodules.batches.augmentation.speed",
    "SplitRule": "datamodules.manifests.splitting",
    "Task": "datamodules.tasks",
    "TaskError": "datamodules.tasks",
    "TimeMask": "datamodules.batches.augmentation.masks",
    "build_shards": "datamodules.building.build",
    "corpus_rows": "datamodules.corpora.layouts",
    "damages": "datamodules.shards.verify",
    "merge_parts": "datamodules.building.build",
    "open_clips": "datamodules.shards.clip_sources",
    "read_audio": "datamodules.audio",
    "read_manifest": "datamodules.manifests.manifest",
    "write_index": "datamodules.shards.writer",
    "write_shard": "datamodules.shards.writer",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
