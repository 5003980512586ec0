"""Rates against their formulas, and what they do in a run: accumulated, continued, on other numbers of ranks."""

import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import yaml

from datamodules.batches.order import TrainingOrder
from train.__main__ import main
from train.cli.recipes import load_recipe
from train.learning.module import AuditoryModule
from train.learning.schedules import CONSTANT, ScheduledRate, TrainingSchedule, order_of, scale_rates, with_schedule

RATE = 0.003
LAST = "checkpoints/last.ckpt"


def order(num_signals: int = 36, num_noises: int = 12, batch_size: int = 6, num_ranks: int = 1) -> TrainingOrder:
    return TrainingOrder(num_signals, num_noises, batch_size=batch_size, seed=0, num_ranks=num_ranks)


def trainer_of(order: TrainingOrder, accumulated: int = 1) -> SimpleNamespace:
    data = SimpleNamespace(train_dataloader=lambda: SimpleNamespace(order=order))
    return SimpleNamespace(datamodule=data, accumulate_grad_batches=accumulated)


def sgd(rate: float = 1.0) -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def rates(scheduler: ScheduledRate, num_steps: int) -> list[float]:
    """The rate of each of the next steps."""
    found = []
    for _ in range(num_steps):
        found.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def scheduler(
    schedule: TrainingSchedule, order: TrainingOrder, accumulated: int = 1, rate: float = 1.0
) -> ScheduledRate:
    entry = with_schedule(sgd(rate), schedule, trainer_of(order, accumulated))
    assert entry["lr_scheduler"]["interval"] == "step"
    return entry["lr_scheduler"]["scheduler"]


@pytest.mark.parametrize(
    ("batch_size", "num_ranks", "accumulated"), [(6, 1, 1), (3, 2, 1), (3, 1, 2), (5, 1, 1), (4, 1, 2)]
)
def test_the_rate_drops_exactly_after_whole_passes(batch_size, num_ranks, accumulated):
    data = order(batch_size=batch_size, num_ranks=num_ranks)
    steps = math.ceil(len(data) / accumulated)
    found = rates(scheduler(TrainingSchedule(drop_every=3, drop_factor=0.5), data, accumulated), 9 * steps)
    assert found == [0.5**k for k in range(3) for _ in range(3 * steps)]


def test_passes_over_the_noise():
    # 36 signals and 12 noises: in each epoch of 6 steps the noise is passed 3 times.
    found = rates(scheduler(TrainingSchedule(unit="noise_pass", drop_every=6), order()), 24)
    assert found == pytest.approx([1.0] * 12 + [0.1] * 12)
    with pytest.raises(ValueError, match="without noise"):
        scheduler(TrainingSchedule(unit="noise_pass", drop_every=6), order(num_noises=0))


def test_the_published_audioset_passes_are_the_speech_passes():
    published = order(num_signals=230_356, num_noises=718_625, batch_size=128)
    schedule = TrainingSchedule(unit="noise_pass", length=48, drop_every=16)
    assert schedule.trainer_limits(trainer_of(published).datamodule) == {"max_epochs": 150}
    assert 16 * schedule.steps_per_unit(published) / len(published) == pytest.approx(50, abs=0.1)


def test_warm_up_and_cosine():
    schedule = TrainingSchedule(unit="step", length=20, warm_up=4, cosine=True)
    expected = [k / 4 for k in range(4)] + [(1 + math.cos(math.pi * k / 16)) / 2 for k in range(16)] + [0.0, 0.0]
    assert rates(scheduler(schedule, order()), 22) == pytest.approx(expected)
    warm_drops = TrainingSchedule(warm_up=0.5, drop_every=1)
    assert rates(scheduler(warm_drops, order()), 8) == pytest.approx([0, 1 / 3, 2 / 3, 1, 1, 1, 0.1, 0.1])


def test_how_long_training_lasts():
    data = trainer_of(order()).datamodule
    assert CONSTANT.trainer_limits(data) == {}
    assert TrainingSchedule(length=2.5).trainer_limits(data) == {"max_epochs": 3}
    assert TrainingSchedule(unit="noise_pass", length=9).trainer_limits(data) == {"max_epochs": 3}
    assert TrainingSchedule(unit="step", length=7).trainer_limits(data) == {"max_steps": 7}


@pytest.mark.parametrize("saved_after", [1, 5, 6, 17, 18])
def test_a_continued_schedule_is_the_undisturbed_one(saved_after):
    schedule = TrainingSchedule(length=6, warm_up=1, cosine=True)
    whole = rates(scheduler(schedule, order(), rate=RATE), 36)
    first, second = scheduler(schedule, order(), rate=RATE), scheduler(schedule, order(), rate=RATE)
    found = rates(first, saved_after)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    assert found + rates(second, 36 - saved_after) == whole


def test_a_run_goes_on_at_its_place_with_another_batch_size_and_rate():
    schedule = TrainingSchedule(drop_every=2)
    first, second = scheduler(schedule, order()), scheduler(schedule, order(batch_size=12), rate=2.0)
    rates(first, 3 * 6)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    assert second.position == 3.0
    assert rates(second, 6) == pytest.approx([0.2] * 3 + [0.02] * 3)


