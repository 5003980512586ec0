"""Front ends, backbones, heads and whole models of the auditory system, with named stages."""

from networks.auditory_network import AuditoryNetwork
from networks.backbone import Backbone
from networks.checkpoint import LoadedCheckpoint, load_checkpoint
from networks.cochcnn9 import CochCNN9
from networks.cochleagram import Cochleagram
from networks.controls import permute_weights, untrained
from networks.description import Described, build
from networks.sources import LoadedNetwork, load_network
from networks.spectrotemporal import SpectroTemporal
from networks.weights import CheckpointError

__all__ = [
    "AuditoryNetwork",
    "Backbone",
    "CheckpointError",
    "CochCNN9",
    "Cochleagram",
    "Described",
    "LoadedCheckpoint",
    "LoadedNetwork",
    "SpectroTemporal",
    "build",
    "load_checkpoint",
    "load_network",
    "permute_weights",
    "untrained",
]
