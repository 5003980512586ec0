"""Every configuration is read, trains, is saved and read again; the recipes have the published values."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from datamodules.building.build import build_shards
from datamodules.tasks import LabelSet, resolve_task
from networks import AuditoryNetwork, build
from train.__main__ import main
from train.cli.command_line import TrainCLI

FOLDER = Path(__file__).resolve().parents[1] / "configs"
CONFIGS = sorted(FOLDER.glob("*.yaml"))
SAMPLE_RATE_HZ = 2000
FRONT_END = {
    "sample_rate_hz": SAMPLE_RATE_HZ,
    "num_samples": 800,
    "num_filters": 8,
    "sample_factor": 1,
    "high_hz": 1000.0,
    "frame_rate_hz": 50.0,
    "num_taps": 81,
}
NETWORKS = {"cochcnn9": "networks.CochCNN9", "cochresnet50": "networks.CochResNet50"}
# The table of the publication (Tuckute, Feather et al. 2023): batch, rate, weight decay, passes, drops, clipping.
SPEECH_PASSES, AUDIOSET_PASSES = ("signal_pass", 150, 50), ("noise_pass", 48, 16)
PUBLISHED = {
    "cochcnn9_word": (128, 0.01, 1e-4, SPEECH_PASSES, None),
    "cochcnn9_speaker": (128, 0.01, 1e-4, SPEECH_PASSES, None),
    "cochcnn9_audioset": (128, 1e-5, 0.0, AUDIOSET_PASSES, 1.0),
    "cochcnn9_genre": (64, 0.01, 1e-4, ("signal_pass", 125, 50), None),
    "cochcnn9_multitask": (128, 0.01, 0.0, SPEECH_PASSES, None),
    "cochcnn9_word_in_quiet": (128, 0.01, 1e-4, SPEECH_PASSES, None),
    "cochcnn9_speaker_in_quiet": (128, 0.01, 1e-4, SPEECH_PASSES, None),
    "cochresnet50_word": (256, 0.1, 1e-4, SPEECH_PASSES, None),
    "cochresnet50_speaker": (256, 0.1, 1e-4, SPEECH_PASSES, None),
    "cochresnet50_audioset": (256, 0.001, 0.0, AUDIOSET_PASSES, 1.0),
    "cochresnet50_genre": (64, 0.01, 1e-4, ("signal_pass", 125, 50), None),
    "cochresnet50_multitask": (256, 0.1, 0.0, SPEECH_PASSES, None),
    "cochresnet50_word_in_quiet": (256, 0.1, 1e-4, SPEECH_PASSES, None),
    "cochresnet50_speaker_in_quiet": (256, 0.1, 1e-4, SPEECH_PASSES, None),
}
WEIGHTS = {"word": 1.0, "speaker": 0.25, "audioset": 300.0, "genre": 1.0}


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "fit", *map(str, arguments)])
    main()


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as stop:
        command(monkeypatch, *arguments, "--print_config")
    assert stop.value.code == 0
    return yaml.safe_load(capsys.readouterr().out)


def tasks_of(name: str) -> list[str]:
    task = name.removesuffix("_in_quiet").partition("_")[2]
    return ["word", "speaker", "audioset"] if task == "multitask" else [task]


class _Made(Exception):
    pass


@pytest.fixture(scope="session")
def read() -> Callable[..., dict[str, Any]]:
    """Reads arguments as `--print_config` does, with a parser that is made once: making it takes the most time."""
    made = []

    def stop(self: TrainCLI, *_: object) -> None:
        made.append(self._subcommand_parsers["fit"])
        raise _Made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainCLI, "parse_arguments", stop)
        with pytest.raises(_Made):
            TrainCLI(args=["fit"])
    parser = made[0]

    def read_arguments(*arguments: str | Path) -> dict[str, Any]:
        config = parser.parse_args([*map(str, arguments)])
        return yaml.safe_load(parser.dump(config, skip_none=False))

    return read_arguments


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shard sets with every label column that a configuration names: twelve clips for training, four for validation."""
    folder = tmp_path_factory.mktemp("shards")
    rng = np.random.default_rng(0)
    for side, columns in (("signal", ("word", "speaker", "genre")), ("noise", ("audioset", "texture"))):
        rows = []
        for clip in range(16):
            sound = folder / f"{side}{clip:02d}.wav"
            soundfile.write(sound, 0.1 * rng.standard_normal(1000), SAMPLE_RATE_HZ)
            labels = {column: f"{column}{clip % 3}" for column in columns}
            if side == "noise":
                # Many labels: the published weight of 300 is made for a mean over 517 of them.
                labels["audioset"] = ";".join(f"label{8 * (clip % 12) + i}" for i in range(8))
            rows.append({"path": sound.name, "split": "val" if clip >= 12 else "train", **labels})
        pd.DataFrame(rows).to_csv(folder / f"{side}.csv", index=False)
        many = [column for column in columns if column == "audioset"]
        one = [column for column in columns if column not in many]
        settings = {"sample_rate_hz": SAMPLE_RATE_HZ, "num_workers": 1, "progress": False}
        build_shards(folder / f"{side}.csv", folder / side, one_label=one, many_labels=many, **settings)
    return folder


