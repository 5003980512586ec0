"""A run that is killed or told to stop, at any moment, goes on as if it had not been."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import distributed as dist

from datamodules import files
from evaluate.callback import callback as brain_module
from evaluate.scoring.table import KEY_COLUMNS
from networks.weights.checkpoint import NETWORK_KEY
from tests.helpers.killed import die, die_at_write
from tests.helpers.training_processes import KILLED, before_step, start, start_ranks, wait_for
from train.run import run_directory
from train.run.checkpoints.checkpoint_writer import AtomicCheckpointIO, CheckpointWriteError, remove_partial_checkpoints
from train.run.stop_signals import EXIT_STOPPED

pytestmark = pytest.mark.usefixtures("tiny_benchmark")
LAST = "checkpoints/last.ckpt"
needs_gloo = pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch is built without gloo")


def die_at_batch(number: int) -> None:
    """Before the n-th training step of the process."""
    before_step(number, die)


def die_after_scores(number: int) -> None:
    """When the n-th brain scores are in the table."""
    append, count = brain_module.t.append_rows, [0]

    def append_rows(*arguments, **named):
        table = append(*arguments, **named)
        count[0] += 1
        if count[0] == number:
            die()
        return table

    brain_module.t.append_rows = append_rows


def die_before_scores(number: int) -> None:
    """When the n-th brain scores are about to be computed."""
    compute, count = brain_module.BrainScoreCallback._score, [0]

    def score(*arguments, **named):
        count[0] += 1
        if count[0] == number:
            die()
        return compute(*arguments, **named)

    brain_module.BrainScoreCallback._score = score


# A run has 2 epochs of 6 batches; checkpoints are untrained, then for each epoch the best one, step-... and last.
MOMENTS = {
    "in the middle of the first epoch": lambda: die_at_batch(4),
    "in the middle of the second epoch": lambda: die_at_batch(9),
    "at the last batch": lambda: die_at_batch(12),
    "while a checkpoint is written": lambda: die_at_write(files, 2, "half", name_ends=".ckpt"),
    "after an epoch's first checkpoint": lambda: die_at_write(files, 2, "after", name_ends=".ckpt"),
    "before an epoch's last checkpoint": lambda: die_at_write(files, 3, "after", name_ends=".ckpt"),
    "while the last checkpoint is written": lambda: die_at_write(files, 2, "half", name_ends="last.ckpt"),
    "after the first epoch's scores": lambda: die_after_scores(2),
    "before scores within an epoch": lambda: die_before_scores(3),
    "before the second epoch's scores": lambda: die_before_scores(4),
}
QUICK = ("in the middle of the second epoch",)


@pytest.fixture
def config(config):
    best = {"monitor": "brain/tiny/best", "mode": "max"}
    metrics = [
        "encoding",
        {"name": "rsa", "every_n_epochs": 2},
        {"name": "dimensionality", "at_steps": [9], "at_start": False},
        {"name": "partition:untrained:self", "every_n_epochs": 0, "at_start": False},
    ]
    brain = {"benchmarks": ["tiny"], "figures": False, "metrics": metrics}
    return config | {"brain": brain, "best_checkpoint": best}


def outcome(run_dir: Path) -> tuple[dict, pd.DataFrame]:
    checkpoint = torch.load(str(run_dir / LAST), weights_only=True)
    scores = pd.read_csv(run_dir / "scores.csv")
    assert not scores.duplicated(list(KEY_COLUMNS)).any()
    scores["run"] = ""
    return checkpoint, scores.sort_values(list(KEY_COLUMNS)).reset_index(drop=True)


def assert_same_outcome(run_dir: Path, undisturbed: Path) -> None:
    (checkpoint, scores), (expected, expected_scores) = outcome(run_dir), outcome(undisturbed)
    weights, expected_weights = checkpoint["state_dict"], expected["state_dict"]
    assert weights.keys() == expected_weights.keys()
    assert [name for name in weights if not torch.equal(weights[name], expected_weights[name])] == []
    assert checkpoint["global_step"] == expected["global_step"]
    pd.testing.assert_frame_equal(scores, expected_scores, check_exact=True)
    assert best(run_dir, checkpoint) == best(undisturbed, expected)
    metrics, expected_metrics = logged(run_dir), logged(undisturbed)
    pd.testing.assert_frame_equal(metrics, expected_metrics, check_exact=True)
    assert [path for pattern in ("*.partial", ".*.tmp*") for path in run_dir.rglob(pattern)] == []


def best(run_dir: Path, checkpoint: dict) -> tuple[list[str], list[float]]:
    """Names of the best checkpoints that are there, and the score that the last checkpoint takes for the best."""
    states = [state for state in checkpoint["callbacks"].values() if str(state.get("monitor")).startswith("brain/")]
    scores = [float(state["best_model_score"]) for state in states if "best_model_score" in state]
    return sorted(path.name for path in run_dir.glob("checkpoints/best-*.ckpt")), scores


def logged(run_dir: Path) -> pd.DataFrame:
    """Losses and accuracies by step; no value is in the table twice."""
    rows = pd.read_csv(run_dir / "metrics.csv").groupby("step")
    counts = rows.count()
    assert (counts[[name for name in counts if name.startswith(("train/", "val/", "brain/"))]] <= 1).all(axis=None)
    table = rows.last()
    return table[sorted(name for name in table if name.startswith(("train/", "val/")))]


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Folder of undisturbed runs, which several tests compare with."""
    return tmp_path_factory.mktemp("undisturbed")


