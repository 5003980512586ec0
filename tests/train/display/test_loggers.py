"""Loggers that cannot be used, which do not end a run."""

import errno
import logging
import pickle
import sys
from pathlib import Path

import pytest
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger

from evaluate.watch.wandb_scores import WandbProject, parse_wandb_project
from train.display import loggers as module
from train.display.loggers import loggers_of
from train.run.metric_history import read_history


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    yield
    wandb.finish()


def warnings(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("coch", WandbProject(None, "coch")),
        ("lab/coch", WandbProject("lab", "coch")),
        (" hearing-lab / coch_2 ", WandbProject("hearing-lab", "coch_2")),
    ],
)
def test_a_project_may_have_a_team(name, expected):
    assert parse_wandb_project(name) == expected


@pytest.mark.parametrize("name", ["", "/", "lab/", "/coch", "a/b/c", "https://wandb.ai/lab/coch"])
def test_another_form_is_refused(name):
    with pytest.raises(ValueError, match="PROJECT or TEAM/PROJECT"):
        parse_wandb_project(name)


def test_the_team_is_the_entity(tmp_path, caplog):
    *_, logger = loggers_of(str(tmp_path / "run"), "lab/coch")
    assert isinstance(logger, WandbLogger)
    assert (logger.experiment.entity, logger.experiment.project) == ("lab", "coch")
    assert list(tmp_path.glob("run/wandb/offline-run-*"))
    assert warnings(caplog) == []


def test_nothing_is_started_or_written_before_the_first_value(tmp_path):
    wandb = pytest.importorskip("wandb")
    *_, logger = loggers_of(str(tmp_path / "run"), "lab/coch")
    assert wandb.run is None
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["wandb_id.txt"]
    logger.log_metrics({"loss": 1.0}, step=0)
    assert wandb.run is not None
    assert list(tmp_path.glob("run/wandb/offline-run-*"))


@pytest.mark.parametrize("name", ["lab/coch/cleaned", "lab/", "coch: the first", "a#b", "x" * 200])
def test_a_wrong_name_is_one_line_and_the_run_continues(tmp_path, caplog, name):
    kept = loggers_of(str(tmp_path / "run"), name)
    assert [type(logger).__bases__[-1] for logger in kept[1:]] == [TensorBoardLogger]
    (line,) = warnings(caplog)
    assert line.startswith("Weights & Biases is left out (")
    assert "\n" not in line


def test_a_missing_package_is_one_line(tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert len(loggers_of(str(tmp_path / "run"), "coch")) == 2
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        ConnectionError("the service has ended\nand says so in two lines"),
        RuntimeError("402: storage quota exceeded"),
        ValueError(),
    ],
)
def test_an_error_while_logging_is_one_line(tmp_path, caplog, error):
    class Broken:
        num_calls = 0

        def log(self, *_):
            self.num_calls += 1
            raise error

    *_, logger = loggers_of(str(tmp_path / "run"), "coch")
    logger._experiment = broken = Broken()
    for step in range(3):
        logger.log_metrics({"loss": 1.0}, step=step)
    logger.finalize("success")
    assert broken.num_calls == 1
    (line,) = warnings(caplog)
    assert "\n" not in line
    assert (str(error).split("\n")[0] or "ValueError") in line


@pytest.mark.parametrize("name", ["tensorboard", "tensorboard/hparams.yaml"])
def test_tensorboard_that_cannot_be_written_is_one_line(train_briefly, caplog, name):
    """A file is where its folder should be, or a folder where its file should be."""
    run_dir = train_briefly(lambda run_dir: occupy(run_dir / name))
    assert [line.partition(" (")[0] for line in warnings(caplog) if "left out" in line] == ["TensorBoard is left out"]
    assert "train/loss" in read_history(run_dir)
    assert (run_dir / "checkpoints" / "last.ckpt").is_file()


def test_a_run_continues_when_wandb_breaks(train_briefly, caplog, monkeypatch):
    def broken(*_, **__):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    wandb = pytest.importorskip("wandb")
    monkeypatch.setattr(wandb.sdk.wandb_run.Run, "log", broken)
    run_dir = train_briefly(lambda _: None, "--wandb", "lab/coch")
    assert [line.partition(" (")[0] for line in warnings(caplog) if "left out" in line] == [
        "Weights & Biases is left out"
    ]
    assert "train/loss" in read_history(run_dir)


def test_guarded_loggers_can_be_sent_to_other_processes(tmp_path):
    table, board = loggers_of(str(tmp_path / "run"), None)
    assert isinstance(pickle.loads(pickle.dumps(table)), module.MetricsLogger)
    assert isinstance(pickle.loads(pickle.dumps(board)), module.LeftOutOnError)


def occupy(path: Path) -> None:
    if path.suffix:
        path.mkdir(parents=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def train_briefly(config, fit_here):
    def run(prepare, *arguments):
        prepare(Path(config["run_dir"]))
        config["trainer"] |= {"max_epochs": 1, "limit_train_batches": 2, "limit_val_batches": 1, "log_every_n_steps": 1}
        return fit_here(config, *arguments)

    return run
