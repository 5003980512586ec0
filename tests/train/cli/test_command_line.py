"""The whole of a run through the command line."""

import json
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from networks import load_checkpoint
from train.__main__ import main
from train.learning.module import AuditoryModule

UNTRAINED, LAST = "checkpoints/untrained.ckpt", "checkpoints/last.ckpt"


def run(config: dict, *arguments: str, monkeypatch: pytest.MonkeyPatch, folder: Path, command: str = "fit") -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setattr(sys, "argv", ["train", command, "--config", str(path), *arguments])
    main()
    return Path(config["run_dir"])


@pytest.fixture
def train(monkeypatch, tmp_path):
    return lambda config, *arguments, **more: run(config, *arguments, monkeypatch=monkeypatch, folder=tmp_path, **more)


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(str(checkpoint), weights_only=True)["state_dict"]


def assert_bitwise_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_run_directory_holds_all_of_a_run(train, config, capsys):
    folder = train(config | {"trainer": config["trainer"] | {"max_epochs": 12}})
    for name in ("config.yaml", "summary.csv", UNTRAINED, LAST, "metrics.csv"):
        assert (folder / name).is_file(), name
    assert len(list(folder.glob("checkpoints/step-*.ckpt"))) == 12
    assert len(list(folder.glob("checkpoints/best-step-*.ckpt"))) == 1
    assert list(folder.glob("tensorboard/events*"))
    assert not list(folder.rglob("*.partial"))

    summary = pd.read_csv(folder / "summary.csv").set_index(["condition", "task"])
    assert summary.loc[("mixed", "word"), "chance"] == pytest.approx(1 / 3)
    assert summary.loc[("mixed", "word"), "value"] > 1 / 3 + 0.2
    assert "Held-out examples" in capsys.readouterr().out

    untrained, last = load_checkpoint(folder / UNTRAINED), load_checkpoint(folder / LAST)
    assert (untrained.step, untrained.epoch) == (0, 0)
    assert (last.step, last.epoch, last.run) == (12 * 6, 12, "run")
    assert [task["name"] for task in last.tasks] == ["word", "speaker", "texture"]
    assert last.network.num_classes == {"word": 4, "speaker": 3, "texture": 3}
    assert not last.network.training


def test_the_saved_configuration_repeats_the_run(train, config, tmp_path):
    first = train(config)
    saved = yaml.safe_load((first / "config.yaml").read_text())
    saved["run_dir"] = str(tmp_path / "again")
    assert_bitwise_equal(weights(first / LAST), weights(train(saved) / LAST))


def test_resuming_ends_as_an_undisturbed_run(train, config, tmp_path):
    whole = train(config | {"run_dir": str(tmp_path / "whole")})
    trainer = config["trainer"]
    train(config | {"trainer": trainer | {"max_epochs": 1}})
    resumed = train(config | {"trainer": trainer}, "--resume", "true")
    assert_bitwise_equal(weights(whole / LAST), weights(resumed / LAST))


def test_a_run_is_not_overwritten(train, config, capsys):
    folder = train(config)
    before = (folder / LAST).read_bytes()
    with pytest.raises(SystemExit) as stop:
        train(config)
    assert stop.value.code == 2
    assert "--resume" in capsys.readouterr().err
    assert (folder / LAST).read_bytes() == before


def test_a_rehearsal_leaves_nothing_behind(train, config, tiny_benchmark):
    config |= {"brain": {"benchmarks": ["tiny"], "stages": ["relu3"]}, "run_page": True}
    folder = train(config, "--trainer.fast_dev_run", "true")
    assert not [path for path in folder.rglob("*") if path.is_file()]
    train(config)
    assert (folder / LAST).is_file()


@pytest.fixture
def loaded(monkeypatch):
    """The steps of checkpoints that runs start from."""
    steps = []
    monkeypatch.setattr(
        AuditoryModule, "on_load_checkpoint", lambda self, checkpoint: steps.append(checkpoint["global_step"])
    )
    return steps