@pytest.fixture
def undisturbed(config, finished):
    run = config | {"run_dir": str(finished / "run")}
    if not (finished / "run").exists():
        assert wait_for(start(run)) == 0
    return finished / "run"


@pytest.mark.parametrize("moment", QUICK)
def test_a_killed_run_goes_on_as_if_it_had_not_been(config, undisturbed, moment):
    assert wait_for(start(config, prepare=MOMENTS[moment])) == KILLED
    assert wait_for(start(config, "--resume", "true")) == 0
    assert_same_outcome(Path(config["run_dir"]), undisturbed)


@pytest.mark.slow
def test_scores_of_the_end_are_made_up_for(config, tmp_path):
    """Killed when all is trained and saved, and only the scores at the end are missing."""
    config = config | {"brain": config["brain"] | {"every_n_epochs": 0}, "best_checkpoint": {}}
    whole = config | {"run_dir": str(tmp_path / "undisturbed")}
    assert wait_for(start(whole)) == 0
    assert wait_for(start(config, prepare=lambda: die_before_scores(3))) == KILLED
    assert wait_for(start(config, "--resume", "true")) == 0
    assert_same_outcome(Path(config["run_dir"]), Path(whole["run_dir"]))


def with_everything_random(config: dict) -> dict:
    """A run with all sampling and augmentation, weighted corpora, averaged weights and an objective."""
    data = config["data"]
    second = f"{data['noise']} again"
    if not Path(second).exists():
        shutil.copytree(data["noise"], second)
    named = [
        ("MoreNoises", {"most": 2, "probability": 0.7}),
        ("Speed", {"probability": 0.5}),
        ("Pitch", {"probability": 0.5}),
        ("Reverberation", {"num_rooms": 5, "longest_s": 0.1}),
        ("Equalization", {"applies_to": "noise"}),
        ("BandLimit", {"applies_to": "mixture", "high_hz": [500, 1000]}),
        ("Gain", {}),
        ("Mixup", {}),
        ("TimeMask", {}),
        ("FrequencyMask", {}),
    ]
    balanced = {"class_path": "datamodules.BalancedSampling", "init_args": {"label": "word"}}
    data = data | {
        "tasks": ["tags"],
        "noise": {data["noise"]: 1.0, second: 3.0},
        "augmentation": [{"class_path": f"datamodules.{name}", "init_args": given} for name, given in named],
        "signal_sampling": balanced,
        "noise_sampling": balanced | {"init_args": {"label": "texture", "temperature": 2.0}},
    }
    patches = {"patch_bands": 3, "patch_frames": 4, "num_hidden": 8}
    objectives = [{"class_path": "MaskedPatches", "init_args": patches}]
    return config | {"data": data, "model": config["model"] | {"ema_decay": 0.9, "objectives": objectives}}


