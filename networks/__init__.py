"""Front ends, backbones, heads and complete models of the auditory system, with named stages."""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from networks.auditory_network import AuditoryNetwork
    from networks.backbones.backbone import Backbone
    from networks.backbones.cochcnn9 import CochCNN9
    from networks.backbones.cochresnet import CochResNet, CochResNet50
    from networks.description import Described, build
    from networks.external.known import external_network
    from networks.external.staged import StagedNetwork
    from networks.front_ends.cochleagram import Cochleagram
    from networks.front_ends.front_end import FrontEnd
    from networks.front_ends.mel import MelSpectrogram
    from networks.spectrotemporal import SpectroTemporal
    from networks.weights.checkpoint import LoadedCheckpoint, load_checkpoint, save_checkpoint
    from networks.weights.controls import permute_weights, untrained
    from networks.weights.identity import NetworkIdentity
    from networks.weights.published import load_published
    from networks.weights.sources import LoadedNetwork, load_network
    from networks.weights.strict import CheckpointError

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
    "NetworkIdentity",
    "SpectroTemporal",
    "StagedNetwork",
    "build",
    "external_network",
    "load_checkpoint",
    "load_network",
    "load_published",
    "permute_weights",
    "save_checkpoint",
    "untrained",
]

_HOMES = {
    "AuditoryNetwork": "networks.auditory_network",
    "Backbone": "networks.backbones.backbone",
    "CheckpointError": "networks.weights.strict",
    "CochCNN9": "networks.backbones.cochcnn9",
    "CochResNet": "networks.backbones.cochresnet",
    "CochResNet50": "networks.backbones.cochresnet",
    "Cochleagram": "networks.front_ends.cochleagram",
    "Described": "networks.description",
    "FrontEnd": "networks.front_ends.front_end",
    "LoadedCheckpoint": "networks.weights.checkpoint",
    "LoadedNetwork": "networks.weights.sources",
    "MelSpectrogram": "networks.front_ends.mel",
    "NetworkIdentity": "networks.weights.identity",
    "SpectroTemporal": "networks.spectrotemporal",
    "StagedNetwork": "networks.external.staged",
    "build": "networks.description",
    "external_network": "networks.external.known",
    "load_checkpoint": "networks.weights.checkpoint",
    "load_network": "networks.weights.sources",
    "load_published": "networks.weights.published",
    "permute_weights": "networks.weights.controls",
    "save_checkpoint": "networks.weights.checkpoint",
    "untrained": "networks.weights.controls",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
