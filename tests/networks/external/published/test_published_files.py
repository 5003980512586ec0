"""Files as the authors published them load; damaged, truncated, renamed and malicious ones are refused in one line."""

import collections
import hashlib
import os
import random
import shutil
import sys
import typing

import pytest
import torch

from networks import CheckpointError, load_network, permute_weights
from networks.__main__ import main
from networks.external import metricgan
from networks.external.known import EXTERNAL_NETWORKS
from networks.weights.identity import NetworkIdentity
from networks.weights.sources import SourceError
from tests.helpers.published_files import SAVE
from tests.networks.external.published.test_golden_stages import NAMES, SIZES, small

COMPUTED = ("pe", "prob")


def weights_of(name: str) -> dict[str, torch.Tensor]:
    """Random weights of a small network, also in what is computed."""
    generator = torch.Generator().manual_seed(1)
    state = small(name).module.state_dict()
    return {
        key: torch.randn(value.shape, generator=generator) if value.is_floating_point() else value
        for key, value in state.items()
    }


def assert_loaded(network, weights):
    loaded = network.module.state_dict()
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[key], value) for key, value in weights.items())
    assert not network.training


def error_of(name: str, source) -> str:
    """The error on loading, which has one line and names the file."""
    with pytest.raises((CheckpointError, FileNotFoundError)) as found:
        small(name, source)
    message = str(found.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


@pytest.mark.parametrize("name", NAMES)
def test_the_published_files_load(name, tmp_path):
    weights = weights_of(name)
    path = SAVE[name](weights, tmp_path)
    assert "omegaconf" not in sys.modules
    for source in (path, str(path), path if path.is_dir() else path.parent, weights):
        assert_loaded(small(name, source), weights)


@pytest.mark.parametrize(("name", "key"), [("VQVAE", "encoder"), ("DeepSpeech2", "state_dict")])
def test_a_dictionary_that_holds_the_state_dict_loads(name, key):
    weights = weights_of(name)
    assert_loaded(small(name, {key: weights, "step": 3}), weights)


@pytest.mark.parametrize("name", ["SepFormer", "VQVAE"])
def test_computed_buffers_may_be_missing(name, tmp_path):
    weights = {key: value for key, value in weights_of(name).items() if key.rpartition(".")[2] not in COMPUTED}
    path = SAVE[name](weights, tmp_path)
    computed = {key: value for key, value in small(name).module.state_dict().items() if key not in weights}
    assert len(computed) == (4 if name == "SepFormer" else 1)
    assert_loaded(small(name, path), weights | computed)


def test_sepformers_parts_in_one_file_load(tmp_path):
    weights = weights_of("SepFormer")
    torch.save(weights, tmp_path / "all.ckpt")
    assert_loaded(small("SepFormer", tmp_path / "all.ckpt"), weights)


@pytest.mark.parametrize("name", NAMES)
def test_truncated_and_damaged_files_are_refused(name, tmp_path):
    path = SAVE[name](weights_of(name), tmp_path)
    file = path / "masknet.ckpt" if path.is_dir() else path
    content = file.read_bytes()
    for cut in (0, 1, 100, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:cut])
        assert str(file) in error_of(name, path)
    if name == "VGGish":  # the format before PyTorch 1.6 has no checksums
        return
    numbers = random.Random(0)
    for _ in range(5):
        damaged = bytearray(content)
        # Not between the tensors, where there is nothing but padding.
        damaged[numbers.choice([k for k in range(len(content) // 4, len(content) // 2) if content[k]])] ^= 64
        file.write_bytes(damaged)
        assert str(file) in error_of(name, path)


def test_the_digits_in_a_files_name_are_compared_with_its_content(tmp_path, caplog):
    path = SAVE["VGGish"](weights_of("VGGish"), tmp_path)
    digits = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    small("VGGish", path.rename(tmp_path / f"vggish-{digits}.pth"))
    assert not caplog.records
    small("VGGish", (tmp_path / f"vggish-{digits}.pth").rename(path))
    assert f"SHA-256 begins with 10086976, but it begins with {digits}: the file is damaged" in caplog.text


@pytest.mark.parametrize("name", NAMES)
def test_other_names_shapes_and_values_are_refused(name):
    weights = weights_of(name)
    first = next(iter(weights))
    others = [
        ({k: v for k, v in weights.items() if k != first}, f"missing: {first}"),
        (weights | {"more.weight": torch.zeros(1)}, "unexpected: more.weight"),
        ({f"module.{k}": v for k, v in weights.items()}, f"missing: {first}.*unexpected: module.{first}"),
        (weights | {first: torch.zeros(3, 2)}, rf"misshapen: {first} \(3, 2\) instead of"),
        (weights | {first: 3}, f"no plain tensors: {first} is a int"),
        (weights | {first: weights[first].to(torch.complex64)}, f"{first} is a tensor of complex64"),
        (weights | {first: weights[first].to_sparse()}, f"{first} is a sparse_coo tensor of float32"),
        (weights | {first: weights[first].to("meta")}, f"{first} is a tensor without values"),
        ({}, f"missing: {first}"),
    ]
    for other, message in others:
        with pytest.raises(
            CheckpointError, match=f"state dict: weights of another architecture than {name}.*{message}"
        ):
            small(name, other)


@pytest.mark.parametrize("name", NAMES)
def test_the_file_of_another_network_is_refused(name, tmp_path):
    other = NAMES[NAMES.index(name) - 1]
    path = SAVE[other](weights_of(other), tmp_path)
    if path.is_dir():
        path = path / "masknet.ckpt"
    elif name == "SepFormer":
        for part in ("encoder", "masknet", "decoder"):
            shutil.copy(path, tmp_path / f"{part}.ckpt")
        path = tmp_path
    message = error_of(name, path)
    # A checkpoint of training has more in it than weights.
    assert f"another architecture than {name}: missing: " in message or "expected a checkpoint of plain" in message


def test_parts_that_are_missing_or_exchanged_are_named(tmp_path):
    SAVE["SepFormer"](weights_of("SepFormer"), tmp_path)
    (tmp_path / "decoder.ckpt").rename(tmp_path / "other.ckpt")
    assert "encoder.ckpt, masknet.ckpt, decoder.ckpt; missing: decoder.ckpt" in error_of("SepFormer", tmp_path)
    shutil.copy(tmp_path / "encoder.ckpt", tmp_path / "decoder.ckpt")
    message = error_of("SepFormer", tmp_path)
    assert "missing: decoder.weight" in message
    assert "unexpected: decoder.conv1d.weight" in message


@pytest.mark.parametrize("name", [name for name in NAMES if name != "SepFormer"])
def test_folders_without_the_file_or_with_several_are_refused(name, tmp_path):
    path = SAVE[name](weights_of(name), tmp_path)
    moved = path.rename(tmp_path / "renamed.pt")
    (tmp_path / "more.pt").write_bytes(b"")
    message = error_of(name, tmp_path)
    assert f"expected {path.name} or one file of weights" in message
    assert "found " in message
    assert_loaded(small(name, moved), weights_of(name))
    assert "no such checkpoint" in error_of(name, tmp_path / "nothing.pt")


class RunsCode:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


class Calls:
    """Names a function and its arguments."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Nested:
    """Calls what another call returns."""

    def __reduce__(self):
        return getattr, (Calls(__import__, "os"), "system")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_files_that_run_code_are_refused(name, tmp_path, zipped):
    weights = weights_of(name)
    for evil in (RunsCode(str(tmp_path / "pwned")), Calls(eval, "1 + 1"), Calls(__import__, "antigravity"), Nested()):
        for place in ("inside", "next to it"):
            path = SAVE[name](weights, tmp_path)
            file = path / "decoder.ckpt" if path.is_dir() else path
            content = (weights | {"more": evil}) if place == "inside" else {"state_dict": weights, "encoder": evil}
            torch.save(content, file, _use_new_zipfile_serialization=zipped)
            assert "it would run code, as it names" in error_of(name, path)
    assert not (tmp_path / "pwned").exists()
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "evil",
    [
        RunsCode("pwned"),
        Calls(eval, "1 + 1"),
        Calls(getattr, "x", "upper"),
        Calls(torch.load, "x"),
        Calls(typing.get_type_hints, "x"),
        Calls(collections.namedtuple, "x", "y"),
    ],
)
def test_among_the_settings_of_deepspeech2_only_known_packages_are_skipped(evil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = {"state_dict": weights_of("DeepSpeech2"), "hyper_parameters": {"a": [evil]}}
    torch.save(content, tmp_path / "librispeech_pretrained_v3.ckpt")
    if isinstance(evil, Calls) and evil.call[0] is typing.get_type_hints:  # skipped as all of typing, not called
        small("DeepSpeech2", tmp_path)
    else:
        assert "it would run code, as it names" in error_of("DeepSpeech2", tmp_path)
    assert not (tmp_path / "pwned").exists()


def test_names_of_skipped_packages_are_not_imported(tmp_path, monkeypatch):
    trap = tmp_path / "omegaconf"
    trap.mkdir()
    (trap / "__init__.py").write_text(f"open({str(tmp_path / 'pwned')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    weights = weights_of("DeepSpeech2")
    path = SAVE["DeepSpeech2"](weights, tmp_path)
    assert_loaded(small("DeepSpeech2", path), weights)
    assert "omegaconf" not in sys.modules
    assert not (tmp_path / "pwned").exists()


def test_names_on_a_command_line(tmp_path, monkeypatch):
    monkeypatch.setitem(EXTERNAL_NETWORKS, "MetricGAN", f"{__name__}:small_metricgan")
    path = SAVE["MetricGAN"](small("MetricGAN").module.state_dict(), tmp_path)
    trained = load_network(f"MetricGAN:{path}")
    name = f"MetricGAN:{path}"
    assert trained.identity == NetworkIdentity(run=f"MetricGAN:{path.name}", checkpoint=name, kind="external")
    permuted = load_network(f"permuted:{name}:2")
    assert permuted.identity == NetworkIdentity(
        run=f"MetricGAN:{path.name} (permuted, seed 2)",
        checkpoint=f"permuted:{name}:2",
        kind="permuted",
        parent=trained.identity.run,
        seed=2,
    )
    before, after = (each.network.module.state_dict() for each in (trained, permuted))
    for key, value in before.items():
        assert key == "Learnable_sigmoid.slope" or not torch.equal(after[key], value)  # all ones before training
        assert torch.equal(after[key].flatten().sort().values, value.flatten().sort().values)
    untrained = load_network("untrained:MetricGAN:1")
    assert untrained.identity == NetworkIdentity(
        run="MetricGAN (untrained, seed 1)",
        checkpoint="untrained:MetricGAN:1",
        kind="untrained",
        parent="MetricGAN",
        seed=1,
    )
    of_untrained = load_network("permuted:untrained:MetricGAN:1:2")
    assert of_untrained.identity == NetworkIdentity(
        run="MetricGAN (untrained, seed 1) (permuted, seed 2)",
        checkpoint="permuted:untrained:MetricGAN:1:2",
        kind="permuted",
        parent="MetricGAN (untrained, seed 1)",
        seed=2,
    )
    with pytest.raises(SourceError, match="unknown network 'MetricGAN:nowhere"):
        load_network("MetricGAN:nowhere.pt")


def small_metricgan(weights=None, **settings):
    return metricgan(weights, **SIZES["MetricGAN"] | settings)


def test_positions_of_sepformer_are_permuted_with_its_weights():
    net = small("SepFormer")
    path = "masknet.dual_mdl.0.intra_mdl.pos_enc.pe"
    before, after = (each.module.state_dict()[path] for each in (net, permute_weights(net)))
    assert not torch.equal(before, after)
    assert torch.equal(before.flatten().sort().values, after.flatten().sort().values)


def test_a_bad_file_is_one_line_on_the_command_line(tmp_path, capsys):
    (tmp_path / "vggish.pth").write_text("not weights")
    assert main(["summary", f"VGGish:{tmp_path / 'vggish.pth'}"]) == 2
    shown = capsys.readouterr().err.strip()
    assert "vggish.pth: expected a checkpoint of plain tensors" in shown.replace("\n", " ")
    assert "Traceback" not in shown
