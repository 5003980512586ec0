"""Commands on a run that name it alone: `validate runs/mine`, `validate --run_dir runs/mine`, `test a.ckpt`.

The configuration that a command needs is then that of the run. It is read from the run directory as if the command line
had named it.
"""

from collections.abc import Sequence
from pathlib import Path

from datamodules.files import did_you_mean
from evaluate.run_folder import CONFIG_FILE, run_dir_of
from networks.commands.program import program
from networks.files.relative_paths import where_looked
from train.cli.early_checks import options_in
from train.cli.recipe_files import YAML_SUFFIXES
from train.run.run_directory import RunDirectoryError

_EVALUATIONS = ("validate", "test")
_CHECKPOINT_SUFFIX = ".ckpt"


def with_configuration(arguments: Sequence[str]) -> list[str]:
    """Add what a command line leaves to the run that it names.

    Args:
        arguments: Command line without the program's name.

    Returns:
        The command line with options alone; unchanged if it names a configuration, or no run.

    Raises:
        RunDirectoryError: What is named is no run directory and no checkpoint, or its configuration is missing.
    """
    command, rest = arguments[0], list(arguments[1:])
    if command not in ("fit", *_EVALUATIONS):
        return list(arguments)
    place = None
    if rest and not rest[0].startswith("-"):
        place = Path(rest.pop(0))
        _check_place(place, command)
    options = dict(options_in(rest))
    checkpoint = place if place is not None and not place.is_dir() else None
    run_dir = _run_dir(place, options, command)
    if place is not None and run_dir is not None and "--run_dir" not in options:
        rest += ["--run_dir", str(run_dir)]
    if checkpoint is not None:
        rest += ["--ckpt_path", str(checkpoint)]
    if "--config" in options or "-c" in options:
        return [command, *rest]
    if run_dir is not None and (run_dir / CONFIG_FILE).is_file():
        return [command, "--config", str(run_dir / CONFIG_FILE), *rest]
    if place is not None:
        raise RunDirectoryError(
            f"{place}: there is no {CONFIG_FILE} of its run in {run_dir or place.parent}; add the configuration with "
            "--config FILE"
        )
    return [command, *rest]


def _run_dir(place: Path | None, options: dict[str, str], command: str) -> Path | None:
    """The run directory that a command line names, in whichever way; None if it names none."""
    if "--run_dir" in options:
        return Path(options["--run_dir"]) if command in _EVALUATIONS or _resumes(options) else None
    named = Path(options["--ckpt_path"]) if place is None and "--ckpt_path" in options else place
    if named is None or command not in _EVALUATIONS:
        return None
    if named.is_dir():
        return run_dir_of(named)
    folder = run_dir_of(named.parent)
    return folder if folder != named.parent or (folder / CONFIG_FILE).is_file() else None


def _resumes(options: dict[str, str]) -> bool:
    return options.get("--resume", "").strip().lower() == "true"


def _check_place(place: Path, command: str) -> None:
    """Refuse a word without an option that is neither a run directory nor a checkpoint."""
    if place.suffix in YAML_SUFFIXES:
        raise RunDirectoryError(f"a configuration follows --config: `{program('train', command)} --config {place}`")
    if command not in _EVALUATIONS:
        resume = f"{program('train', command)} --run_dir {place} --resume true"
        hint = f"; `{resume}` resumes the run" if (place / CONFIG_FILE).is_file() else ""
        raise RunDirectoryError(f"{command} takes options alone, such as --config FILE, got {place}{hint}")
    if not place.is_dir() and not (place.is_file() and place.suffix == _CHECKPOINT_SUFFIX):
        missing = f"no such file or folder{did_you_mean(place) or where_looked(place)}"
        reason = "is no checkpoint" if place.exists() else missing
        raise RunDirectoryError(f"{place}: {reason}; expected a run directory or a checkpoint ({_CHECKPOINT_SUFFIX})")
