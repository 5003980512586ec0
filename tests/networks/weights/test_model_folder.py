"""Networks on their own: weights, description, recipe and card in a folder, named in place of a checkpoint."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from networks import AuditoryNetwork, CheckpointError, CochCNN9, load_checkpoint, load_network, save_checkpoint
from networks.__main__ import main
from networks.weights.model_folder import export_model

ROOT = Path(__file__).resolve().parents[3]
TASKS = [{"name": "word", "kind": "one_label", "side": "signal", "labels": ["<null>", "left|right", "öl"]}]
CONFIG = {
    "data": {"signal": "data/words", "noise": None, "snr_db": [-10.0, 10.0], "batch_size": 8},
    "model": {"optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}, "ema_decay": 0.9},
    "schedule": {"length": 3.0, "cosine": True},
}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """What training leaves of a run, as far as an export reads it."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("runs") / "words"
    network = AuditoryNetwork(CochCNN9(width=0.02), {"word": 3})
    last = folder / "checkpoints" / "last.ckpt"
    save_checkpoint(network, last, run="words", epoch=2, step=7, tasks=TASKS)
    content = torch.load(last, weights_only=True)
    content["state_dict"] |= {f"ema.{name}": value + 1 for name, value in content["state_dict"].items()}
    torch.save(content, last)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "summary.csv").write_text("condition,task,loss,metric,value,chance\nquiet,word,0.5,top1,0.875,0.25\n")
    return folder


def test_an_exported_network_is_the_same_wherever_it_is_named(run_dir, tmp_path, capsys):
    out = tmp_path / "model"
    assert main(["export", str(run_dir), "--out", str(out), "--licence", "CC-BY-4.0"]) == 0
    assert f"wrote {out}" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == [
        *("config.yaml", "model.json", "model.safetensors", "model_card.md")
    ]
    trained, exported = load_network(str(run_dir / "checkpoints" / "last.ckpt")), load_network(str(out))
    waveforms = torch.randn(2, 40_000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(trained.network(waveforms)["word"], exported.network(waveforms)["word"])
    assert exported.tasks == trained.tasks == TASKS
    assert (exported.identity.run, exported.identity.step, exported.identity.epoch) == ("words", 7, 2)
    assert load_checkpoint(out / "model.safetensors").step == 7
    for control in ("untrained", "permuted"):
        assert load_network(f"{control}:{out}:1").identity.kind == control
    assert json.loads((out / "model.json").read_text())["tasks"] == TASKS
    assert main(["export", str(run_dir), "--out", str(out)]) == 2
    assert "replace it with --force true" in capsys.readouterr().err
    assert main(["export", str(run_dir), "--out", str(out), "--force", "true", "--ema", "true"]) == 0
    averaged = load_network(str(out))
    assert averaged.identity.run == "words (ema)"
    assert torch.equal(averaged.network.heads["word"].bias, trained.network.heads["word"].bias + 1)


def test_the_card_says_what_the_network_is(run_dir, tmp_path):
    card = (export_model(run_dir, tmp_path / "model", licence="CC-BY-4.0") / "model_card.md").read_text()
    front, _, text = card.removeprefix("---\n").partition("\n---\n")
    assert yaml.safe_load(front)["license"] == "CC-BY-4.0"
    for shown in (
        "# words",
        "Backbone: CochCNN9, width 0.02",
        "211 bands x 390 frames",
        "2 s of sound at 20000 Hz",
        r"| word | one_label | signal | 3: <null>, left\|right, öl |",
        "- Steps: 7; complete passes over the signals: 2",
        "- optimizer: `torch.optim.SGD(lr=0.1)`",
        "- signal: `data/words`",
        "| quiet | word | top1 | 0.875 | 0.250 |",
        'networks.load_network("model").network',
    ):
        assert shown in text, shown
    assert "snr" not in text, "there is no noise"
    assert "- noise: none, the network was trained in quiet" in text
    alone = tmp_path / "alone" / "last.ckpt"
    alone.parent.mkdir()
    shutil.copy(run_dir / "checkpoints" / "last.ckpt", alone)
    card = (export_model(alone, tmp_path / "other") / "model_card.md").read_text()
    assert "not stated. Check that it fits" in card
    assert "## Results" not in card


OWN = """
from networks import CochCNN9

class Mine(CochCNN9):
    pass
"""


def run_alone(*arguments, folder, **environment):
    command = [sys.executable, *arguments]
    paths = os.pathsep.join([str(ROOT), *environment.values()])
    return subprocess.run(command, cwd=folder, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True)


def test_a_file_of_the_user_travels_and_runs_only_when_it_is_allowed(tmp_path):
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (own / "my_own_networks.py").write_text(OWN)
    save = (
        "import my_own_networks, networks; "
        "net = networks.AuditoryNetwork(my_own_networks.Mine(width=0.02), {'word': 3}); "
        "networks.save_checkpoint(net, 'run/checkpoints/last.ckpt', run='run')"
    )
    made = run_alone("-c", save, folder=own)
    assert made.returncode == 0, made.stderr
    exported = run_alone("-m", "cochlearn", "export", "run", "--out", str(other / "model"), folder=own)
    assert exported.returncode == 0, exported.stderr
    model = other / "model"
    assert "needs code of its author, my_own_networks.py in " in exported.stdout
    assert f"PYTHONPATH={model}" in exported.stdout
    assert (model / "my_own_networks.py").read_text() == OWN
    card = (model / "model_card.md").read_text()
    assert "## Code\n\nThe network needs code of its author, my_own_networks.py in model: read it" in card
    refused = run_alone("-m", "cochlearn", "summary", "model", folder=other)
    assert refused.returncode == 2
    assert "my_own_networks.py in model: read it, because loading the network runs it" in refused.stderr
    assert "then allow it with PYTHONPATH=model" in refused.stderr
    allowed = run_alone("-m", "cochlearn", "summary", "model", folder=other, allowed=str(model))
    assert allowed.returncode == 0, allowed.stderr
    assert "relu4" in allowed.stdout
    (model / "my_own_networks.py").unlink()
    refused = run_alone("-m", "cochlearn", "summary", "model", folder=other)
    assert "the network needs my_own_networks, which is not part of the model" in refused.stderr


def test_the_card_has_settings_of_noise_only_with_noise_and_scores_before_training(run_dir, tmp_path):
    copied = shutil.copytree(run_dir, tmp_path / "noisy")
    (copied / "config.yaml").write_text(yaml.safe_dump({"data": CONFIG["data"] | {"noise": "data/noise"}}))
    (copied / "summary.csv").write_text(
        "condition,task,loss,metric,value,chance,before_training\nbrain,ferret,,best,0.64,,0.66\n"
    )
    card = (export_model(copied, tmp_path / "model") / "model_card.md").read_text()
    assert "- noise: `data/noise`\n- snr db: `-10.0, 10.0`\n" in card
    assert "| condition | task | metric | value | chance | before training |" in card
    assert "| brain | ferret | best | 0.640 |  | 0.660 |" in card


def test_what_is_no_model_is_told(run_dir, tmp_path):
    from safetensors.torch import save_file

    other = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(1)}, other)
    with pytest.raises(CheckpointError, match="expected the weights of a network of this project"):
        load_network(str(tmp_path))
    whole = export_model(run_dir, tmp_path / "whole") / "model.safetensors"
    other.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="reading failed"):
        load_network(str(other))
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*best\.ckpt to export"):
        export_model(run_dir, tmp_path / "best", checkpoint="best.ckpt")
