"""Every configuration is read by the command line, and shows what it would use."""

import sys
from pathlib import Path

import pytest
import yaml

import networks
from networks import AuditoryNetwork, build
from train.__main__ import main

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "configs").rglob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configuration_is_read_and_its_network_is_built(path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(path), "--print_config"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    written = yaml.safe_load(path.read_text())
    assert printed["run_dir"] == written["run_dir"] == f"runs/{path.stem}"
    assert printed["trainer"]["max_epochs"] == written["model"]["lr_scheduler"]["init_args"]["T_max"]
    backbone, front_end = build(printed["model"]["backbone"]), build(printed["model"]["front_end"])
    network = AuditoryNetwork(backbone, {"word": 3}, front_end)
    assert isinstance(network.backbone, networks.CochCNN9)
