"""From corpora to shards, and from shards to batches of labelled mixtures.

A layout of a corpus (`corpora`) gives the rows of a manifest (`manifests`), whose sounds are cut and written as shard
sets (`building`, `python -m datamodules build`). Shards (`shards`), or the published HDF5 files as they are, are read
at any place, put in order and mixed (`batches`), and handed to Lightning by `AuditoryDataModule`.
"""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from datamodules.audio import AudioError, read_audio
    from datamodules.batches.examples import MixtureDataset, MixtureSettings
    from datamodules.batches.order import DataSettingsError
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
    "BuildError",
    "BuildReport",
    "Clip",
    "ClipSource",
    "CorpusError",
    "DataSettingsError",
    "LabelSet",
    "ManifestEntry",
    "ManifestError",
    "MixtureDataset",
    "MixtureSettings",
    "NewClip",
    "ShardError",
    "ShardSet",
    "SplitRule",
    "Task",
    "TaskError",
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
    "BuildError": "datamodules.building.build_report",
    "BuildReport": "datamodules.building.build_report",
    "Clip": "datamodules.shards.reader",
    "ClipSource": "datamodules.shards.clip_sources",
    "CorpusError": "datamodules.corpora.sounds",
    "DataSettingsError": "datamodules.batches.order",
    "LabelSet": "datamodules.tasks",
    "ManifestEntry": "datamodules.manifests.manifest",
    "ManifestError": "datamodules.manifests.manifest",
    "MixtureDataset": "datamodules.batches.examples",
    "MixtureSettings": "datamodules.batches.examples",
    "NewClip": "datamodules.shards.writer",
    "ShardError": "datamodules.shards.index",
    "ShardSet": "datamodules.shards.reader",
    "SplitRule": "datamodules.manifests.splitting",
    "Task": "datamodules.tasks",
    "TaskError": "datamodules.tasks",
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