@pytest.fixture
def tiny(shards: Path, tmp_path: Path) -> list[str]:
    """Arguments that make two steps of any configuration take less than a second."""
    settings = {
        "model": {"front_end": {"class_path": "networks.Cochleagram", "init_args": FRONT_END}},
        "data": {
            "signal": str(shards / "signal"),
            "batch_size": 6,
            "global_batch_size": None,
            "num_workers": 0,
            "duration_s": 0.4,
            "sample_rate_hz": SAMPLE_RATE_HZ,
            "jitter_s": 0.02,
        },
        "brain": {"benchmarks": [], "figures": False},
        "checkpoint": {"every_n_epochs": 1},
        "run_page": False,
        "trainer": {
            "max_epochs": 1,
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "check_val_every_n_epoch": 1,
            "log_every_n_steps": 1,
        },
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(settings))
    overrides = {"model.backbone.width": 0.05, "model.optimizer.lr": 0.001, "run_dir": tmp_path / "run"}
    return ["--config", str(path), *(f"--{name}={value}" for name, value in overrides.items())]


QUICK = ("cochcnn9_multitask", "cochresnet50_audioset", "cochcnn9_word_in_quiet", "demo", "contrastive_small", "masked")
PATCHES = [{"class_path": "MaskedPatches", "init_args": {"patch_bands": 3, "patch_frames": 4, "num_hidden": 8}}]
"""Patches of the recipes are larger than a cochleagram of these tests."""


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if path.stem in QUICK else pytest.mark.slow, id=path.stem) for path in CONFIGS],
)
def test_two_steps_of_every_configuration_and_its_saved_file(path, tiny, shards, tmp_path, monkeypatch, read):
    noise = [] if path.stem.endswith("_in_quiet") else ["--data.noise", str(shards / "noise")]
    patches = [f"--model.objectives={PATCHES}"] if path.stem.startswith("masked") else []
    command(monkeypatch, "--config", path, *tiny, *noise, *patches)
    run_dir = tmp_path / "run"
    assert len(list((run_dir / "checkpoints").glob("step-0000002.ckpt"))) == 1
    losses = pd.read_csv(run_dir / "metrics.csv")["train/loss"].dropna()
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    saved = yaml.safe_load((run_dir / "config.yaml").read_text())
    assert read("--config", run_dir / "config.yaml") == saved


@pytest.mark.parametrize("name", PUBLISHED)
def test_recipes_have_the_published_values(name, read):
    batch_size, rate, weight_decay, (unit, length, drop_every), clipping = PUBLISHED[name]
    config = read("--config", FOLDER / f"{name}.yaml")
    assert config["run_dir"] == f"runs/{name}"
    assert config["model"]["backbone"]["class_path"] == NETWORKS[name.partition("_")[0]]
    assert config["model"]["backbone"]["init_args"]["width"] == 1.0
    initialised = config["model"]["backbone"]["init_args"].get("multitask_initialization", False)
    assert initialised == (name == "cochcnn9_multitask")
    assert config["model"]["front_end"] is config["model"]["lr_scheduler"] is config["model"]["loss_weights"] is None
    optimizer = config["model"]["optimizer"]
    assert optimizer["class_path"] == "torch.optim.SGD"
    found = {key: optimizer["init_args"][key] for key in ("lr", "momentum", "weight_decay", "nesterov", "dampening")}
    assert found == {"lr": rate, "momentum": 0.9, "weight_decay": weight_decay, "nesterov": False, "dampening": 0.0}
    expected = {"unit": unit, "length": length, "drop_every": drop_every, "drop_factor": 0.1}
    assert config["schedule"] == expected | {"warm_up": 0.0, "cosine": False}
    assert config["trainer"]["max_epochs"] is None
    assert (config["trainer"]["gradient_clip_val"], config["trainer"]["gradient_clip_algorithm"]) == (clipping, None)
    data = config["data"]
    assert (data["batch_size"], data["global_batch_size"]) == (None, batch_size)
    assert data["snr_db"] == [-10.0, 10.0]
    assert data["signal"] == f"data/{'genre' if 'genre' in name else 'word_speaker_noise'}/signal"
    assert data["noise"] == (None if name.endswith("_in_quiet") else "data/word_speaker_noise/noise")
    label_sets = {task: LabelSet("one_label", ("<null>", "a")) for task in ("word", "speaker", "genre")}
    noise_labels = {"audioset": LabelSet("many_labels", ("<null>", "a"))}
    tasks = [resolve_task(task, {"signal": label_sets, "noise": noise_labels}) for task in data["tasks"]]
    weights = WEIGHTS if len(tasks) > 1 else WEIGHTS | {"speaker": 1.0}
    assert [(task.name, task.loss_weight) for task in tasks] == [(task, weights[task]) for task in tasks_of(name)]


