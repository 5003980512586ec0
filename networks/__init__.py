"""Front ends, backbones, heads and whole models of the auditory system, with named stages."""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from networks.auditory_network import AuditoryNetwork
    from networks.backbone import Backbone
    from networks.checkpoint import LoadedCheckpoint, load_checkpoint, save_checkpoint
    from networks.cochcnn9 import CochCNN9
    from networks.cochleagram import Cochleagram
    from networks.cochresnet import CochResNet, CochResNet50
    from networks.controls import permute_weights, untrained
    from networks.description import Described, build
    from networks.front_end import FrontEnd
    from networks.mel import MelSpectrogram
    from networks.published import load_published
    from networks.sources import LoadedNetwork, load_network
    from networks.spectrotemporal import SpectroTemporal
    from networks.staged import StagedNetwork
    from networks.weights import CheckpointError

__all__ = [
    "AuditoryNetwork",
    "Backbone",
    "CheckpointError",
    "CochCNN9",
    "CochResNet",
    "CochResNet50",
    "Cochleagram",
    "Described",
    "FrontEnd",
    "LoadedCheckpoint",
    "LoadedNetwork",
    "MelSpectrogram",
    "SpectroTemporal",
    "StagedNetwork",
    "build",
    "load_checkpoint",
    "load_network",
    "load_published",
    "permute_weights",
    "save_checkpoint",
    "untrained",
]

_HOMES = {
    "AuditoryNetwork": "networks.auditory_network",
    "Backbone": "networks.backbone",
    "CheckpointError": "networks.weights",
    "CochCNN9": "networks.cochcnn9",
    "CochResNet": "networks.cochresnet",
    "CochResNet50": "networks.cochresnet",
    "Cochleagram": "networks.cochleagram",
    "Described": "networks.description",
    "FrontEnd": "networks.front_end",
    "LoadedCheckpoint": "networks.checkpoint",
    "LoadedNetwork": "networks.sources",
    "MelSpectrogram": "networks.mel",
    "SpectroTemporal": "networks.spectrotemporal",
    "StagedNetwork": "networks.staged",
    "build": "networks.description",
    "load_checkpoint": "networks.checkpoint",
    "load_network": "networks.sources",
    "load_published": "networks.published",
    "permute_weights": "networks.controls",
    "save_checkpoint": "networks.checkpoint",
    "untrained": "networks.controls",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
