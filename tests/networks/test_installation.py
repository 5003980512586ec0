"""A torchaudio that does not load, or is missing, is reported with the command that mends it; the rest works."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from datamodules.__main__ import main as datamodules_main
from datamodules.audio import _resampler, resample
from evaluate.__main__ import main as evaluate_main
from networks import MelSpectrogram
from networks.external import torchaudio_wav2vec2
from networks.external.speech_features import filter_bank
from networks.installation import InstallationError, load_torchaudio

ROOT = Path(__file__).resolve().parents[2]
# As torch.ops.load_library raises it.
BROKEN = """
try:
    raise OSError("_torchaudio.so: undefined symbol: torch_exception_get_what_without_backtrace")
except OSError as error:
    raise OSError("Could not load this library: _torchaudio.so") from error
"""


def put_torchaudio(folder, version, text):
    (folder / "torchaudio").mkdir()
    (folder / "torchaudio" / "__init__.py").write_text(text)
    information = folder / f"torchaudio-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torchaudio\nVersion: {version}\n")


@pytest.fixture
def forget_torchaudio(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        monkeypatch.delitem(sys.modules, name)
    _resampler.cache_clear()


@pytest.fixture
def broken_torchaudio(forget_torchaudio, tmp_path_factory, monkeypatch):
    """What pip installs for torch 2.11 when asked for the newest torchaudio."""
    folder = tmp_path_factory.mktemp("site")
    put_torchaudio(folder, "2.11.1", BROKEN)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(torch, "__version__", "2.11.0+cu130")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    return folder


def test_a_pair_that_does_not_load_is_named_with_its_mend(broken_torchaudio):
    with pytest.raises(InstallationError) as raised:
        load_torchaudio()
    assert str(raised.value) == (
        "torchaudio 2.11.1 does not load with torch 2.11.0+cu130: `pip install --no-deps torchaudio==2.11.0` "
        "(_torchaudio.so: undefined symbol: torch_exception_get_what_without_backtrace)"
    )


@pytest.mark.parametrize(
    ("torch_version", "cuda", "torchaudio_version", "mend"),
    [
        ("2.12.1", "13.0", "2.11.1", "`pip install --no-deps torchaudio==2.11.0`"),
        ("2.15.0+cu132", "13.2", "2.11.0", "`pip install --no-deps --upgrade torchaudio`"),
        ("2.11.0+cu130", "13.0", "2.11.0", "`pip install --upgrade --force-reinstall torch torchaudio`, both from"),
        ("2.15.0+cu132", "13.2", "2.11.1", "`pip install --upgrade --force-reinstall torch torchaudio`, both from"),
        ("2.14.1+cpu", None, "2.11.1", "`pip install --upgrade --force-reinstall torch torchaudio`, both from"),
    ],
)
def test_the_mend_depends_on_both(
    torch_version, cuda, torchaudio_version, mend, forget_torchaudio, tmp_path, monkeypatch
):
    put_torchaudio(tmp_path, torchaudio_version, "raise RuntimeError('compiled with different CUDA versions')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(torch, "__version__", torch_version)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(InstallationError) as raised:
        load_torchaudio()
    assert str(raised.value).startswith(f"torchaudio {torchaudio_version} does not load with torch {torch_version}: ")
    assert mend in str(raised.value)
    assert str(raised.value).endswith("(compiled with different CUDA versions)")


@pytest.mark.parametrize(
    ("torch_version", "mend"),
    [
        ("2.11.0", "pip install --no-deps torchaudio==2.11.0"),
        ("2.14.1", "pip install --no-deps --upgrade torchaudio"),
    ],
)
def test_a_missing_one_too(torch_version, mend, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    monkeypatch.setattr("networks.installation._version", lambda name: None)
    monkeypatch.setattr(torch, "__version__", torch_version)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(InstallationError) as raised:
        load_torchaudio()
    assert str(raised.value) == f"this needs torchaudio, which is not installed: `{mend}`"


def test_every_part_that_needs_it_says_so(broken_torchaudio):
    for part in (
        lambda: resample(np.zeros(100), 100, 50),
        MelSpectrogram,
        torchaudio_wav2vec2,
        lambda: filter_bank(torch.zeros(1, 16_000), num_bands=80, window="povey"),
    ):
        with pytest.raises(InstallationError, match="does not load with torch"):
            part()


def test_sounds_that_need_no_resampling_do_without(broken_torchaudio):
    np.testing.assert_array_equal(resample(np.ones(3), 100, 100), np.ones(3, np.float32))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_build_reports_it_in_one_line(num_workers, broken_torchaudio, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", rng.normal(size=8000) * 0.1, 4000)
    rows = "".join(f"{number}.wav,train,a\n" for number in range(4))
    (tmp_path / "words.csv").write_text("path,split,word\n" + rows)
    settings = ["--one_label", "word", "--num_workers", str(num_workers), "--clips_per_shard", "2", "--sample_rate_hz"]
    command = ["build", str(tmp_path / "words.csv")]
    assert datamodules_main([*command, str(tmp_path / "resampled"), *settings, "2000"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert "pip install" in lines[-1]  # worker processes have the installed torch
    assert not any("Traceback" in line for line in lines)
    assert datamodules_main([*command, str(tmp_path / "as_it_is"), *settings, "4000"]) == 0


def test_scoring_reports_it_in_one_line(broken_torchaudio, tmp_path, capsys):
    network = "untrained:TorchaudioWav2Vec2"
    assert evaluate_main(["score", network, "--benchmark", "simulated", "--out", str(tmp_path / "scores")]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "`pip install --no-deps torchaudio==2.11.0`" in lines[0]


def test_nothing_else_needs_it(broken_torchaudio):
    """Every module imports, the front end and a network work."""
    text = """
import importlib, pkgutil, sys
import torch
for package in ("networks", "datamodules", "evaluate", "train"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
assert "torchaudio" not in sys.modules
import networks
network = networks.AuditoryNetwork(networks.CochCNN9(width=0.0625), num_classes={"word": 3})
assert network(torch.zeros(1, 40_000))["word"].shape == (1, 3)
"""
    subprocess.run([sys.executable, "-c", text], cwd=ROOT, check=True)


def test_its_import_has_one_home():
    for package in ("networks", "datamodules", "evaluate", "train"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not any(name.partition(".")[0] == "torchaudio" for name in names), path
