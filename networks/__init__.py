"""Front ends, backbones, heads and whole models of the auditory system, with named stages."""

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
