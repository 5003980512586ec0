"""Objects that users name, and what is restored around evaluation."""

import json
import re
import sys

import pytest
import torch
import yaml
from torch import nn

from networks import AuditoryNetwork, CochCNN9, external_network, load_network, named_objects
from networks.__main__ import main
from networks.description import build
from networks.named_objects import ObjectName, load_object, make_object, parse_object_name
from networks.training_flags import evaluation_mode
from networks.user_code import user_code


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


USERS_OBJECTS = """
import functools

VALUE = 3

def make(number=3):
    return number

def raises():
    return broken()

def broken():
    return {}["key"]

def text():
    return "three"

def needs(path, *, name):
    return path

def stops():
    raise SystemExit(2)

def raises_known():
    raise OverflowError("known")

partial = functools.partial(needs, 3, name="three")

class Unfit:
    pass

unfit = Unfit()
"""


@pytest.fixture
def users_objects(tmp_path, monkeypatch):
    (tmp_path / "my_objects.py").write_text(USERS_OBJECTS)
    monkeypatch.chdir(tmp_path)
    return "my_objects.py"


def make_number(name):
    return make_object(name, lambda made: isinstance(made, int), expected="a number", passes=(OverflowError,))


@pytest.mark.parametrize("name", ["VALUE", "make", "partial"])
def test_an_object_is_named_or_made_by_a_function(users_objects, name):
    assert make_number(f"{users_objects}:{name}") == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("needs", "function without arguments that returns one, but this one needs path, name: give them defaults"),
        ("text", "expected a number or a function that returns one, got a function that returns a str"),
        ("unfit", "expected a number or a function that returns one, got an Unfit"),
        ("Unfit", "got a function that returns an Unfit"),
        ("stops", r"calling it raised SystemExit: 2 \(my_objects\.py, line 22\)"),
        ("missing", "my_objects.py does not define 'missing'; it defines VALUE, make, .*known, partial, Unfit, unfit"),
    ],
)
def test_what_is_wrong_with_a_users_function_is_said(users_objects, name, message):
    with pytest.raises(ValueError, match=message):
        make_number(f"{users_objects}:{name}")


def test_errors_of_a_users_function_say_where_they_were_raised(users_objects):
    with pytest.raises(ValueError, match=r"calling it raised KeyError: 'key' \(my_objects\.py, line 13\)"):
        make_number(f"{users_objects}:raises")
    with pytest.raises(OverflowError, match="known"):
        make_number(f"{users_objects}:raises_known")
    # The last line of the user, not of the library that it calls.
    message = r"reading raised JSONDecodeError: .*test_named_objects\.py, line \d+\)"
    with pytest.raises(ValueError, match=message), user_code("reading"):
        json.loads("{")


def test_a_file_that_runs_a_program_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text("import sys\nsys.exit(1)\n")
    with pytest.raises(ValueError, match=r"SystemExit: 1 \(program\.py, line 2\); put .* under `if __name__ =="):
        load_object("program.py:VALUE")


def test_a_module_that_is_not_found_says_which_folder_to_add(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(ValueError, match=r"set PYTHONPATH to the folder that holds my_lab_models\.py \(`"):
        load_object("my_lab_models:make")
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "my_lab_models.py").write_text("import my_lab_tools\n")
    (tmp_path / "lab" / "my_lab_tools.py").write_text("VALUE = 1\n")
    message = (
        rf"lab/my_lab_models\.py exists, so set PYTHONPATH={tmp_path}/lab, or start .* PYTHONPATH, which is not set"
    )
    with pytest.raises(ValueError, match=message):
        load_object("my_lab_models:make")
    with pytest.raises(ValueError, match=message):  # a checkpoint whose backbone is not found
        build({"class_path": "my_lab_models.Backbone", "init_args": {}})
    with pytest.raises(
        ValueError, match=rf"'my_lab_tools' \(lab/my_lab_models\.py, line 1\); .* set PYTHONPATH={tmp_path}/lab"
    ):
        load_object("lab/my_lab_models.py:make")


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
    with pytest.raises(ValueError, match=r"expected package\.module\.Class"):
        build({"class_path": "CochCNN9", "init_args": {}})


