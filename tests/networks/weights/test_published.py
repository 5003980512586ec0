"""Files of published weights, made here from the published names."""

import collections
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from networks import (
    AuditoryNetwork,
    CheckpointError,
    CochCNN9,
    Cochleagram,
    CochResNet,
    CochResNet50,
    load_network,
    load_published,
    permute_weights,
)
from networks.weights.identity import NetworkIdentity
from networks.weights.published import PUBLISHED_NUM_CLASSES, published_network, read_published
from networks.weights.tensor_files import Skipped, read_tensor_file
from tests.helpers.published_weights import published_file, published_names
from tests.networks.backbones.test_cochcnn9 import SMALL_FRONT_END, Tiny

TASKS = {"multi": {"word": 7, "speaker": 5, "audioset": 4}, "single": {"word": 7}}
BACKBONES = {"CochCNN9": lambda: CochCNN9(width=0.05), "CochResNet50": lambda: CochResNet50(width=0.125)}


def small(backbone: str, tasks: str, seed: int) -> AuditoryNetwork:
    torch.manual_seed(seed)
    return AuditoryNetwork(BACKBONES[backbone](), TASKS[tasks], Cochleagram(**SMALL_FRONT_END))


def same_weights(one, other) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("tasks", TASKS)
@pytest.mark.parametrize(("under", "parallel"), [("model", True), ("state_dict", True), (None, True), ("model", False)])
def test_a_published_file_fills_the_network(backbone, tasks, under, parallel, tmp_path):
    trained, fresh = small(backbone, tasks, 1), small(backbone, tasks, 2)
    content = published_file(published_names(trained), under=under, parallel=parallel)
    torch.save(content, tmp_path / "published.pt")
    assert not same_weights(trained, fresh)
    assert load_published(fresh, tmp_path / "published.pt") is fresh
    assert same_weights(trained, fresh)
    assert same_weights(load_published(small(backbone, tasks, 3), content), trained)


def changed(content: dict, **changes) -> dict:
    return {"model": content["model"] | changes}


@pytest.mark.parametrize("backbone", BACKBONES)
def test_what_does_not_fit_is_named_and_nothing_changes(backbone):
    trained, fresh = small(backbone, "multi", 1), small(backbone, "multi", 2)
    content = published_file(published_names(trained))
    head = str(trained.backbone.published_head)
    before = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
    missing = {"model": dict(content["model"])}
    for copy in ("", "attacker."):
        del missing["model"][f"module.{copy}model.1.{head}.signal/word_int.bias"]
    cases = {
        rf"missing: {head}.signal/word_int.bias": missing,
        r"unexpected: another.weight": changed(content, **{"module.model.1.another.weight": torch.zeros(2)}),
        r"unexpected: model.2.weight": changed(content, **{"module.model.2.weight": torch.zeros(2)}),
        r"unexpected: attacker.model.1.odd": changed(content, **{"module.attacker.model.1.odd": torch.zeros(2)}),
        r"misshapen: conv\d?.*\(3, 3\) instead of": changed(
            content,
            **{f"module.model.1.conv{0 if backbone == 'CochCNN9' else 1}.weight": torch.zeros(3, 3)},
        ),
    }
    for message, wrong in cases.items():
        with pytest.raises(CheckpointError, match=message):
            load_published(fresh, wrong)
    assert all(torch.equal(before[name], tensor) for name, tensor in fresh.state_dict().items())


def test_files_of_other_tasks_or_networks_are_refused():
    single = published_file(published_names(small("CochCNN9", "single", 1)))
    with pytest.raises(CheckpointError, match=r"missing: classification.signal/word_int.weight.*classification.weight"):
        load_published(small("CochCNN9", "multi", 1), single)
    with pytest.raises(CheckpointError, match="a CochResNet50 with word"):
        load_published(small("CochResNet50", "single", 1), single)
    own = AuditoryNetwork(Tiny(), {"word": 3}, Cochleagram(**SMALL_FRONT_END))
    with pytest.raises(CheckpointError, match="no published weights of Tiny, only of CochCNN9 and CochResNet50"):
        load_published(own, single)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 1}, r"expected published weights, named module.model.1.*'epoch'"),
        ({}, "an empty dictionary"),
        (torch.zeros(2), "a Tensor"),
        ({"model": {"module.model.1.conv0.weight": 3}}, "'module.model.1.conv0.weight' is not a tensor"),
    ],
)
def test_files_without_published_weights_are_refused(content, message, tmp_path):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=message):
        load_published(small("CochCNN9", "single", 1), tmp_path / "other.pt")


