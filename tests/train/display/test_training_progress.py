"""The live view: compact at 80 columns, lines without a terminal, pace and time left."""

import functools
import io
import itertools
import os
import re
import signal
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import yaml
from rich.console import Console

from datamodules.progress import duration
from evaluate.callback import callback as callback_module
from train.__main__ import main
from train.cli import command_line
from train.display import training_progress as progress
from train.display.epoch_losses import EpochLosses
from train.display.live_view import LiveView
from train.display.pace import Pace, batches_left
from train.display.training_progress import TrainingProgress
from train.learning.module import AuditoryModule


def metrics(tasks: list[str], conditions: tuple[str, ...] = ("mixed", "quiet")) -> dict[str, float]:
    found = {"train/loss": 321.98765, "brain/simulated/best": 0.4567, "brain/NH2015comp/best": float("nan")}
    found["brain/simulated/relu0"] = 0.1
    for number, task in enumerate(tasks):
        found |= {f"train/{task}/loss": 1.5 + number, f"train/{task}/top1": 0.5, f"train/{task}/gradient_norm": 9.0}
        for condition in conditions:
            found |= {
                f"val/{condition}/{task}/loss": 2.25 + number,
                f"val/{condition}/{task}/top1": 0.25,
                f"val/{condition}/{task}/top5": 0.75,
                f"val/{condition}/{task}/chance": 0.01,
            }
    return found | {f"val/{condition}/loss": 7.5 for condition in conditions}


