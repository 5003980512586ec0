"""Which checkpoints stay on the disk."""

import pytest

from train.errors import TrainingError
from train.run.checkpoints.kept_checkpoints import StepCheckpoints, steps_to_keep


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        ("all", list(range(100, 1700, 100))),
        (1, [1600]),
        (3, [1400, 1500, 1600]),
        (50, list(range(100, 1700, 100))),
        ("log_spaced", [100, 200, 300, 400, 600, 800, 1100, 1500, 1600]),
    ],
)
def test_removing_as_they_come_keeps_what_one_choice_at_the_end_keeps(keep, kept):
    """A run of 16 checkpoints, and one that was killed after each and has saved each twice."""
    for times in (1, 2):
        there: set[int] = set()
        for step in range(100, 1700, 100):
            for _ in range(times):
                there = steps_to_keep(there | {step}, keep)
        assert sorted(there) == kept
    assert sorted(steps_to_keep(range(100, 1700, 100), keep)) == kept


@pytest.mark.parametrize(
    ("keep", "kept"), [("2", [12, 18]), ("log_spaced", [3, 6, 9, 12, 18]), ("all", [3, 6, 9, 12, 15, 18])]
)
def test_a_run_keeps_these(config, fit_here, keep, kept, caplog):
    """And the best, the last and the untrained network."""
    caplog.set_level("INFO")
    config["trainer"]["max_epochs"] = 3
    every = ("--checkpoint.every_n_train_steps", "3" if keep != "2" else "6")
    folder = fit_here(config, *every, "--checkpoint.keep", keep) / "checkpoints"
    assert sorted(path.name for path in folder.glob("step-*")) == [f"step-{step:07d}.ckpt" for step in kept]
    assert {"last.ckpt", "untrained.ckpt"} <= {path.name for path in folder.iterdir()}
    assert len(list(folder.glob("best-*"))) == 1
    assert len([line for line in caplog.messages if line.startswith("a checkpoint has ")]) == 1


@pytest.mark.parametrize("settings", [{"keep": 0}, {"keep": -1}, {"keep": "some"}, {"keep": 2, "monitor": "val/loss"}])
def test_what_cannot_be_kept_is_an_error(settings):
    with pytest.raises(TrainingError, match=r"checkpoint\.keep"):
        StepCheckpoints(**settings)
