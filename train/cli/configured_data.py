"""The data module that a configuration of training describes, without its network and trainer."""

import warnings

from pytorch_lightning.cli import LightningArgumentParser

from datamodules.data_module import AuditoryDataModule
from train.cli.command_line import TrainCLI
from train.cli.recipes import YAML_SUFFIXES


class _Read(TrainCLI):
    """Reads a configuration and makes nothing of it."""

    def before_instantiate_classes(self) -> None:
        """Look at no run directory."""

    def instantiate_classes(self) -> None:
        """Make nothing."""


def is_configuration(name: str) -> bool:
    """Whether a name is that of a configuration rather than of a folder."""
    return name.endswith(YAML_SUFFIXES)


def configured_data(path: str, *, seed: int | None = None) -> AuditoryDataModule:
    """Make the data module of a configuration.

    Args:
        path: The file, or the name of a recipe.
        seed: Seed of the run, in place of that of the configuration.

    Raises:
        SystemExit: The configuration cannot be read, as for `fit`.
        DataSettingsError: Its settings contradict each other.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that arguments are given, and not those of the command line
        config = _Read(args=["--config", path], run=False).config
    data = config.data
    if seed is not None:
        data.seed = seed
    elif data.seed is None:
        data.seed = int(config.seed_everything)
    parser = LightningArgumentParser()
    parser.add_class_arguments(AuditoryDataModule, "data")
    made: AuditoryDataModule = parser.instantiate_classes(parser.parse_object({"data": data.as_dict()})).data
    return made
