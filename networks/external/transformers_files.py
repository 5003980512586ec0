"""Folders of the package transformers: settings and weights, read without network and without code of others."""

import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch

from networks.files.lfs_pointers import IS_POINTER, is_pointer_file
from networks.installation import InstallationError
from networks.weights.strict import NAMES_SHOWN, CheckpointError
from networks.weights.tensor_files import MAX_EXPANSION

CONFIG_FILE, EXTRACTOR_FILE = "config.json", "preprocessor_config.json"
# Only used in training; some published folders lack it.
ONLY_FOR_TRAINING = "masked_spec_embed"
_MAX_LAYERS = 1000


class Loaded(NamedTuple):
    """A model of transformers with weights.

    Attributes:
        model: The model.
        missing: Names of its weights that the folder does not have; they are random.
        unexpected: Names of weights in the folder that the model does not have.
    """

    model: Any
    missing: list[str]
    unexpected: list[str]


def import_transformers(name: str) -> ModuleType:
    """Import the package transformers, which is in the extra `models`.

    Args:
        name: The network that needs it, for the error.

    Returns:
        The package.

    Raises:
        InstallationError: It is not installed.
    """
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise InstallationError(
            f"{name} needs the package transformers, in an extra: pip install 'cochlearn[models]' ({error})"
        ) from error


def read_settings(path: Path) -> dict[str, Any]:
    """Read a file of settings.

    Args:
        path: A JSON file.

    Returns:
        Its content; empty if it is not a dictionary.

    Raises:
        CheckpointError: It is not JSON.
    """
    try:
        settings = json.loads(path.read_bytes())  # as bytes, so that a byte order mark is understood
    except ValueError as error:
        raise CheckpointError(f"{path}: expected JSON, got something else: {error}") from error
    return settings if isinstance(settings, dict) else {}


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """Read `config.json` of a folder, and check that the folder was downloaded completely.

    Args:
        folder: The folder.
        name: The network that is expected in it, for the error.

    Returns:
        The settings.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: It is not JSON, or a file is a pointer of Git LFS.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: expected a folder with {name}'s config.json and weights")
    if pointers := sorted(path for path in folder.iterdir() if is_pointer_file(path)):
        raise CheckpointError(f"{pointers[0]}: {IS_POINTER}")
    return read_settings(path)


def architectures(config: Mapping[str, Any]) -> list[str]:
    """Names of the classes whose weights a folder has, from its `config.json`."""
    names = config.get("architectures")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def load_pretrained(transformers: ModuleType, cls: Any, folder: Path) -> Loaded:
    """Load a model from a folder, in single precision.

    Args:
        transformers: The package.
        cls: Class of the model.
        folder: Folder with `config.json` and weights.

    Returns:
        The model, and which weights do not fit.

    Raises:
        CheckpointError: The files are damaged, ask for far more memory than their size, or have other shapes.
    """
    with explained(f"{folder}: transformers cannot load {cls.__name__}"):
        _check_size(cls, folder)
        with quietly(transformers):
            model, loading = cls.from_pretrained(
                str(folder),
                local_files_only=True,
                weights_only=True,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # they are an error below, which names them
                output_loading_info=True,
            )
    if misshapen := [
        f"{name} {tuple(found)} instead of {tuple(expected)}" for name, found, expected in loading["mismatched_keys"]
    ]:
        raise CheckpointError(
            f"{folder}: weights have other shapes than config.json asks for: "
            f"{', '.join(sorted(misshapen)[:NAMES_SHOWN])}"
        )
    missing = sorted(key for key in loading["missing_keys"] if ONLY_FOR_TRAINING not in key)
    return Loaded(model, missing, sorted(loading["unexpected_keys"]))


def check_complete(missing: list[str], cls: type, folder: Path) -> None:
    """Check that no weights were filled in with random numbers, as transformers does.

    Raises:
        CheckpointError: Weights are missing.
    """
    if missing:
        raise CheckpointError(f"{folder}: weights of {cls.__name__} are missing: {', '.join(missing[:NAMES_SHOWN])}")


def check_num_layers(settings: Mapping[str, Any]) -> None:
    """Check that settings do not ask for an absurd number of layers.

    Raises:
        ValueError: They do.
    """
    for key, value in settings.items():
        if isinstance(value, Mapping):
            check_num_layers(value)
        elif "layers" in str(key) and isinstance(value, int) and value > _MAX_LAYERS:
            raise ValueError(f"config.json asks for {value} {key}, more than {_MAX_LAYERS}")


def _check_size(model_class: Any, folder: Path) -> None:
    """Compare what `config.json` asks for with the weights, before memory is taken for it.

    Raises:
        ValueError: It asks for far more.
    """
    config = model_class.config_class.from_pretrained(str(folder), local_files_only=True)
    check_num_layers(config.to_dict())
    with torch.device("meta"):  # shapes without values
        num_bytes = sum(weight.numel() * weight.element_size() for weight in model_class(config).parameters())
    num_stored = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    if num_bytes > MAX_EXPANSION * num_stored:
        raise ValueError(
            f"config.json asks for {num_bytes / 1e9:.1f} GB of weights, but the files hold {num_stored / 1e9:.1f} GB"
        )


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn any error of transformers into one line.

    Args:
        where: What was tried with which file or folder.

    Raises:
        CheckpointError: Anything was raised. Those of transformers, of its checks of settings and of safetensors share
            no type.
    """
    try:
        yield
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        reason = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
        raise CheckpointError(f"{where}: {reason}") from error


@contextmanager
def quietly(transformers: ModuleType) -> Iterator[None]:
    """Turn off the progress bars and tables of transformers: what is missing is an error of ours."""
    settings = transformers.utils.logging
    verbosity = settings.get_verbosity()
    settings.set_verbosity_error()
    try:
        with without_bars(transformers):
            yield
    finally:
        settings.set_verbosity(verbosity)


@contextmanager
def without_bars(transformers: ModuleType) -> Iterator[None]:
    """Turn off the progress bars of transformers, which would cut through those of the commands."""
    settings = transformers.utils.logging
    was_enabled = settings.is_progress_bar_enabled()
    settings.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            settings.enable_progress_bar()
