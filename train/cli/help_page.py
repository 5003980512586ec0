"""`fit --help`: a page of the options that are set most. `--help-all` lists the several hundred that there are."""

import argparse
import math
import re
import shutil
import textwrap
from typing import Any

import yaml
from pytorch_lightning.cli import LightningArgumentParser

from train.run.lightning_internals import actions_by_name

HELP_ALL = "--help-all"

_DATA = ("data.signal", "data.noise", "data.tasks", "data.val_conditions", "data.num_workers")
_MACHINE = ("trainer.accelerator", "trainer.devices", "trainer.num_nodes", "trainer.precision")
_FIT = {
    "The run": ("config", "run_dir", "resume", "ckpt_path", "seed_everything", "wandb", "print_config"),
    "The data": (*_DATA, "data.snr_db", "data.signal_only_fraction", "data.batch_size", "data.global_batch_size"),
    "The network": ("model.backbone", "model.front_end", "model.init_from", "model.freeze"),
    "Learning": (
        "model.objectives",
        "model.optimizer",
        "trainer.gradient_clip_val",
        "schedule.unit",
        "schedule.length",
        "schedule.drop_every",
        "schedule.warm_up",
        "schedule.cosine",
        "model.ema_decay",
        "trainer.max_epochs",
        "trainer.max_steps",
    ),
    "Brain scores": ("brain.benchmarks", "brain.metrics", "brain.every_n_epochs", "brain.every_n_steps"),
    "Validation and checkpoints": (
        "trainer.check_val_every_n_epoch",
        "checkpoint.every_n_epochs",
        "checkpoint.every_n_train_steps",
        "best_checkpoint.monitor",
    ),
    "The machine": (
        *_MACHINE,
        "trainer.accumulate_grad_batches",
        "model.channels_last",
        "model.compile_backbone",
    ),
}
_EVALUATION = {
    "The run": ("config", "run_dir", "ckpt_path", "print_config"),
    "The data": (*_DATA, "data.batch_size"),
    "The machine": _MACHINE,
}
PAGES = {"fit": _FIT, "validate": _EVALUATION, "test": _EVALUATION}
"""Options on the page of each command, by headings."""

REQUIRED = ("model.backbone", "data.signal", "data.tasks")
"""Options that every configuration has."""

NO_VALUES: tuple[Any, ...] = (argparse.SUPPRESS, -1, [], ())
"""Defaults that stand for no value."""

_WIDTH = 34
"""Characters of an option; its description is next to it, or below a longer one."""
_FIRST_SENTENCE = re.compile(r".+?(?=\.\s|\.[A-Z]|\.?$)")


class ShowAllOptions(argparse.Action):
    """`--help-all`: show every option and exit."""

    def __init__(self, option_strings: list[str], dest: str = argparse.SUPPRESS, **settings: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS, **settings)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Show them."""
        parser.shows_all_options = True  # type: ignore[attr-defined]  # a `TrainingParser`
        parser.print_help()
        parser.exit()


def help_page(parser: LightningArgumentParser, command: str, *, program: str) -> str:
    """Describe the options of a command that are set most, with their defaults.

    Args:
        parser: Parser of the command.
        command: fit, validate or test.
        program: What users write before the options.

    Returns:
        Lines no longer than the terminal.
    """
    columns = min(shutil.get_terminal_size().columns, 120)
    lines = [
        f"usage: {program} --config FILE [--OPTION VALUE ...]",
        "",
        *textwrap.wrap(
            "Every value of a configuration is an option, and the last one that is given wins. These are the ones that "
            f"are set most; {HELP_ALL} lists all of them.",
            columns,
        ),
    ]
    actions = actions_by_name(parser)
    for heading, names in PAGES[command].items():
        lines += ["", f"{heading}:"]
        for name in names:
            lines += _described(name, actions[name], columns, is_required=name in REQUIRED)
    lines += [
        "",
        *textwrap.wrap(
            "For a class, such as that of model.backbone, --model.backbone.help CLASS lists its arguments, and "
            "--model.backbone.ARGUMENT VALUE sets one.",
            columns,
        ),
    ]
    return "\n".join([*lines, ""])


def _described(name: str, action: argparse.Action, columns: int, *, is_required: bool) -> list[str]:
    """One option with its description, as lines."""
    text = " ".join((action.help or "").split())
    text = match[0] if (match := _FIRST_SENTENCE.match(text)) else text
    text = text[:1].upper() + text[1:]
    if is_required:
        text += " (required, here or in the file)"
    elif isinstance(action.default, bool | int | float | str | list | tuple) and action.default not in NO_VALUES:
        text += f" (default: {_written(action.default)})"
    option = f"  --{name}"
    lines = textwrap.wrap(text, columns - _WIDTH, break_long_words=False, break_on_hyphens=False)
    indented = [" " * _WIDTH + line for line in lines]
    if len(option) < _WIDTH and indented:
        indented[0] = f"{option:<{_WIDTH}}{lines[0]}"
        return indented
    return [option, *indented]


def _written(value: Any) -> str:
    """A default as it is written in YAML."""
    return str(yaml.safe_dump(value, default_flow_style=True, width=math.inf)).removesuffix("...\n").strip()