def test_a_run_goes_on_from_its_own_checkpoint_whatever_it_began_with(train, config, loaded, tmp_path):
    """By the saved configuration, and by the same command, as SLURM puts it into the queue again."""
    config["trainer"]["max_epochs"] = 1
    first = train(config)
    other = config | {"run_dir": str(tmp_path / "other")}
    command = ("--ckpt_path", str(first / LAST), "--resume", "true")
    folder = train(other, *command, "--trainer.max_epochs", "2")
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    assert saved["ckpt_path"] is None
    train(saved, "--resume", "true", "--trainer.max_epochs", "3")
    train(other, *command, "--trainer.max_epochs", "4")
    assert loaded == [6, 12, 18]


@pytest.mark.parametrize("word", ["best", "last"])
def test_a_checkpoint_that_is_not_there_is_told_in_one_line(train, config, capsys, word):
    with pytest.raises(SystemExit) as stop:
        train(config, "--ckpt_path", word, command="validate")
    assert stop.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"there is no checkpoint {word}" in line
    assert "`--ckpt_path` names a file" in line
    assert ("relative path" in line) == (word != "last")


def test_a_refused_continuation_leaves_the_configuration_alone(train, config, capsys):
    folder = train(config)
    before = (folder / "config.yaml").read_bytes()
    with pytest.raises(SystemExit):
        train(config, "--resume", "true", "--trainer.max_epochs", "3", "--model.backbone.init_args.width", "0.06")
    assert "backbone.width is 0.05 in the checkpoint" in " ".join(capsys.readouterr().err.split())
    assert (folder / "config.yaml").read_bytes() == before
    assert [path.name for path in folder.glob("config*")] == ["config.yaml"]


def test_the_earlier_configuration_is_kept_where_a_run_goes_on_with_another(train, config):
    folder = train(config)
    before = (folder / "config.yaml").read_bytes()
    train(config, "--resume", "true")  # the run is finished
    assert (folder / "config.yaml").read_bytes() == before
    train(config, "--resume", "true", "--trainer.max_epochs", "3")
    assert (folder / "config.until-step-0000012.yaml").read_bytes() == before
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    assert saved["trainer"]["max_epochs"] == 3
    # How the run was gone on with is no part of what it is: the file also starts another one.
    assert not saved["resume"]
    assert saved["ckpt_path"] is None


def test_a_run_without_its_last_checkpoint_goes_on_from_the_newest(train, config):
    folder = train(config | {"checkpoint": {"save_last": False}})
    untrained = (folder / UNTRAINED).stat().st_mtime_ns
    train(config, "--resume", "true", "--checkpoint.save_last", "false", "--trainer.max_epochs", "3")
    assert (folder / UNTRAINED).stat().st_mtime_ns == untrained
    assert not (folder / LAST).exists()
    assert load_checkpoint(folder / "checkpoints/step-0000018.ckpt").epoch == 3
    assert pd.read_csv(folder / "metrics.csv")["val/mixed/loss"].count() == 3


def test_the_same_command_starts_a_run_and_says_so(train, config, caplog):
    caplog.set_level("INFO")
    folder = train(config, "--resume", "true")
    assert f"{folder} holds no checkpoint to resume from: training starts from the beginning" in caplog.text
    assert (folder / LAST).is_file()