def test_the_rate_is_scaled_with_the_examples_of_a_step():
    optimizer = sgd(RATE)
    scale_rates(optimizer, trainer_of(order(batch_size=3, num_ranks=2), 4), reference_batch_size=6)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(4 * RATE)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        scale_rates(optimizer, trainer_of(order()), reference_batch_size=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": 0}, "length must be above 0, got 0"),
        ({"drop_every": -1.0}, "drop_every must be above 0"),
        ({"drop_factor": math.nan}, "drop_factor must be above 0"),
        ({"warm_up": -1}, "warm_up must be at least 0"),
        ({"warm_up": 5, "length": 5}, "below length, got 5"),
        ({"cosine": True}, "a cosine needs a length"),
        ({"cosine": True, "length": 5, "drop_every": 1}, "does not go with drop_every"),
    ],
)
def test_numbers_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainingSchedule(**settings)


def test_data_that_do_not_tell_their_order():
    for data in (None, SimpleNamespace(train_dataloader=list)):
        with pytest.raises(ValueError, match="training loader with an `order`"):
            order_of(data)


def test_a_rate_has_one_course():
    with pytest.raises(ValueError, match="not both"):
        AuditoryModule(
            backbone=None, tasks=["word"], schedule=TrainingSchedule(drop_every=1), lr_scheduler=lambda optimizer: None
        )


def test_a_file_that_begins_with_another_sets_single_values():
    text = "trainer: {max_epochs: 3}\nmodel: {backbone: {class_path: a.B}}\nrun_dir: x\n"
    groups = {"trainer": {"max_epochs": 3}, "model": {"backbone": {"class_path": "a.B"}}, "run_dir": "x"}
    assert load_recipe(text) == groups
    single = {"config": "o.yaml", "trainer.max_epochs": 3, "model.backbone": {"class_path": "a.B"}, "run_dir": "x"}
    found = load_recipe(text + "config: o.yaml\n")
    assert found == single
    assert next(iter(found)) == "config"
    assert load_recipe("3") == 3


@pytest.fixture
def fit(monkeypatch, tmp_path):
    def run(config: dict, name: str, *arguments: str) -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(config | {"run_dir": str(tmp_path / name), "run_page": False}))
        monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(path), *arguments])
        main()
        return tmp_path / name

    return run


def logged_rates(run_dir: Path) -> list[float]:
    return pd.read_csv(run_dir / "metrics.csv").filter(like="lr-").iloc[:, 0].dropna().tolist()


def test_a_run_lasts_as_long_as_its_schedule_says_and_goes_on_in_it(fit, config):
    """36 signal clips in batches of 6: 6 batches, 3 steps of two batches each."""
    del config["trainer"]["max_epochs"]
    config["trainer"] |= {"accumulate_grad_batches": 2, "log_every_n_steps": 1}
    config["schedule"] = {"length": 3, "drop_every": 1, "drop_factor": 0.5}
    expected = [RATE * 0.5**k for k in range(3) for _ in range(6)]  # logged for each batch
    whole = fit(config, "whole")
    assert logged_rates(whole) == pytest.approx(expected)
    fit(config, "stopped", "--trainer.max_epochs", "2")
    resumed = fit(config, "stopped", "--resume", "true")
    states = [torch.load(str(folder / LAST), weights_only=True) for folder in (whole, resumed)]
    assert (
        states[0]["lr_schedulers"] == states[1]["lr_schedulers"] == [{"start": 0.0, "steps": 9, "steps_per_unit": 3.0}]
    )
    assert all(torch.equal(value, states[1]["state_dict"][name]) for name, value in states[0]["state_dict"].items())


@pytest.mark.slow
def test_two_accumulated_batches_are_one_of_twice_the_size(fit, config):
    """With frozen normalisation and scaled rates, the weights after an epoch are the same but for rounding."""
    torch.manual_seed(0)
    for part in ("backbone", "front_end"):
        config["model"][part] = dict(config["model"][part])
    config["model"] |= {
        "freeze": ["backbone.batchnorm*"],
        "scale_lr_from_batch": 6,
        "optimizer": {
            "class_path": "torch.optim.SGD",
            "init_args": {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.0001},
        },
    }
    config["model"]["backbone"]["init_args"] = config["model"]["backbone"]["init_args"] | {"dropout": 0.0}
    config["trainer"] |= {"max_epochs": 2}
    config["schedule"] = {"length": 2, "drop_every": 1}
    accumulated = fit(config, "accumulated", "--trainer.accumulate_grad_batches", "2")
    doubled = fit(config, "doubled", "--data.batch_size", "12")
    states = [torch.load(str(folder / LAST), weights_only=True) for folder in (accumulated, doubled)]
    for group in (state["optimizer_states"][0]["param_groups"][0] for state in states):
        assert group["initial_lr"] == pytest.approx(0.02)
        assert group["lr"] == pytest.approx(0.02 * 0.01)
    assert states[0]["global_step"] == states[1]["global_step"] == 6
    untrained = torch.load(str(doubled / "checkpoints" / "untrained.ckpt"), weights_only=True)["state_dict"]
    moved = 0.0
    for name, value in states[1]["state_dict"].items():
        if name.startswith("network.") and value.is_floating_point():
            torch.testing.assert_close(states[0]["state_dict"][name], value, rtol=1e-4, atol=1e-6)
            moved = max(moved, (value - untrained[name]).abs().max().item())
    assert moved > 0.01
