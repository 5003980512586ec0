"""What a watcher tells Weights & Biases."""

import sys
from types import SimpleNamespace

import pytest

from evaluate import __main__ as command
from evaluate.scoring import table
from evaluate.watch.wandb_scores import WandbScores
from tests.helpers.watched import save, scored, words


class FakeRun:
    def __init__(self, **options):
        self.options, self.logged, self.defined, self.is_finished = options, [], [], False

    def define_metric(self, name, step_metric=None):
        self.defined.append((name, step_metric))

    def log(self, values):
        self.logged.append(values)

    def finish(self):
        self.is_finished = True


@pytest.fixture
def fake_wandb(monkeypatch):
    runs = []

    def init(**options):
        runs.append(FakeRun(**options))
        return runs[-1]

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Settings=lambda **options: options))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    return runs


def test_wandb_gets_each_checkpoint_with_its_step(run_dir, fake_wandb):
    save(run_dir, 20)
    save(run_dir, 40)
    (run_dir / "wandb_id.txt").write_text("abcd1234\n")
    for _ in range(2):
        assert command.main(words(run_dir, "--until_step", "40", "--wandb", "project")) == 0
    first, second = fake_wandb
    assert first.options["project"] == "project"
    assert first.options["group"] == "myrun"
    assert first.options["id"].startswith("abcd1234-")
    assert second.options["id"] == first.options["id"]
    assert first.options["resume"] == "allow"
    assert first.defined == [("brain/checkpoint_step", None), ("brain/*", "brain/checkpoint_step")]
    assert [values["brain/checkpoint_step"] for values in first.logged] == [20, 40]
    assert {"brain/tiny/best", "brain/tiny/relu3", "brain/tiny/A"} <= set(first.logged[0])
    assert second.logged == []  # what was logged is not logged again
    assert first.is_finished


def test_the_training_run_is_joined_where_asked_for(run_dir, fake_wandb, monkeypatch, caplog):
    run_dir.mkdir()
    (run_dir / "wandb_id.txt").write_text("abcd1234")
    WandbScores(run_dir, project="p", key="k" * 64, kinds=(), is_joined=True)
    assert fake_wandb[0].options["id"] == "abcd1234"
    settings = fake_wandb[0].options["settings"]
    assert (settings["mode"], settings["x_primary"], settings["x_update_finish_state"]) == ("shared", False, False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    WandbScores(run_dir, project="p", key="k" * 64, kinds=(), is_joined=True)
    assert fake_wandb[1].options["id"] == "abcd1234-kkkkkkkk"
    assert "cannot be joined" in caplog.text


def test_without_wandb_scores_are_in_the_table(run_dir, monkeypatch, caplog):
    def unreachable(**_):
        raise RuntimeError("no such host")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=unreachable, Settings=dict))
    save(run_dir, 20)
    assert command.main(words(run_dir, "--until_step", "20", "--wandb", "project")) == 0
    assert "Weights & Biases is left out" in caplog.text
    assert len(scored(run_dir)) == 1


def test_a_team_may_be_named(run_dir, fake_wandb):
    WandbScores(run_dir, project="lab/coch", key="k" * 64, kinds=())
    assert (fake_wandb[0].options["entity"], fake_wandb[0].options["project"]) == ("lab", "coch")


def test_each_error_of_wandb_is_one_line(run_dir, fake_wandb, monkeypatch, caplog):
    def broken(self, *_):
        raise ConnectionError("the service\nhas ended")

    rows = table.make_table([{name: name for name in table.COLUMNS} | {"step": 20, "epoch": 1, "value": 0.5}])
    WandbScores(run_dir, project="a/b/c", key="k" * 64, kinds=())
    for method in ("log", "finish"):
        with monkeypatch.context() as patch:
            patch.setattr(FakeRun, method, broken)
            scores = WandbScores(run_dir, project="lab/coch", key="k" * 64, kinds=())
            scores.log(rows)
            scores.finish()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert all(line.startswith("Weights & Biases is left out (") and "\n" not in line for line in lines)
    assert not any(record.exc_info for record in caplog.records)
