"""Checkpoints made to do harm: nothing is run or imported, memory stays bounded, one line says what is wrong."""

import collections
import io
import os
import pickle
import sys
import zipfile

import pytest
import torch

from networks import CheckpointError
from networks.backbones.cochcnn9 import CochCNN9
from networks.description import build
from networks.weights.checkpoint import NETWORK_KEY, load_checkpoint
from networks.weights.tensor_files import read_tensor_file


def saved(path, network, **further):
    content = {NETWORK_KEY: {"network": network, "run": "", "epochs_completed": 0, "tasks": []}}
    torch.save(content | {"state_dict": {}, "global_step": 0} | further, path)
    return path


def described(class_path, **init_args):
    return {"class_path": class_path, "init_args": init_args}


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A package whose command leaves a file behind when its module is imported."""
    package = tmp_path / "innocent"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(f"open({str(tmp_path / 'pwned')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "pwned"


@pytest.mark.parametrize(
    "class_path",
    [
        "antigravity.Network",
        "this:s",
        "os.system",
        "builtins.eval",
        "subprocess:Popen",
        "idlelib.idle.main",
        "pty.spawn",
    ],
)
def test_the_standard_library_is_not_imported_from(class_path, tmp_path):
    before = set(sys.modules)
    with pytest.raises(ValueError, match="standard library"):
        build(described(class_path))
    assert not {"antigravity", "this", "idlelib"} & (set(sys.modules) - before)
    with pytest.raises(CheckpointError, match="its network cannot be built"):
        load_checkpoint(saved(tmp_path / "a.ckpt", described(class_path)))


@pytest.mark.parametrize("class_path", ["innocent.__main__.Network", "innocent.__main__:Network"])
def test_commands_of_packages_are_not_run(class_path, trap):
    with pytest.raises(ValueError, match="command of a package"):
        build(described(class_path))
    assert not trap.exists()


@pytest.mark.parametrize(
    "class_path", ["torch.load", "torch.hub:load", "numpy.memmap", "torch.nn.Linear", "networks.load_published"]
)
def test_what_is_no_described_module_is_not_called(class_path):
    with pytest.raises(ValueError, match="expected a class derived from"):
        build(described(class_path))


def test_a_class_of_the_running_script_is_found(monkeypatch):
    """Such as one that was defined in a notebook."""
    monkeypatch.setattr(sys.modules["__main__"], "Mine", CochCNN9, raising=False)
    assert isinstance(build(described("__main__.Mine", width=0.05)), CochCNN9)


@pytest.mark.parametrize("path", ["trap.py:Network", "/nowhere/trap.py:Network", "../trap.py:Network"])
def test_a_checkpoint_chooses_no_file_to_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trap.py").write_text("open('pwned', 'w')")
    with pytest.raises(ValueError, match="not a file"):
        build(described(path))
    assert not (tmp_path / "pwned").exists()


def test_parts_of_a_network_are_checked_too(tmp_path):
    backbone = described("os.system")
    hidden = described("networks.auditory_network.AuditoryNetwork", backbone=backbone, num_classes={"a": 2})
    with pytest.raises(CheckpointError, match=r"cannot be built: .*standard library"):
        load_checkpoint(saved(tmp_path / "a.ckpt", hidden))


@pytest.mark.parametrize("network", [None, [], "os.system", {}, {"class_path": 3}, {"class_path": ""}, described("x")])
def test_descriptions_of_another_form_are_one_line(network, tmp_path):
    with pytest.raises(CheckpointError, match="cannot be built") as found:
        load_checkpoint(saved(tmp_path / "a.ckpt", network))
    assert "\n" not in str(found.value)


def test_a_part_is_no_network(tmp_path):
    with pytest.raises(CheckpointError, match="got that of CochCNN9"):
        load_checkpoint(saved(tmp_path / "a.ckpt", CochCNN9(width=0.05).description()))


class RunsCode:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("where", ["state_dict", "global_step", "callbacks"])
def test_objects_that_run_code_are_not_made(tmp_path, zipped, where):
    content = {"state_dict": {}, "global_step": 0} | {where: RunsCode(str(tmp_path / "pwned"))}
    torch.save(content, tmp_path / "a.ckpt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match="would run code"):
        read_tensor_file(tmp_path / "a.ckpt")
    (tmp_path / "b.ckpt").write_bytes(pickle.dumps(content))
    with pytest.raises(CheckpointError):
        read_tensor_file(tmp_path / "b.ckpt")
    assert not (tmp_path / "pwned").exists()


def test_an_archive_that_expands_without_end_is_not_read(tmp_path):
    original = io.BytesIO()
    torch.save({"weight": torch.zeros(20_000_000)}, original)
    with zipfile.ZipFile(original) as given, zipfile.ZipFile(tmp_path / "a.ckpt", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in given.namelist():
            bomb.writestr(name, given.read(name))
    assert (tmp_path / "a.ckpt").stat().st_size < 200_000
    with pytest.raises(CheckpointError, match=r"expand to 0\.1 GB, more than 20 times its size"):
        read_tensor_file(tmp_path / "a.ckpt")


def test_a_tensor_that_repeats_one_value_is_refused(tmp_path):
    torch.save({"weight": [{"deep": torch.zeros(1).expand(1_000_000, 1_000_000)}]}, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match=r"shape \(1000000, 1000000\) has far fewer values"):
        read_tensor_file(tmp_path / "a.ckpt")


def test_views_as_networks_have_them_are_read(tmp_path):
    content = {"a": torch.arange(4).expand(3, 4), "b": torch.arange(100)[::10], "c": torch.zeros(0)}
    torch.save(content, tmp_path / "a.ckpt")
    assert torch.equal(read_tensor_file(tmp_path / "a.ckpt")["a"], content["a"])


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_was_cut_short_anywhere_is_refused(tmp_path, zipped):
    torch.save({"weight": torch.randn(300)}, tmp_path / "a.ckpt", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "a.ckpt").read_bytes()
    for length in {*range(0, len(content), 61), *range(len(content) - 70, len(content))}:
        (tmp_path / "a.ckpt").write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="plain tensors and values, but loading it failed: it ") as found:
            read_tensor_file(tmp_path / "a.ckpt")
        assert "\n" not in str(found.value)


def test_a_changed_bit_in_a_tensor_is_noticed(tmp_path):
    """`torch.load` does not compare checksums."""
    weight = torch.randn(300)
    torch.save({"weight": weight}, tmp_path / "a.ckpt")
    content = (tmp_path / "a.ckpt").read_bytes()
    start = content.index(weight.numpy().tobytes())
    for position in range(start, start + 1200, 97):
        changed = bytearray(content)
        changed[position] ^= 1
        (tmp_path / "a.ckpt").write_bytes(changed)
        with pytest.raises(CheckpointError, match=r"damaged.*the checksum of a/data/0 is wrong"):
            read_tensor_file(tmp_path / "a.ckpt")


def test_default_dictionaries_are_read_as_plain_ones(tmp_path):
    content = {"counts": collections.defaultdict(None, {"a": [1]}), "weight": torch.zeros(2)}
    torch.save(content, tmp_path / "a.ckpt")
    found = read_tensor_file(tmp_path / "a.ckpt")["counts"]
    assert type(found) is dict
    assert found == {"a": [1]}
