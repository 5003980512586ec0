"""The last of two options that exclude each other wins; what was set is printed."""

import io
import sys
from contextlib import redirect_stdout

import pytest
import yaml

from train.__main__ import main
from train.cli.alternatives import OFF, alternatives_of, replaced_in_arguments, replaced_in_values


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--data.batch_size", "32"], ["--data.batch_size", "32", "--data.global_batch_size=null"]),
        (["--data.global_batch_size=8"], ["--data.global_batch_size=8", "--data.batch_size=null"]),
        (["--data.batch_size", "null"], ["--data.batch_size", "null"]),
        (["--schedule.cosine", "false"], ["--schedule.cosine", "false"]),
        (
            ["--schedule.cosine", "true", "--run_dir", "a"],
            ["--schedule.cosine", "true", "--model.lr_scheduler=null", "--schedule.drop_every=null", "--run_dir", "a"],
        ),
        (["fit", "--brain.batch_size", "32"], ["fit", "--brain.batch_size", "32"]),
    ],
)
def test_an_option_turns_its_alternatives_off(arguments, expected):
    assert replaced_in_arguments(arguments) == expected


def test_a_file_turns_off_what_it_does_not_mention():
    assert replaced_in_values({"data": {"batch_size": 3}}) == {"data": {"batch_size": 3, "global_batch_size": None}}
    assert replaced_in_values({"data.batch_size": 3}) == {"data.batch_size": 3, "data": {"global_batch_size": None}}
    both = {"data": {"batch_size": 3, "global_batch_size": 6}}
    assert replaced_in_values(both) == both  # a contradiction: the data module reports it
    scheduled = replaced_in_values({"model": {"lr_scheduler": {"class_path": "StepLR"}}, "run_dir": "a"})
    assert scheduled["schedule"] == {"drop_every": None, "warm_up": 0.0, "cosine": False}


def test_alternatives_go_both_ways():
    assert all(option in alternatives_of(other) for option in OFF for other in alternatives_of(option))


@pytest.fixture
def printed(monkeypatch):
    def print_config(*arguments: str, flags: str = "") -> dict:
        monkeypatch.setattr(sys, "argv", ["train", "fit", *arguments, f"--print_config{flags}"])
        with redirect_stdout(text := io.StringIO()), pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 0
        return yaml.safe_load(text.getvalue())

    return print_config


def test_the_last_batch_size_wins(printed, tmp_path):
    recipe = ("--config", "cochcnn9_word.yaml")
    data = printed(*recipe, "--data.batch_size", "32")["data"]
    assert (data["batch_size"], data["global_batch_size"]) == (32, None)
    data = printed(*recipe, "--data.batch_size", "32", "--data.global_batch_size", "64")["data"]
    assert (data["batch_size"], data["global_batch_size"]) == (None, 64)
    (tmp_path / "mine.yaml").write_text("config: cochcnn9_word.yaml\ndata:\n  batch_size: 8\n")
    mine = ("--config", str(tmp_path / "mine.yaml"))
    data = printed(*mine)["data"]
    assert (data["batch_size"], data["global_batch_size"]) == (8, None)
    data = printed(*mine, *recipe)["data"]
    assert (data["batch_size"], data["global_batch_size"]) == (None, 128)


def test_the_last_course_of_the_rate_wins(printed):
    config = printed("--config", "demo.yaml", "--schedule.cosine", "true", "--schedule.length", "3")
    assert config["model"]["lr_scheduler"] is None
    config = printed("--config", "cochcnn9_word.yaml", "--model.lr_scheduler", "StepLR")
    assert config["model"]["lr_scheduler"]["class_path"] == "torch.optim.lr_scheduler.StepLR"
    assert config["schedule"]["drop_every"] is None


def test_what_was_set_is_printed_also_if_it_equals_a_default(printed):
    flags = "=skip_default"
    arguments = ("--config", "demo.yaml", "--data.num_workers", "2", "--trainer.gradient_clip_val", "null")
    config = printed(*arguments, flags=flags)
    assert config["seed_everything"] == 0
    assert config["brain"] == {"benchmarks": ["simulated"], "every_n_epochs": 2}
    assert config["data"]["num_workers"] == 2
    assert config["trainer"] == {"max_epochs": 10, "check_val_every_n_epoch": 5, "gradient_clip_val": None}
    assert config["model"]["optimizer"]["init_args"] == {"lr": 0.001, "weight_decay": 0.0001}
    assert config["run_dir"] == "runs/demo"
    assert "global_batch_size" not in config["data"]
    assert "schedule" not in config
    assert printed("--seed_everything", "0", flags=flags) == {"seed_everything": 0}
    assert set(printed("--seed_everything", "0")) > {"seed_everything", "data", "run_dir"}


def test_what_was_printed_repeats_the_configuration(printed, tmp_path):
    arguments = ("--config", "digits_word.yaml", "--data.batch_size", "3")
    whole = printed(*arguments)
    (tmp_path / "set.yaml").write_text(yaml.safe_dump(printed(*arguments, flags="=skip_default")))
    assert printed("--config", str(tmp_path / "set.yaml")) == whole