def test_a_run_that_could_not_start_does_not_take_the_directory(train, config, capsys):
    with pytest.raises(SystemExit) as stop:
        train(config, "--model.init_from", "nowhere.ckpt")
    assert stop.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: there is no checkpoint nowhere.ckpt to start from (a relative path starts from the current folder: "
        f"looked for {Path('nowhere.ckpt').resolve()}): `init_from` must name a file, or a folder of `export`"
    )
    assert not (Path(config["run_dir"]) / "config.yaml").exists()
    train(config)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--model.freeze", "[nonsense]"),
        ("--model.init_from", "nowhere.ckpt"),
        ("--best_checkpoint.monitor", "brain/tiny/best"),
        ("--brain.benchmarks", "[tiny]", "--brain.stages", "[relu99]"),
    ],
    ids=" ".join,
)
def test_a_failed_start_leaves_nothing(train, config, tiny_benchmark, arguments):
    with pytest.raises(SystemExit):
        train(config, *arguments)
    assert not Path(config["run_dir"]).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--brain.benchmarks", "[simulate]"), "unknown benchmark 'simulate'"),
        (("--brain.benchmarks", "[mine.py:noises]"), "benchmark 'mine.py:noises'"),
        (("--brain.metrics", "[encodin]"), "encodin"),
    ],
)
def test_an_unknown_benchmark_is_found_before_data_are_set_up(train, config, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr(
        "datamodules.batches.sampling.corpus_shares.open_clips", lambda *_, **__: pytest.fail("data were set up")
    )
    with pytest.raises(SystemExit) as stop:
        train(config, *arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not Path(config["run_dir"]).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model.freeze", "[nonsense]"), "no module matches 'nonsense'"),
        (("--data.snr_db", "[10,-10]"), "snr_db"),
        (("--ckpt_path", "nowhere.ckpt"), "there is no checkpoint nowhere.ckpt"),
    ],
)
def test_what_a_user_can_mend_is_told_in_one_line(train, config, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        train(config, *arguments)
    assert stop.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed.splitlines()[-1]
    assert "Traceback" not in printed


@pytest.mark.parametrize("command", ["validate", "test"])
def test_without_a_checkpoint_nothing_is_evaluated(train, config, capsys, command):
    with pytest.raises(SystemExit) as stop:
        train(config, command=command)
    assert stop.value.code == 2
    assert "holds no checkpoint to evaluate" in capsys.readouterr().err.splitlines()[-1]


def test_the_last_checkpoint_is_evaluated(train, config, monkeypatch):
    folder = train(config)
    loaded = []
    monkeypatch.setattr(AuditoryModule, "on_load_checkpoint", lambda self, checkpoint: loaded.append(checkpoint))
    train(config, command="validate")
    for named in (["validate", str(folder)], ["validate", "--run_dir", str(folder)], ["validate", str(folder / LAST)]):
        monkeypatch.setattr(sys, "argv", ["train", *named])
        main()
    assert [checkpoint["global_step"] for checkpoint in loaded] == [12] * 4
    assert len(list(folder.rglob("metrics.csv"))) == 1


@pytest.mark.parametrize("command", ["validate", "test"])
def test_a_checkpoint_is_evaluated_next_to_chance(train, config, corpus, tmp_path, capsys, command):
    tags = {"name": "tags", "kind": "many_labels", "side": "noise", "loss_weight": 1.0}
    config["data"]["tasks"] = ["word", tags]
    for side in ("signal", "noise"):
        shutil.copytree(corpus / side, tmp_path / side)
        shutil.copytree(corpus / side / "val", tmp_path / side / "test")
        config["data"][side] = str(tmp_path / side)
    config["trainer"]["max_epochs"] = 1
    folder = train(config)
    values = pd.read_csv(folder / "metrics.csv").ffill().iloc[-1]
    capsys.readouterr()
    train(config, "--ckpt_path", str(folder / LAST), command=command)
    lines = [line for line in capsys.readouterr().out.splitlines() if line[:1] in "│┃"]
    header, *rows = ([cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines)
    table = {(row[0], row[1]): dict(zip(header, row, strict=True)) for row in rows}
    assert header[:4] == ["condition", "task", "loss", "top1"]
    assert header[header.index("chance") - 1].endswith("average_precision")
    assert list(table) == [(c, t) for c in ("mixed", "quiet") for t in ("weighted sum", "word", "tags")]
    for condition in ("mixed", "quiet"):
        assert table[condition, "weighted sum"]["loss"] == f"{values[f'val/{condition}/loss']:.3f}"
        for metric in ("loss", "top1", "chance"):
            assert table[condition, "word"][metric] == f"{values[f'val/{condition}/word/{metric}']:.3f}"
        assert table[condition, "tags"]["top1"] == "–"
    assert float(table["mixed", "tags"]["chance"]) > 0


@pytest.mark.parametrize(
    ("recipe", "saved"),
    [({}, [4, 8, 12]), ({"every_n_epochs": 1}, [4, 6, 8, 12]), ({"every_n_epochs": 2}, [4, 8, 12])],
)
def test_checkpoints_after_steps_need_nothing_else(train, config, recipe, saved):
    """What a recipe says about epochs stays; the default goes."""
    folder = train(config | {"checkpoint": recipe}, "--checkpoint.every_n_train_steps", "4")
    names = sorted(path.name for path in folder.glob("checkpoints/step-*.ckpt"))
    assert names == [f"step-{step:07d}.ckpt" for step in saved]
    assert (folder / LAST).is_file()


def test_help_names_what_can_be_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train", "fit", "--help-all"])
    with pytest.raises(SystemExit):
        main()
    text = " ".join(capsys.readouterr().out.split())
    assert "train.run.early_stopping.StopByBrainScore" in text
    assert "null: the loss of the first condition" in text
    assert "saves a checkpoint only for the last epoch" not in text


def test_a_callback_of_this_project_is_known_by_its_name(monkeypatch, capsys, config, tmp_path):
    config["trainer"]["callbacks"] = [{"class_path": "StopByBrainScore", "init_args": {"monitor": "brain/tiny/best"}}]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(tmp_path / "config.yaml"), "--print_config"])
    with pytest.raises(SystemExit):
        main()
    callbacks = yaml.safe_load(capsys.readouterr().out)["trainer"]["callbacks"]
    assert callbacks[0]["class_path"] == "train.run.early_stopping.StopByBrainScore"


