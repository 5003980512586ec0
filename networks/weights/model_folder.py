"""A network on its own, to keep or to share: a folder with weights, recipe and model card.

- `model.safetensors`: the weights; the description of the network, its tasks with their labels, and where in training
  it was saved, are in the header of the file.
- `model.json`: that description, to read.
- `config.yaml`: the recipe, if the network is from a run.
- `model_card.md`: see `networks.weights.model_card`.
- `my_models.py` or the like: copies of single files of its author that define parts of the network. Nothing runs them
  unless a user names the folder in `PYTHONPATH`, see `networks.weights.own_code`.
"""

import json
import os
from pathlib import Path
from typing import Any

from torch import Tensor

from networks.user_code import shown_path
from networks.weights.checkpoint import EMA_PREFIX, NETWORK_KEY, PREFIX, averaged_run, is_checkpoint, network_of
from networks.weights.model_card import model_card
from networks.weights.own_code import how_to_import, own_files
from networks.weights.published import own_weights_advice
from networks.weights.run_layout import (
    CHECKPOINTS_FOLDER,
    CONFIG_FILE,
    LAST_CHECKPOINT,
    SUMMARY_FILE,
    WEIGHTS_FILE,
    is_model,
)
from networks.weights.strict import CheckpointError
from networks.weights.tensor_files import read_tensor_file

DESCRIPTION_FILE = "model.json"
CARD_FILE = "model_card.md"
STEP_KEY = "global_step"


def read_checkpoint(path: str | Path) -> Any:
    """Read the content of a checkpoint, of a file of published weights, or of a folder of this kind.

    Args:
        path: The file or folder.

    Returns:
        The content, see `networks.weights.tensor_files.read_tensor_file`.

    Raises:
        FileNotFoundError: It does not exist.
        CheckpointError: It is damaged, or would run code.
    """
    path = Path(path)
    if not is_model(path):
        return read_tensor_file(path)
    return _read_model(path if path.is_file() else path / WEIGHTS_FILE)


def _read_model(file: Path) -> dict[str, Any]:
    """Read the weights of a folder as the content of a checkpoint."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            header = json.loads((opened.metadata() or {})[NETWORK_KEY])
            state = {f"{PREFIX}{name}": opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    except KeyError as error:
        raise CheckpointError(
            f"{file}: expected the weights of a network of this project, whose header has {NETWORK_KEY!r}; other files "
            "of safetensors are weights of external networks"
        ) from error
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"{file}: expected weights in the format safetensors, but reading failed: {error}"
        ) from error
    step = int(header.pop(STEP_KEY, 0))
    return {NETWORK_KEY: header, "state_dict": state, STEP_KEY: step}


def export_model(
    source: str | Path,
    folder: str | Path,
    *,
    checkpoint: str = LAST_CHECKPOINT,
    averaged: bool = False,
    licence: str = "",
) -> Path:
    """Write a network on its own.

    Each file is complete or absent; the weights come last.

    Args:
        source: Run directory, or a checkpoint; recipe and results are those of the run that it is in.
        folder: Folder to make, or whose files to replace.
        checkpoint: Name of the checkpoint in the run.
        averaged: Export the averages of the weights, if training kept them.
        licence: Licence of the weights, such as CC-BY-4.0; empty if it is not stated.

    Returns:
        The folder.

    Raises:
        CheckpointError: There is no such checkpoint, or it cannot be used.
        OSError: A file cannot be written.
    """
    source, folder = Path(source), Path(folder)
    file = source / CHECKPOINTS_FOLDER / checkpoint if source.is_dir() and not is_model(source) else source
    if not file.exists():
        raise CheckpointError(f"there is no checkpoint {file} to export")
    run_dir = file.parent.parent
    content = read_checkpoint(file)
    if not is_checkpoint(content):
        own = own_weights_advice(content)
        mend = f"got {own}" if own else "`cochlearn networks convert` makes one of published weights"
        raise CheckpointError(f"{file}: expected a checkpoint of this project; {mend}")
    loaded = network_of(content, source=str(file), averaged=averaged)
    prefix = EMA_PREFIX if averaged else PREFIX
    weights = {
        name.removeprefix(prefix): tensor for name, tensor in content["state_dict"].items() if name.startswith(prefix)
    }
    saved = content[NETWORK_KEY]
    header = {**saved, "run": averaged_run(saved["run"]) if averaged else saved["run"], STEP_KEY: loaded.step}
    config, summary = (_text_of(run_dir / name) for name in (CONFIG_FILE, SUMMARY_FILE))
    folder.mkdir(parents=True, exist_ok=True)
    for path in own_files(saved["network"]):
        if path.resolve().parent != folder.resolve():
            _replace(folder / path.name, path.read_bytes())
    card = model_card(
        loaded,
        folder=folder.name,
        config=config,
        summary=summary,
        licence=licence,
        code=_code(saved["network"], folder),
    )
    _replace(folder / CARD_FILE, card.encode())
    if config:
        _replace(folder / CONFIG_FILE, config.encode())
    _replace(folder / DESCRIPTION_FILE, (json.dumps(header, indent=1, ensure_ascii=False) + "\n").encode())
    _replace(folder / WEIGHTS_FILE, _serialized(weights, header))
    return folder


def _code(description: dict[str, Any], folder: Path) -> str:
    """What the card says about code of the author; the folder has no place yet, so it is called by its name alone."""
    text = how_to_import(description, folder)
    return text.replace(shown_path(folder), folder.name)


def _serialized(weights: dict[str, Tensor], header: dict[str, Any]) -> bytes:
    from safetensors.torch import save

    # Tensors may share memory or be stored with channels innermost, which the format does not know.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
    return save(plain, metadata={"format": "pt", NETWORK_KEY: json.dumps(header)})


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