USERS_MODULE = """
import networks
from torch import Tensor, nn

{documented}

class EveryTenth(networks.FrontEnd):
    def __init__(self, *, num_bands: int = 4) -> None:
        super().__init__()
        self.sample_rate_hz, self.num_samples, self.frame_rate_hz = 1000, 400, 100.0
        self.output_shape = (num_bands, 40)

    def forward(self, waveform: Tensor) -> Tensor:
        return waveform[:, None, ::10].expand(-1, *self.output_shape)


def make_network(weights=None):
    network = networks.AuditoryNetwork(TwoLayers(num_units=8), {{"word": 3}}, EveryTenth())
    if weights is not None:
        network.load_state_dict(weights)
    return network
"""


@pytest.fixture
def users_module(tmp_path, monkeypatch):
    """A module with the class of the documentation, in the working directory."""
    documented = re.search(r"```python\n(.*?)```", named_objects.__doc__, re.DOTALL)[1]
    (tmp_path / "my_models.py").write_text(USERS_MODULE.format(documented=documented))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "my_models.py"
    sys.modules.pop("my_models", None)


@pytest.mark.parametrize("name", ["my_models:TwoLayers", "my_models.TwoLayers", "my_models.py:TwoLayers"])
def test_a_users_backbone_is_named_on_the_command_line(users_module, name, capsys):
    assert main(["summary", name]) == 0
    shown = capsys.readouterr().out
    assert all(stage in shown for stage in ("front end", "relu0", "relu1"))


@pytest.mark.parametrize("name", ["my_models:make_network", "my_models.py:make_network"])
def test_a_users_network_is_named_on_the_command_line_and_in_functions(users_module, name, capsys):
    assert main(["summary", name]) == 0
    assert "4x40" in capsys.readouterr().out
    network = load_network(name).network
    weights = {key: torch.ones_like(value) for key, value in network.state_dict().items()}
    filled = external_network(name, weights)
    assert filled.stages == ("relu0", "relu1")
    assert all((value == 1).all() for value in filled.state_dict().values())


def test_a_users_backbone_and_front_end_are_named_in_a_configuration(users_module, capsys):
    parts = {
        "backbone": {"class_path": "my_models:TwoLayers", "init_args": {"num_units": 8}},
        "front_end": {"class_path": "my_models:EveryTenth", "init_args": {"num_bands": 5}},
    }
    (users_module.parent / "config.yaml").write_text(yaml.safe_dump({"model": parts}))
    assert main(["summary", "config.yaml"]) == 0
    assert "5x40" in capsys.readouterr().out


def test_a_named_class_is_rebuilt_from_its_own_description(users_module):
    network = AuditoryNetwork(build({"class_path": "my_models:TwoLayers", "init_args": {"num_units": 8}}), {"word": 3})
    description = network.description()
    assert description["init_args"]["backbone"]["class_path"] == "my_models.TwoLayers"
    assert build(description).backbone.layer1.out_features == 8


def test_a_class_of_a_file_is_rebuilt_where_its_module_is_importable(users_module):
    backbone = load_object("my_models.py:TwoLayers")
    description = backbone(num_units=8).description()
    assert type(build(description)) is backbone
    del sys.modules[backbone.__module__]  # as in another process
    rebuilt = build(description)
    assert type(rebuilt).__module__ == "my_models"
    assert rebuilt.layer1.out_features == 8


def test_a_class_of_a_notebook_says_where_to_define_it():
    with pytest.raises(ValueError, match=r"defined in a program or notebook\. Load the checkpoint in one that defines"):
        build({"class_path": "__main__.NeverDefined", "init_args": {}})


def test_a_description_does_not_choose_a_file_to_run(users_module):
    (users_module.parent / "other.py").write_text("raise SystemExit('run')")
    with pytest.raises(ValueError, match=r"write package\.module:Class, not a file"):
        build({"class_path": "other.py:TwoLayers", "init_args": {}})
    with pytest.raises(ValueError, match=r"class derived from networks\.Described"):
        build({"class_path": "os:system", "init_args": {}})
    with pytest.raises(ValueError, match="does not define 'ThreeLayers'"):
        build({"class_path": "my_models:ThreeLayers", "init_args": {}})