def test_wandb_works_offline(train, config, monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = train(config, "--wandb", "cochlearn-tests")
    assert list(folder.glob("wandb/offline-run-*"))


def test_a_misspelt_key_is_named(train, config, capsys):
    config["data"]["bach_size"] = 3
    with pytest.raises(SystemExit) as stop:
        train(config)
    assert stop.value.code == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert re.search(r"'data.bach_size' \(did you mean data.batch_size\?\), in \S+\.yaml", shown)
    assert not Path(config["run_dir"]).exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ["word", "accent"]}, "accent"),
        ({"sample_rate_hz": 4000}, "4000"),
        ({"signal": "nowhere"}, "nowhere"),
    ],
)
def test_data_that_does_not_fit_is_told_in_one_line(train, config, capsys, changes, message):
    config["data"] |= changes
    with pytest.raises(SystemExit) as stop:
        train(config)
    assert stop.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed
    assert not Path(config["run_dir"]).exists()


def test_a_checkpoint_of_another_architecture_is_refused(train, config, tmp_path, capsys):
    folder = train(config)
    config["model"]["backbone"]["init_args"]["width"] = 0.06
    with pytest.raises(SystemExit) as stop:
        train(config | {"run_dir": str(tmp_path / "other")}, "--ckpt_path", str(folder / LAST))
    assert stop.value.code == 2
    assert "backbone.width is 0.05 in the checkpoint, 0.06 here" in " ".join(capsys.readouterr().err.split())


def test_print_config_shows_every_value(monkeypatch, capsys, config, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(path), "--print_config"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["schedule"]["unit"] == "signal_pass"
    assert printed["data"]["batch_size"] == 6
    assert json.dumps(printed["trainer"]["max_epochs"]) == "2"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ("--data.batchsize", "4"),
            "error: unrecognized arguments: --data.batchsize 4 (did you mean --data.batch_size?)",
        ),
        (
            ("--trainer.max_epoch", "3"),  # no abbreviation
            "error: unrecognized arguments: --trainer.max_epoch 3 (did you mean --trainer.max_epochs?)",
        ),
        (("--config", "gone.yaml"), "error: config: File does not exist"),
        (
            ("--config", "cochcnn_word"),
            "error: argument -c/--config: there is no file or recipe cochcnn_word (did you mean cochcnn9_word.yaml?)",
        ),
    ],
)
def test_a_mistyped_option_is_told_in_a_line_or_two(train, config, capsys, arguments, error):
    with pytest.raises(SystemExit) as stop:
        train(config, *arguments)
    assert stop.value.code == 2
    tip, line = capsys.readouterr().err.splitlines()
    assert tip.endswith("fit --help")
    assert line.startswith(error)
