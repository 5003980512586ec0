"""Classes of users, written as `package.module:Name` in YAML and on the command line."""

import sys

import pytest
import torch
import yaml

from train.cli.class_paths import dotted_in_arguments, dotted_in_values, explain_missing

MODULE = """
import torch
from pytorch_lightning import Callback

from networks import CochCNN9, Cochleagram


class Mine(CochCNN9):
    def __init__(self, *, width: float = 0.05) -> None:
        super().__init__(width=width)


class Front(Cochleagram):
    pass


class Steps(torch.optim.SGD):
    pass


class Named(Callback):
    seen = []

    def __init__(self, name: str = "none") -> None:
        self.name = name

    def on_train_start(self, trainer, pl_module):
        self.seen.append((self.name, type(pl_module.network.backbone).__name__, type(trainer.optimizers[0]).__name__))
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of a user, and what its callback has seen."""
    (tmp_path / "users_package").mkdir()
    (tmp_path / "users_package" / "parts.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "users_package.parts"
    for name in ("users_package", "users_package.parts"):
        sys.modules.pop(name, None)


def seen(module):
    return sys.modules[module].Named.seen


def test_classes_of_users_train_from_yaml(mine, config, fit_here):
    config["model"]["backbone"] = {"class_path": f"{mine}:Mine", "init_args": {"width": 0.04}}
    config["model"]["front_end"]["class_path"] = f"{mine}:Front"
    config["model"]["optimizer"]["class_path"] = f"{mine}:Steps"
    configured = {"class_path": f"{mine}:Named", "init_args": {"name": "package.module:name"}}
    config["trainer"] |= {"max_epochs": 1, "callbacks": [configured]}
    run_dir = fit_here(config)
    assert seen(mine) == [("package.module:name", "Mine", "Steps")]
    saved = yaml.safe_load((run_dir / "config.yaml").read_text())
    assert saved["model"]["backbone"] == {"class_path": f"{mine}.Mine", "init_args": {"width": 0.04}}
    assert saved["model"]["front_end"]["class_path"] == f"{mine}.Front"
    checkpoint = torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 6
    fit_here(config | {"trainer": config["trainer"] | {"max_epochs": 2}}, "--resume", "true")
    assert len(seen(mine)) == 2


@pytest.mark.parametrize(
    "backbone",
    [
        ["--model.backbone", "users_package.parts:Mine"],
        ["--model.backbone=users_package.parts:Mine", "--model.backbone.width=0.05"],
        ["--model.backbone.class_path", "users_package.parts:Mine"],
        ['--model.backbone={"class_path": "users_package.parts:Mine"}'],
    ],
    ids=lambda arguments: arguments[0].partition("=")[0],
)
def test_classes_of_users_train_from_the_command_line(mine, config, fit_here, backbone):
    del config["model"]["backbone"]
    config["trainer"]["max_epochs"] = 1
    fit_here(config, *backbone, "--trainer.callbacks+=users_package.parts:Named", "--trainer.callbacks.name", "mine")
    assert seen(mine) == [("mine", "Mine", "AdamW")]


def test_a_class_that_does_not_exist_is_reported_in_one_line(mine, config, fit_here, capsys):
    with pytest.raises(SystemExit) as stop:
        fit_here(config, "--model.backbone", f"{mine}:Nothing")
    assert stop.value.code == 2
    errors = capsys.readouterr().err
    assert "Nothing" in errors
    assert "Traceback" not in errors


def test_only_classes_are_changed():
    loaded = {
        "run_dir": "a:b",
        "model": {"backbone": "a.b:C", "init_from": "runs/a:b/last.ckpt", "front_end": {"init_args": {"name": "a:b"}}},
        "model.optimizer": "a:B",
        "model.backbone.class_path": "a:B",
        "trainer": {"callbacks": ["a:B", {"class_path": "a:C", "init_args": {"inner": {"class_path": "a.b:D"}}}]},
        "brain": {"benchmarks": ["a.b:make"]},
        "data": {"tasks": ["a.b:task"]},
    }
    assert dotted_in_values(loaded) == {
        "run_dir": "a:b",
        "model": {"backbone": "a.b.C", "init_from": "runs/a:b/last.ckpt", "front_end": {"init_args": {"name": "a:b"}}},
        "model.optimizer": "a.B",
        "model.backbone.class_path": "a.B",
        "trainer": {"callbacks": ["a.B", {"class_path": "a.C", "init_args": {"inner": {"class_path": "a.b.D"}}}]},
        "brain": {"benchmarks": ["a.b:make"]},
        "data": {"tasks": ["a.b:task"]},
    }
    unchanged = ["fit", "--brain.benchmarks+=a.b:make", "--run_dir", "a:b", "--model.backbone.name=a:b", "a:b"]
    assert dotted_in_arguments(unchanged) == unchanged
    assert dotted_in_arguments(["--model.x", "a:B", "--trainer.callbacks+=a:B"]) == [
        "--model.x",
        "a.B",
        "--trainer.callbacks+=a.B",
    ]


def test_a_class_that_is_not_found_says_which_folder_to_add(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "lost_models.py").write_text("")
    explained = explain_missing("Problem with given class_path 'lost_models.Mine':\n    No module named 'lost_models'")
    assert f"lab/lost_models.py exists, so set PYTHONPATH={tmp_path}/lab, or start in that folder" in explained
    in_file = explain_missing("- Unexpected import path format: lab/lost_models.py:Mine")
    assert "lab/lost_models.py:Mine: write package.module:Class, with the folder of the file in PYTHONPATH" in in_file
    assert explain_missing("something else") == "something else"
