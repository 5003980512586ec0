"""Objects that users name, and what is restored around evaluation."""

import pytest
from torch import nn

from networks import CochCNN9
from networks.description import build
from networks.named_objects import ObjectName, load_object, parse_object_name
from networks.training_flags import evaluation_mode


def test_names_are_parsed_without_importing():
    assert parse_object_name("my.package:make") == ObjectName("my.package", "make")
    assert parse_object_name("folder/file.py:make") == ObjectName("folder/file.py", "make")
    for other in ("module", "file.py", "a b:c", "published:file.pt:", ":x"):
        assert parse_object_name(other) is None


def test_objects_are_loaded_from_modules_and_files(tmp_path):
    assert load_object("torch.nn:Linear") is nn.Linear
    (tmp_path / "own.py").write_text("ANSWER = 42\n")
    assert load_object(f"{tmp_path}/own.py:ANSWER") == 42


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no colon", "expected package.module:name"),
        ("no_such_module_here:x", "'no_such_module_here' is not found"),
        ("missing/file.py:x", "no such file"),
        ("networks.named_objects:nothing", "does not define 'nothing'; it defines .*load_object"),
    ],
)
def test_what_is_wrong_with_a_name_is_said(name, message):
    with pytest.raises(ValueError, match=message):
        load_object(name)


def test_every_submodule_gets_its_own_training_flag_back():
    net = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.BatchNorm1d(1), nn.ReLU()))
    net.train()
    net[1][0].eval()
    before = [module.training for module in net.modules()]
    with pytest.raises(KeyError), evaluation_mode(net):  # noqa: PT012
        assert not any(module.training for module in net.modules())
        raise KeyError
    assert [module.training for module in net.modules()] == before


def test_checkpoints_from_before_a_class_moved_are_built():
    moved = build({"class_path": "networks.cochcnn9.CochCNN9", "init_args": {}})
    assert isinstance(moved, CochCNN9)
    with pytest.raises(ValueError, match="not found"):
        build({"class_path": "networks.cochcnn9.NoSuchClass", "init_args": {}})
    with pytest.raises(ValueError, match="not found"):
        build({"class_path": "elsewhere_never.cochcnn9.CochCNN9", "init_args": {}})
