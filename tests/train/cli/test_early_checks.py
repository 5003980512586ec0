"""What is checked before torch is imported: the directory of another run, and the run that a command names."""

import subprocess
import sys

import pytest

from train.cli.early_checks import check_start, values_of
from train.cli.named_run import with_configuration
from train.cli.recipe_files import similar_configuration
from train.run.run_directory import RunDirectoryError


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """The working directory, with a run, and configurations that name it."""
    monkeypatch.chdir(tmp_path)
    checkpoints = tmp_path / "runs" / "mine" / "checkpoints"
    checkpoints.mkdir(parents=True)
    for name in ("untrained.ckpt", "last.ckpt"):
        (checkpoints / name).touch()
    (tmp_path / "runs" / "mine" / "config.yaml").write_text("run_dir: runs/mine\n")
    (tmp_path / "mine.yaml").write_text("run_dir: runs/mine\n")
    (tmp_path / "deeper.yaml").write_text("config: mine.yaml\nresume: false\n")
    (tmp_path / "alone.ckpt").touch()
    return tmp_path


@pytest.mark.parametrize("arguments", ["--config mine.yaml", "--config=deeper.yaml", "--run_dir runs/mine"])
def test_a_run_is_not_started_in_the_directory_of_another(runs, arguments):
    with pytest.raises(RunDirectoryError, match="runs/mine already holds a run: add `--resume true`"):
        check_start(["fit", *arguments.split()])
    check_start(["fit", *arguments.split(), "--resume", "true"])
    check_start(["fit", *arguments.split(), "--run_dir", "runs/other"])
    check_start(["fit", *arguments.split(), "--print_config"])
    check_start(["validate", *arguments.split()])
    (runs / "runs" / "mine" / "checkpoints" / "last.ckpt").unlink()
    check_start(["fit", *arguments.split()])


def test_what_the_parser_reports_is_left_to_it(runs):
    (runs / "broken.yaml").write_text("run_dir: [")
    for arguments in ("--config gone.yaml", "--config broken.yaml", "--resume", "--config"):
        check_start(["fit", "--run_dir", "runs/mine", "--resume", "true", *arguments.split()])
        check_start(["fit", *arguments.split()])


def test_later_values_win(runs):
    assert values_of(["--run_dir", "a", "--config", "mine.yaml"])["run_dir"] == "runs/mine"
    assert values_of(["--config", "mine.yaml", "--run_dir=a"])["run_dir"] == "a"
    assert values_of(["--config", "cochcnn9_word.yaml", "--resume", "true"])["resume"] is True


def test_neither_torch_nor_lightning_is_imported(runs):
    program = """
import sys
sys.argv = ["cochlearn", "fit", "--config", "mine.yaml"]
from train.__main__ import main
try:
    main()
except SystemExit as stop:
    print(stop.code, *{"torch", "pytorch_lightning", "pandas"} & set(sys.modules))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["2"]
    assert "runs/mine already holds a run" in ended.stderr


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("runs/mine", "--config runs/mine/config.yaml --run_dir runs/mine"),
        ("runs/mine/checkpoints", "--config runs/mine/config.yaml --run_dir runs/mine"),
        ("--run_dir runs/mine", "--config runs/mine/config.yaml --run_dir runs/mine"),
        ("--run_dir=runs/mine", "--config runs/mine/config.yaml --run_dir=runs/mine"),
        ("--config mine.yaml", "--config mine.yaml"),
        ("runs/mine --config mine.yaml", "--config mine.yaml --run_dir runs/mine"),
        ("alone.ckpt --config mine.yaml", "--config mine.yaml --ckpt_path alone.ckpt"),
        (
            "runs/mine/checkpoints/last.ckpt",
            "--config runs/mine/config.yaml --run_dir runs/mine --ckpt_path runs/mine/checkpoints/last.ckpt",
        ),
        (
            "--ckpt_path runs/mine/checkpoints/last.ckpt",
            "--config runs/mine/config.yaml --ckpt_path runs/mine/checkpoints/last.ckpt",
        ),
    ],
)
def test_a_run_or_a_checkpoint_stands_for_its_configuration(runs, given, meant):
    assert with_configuration(["validate", *given.split()]) == ["validate", *meant.split()]


def test_a_run_that_resumes_needs_its_directory_alone(runs):
    arguments = ["--run_dir", "runs/mine", "--resume", "true"]
    assert with_configuration(["fit", *arguments]) == ["fit", "--config", "runs/mine/config.yaml", *arguments]
    for others in (["--run_dir", "runs/mine"], ["--config", "mine.yaml"]):
        assert with_configuration(["fit", *others]) == ["fit", *others]
    before_the_command = ["--config", "mine.yaml", "fit"]
    assert with_configuration(before_the_command) == before_the_command


@pytest.mark.parametrize(
    ("command", "given", "error"),
    [
        ("validate", "runs/mime", r"runs/mime: no such file or folder \(did you mean runs/mine\?\); expected a run"),
        ("test", "alone.ckpt", r"alone\.ckpt: there is no config\.yaml of its run in \.; add the configuration with"),
        ("fit", "mine.yaml", "a configuration follows --config: `cochlearn fit --config mine.yaml`"),
        ("fit", "runs/mine", "`cochlearn fit --run_dir runs/mine --resume true` resumes the run"),
    ],
)
def test_what_cannot_be_meant_is_reported_with_what_can(runs, command, given, error):
    with pytest.raises(RunDirectoryError, match=error):
        with_configuration([command, given])


def test_mistyped_names_of_configurations(runs):
    assert similar_configuration("mine.yml") == "mine.yaml"
    assert similar_configuration("./runs/mine/confg.yaml") == "runs/mine/config.yaml"
    assert similar_configuration("cochcnn9_wrd") == "cochcnn9_word.yaml"
    assert similar_configuration("something else.txt") is None
