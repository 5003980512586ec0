"""Names of files of runs and models that more than one package reads."""

from pathlib import Path

CHECKPOINTS_FOLDER = "checkpoints"
"""Folder of the checkpoints."""
LAST_CHECKPOINT = "last.ckpt"
"""The newest checkpoint, in that folder."""
CONFIG_FILE = "config.yaml"
"""The configuration, which training writes before its first checkpoint."""
SUMMARY_FILE = "summary.csv"
"""Results at the end of training."""
MODEL_FOLDER = "model"
"""The network on its own, see `networks.weights.model_folder`."""
WEIGHTS_FILE = "model.safetensors"
"""The weights in that folder, with the description of the network in the header."""


def is_model(path: str | Path) -> bool:
    """Whether a path is that of a folder with a network on its own, or of the weights in one."""
    path = Path(path)
    return (path / WEIGHTS_FILE).is_file() or (path.suffix == Path(WEIGHTS_FILE).suffix and path.is_file())


def last_checkpoint_in(path: str | Path) -> Path | None:
    """The newest checkpoint of a run directory, or of the folder of its checkpoints; None if there is none."""
    if not str(path):
        return None
    candidates = (Path(path) / CHECKPOINTS_FOLDER / LAST_CHECKPOINT, Path(path) / LAST_CHECKPOINT)
    return next((file for file in candidates if file.is_file()), None)
