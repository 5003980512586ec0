"""Names in a run directory that evaluation and training share, and which folder is that of a run. Quick to import."""

from pathlib import Path

from networks.weights.run_layout import CHECKPOINTS_FOLDER, CONFIG_FILE

WANDB_ID_FILE = "wandb_id.txt"
"""File in a run directory that holds the ID of the run at Weights & Biases."""


def folder_of_checkpoints(run_dir: Path) -> Path:
    """Return the folder of checkpoints in a run directory, or the given folder if it has none."""
    inside = run_dir / CHECKPOINTS_FOLDER
    return inside if inside.is_dir() else run_dir


def run_dir_of(folder: Path) -> Path:
    """Return the run directory of a folder of checkpoints, or the given folder if it is not in a run directory."""
    is_inside = folder.name == CHECKPOINTS_FOLDER and (folder.parent / CONFIG_FILE).is_file()
    return folder.parent if is_inside else folder
