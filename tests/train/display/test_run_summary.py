"""The end of a run: why it ended, results, the best values and where their weights are."""

import re
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from evaluate.callback import callback as callback_module
from train.__main__ import main
from train.display.score_course import course_of
from train.run.checkpoints.kept_checkpoints import in_words

MONITOR = "brain/tiny/best"
BRAIN = {"benchmarks": ["tiny"], "figures": False, "stages": ["relu3"]}


@pytest.fixture
def end_of(config, tmp_path, monkeypatch, capsys):
    """Runs the command; gives what it prints from the end of training on."""

    def run(changes: dict, *arguments: str) -> str:
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | changes))
        monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(tmp_path / "config.yaml"), *arguments])
        main()
        printed = capsys.readouterr().out
        return printed[printed.index("training ended") :]

    return run


@pytest.fixture
def score_as(monkeypatch):
    """Makes the scores at the best stage those of a list."""

    def replace(*scores: float) -> None:
        original, left = callback_module.logged_values, iter(scores)
        monkeypatch.setattr(callback_module, "logged_values", lambda *args: original(*args) | {MONITOR: next(left)})

    return replace


def test_a_run_within_the_first_epoch_has_results(config, end_of, monkeypatch):
    """Two of six batches: no validation is due, and nothing is logged every ten steps."""
    run_dir = Path(config["run_dir"])
    monkeypatch.chdir(run_dir.parent)  # paths are shown from here
    trainer = {name: value for name, value in config["trainer"].items() if name != "max_epochs"}
    end = end_of({"trainer": trainer | {"max_steps": 2, "check_val_every_n_epoch": 5}})
    assert end.startswith("training ended after step 2: max_steps=2 is reached\n")
    assert re.search(
        r"training loss, mean of the last epoch: \d+\.\d{3} \(word \d\.\d{3}, speaker \d\.\d{3}, texture \d\.\d{3}\)",
        end,
    )
    assert "Held-out examples" in end
    summary = pd.read_csv(Path(config["run_dir"]) / "summary.csv")
    assert len(summary) == 6
    assert summary[["loss", "value", "chance"]].notna().all(axis=None)
    best = rf"best val/mixed/loss: \d+\.\d{{3}} at step 2, in {run_dir.name}/checkpoints/best-step-0000002.ckpt\n"
    assert re.search(best, end)
    assert f"newest checkpoint: {run_dir.name}/checkpoints/last.ckpt\n" in end
    assert re.search(r"\d checkpoints in .*/checkpoints: \d\.\d MB\n", end)


def test_results_are_those_of_the_end(config, end_of):
    """Validations are due after every second epoch, and the third is the last."""
    end = end_of({"trainer": config["trainer"] | {"max_epochs": 3, "check_val_every_n_epoch": 2}})
    assert end.startswith("training ended after step 18: max_epochs=3 is reached\n")
    metrics = pd.concat(pd.read_csv(path) for path in Path(config["run_dir"]).rglob("metrics.csv"))
    assert metrics.dropna(subset="val/mixed/loss")["step"].tolist() == [11, 17]


def test_early_stopping_says_why_and_where_the_best_is(config, end_of, score_as, tiny_benchmark):
    score_as(0.0, 0.1, 0.3, 0.25, 0.2, 0.2)
    stopping = {"class_path": "StopByBrainScore", "init_args": {"monitor": MONITOR, "patience": 2}}
    end = end_of(
        {
            "brain": BRAIN | {"every_n_steps": 3},
            "best_checkpoint": {"monitor": MONITOR},
            "trainer": config["trainer"] | {"max_epochs": 9, "callbacks": [stopping]},
        }
    )
    reason = "brain/tiny/best has not risen above 0.300 in 2 evaluations (StopByBrainScore)"
    assert end.startswith(f"training ended after step 12: {reason}\n")
    assert re.search(r"│ tiny +│ +0\.000 │ 0\.200 │ 0\.300 │ +6 │ best-step-0000006\.ckpt │", end)
    assert "no scored step is above" not in end
    assert re.search(r"best brain/tiny/best: 0\.300 at step 6, in .*/checkpoints/best-step-0000006.ckpt\n", end)


def test_a_best_score_without_a_checkpoint_is_said_so(config, end_of, score_as, tiny_benchmark):
    score_as(0.5, 0.3, 0.2, 0.1, 0.1)
    end = end_of({"brain": BRAIN | {"every_n_steps": 4}})
    assert re.search(r"│ tiny +│ +0\.500 │ 0\.100 │ 0\.300 │ +4 │ not kept +│", end)
    assert "tiny: no scored step is above the network before training (0.500); the best of the others is 0.300, " in end
    summary = pd.read_csv(Path(config["run_dir"]) / "summary.csv").set_index("task")
    assert summary.loc["tiny", ["before_training", "value", "best", "best_step"]].tolist() == [0.5, 0.1, 0.3, 4]


def test_without_a_score_before_training_there_is_nothing_to_compare_with(config, end_of, score_as, tiny_benchmark):
    score_as(0.3, 0.2, 0.1)
    end = end_of({"brain": BRAIN | {"every_n_steps": 4, "at_start": False}})
    assert "before training" not in end
    assert re.search(r"│ tiny +│ 0\.100 │ 0\.300 │ +4 │ not kept +│", end)


@pytest.mark.parametrize(
    ("scores", "has_not_risen"),
    [({0: 0.5, 5: 0.5, 9: 0.4}, True), ({0: 0.5, 5: 0.6, 9: 0.4}, False), ({0: 0.5}, False)],
)
def test_the_best_score_is_compared_with_that_before_training(scores, has_not_risen):
    assert course_of(pd.Series(scores)).has_not_risen is has_not_risen


@pytest.mark.parametrize(
    ("num_bytes", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1234, "1.2 kB"), (68.4e6, "68 MB"), (999.6e6, "1.0 GB"), (1.44e9, "1.4 GB")],
)
def test_sizes_in_words(num_bytes, words):
    assert in_words(num_bytes) == words