class RunsCode:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class Plain:
    pass


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_would_run_code_is_refused(zipped, tmp_path):
    content = published_file(published_names(small("CochCNN9", "single", 1)))
    proof = tmp_path / "proof"
    for strange, named in (
        (RunsCode(proof), "mkdir"),
        (Plain(), "Plain"),
        (torch.nn.ReLU(), "ReLU"),
        (getattr, "getattr"),
    ):
        path = tmp_path / "published.pt"
        torch.save(content | {"extra": strange}, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(CheckpointError, match=rf"published.pt.*would run code, as it names \S*{named}"):
            load_published(small("CochCNN9", "single", 2), path)
        with pytest.raises(CheckpointError, match="would run code"):
            load_network(str(path))
    assert not proof.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_numbers_of_numpy_beside_the_weights_do_no_harm(zipped, tmp_path):
    trained = small("CochCNN9", "single", 1)
    beside = {"epoch": np.int64(4), "accuracy": np.float32(0.5), "curve": np.arange(3.0), "order": np.array([1, 2])}
    beside["named"] = collections.OrderedDict(a=1)
    path = tmp_path / "published.pt"
    torch.save(published_file(published_names(trained)) | beside, path, _use_new_zipfile_serialization=zipped)
    assert same_weights(load_published(small("CochCNN9", "single", 2), path), trained)
    assert read_tensor_file(path)["curve"].tolist() == [0, 1, 2]


class Type:
    """What dill pickles a type as: a call of its function ``_load_type``."""

    def __reduce__(self):
        return sys.modules["dill._dill"]._load_type, ("list",)


def test_types_that_dill_pickled_are_skipped_and_not_made(tmp_path, monkeypatch):
    def load_type() -> None: ...

    load_type.__module__, load_type.__qualname__, load_type.__name__ = "dill._dill", "_load_type", "_load_type"
    trained = small("CochCNN9", "single", 1)
    with monkeypatch.context() as patched:
        for name in ("dill", "dill._dill"):
            patched.setitem(sys.modules, name, types.ModuleType(name))
        sys.modules["dill._dill"]._load_type = load_type
        torch.save(published_file(published_names(trained)) | {"counts": [Type()]}, tmp_path / "published.pt")
    assert same_weights(load_published(small("CochCNN9", "single", 2), tmp_path / "published.pt"), trained)
    assert isinstance(read_tensor_file(tmp_path / "published.pt")["counts"][0], Skipped)


@pytest.mark.parametrize("cut", [0, 10, 2000])
def test_damaged_files_are_refused(cut, tmp_path):
    path = tmp_path / "published.pt"
    torch.save(published_file(published_names(small("CochCNN9", "single", 1))), path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"published.pt.*damaged, or not written by torch.save"):
        read_published(path)
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        read_published(tmp_path / "nowhere.pt")


@pytest.mark.parametrize(
    "backbone", [CochCNN9(width=0.05), CochResNet(depth=18, width=0.125), CochResNet50(width=0.125)]
)
@pytest.mark.parametrize("tasks", [PUBLISHED_NUM_CLASSES, {"audioset": 517}, {"word": 794}, {"speaker": 433}])
def test_the_network_of_a_file_is_recognised(backbone, tasks):
    front_end = Cochleagram(**SMALL_FRONT_END)
    trained = AuditoryNetwork(type(backbone)(**backbone.init_args), tasks, front_end).eval()
    made = published_network(read_published(published_file(published_names(trained))), front_end=front_end)
    assert made.description() == trained.description() or isinstance(backbone, CochCNN9)  # its width is rounded
    assert made.num_classes == dict(tasks)
    waveform = torch.randn(2, 800, generator=torch.Generator().manual_seed(0))
    for task, logits in trained(waveform).items():
        torch.testing.assert_close(made(waveform)[task], logits)


def test_architecture_and_tasks_can_be_said():
    front_end = Cochleagram(**SMALL_FRONT_END)
    genre = AuditoryNetwork(CochResNet(depth=34, width=0.125), {"genre": 9}, front_end)
    published = read_published(published_file(published_names(genre)))
    assert published_network(published, tasks=["genre"], front_end=front_end).num_classes == {"genre": 9}
    assert published_network(published, front_end=front_end).num_classes == {"task": 9}
    with pytest.raises(CheckpointError, match=r"expected the tasks genre, word, but the file has genre"):
        published_network(published, tasks=["genre", "word"], front_end=front_end)
    with pytest.raises(CheckpointError, match="missing"):
        published_network(published, architecture="CochResNet101", front_end=front_end)
    with pytest.raises(CheckpointError, match="expected an architecture of CochCNN9, CochResNet18"):
        published_network(published, architecture="VGG", front_end=front_end)
    with pytest.raises(CheckpointError, match="expected the layers of one of CochCNN9"):
        published_network(read_published({"model.1.layer1.0.conv1.weight": torch.zeros(1)}))


@pytest.fixture(scope="module")
def published_path(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    network = AuditoryNetwork(CochResNet(depth=18, width=0.125), PUBLISHED_NUM_CLASSES)
    path = tmp_path_factory.mktemp("published") / "multi.pt"
    torch.save(published_file(published_names(network)), path)
    return path


def test_a_published_file_is_a_network_by_name(published_path):
    plain, said = load_network(str(published_path)), load_network(f"published:{published_path}")
    assert same_weights(plain.network, said.network)
    assert plain.identity == NetworkIdentity(run="multi", checkpoint=str(published_path))
    assert said.identity.checkpoint == f"published:{published_path}"
    assert [(task["name"], task["kind"]) for task in plain.tasks] == [
        ("word", "one_label"),
        ("speaker", "one_label"),
        ("audioset", "many_labels"),
    ]
    for name in (f"permuted:{published_path}:2", f"permuted:published:{published_path}:2"):
        permuted = load_network(name)
        assert permuted.identity.checkpoint == name
        assert permuted.identity.run == "multi (permuted, seed 2)"
        assert permuted.identity.parent == "multi"
        assert same_weights(permuted.network, permute_weights(plain.network, seed=2))
    fresh = load_network(f"untrained:{published_path}").network
    assert fresh.description() == plain.network.description()