def test_the_table_of_recipes_names_them_all_with_their_values():
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", (FOLDER.parent / "docs" / "recipes.md").read_text(), flags=re.MULTILINE)
    table = {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}
    assert table.keys() == {path.stem for path in CONFIGS}
    for name, (batch_size, rate, weight_decay, (_, length, drop_every), clipping) in PUBLISHED.items():
        numbers = [batch_size, rate, weight_decay, length, drop_every, clipping or 0]
        assert [float(cell.split()[0]) for cell in table[name][1:7]] == pytest.approx(numbers), name


@pytest.mark.parametrize("base", NETWORKS)
def test_networks_of_the_recipes_are_built_in_full(base, monkeypatch, capsys):
    config = printed(monkeypatch, capsys, "--config", FOLDER / f"{base}_multitask.yaml")
    network = AuditoryNetwork(build(config["model"]["backbone"]), {"word": 794, "speaker": 433, "audioset": 517})
    assert len(network.stages) == {"cochcnn9": 9, "cochresnet50": 7}[base]
    features = {"cochcnn9": 4096, "cochresnet50": 2048}[base]
    assert network.heads["word"].weight.shape == (794, features)


def test_a_file_of_ones_own_changes_single_values(tmp_path, monkeypatch, capsys, read):
    """The example in configs/cochcnn9_word.yaml, on a recipe with a group that must not be lost."""
    (tmp_path / "mine.yaml").write_text(
        f"config: {FOLDER}/cochcnn9_audioset.yaml\n"
        "run_dir: runs/mine\n"
        "data:\n"
        "  tasks: [word, {name: emotion, kind: one_label, side: signal, loss_weight: 0.5}]\n"
        "model:\n"
        "  backbone: {class_path: networks.CochResNet50, init_args: {width: 0.5}}\n"
        "trainer:\n"
        "  max_epochs: 3\n"
        "schedule.length: 7\n"
    )
    (tmp_path / "more.yaml").write_text("config: mine.yaml\ntrainer: {max_steps: 4}\n")
    recipe = read("--config", FOLDER / "cochcnn9_audioset.yaml")
    config = printed(monkeypatch, capsys, "--config", tmp_path / "more.yaml", "--model.optimizer.lr", "2")
    recipe["run_dir"] = "runs/mine"
    recipe["data"]["tasks"] = ["word", {"name": "emotion", "kind": "one_label", "side": "signal", "loss_weight": 0.5}]
    recipe["model"]["backbone"] = {"class_path": "networks.CochResNet50", "init_args": {"width": 0.5}}
    recipe["model"]["optimizer"]["init_args"]["lr"] = 2.0
    recipe["trainer"] |= {"max_epochs": 3, "max_steps": 4}
    recipe["schedule"]["length"] = 7.0
    assert config == recipe


def test_the_documented_small_file_reads_no_data_of_the_recipe_it_begins_with(tmp_path, monkeypatch, capsys):
    recipes = (FOLDER.parent / "docs" / "recipes.md").read_text()
    (block,) = re.findall(r"```yaml\n(config: cochcnn9_word\.yaml.*?)```", recipes, flags=re.DOTALL)
    (tmp_path / "mine.yaml").write_text(block.replace("config: ", f"config: {FOLDER}/"))
    data = printed(monkeypatch, capsys, "--config", tmp_path / "mine.yaml")["data"]
    assert (data["signal"], data["noise"]) == ("data/emotion/signal", "data/mine/noise")