def drawn(view: LiveView, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(view)
    return console.file.getvalue().rstrip("\n").split("\n")


def test_values_fit_into_few_rows_of_80_columns():
    lines = drawn(LiveView(metrics(["word", "speaker", "texture"])))
    assert len(lines) == 6
    assert max(map(len, lines)) <= 80
    assert lines[5].strip() == "loss: weighted sum (train: epoch mean); tasks: loss, top-1; brain: best stage"
    assert lines[0].split() == ["loss", "word", "speaker", "texture"]
    assert lines[1].split() == ["train", "322", "1.500", "50", "%", "2.500", "50", "%", "3.500", "50", "%"]
    assert lines[2].split() == ["mixed", "7.500", "2.250", "25", "%", "3.250", "25", "%", "4.250", "25", "%"]
    assert lines[4].split() == ["brain", "simulated", "0.457"]


def test_many_tasks_have_their_accuracies_alone():
    lines = drawn(LiveView(metrics([f"task{i}" for i in range(7)])))
    assert len(lines) == 6
    assert max(map(len, lines)) <= 80
    assert lines[2].split() == ["mixed", "7.500", *["25", "%"] * 7]


def test_a_single_task_has_one_loss():
    view = LiveView(metrics(["word"]) | {"train/loss": 1.5} | {f"val/{name}/loss": 2.25 for name in ("mixed", "quiet")})
    lines = drawn(view)
    assert [line.split() for line in lines[:2]] == [["word"], ["train", "1.500", "50", "%"]]
    assert lines[-1] == "loss (train: epoch mean), top-1; brain: best stage"
    assert view.line().startswith("train: word mean loss 1.500 top-1 50 %; mixed: word loss 2.250 top-1 25 %; ")


def test_training_losses_are_means_of_the_epoch():
    losses = EpochLosses()
    for epoch, values in enumerate([(1.0, 3.0), (5.0,)]):
        for value in values:
            logged = {"train/loss": torch.tensor(value), "train/word/top1": torch.tensor(0.5)}
            at = SimpleNamespace(current_epoch=epoch, callback_metrics=logged)
            losses.on_train_batch_end(at, None, None, None, 0)
        assert losses.means() == {"train/loss": sum(values) / len(values)}


def test_nothing_logged_yet_shows_nothing():
    assert drawn(LiveView({})) == [""]
    assert LiveView({}).line() == ""


def test_scores_of_an_earlier_step_have_their_step():
    view = LiveView({"brain/simulated/best": 0.4567, "brain/simulated/rsa/best": 0.3}, {"simulated": 400})
    assert drawn(view)[0].split() == ["brain", "simulated", "0.457", "at", "step", "400", "simulated/rsa", "0.300"]
    assert view.line() == "brain: simulated 0.457 at step 400, simulated/rsa 0.300"


def test_average_precision_of_many_labels():
    view = LiveView({"val/mixed/tags/ranking_average_precision": 0.4, "val/mixed/tags/loss": 0.1})
    assert drawn(view)[1].split() == ["mixed", "0.100", "40", "%"]
    assert drawn(view)[2] == "loss (train: epoch mean), top-1 (tags: mean AP)"
    assert view.line() == "mixed: tags loss 0.100 mean AP 40 %"


@pytest.fixture(autouse=True)
def standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, no line is due in between."""
    monkeypatch.setattr(
        command_line, "TrainingProgress", functools.partial(TrainingProgress, clock=lambda: 0.0), raising=True
    )


def epoch_lines(printed: str) -> list[str]:
    """Lines about training, without the time of day."""
    return [line[9:] for line in printed.split("\n") if re.match(r"\d\d:\d\d:\d\d Epoch ", line)]


def run(config: dict, tmp_path, monkeypatch) -> None:
    settings = config | {"trainer": config["trainer"] | {"enable_progress_bar": True}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(tmp_path / "config.yaml")])
    main()


def test_a_terminal_of_80_columns(config, tmp_path, monkeypatch):
    screen = io.StringIO()
    terminal = {"file": screen, "force_terminal": True, "width": 80, "color_system": None}
    monkeypatch.setattr(command_line, "TrainingProgress", functools.partial(TrainingProgress, console_kwargs=terminal))
    monkeypatch.setattr(progress, "VALUES_EVERY_S", 0.0)
    monkeypatch.setattr(sys, "stdout", screen)
    run(config, tmp_path, monkeypatch)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()).replace("\r", "")
    last = text[text.rindex("Epoch") : text.index("training ended")].rstrip().split("\n")
    assert re.match(r"Epoch 2/2 +━+ 6/6 step 12, [\d.]+ ex\./s, \d+ s left", last[0])
    assert [line.split()[0] for line in last[1:]] == ["loss", "train", "mixed", "quiet", "loss:"]
    assert max(len(line.rstrip()) for line in last) <= 80
    log = (tmp_path / "run" / "log.txt").read_text()
    assert len(epoch_lines(log)) == 2, "the bars are not in the log, but what they showed"
    assert "\x1b" not in log
    assert " ex./s" not in log


def test_lines_where_there_is_no_terminal(config, tmp_path, monkeypatch, capsys):
    run(config, tmp_path, monkeypatch)
    printed = capsys.readouterr().out
    lines = epoch_lines(printed)
    assert len(lines) == 2
    assert re.match(
        r"Epoch 2/2, step 12, [\d.]+ examples/s, \d+ s left; train: mean loss [\d.]+, word mean loss [\d.]+ top-1 \d+",
        lines[1],
    )
    assert "mixed: " in lines[1]
    assert "quiet: " in lines[1]
    assert "\x1b" not in printed
    assert "━" * 5 not in "".join(lines)
    log = (tmp_path / "run" / "log.txt").read_text().splitlines()
    assert log[0].startswith("=== ")
    assert set(filter(None, map(str.rstrip, printed.splitlines()))) <= set(log)


def test_lines_within_epochs_validations_and_evaluations(config, tmp_path, monkeypatch, capsys, tiny_benchmark):
    """Each reading of the clock is ten seconds later: what is reported every fourth time has a line."""
    seconds = itertools.count(0.0, 10.0)
    clocked = functools.partial(TrainingProgress, clock=lambda: next(seconds))
    monkeypatch.setattr(command_line, "TrainingProgress", clocked)
    config["data"] |= {"batch_size": 3}
    run(config | {"brain": {"benchmarks": ["tiny"], "figures": False, "batch_size": 2}}, tmp_path, monkeypatch)
    lines = epoch_lines(capsys.readouterr().out)
    assert re.match(r"Epoch 1/2, step 0; scoring tiny: activations: \d+ of 24 \(\d+ %\)", lines[0])
    assert any(re.match(r"Epoch 1/2, step 12; validation, mixed: \d of 4 batches \(\d+ %\)", line) for line in lines)
    assert any(
        re.match(r"Epoch 2/2, batch \d+ of 12, step \d+, .* left; train: mean loss [\d.]+, word", line)
        for line in lines
    )


def test_validating_alone_has_lines(config, tmp_path, monkeypatch, capsys):
    run(config, tmp_path, monkeypatch)
    capsys.readouterr()
    seconds = itertools.count(0.0, 60.0)
    clocked = functools.partial(TrainingProgress, clock=lambda: next(seconds))
    monkeypatch.setattr(command_line, "TrainingProgress", clocked)
    monkeypatch.setattr(sys, "argv", ["train", "validate", "--config", str(tmp_path / "config.yaml")])
    main()
    printed = capsys.readouterr().out
    assert re.search(r"^\d\d:\d\d:\d\d validation, quiet: 2 of 2 batches \(100 %\)", printed, re.MULTILINE)


def test_lines_and_summary_have_the_scores_of_their_epoch(config, tmp_path, monkeypatch, capsys, tiny_benchmark):
    config |= {"brain": {"benchmarks": ["tiny"], "figures": False, "stages": ["relu0", "relu3"]}}
    scores, original = iter([0.1, 0.2, 0.3]), callback_module.logged_values
    monkeypatch.setattr(
        callback_module, "logged_values", lambda *args: original(*args) | {"brain/tiny/best": next(scores)}
    )
    run(config, tmp_path, monkeypatch)
    printed = capsys.readouterr().out
    lines = epoch_lines(printed)
    assert [line.partition(", ")[0] for line in lines] == ["Epoch 1/2", "Epoch 2/2"]
    assert [line.rpartition("; ")[2] for line in lines] == ["brain: tiny 0.200", "brain: tiny 0.300"]
    closing = printed[printed.index("Brain scores at the best stage") :]
    assert re.search(r"│ tiny +│ +0\.100 │ 0\.300 │", closing)  # before training and last
    assert re.search(r"^best stage on tiny: relu[03] \(\w+ relu[03](, \w+ relu[03])*\)$", closing, re.MULTILINE)
    summary = pd.read_csv(tmp_path / "run" / "summary.csv")
    assert summary.query("condition == 'brain'")[["task", "value"]].to_numpy().tolist() == [["tiny", 0.3]]
    assert len(summary) == 6 + 1


def test_an_epoch_without_scores_does_not_repeat_those_of_an_earlier_one(
    config, tmp_path, monkeypatch, capsys, tiny_benchmark
):
    config |= {"brain": {"benchmarks": ["tiny"], "figures": False, "stages": ["relu3"], "every_n_epochs": 2}}
    config["trainer"]["max_epochs"] = 4
    run(config, tmp_path, monkeypatch)
    lines = epoch_lines(capsys.readouterr().out)
    assert len(lines) == 4
    found = [("brain: tiny" in line, "at step" in line) for line in lines[1:]]
    assert found == [(True, False), (False, False), (True, False)]
    assert "brain: tiny" in lines[0]
    assert "at step 0" in lines[0]


def test_a_run_told_to_stop_has_written_its_last_line(config, tmp_path, monkeypatch, capsys):
    before_step = AuditoryModule.training_step

    def training_step(self, batch, batch_idx):
        if self.global_step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return before_step(self, batch, batch_idx)

    monkeypatch.setattr(AuditoryModule, "training_step", training_step)
    with pytest.raises(SystemExit):
        run(config, tmp_path, monkeypatch)
    lines = epoch_lines(capsys.readouterr().out)
    assert [line.partition(", ")[0] for line in lines] == ["Epoch 1/2"]


def test_a_finished_run_says_so_and_keeps_its_summary(config, tmp_path, monkeypatch, capsys):
    run(config, tmp_path, monkeypatch)
    before = (tmp_path / "run" / "summary.csv").read_bytes()
    capsys.readouterr()
    run(config | {"resume": True}, tmp_path, monkeypatch)
    printed = capsys.readouterr().out
    assert printed.splitlines() == [
        f"{tmp_path / 'run'} is complete (max_epochs=2, step 12): nothing is left to train. Results: "
        f"{tmp_path / 'run' / 'summary.csv'}.",
        "To train longer, repeat this command with a larger --trainer.max_epochs.",
    ]
    assert (tmp_path / "run" / "summary.csv").read_bytes() == before
    (tmp_path / "run" / "summary.csv").unlink()  # it was killed before its end
    run(config | {"resume": True}, tmp_path, monkeypatch)
    assert "nothing is left to train" in capsys.readouterr().out


def trainer(**changes: object) -> SimpleNamespace:
    done = changes.pop("done", 0)
    current = SimpleNamespace(completed=done)
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=SimpleNamespace(current=current)))
    settings = {
        "world_size": 2,
        "max_epochs": 3,
        "max_steps": -1,
        "current_epoch": 0,
        "global_step": 0,
        "num_training_batches": 10,
        "accumulate_grad_batches": 1,
    }
    return SimpleNamespace(fit_loop=loop, **settings | changes)


def test_pace_counts_batches_and_no_breaks():
    now = [100.0]
    pace = Pace(clock=lambda: now[0])
    assert pace.samples_per_s is None
    assert pace.seconds_left(trainer()) is None

    def train(seconds: float) -> None:
        pace.on_train_batch_start(trainer(), None, None, 0)
        now[0] += seconds
        pace.on_train_batch_end(trainer(), None, None, {"waveform": [0] * 8}, 0)

    for _ in range(4):
        train(0.5)
    pace.on_validation_start(trainer(), None)
    now[0] += 60
    train(0.5)
    assert pace.samples_per_s == pytest.approx(2 * 8 / 0.5)
    now[0] += 30  # an evaluation within an epoch: part of the next interval
    train(0.5)
    assert pace.samples_per_s == pytest.approx(2 * 8 / 0.5)
    # The time left counts the breaks: 93 s for 6 batches.
    assert pace.seconds_left(trainer(done=6)) == pytest.approx(24 * 93 / 6)


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, 30),
        ({"current_epoch": 1, "done": 4}, 16),
        ({"current_epoch": 3}, 0),
        ({"max_epochs": None, "max_steps": 7, "global_step": 2, "accumulate_grad_batches": 4}, 20),
        ({"max_steps": 7}, 7),
        ({"max_epochs": -1}, None),
        ({"num_training_batches": float("inf")}, None),
    ],
)
def test_batches_left(changes, left):
    assert batches_left(trainer(**changes)) == left


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "?"), (45.4, "45 s"), (720, "12 min"), (11_100, "3 h 05 min"), (187_200, "2 d 04 h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