@pytest.mark.slow
@pytest.mark.parametrize("change", [dict, with_everything_random])
def test_checkpoints_within_an_epoch_go_on_within_it(config, tmp_path, change):
    every_two = {"every_n_epochs": None, "every_n_train_steps": 2}
    config = change(config) | {"checkpoint": every_two}
    config["data"] = config["data"] | {"num_workers": 2}
    whole = config | {"run_dir": str(tmp_path / "undisturbed")}
    assert wait_for(start(whole)) == 0
    assert wait_for(start(config, prepare=lambda: die_at_batch(10))) == KILLED
    assert wait_for(start(config, "--resume", "true")) == 0
    assert_same_outcome(Path(config["run_dir"]), Path(whole["run_dir"]))


def stop_at_batch(number: int) -> None:
    before_step(number, lambda: os.kill(os.getpid(), signal.SIGTERM))


@pytest.mark.parametrize(("batch", "stopped_at"), [(3, 3), pytest.param(6, 6, marks=pytest.mark.slow)])
def test_a_run_told_to_stop_saves_and_says_so(config, undisturbed, batch, stopped_at):
    """In the middle of an epoch, and at its last batch."""
    assert wait_for(start(config, prepare=lambda: stop_at_batch(batch))) == EXIT_STOPPED
    saved = torch.load(str(Path(config["run_dir"]) / LAST), weights_only=True)
    assert saved["global_step"] == stopped_at
    assert wait_for(start(config, "--resume", "true")) == 0
    assert_same_outcome(Path(config["run_dir"]), undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("change", [dict, with_everything_random])
@pytest.mark.parametrize("num_ranks", [1, pytest.param(2, marks=needs_gloo)])
def test_killed_at_ten_random_moments(config, tmp_path, num_ranks, change):
    """SIGKILL to all ranks at random times, with two loading workers each, until the run comes to its end."""
    trainer = config["trainer"] | {"max_epochs": 4, "devices": num_ranks}
    trainer |= {"strategy": "ddp" if num_ranks > 1 else "auto"}
    config = change(config) | {"trainer": trainer}
    config["data"] = config["data"] | {"num_workers": 2}
    config["data"]["batch_size"] = (6 if change is dict else 8) // num_ranks  # blended in pairs
    config["checkpoint"] = {"every_n_epochs": None, "every_n_train_steps": 2}

    def run(settings, *arguments):
        if num_ranks == 1:
            return [start(settings, *arguments)]
        return start_ranks(settings, *arguments, num_ranks=num_ranks)

    whole = config | {"run_dir": str(tmp_path / "undisturbed")}
    begin = time.monotonic()
    assert [wait_for(process) for process in run(whole)] == [0] * num_ranks
    duration_s = time.monotonic() - begin
    rng = random.Random(0)
    for _ in range(10):
        processes = run(config, "--resume", "true")
        time.sleep(duration_s * rng.uniform(0.2, 0.8))
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
    assert [wait_for(process) for process in run(config, "--resume", "true")] == [0] * num_ranks
    assert_same_outcome(Path(config["run_dir"]), Path(whole["run_dir"]))


@pytest.mark.slow
@pytest.mark.parametrize("moment", [moment for moment in MOMENTS if moment not in QUICK])
def test_killed_at_every_kind_of_moment(config, undisturbed, moment):
    assert wait_for(start(config, prepare=MOMENTS[moment])) == KILLED
    assert wait_for(start(config, "--resume", "true")) == 0
    assert_same_outcome(Path(config["run_dir"]), undisturbed)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": 1}, path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("datamodules.files.os.fsync", full)
    with pytest.raises(CheckpointWriteError, match=r"last\.ckpt could not be written .*No space left.* are whole"):
        AtomicCheckpointIO().save_checkpoint({"step": 2}, path)
    assert torch.load(str(path), weights_only=True) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_what_killed_runs_left_is_removed(tmp_path):
    (tmp_path / ".last.ckpt.0123.partial").write_bytes(b"half")  # of an earlier release
    with run_directory.durable_file(tmp_path / "last.ckpt") as file:
        file.write(b"whole")
        (partial,) = tmp_path.glob(".last*.tmp*")
        shutil.copy(partial, tmp_path / partial.name.replace("last", "step-0000004"))
    assert len(list(tmp_path.iterdir())) == 3
    remove_partial_checkpoints(tmp_path)
    remove_partial_checkpoints(tmp_path / "nowhere")
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "checkpoint", "validation"),
    [
        (6, {"every_n_epochs": 5}, {}),
        (6, {"every_n_epochs": 1}, {"check_val_every_n_epoch": 2}),
        (6, {"every_n_train_steps": 4}, {"limit_val_batches": 0}),
        (4, {"every_n_epochs": 5}, {"check_val_every_n_epoch": 2}),
        (4, {"every_n_train_steps": 3}, {}),
        (4, {"every_n_train_steps": 2}, {}),
    ],
)
def test_a_run_counted_in_steps_goes_on_from_its_end(config, tmp_path, steps, checkpoint, validation):
    """After whole passes of 6 batches, and within one; validated at their ends or not; saved there anyway or not."""

    def until(last, run_dir):
        trainer = {name: value for name, value in config["trainer"].items() if name != "max_epochs"} | validation
        trainer |= {"max_steps": last, "log_every_n_steps": 1}
        return config | {"run_dir": str(run_dir), "checkpoint": checkpoint, "trainer": trainer}

    run_dir, whole = tmp_path / "run", tmp_path / "undisturbed"
    config["brain"] |= {"benchmarks": []}
    config["best_checkpoint"] = {"monitor": "train/loss"}
    assert wait_for(start(until(3 * steps, whole))) == 0
    assert wait_for(start(until(steps, run_dir))) == 0
    assert wait_for(start(until(3 * steps, run_dir), "--resume", "true")) == 0
    found, expected = (torch.load(each / LAST, weights_only=True) for each in (run_dir, whole))
    names = found["state_dict"]
    assert [name for name in names if not torch.equal(names[name], expected["state_dict"][name])] == []
    assert found["global_step"] == expected["global_step"] == 3 * steps
    completed = [each[NETWORK_KEY]["epochs_completed"] for each in (found, expected)]
    assert completed == [3 * steps // 6] * 2
    losses = [logged(each)["train/loss"] for each in (run_dir, whole)]
    pd.testing.assert_series_equal(*losses, check_exact=True)


@pytest.mark.slow
def test_a_killed_run_counted_in_steps_goes_on_after_a_whole_pass(config, tmp_path):
    """The third, which is not scored."""
    trainer = {name: value for name, value in config["trainer"].items() if name != "max_epochs"}
    config |= {"trainer": trainer | {"max_steps": 24, "log_every_n_steps": 1}, "best_checkpoint": {}}
    config["brain"] |= {"every_n_epochs": 2}
    whole = config | {"run_dir": str(tmp_path / "undisturbed")}
    assert wait_for(start(whole)) == 0
    assert wait_for(start(config, prepare=lambda: die_at_batch(20))) == KILLED
    assert wait_for(start(config, "--resume", "true")) == 0
    assert_same_outcome(Path(config["run_dir"]), Path(whole["run_dir"]))


@pytest.mark.slow
def test_scores_of_the_last_step_are_made_up_for(config, tmp_path):
    """Killed when the last step, which is saved, is done, and the scores at the end are missing."""
    trainer = {name: value for name, value in config["trainer"].items() if name != "max_epochs"}
    config |= {"trainer": trainer | {"max_steps": 4}, "checkpoint": {"every_n_train_steps": 2}, "best_checkpoint": {}}
    whole = config | {"run_dir": str(tmp_path / "undisturbed")}
    assert wait_for(start(whole)) == 0
    for kill in (lambda: die_before_scores(2), lambda: die_after_scores(1)):
        assert wait_for(start(config, "--resume", "true", prepare=kill)) == KILLED
    assert wait_for(start(config, "--resume", "true")) == 0
    assert_same_outcome(Path(config["run_dir"]), Path(whole["run_dir"]))
