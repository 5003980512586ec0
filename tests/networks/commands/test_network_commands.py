"""`python -m networks convert` and `summary`, and the numbers behind the summary."""

import math
import sys
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from networks import (
    AuditoryNetwork,
    Backbone,
    CochCNN9,
    Cochleagram,
    CochResNet,
    CochResNet50,
    MelSpectrogram,
    StagedNetwork,
    load_checkpoint,
    load_network,
)
from networks.__main__ import main
from networks.commands.stage_table import stage_table
from networks.stage_summary import FRONT_END, REST, stage_summaries
from networks.weights.published import PUBLISHED_NUM_CLASSES
from tests.helpers.published_weights import published_file, published_names
from tests.networks.backbones.test_cochcnn9 import SMALL_FRONT_END
from tests.networks.external.test_staged import NUM_SAMPLES, RATE_HZ, Toy


@pytest.fixture
def published(tmp_path) -> Path:
    torch.manual_seed(0)
    network = AuditoryNetwork(CochResNet(depth=18, width=0.125), PUBLISHED_NUM_CLASSES)
    torch.save(published_file(published_names(network)), tmp_path / "multi.pt")
    return tmp_path / "multi.pt"


def test_convert_writes_a_checkpoint(published, tmp_path, capsys):
    out = tmp_path / "new" / "multi.ckpt"
    assert main(["convert", str(published), str(out), "--architecture", "CochResNet18", "--run_name", "published"]) == 0
    assert (
        "CochResNet with word (794 classes), speaker (433 classes), audioset (517 classes)" in capsys.readouterr().out
    )
    loaded = load_checkpoint(out)
    assert (loaded.run, loaded.step, loaded.epoch) == ("published", 0, 0)
    assert [task["name"] for task in loaded.tasks] == list(PUBLISHED_NUM_CLASSES)
    expected = load_network(str(published)).network.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.network.state_dict().items())
    assert [path.name for path in out.parent.iterdir()] == ["multi.ckpt"]


@pytest.mark.parametrize("name", ["runs/two/checkpoints/last.ckpt", "last.ckpt", "other.pt", "CochCNN8"])
def test_summary_names_what_is_not_there_as_it_was_given(name, capsys):
    assert main(["summary", name]) == 2
    shown = capsys.readouterr().err
    assert f"unknown network {name!r}: there is no such file or folder" in shown
    assert f"untrained:{name}" not in shown


def test_convert_reports_errors_in_one_line(published, tmp_path, capsys):
    out = tmp_path / "multi.ckpt"
    for arguments, message in (
        ([published, published], "exists: choose another file"),
        ([tmp_path / "none.pt", out], "no such checkpoint"),
        ([published, out, "--architecture", "CochCNN9"], "expected heads of CochCNN9"),
        ([published, out, "--task", "word"], "expected the tasks word"),
    ):
        assert main(["convert", *map(str, arguments)]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not out.exists()
    assert main(["convert", str(published), str(out)]) == 0
    assert main(["convert", str(published), str(out), "--force", "true"]) == 0


def rows_of(network) -> dict:
    return {row.name: row for row in stage_summaries(network)}


def test_summary_of_the_published_networks():
    """Fields, parameters and operations reckoned by hand from the layers' sizes."""
    rows = rows_of(AuditoryNetwork(CochCNN9(width=0.25), {"word": 10}, MelSpectrogram()))
    frame_ms = 5
    assert [row.field_bands for row in rows.values()][1:-1] == [7, 10, 28, 40, 64, 88, 112, 136, math.inf]
    assert [row.field_ms for row in rows.values()][1:7] == [n * frame_ms for n in (14, 26, 68, 116, 212, 308)]
    assert rows["relu1"].shape == (64, 18, 33)
    assert rows["relu1"].num_units == 64 * 18
    assert rows["relu0"].num_parameters == 2 + 24 * 7 * 14
    assert rows["relu0"].num_operations == 24 * 7 * 14 * 71 * 130
    assert rows["relu1"].num_operations == 64 * 24 * 4 * 8 * 18 * 33
    assert rows["relufc"].num_operations == 1024 * 128 * 5 * 9
    assert rows[REST].num_parameters == 10 * 1025
    assert (rows[FRONT_END].num_parameters, rows[FRONT_END].num_operations) == (0, None)
    assert rows["maxpool0"].num_parameters == rows["maxpool0"].num_operations == 0


def test_summary_of_a_residual_network():
    network = AuditoryNetwork(CochResNet50(width=0.125), {"word": 10}, MelSpectrogram())
    rows = rows_of(network)
    assert [row.field_bands for row in rows.values()][1:-1] == [7, 11, 35, 91, math.inf, math.inf, math.inf]
    assert rows["layer1"].field_ms == 175
    assert sum(row.num_parameters for row in rows.values()) == sum(p.numel() for p in network.parameters())
    assert network.training  # as it was


def test_fields_are_what_a_change_of_the_input_reaches():
    """A change within the field reaches a unit in the middle, one outside does not."""
    network = AuditoryNetwork(CochResNet(depth=18, width=0.125), {"word": 2}, Cochleagram(**SMALL_FRONT_END)).eval()
    layer1 = {}
    network.backbone.layer1.register_forward_hook(lambda module, args, out: layer1.__setitem__("out", out))
    bands = rows_of(network)["layer1"].field_bands
    assert bands == math.inf  # more than the small front end has
    torch.manual_seed(0)
    pictures = torch.rand(1, 211, 20).repeat(62, 1, 1)
    bands = range(75, 136)
    for row, band in enumerate(bands, start=1):
        pictures[row, band] += 1
    with torch.no_grad():
        network.backbone(pictures)
    unit = layer1["out"][:, :, 26]
    reached = [not torch.equal(unit[0], unit[row]) for row in range(1, 62)]
    full = AuditoryNetwork(CochResNet(depth=18, width=0.125), {"word": 2}, MelSpectrogram())
    assert sum(reached) == rows_of(full)["layer1"].field_bands == 43


class Functional(Backbone):
    """Windows without modules."""

    stages = ("one", "two")

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 1, 3, 5))
        self.one, self.two = nn.Identity(), nn.Identity()

    def forward(self, cochleagram):
        x = nn.functional.conv2d(cochleagram[:, None], self.weight, stride=2, dilation=(1, 2))
        x = self.one(nn.functional.max_pool2d(torch.relu(x), 2))
        return self.two(x + torch.softmax(x, dim=-1)).flatten(1)


def test_fields_of_functions_without_modules():
    rows = rows_of(AuditoryNetwork(Functional(), {"word": 2}, Cochleagram(**SMALL_FRONT_END | {"num_samples": 2000})))
    assert (rows["one"].field_bands, rows["one"].field_ms) == (5, (9 + 2) * 20)
    assert rows["two"].field_bands == math.inf
    assert rows["one"].num_parameters == 15


class Detached(nn.Module):
    def forward(self, waveform):
        return torch.from_numpy(waveform.detach().numpy()[:, None])


@pytest.mark.parametrize("normalised", [False, True])
def test_fields_behind_a_spectrogram_are_measured(normalised):
    def spectrogram(waveform):
        window = torch.hann_window(100)
        power = torch.stft(waveform, 100, 50, window=window, return_complex=True).abs().square()
        log = (power @ torch.eye(power.shape[-1]) + 1e-6).log()  # a product that cannot be followed
        return log - log.mean() if normalised else log

    layers = nn.Sequential(nn.Conv1d(51, 8, 3), nn.ReLU(), nn.Conv1d(8, 8, 5, dilation=2), nn.Flatten())
    layout = {"0": "batch features time", "2": "batch features time", "3": "batch features"}
    network = StagedNetwork(
        layers, ["0", "2", "3"], sample_rate_hz=1000, num_samples=2000, preprocess=spectrogram, layout=layout
    )
    rows = rows_of(network)
    expected = [math.inf] * 3 if normalised else [99 + 2 * 50, 99 + 10 * 50, math.inf]  # a window starts with a zero
    assert [row.field_ms for row in rows.values()][:3] == expected
    assert all(parameter.grad is None for parameter in network.parameters())


def test_fields_that_no_gradient_tells_are_left_out_with_a_reason(capsys):
    network = StagedNetwork(nn.Sequential(Detached(), nn.Conv1d(1, 2, 3)), ["1"], sample_rate_hz=100, num_samples=50)
    rows = rows_of(network)
    assert math.isnan(rows["1"].field_ms)
    table = stage_table("mine", list(rows.values()))
    assert "no gradient reaches the waveform" in str(table.caption)


def test_summary_of_a_recurrent_network():
    network = StagedNetwork(Toy(), ["conv", "lstm", "cell"], sample_rate_hz=RATE_HZ, num_samples=NUM_SAMPLES)
    rows = rows_of(network)
    assert (rows["conv"].field_ms, rows["conv"].field_bands) == (16, None)
    assert rows["lstm"].field_ms == math.inf
    assert rows["lstm"].num_operations == 39 * 2 * 4 * 5 * (6 + 5)
    assert [row.num_units for row in rows.values()] == [6, 10, 3, None]
    assert sum(row.num_parameters for row in rows.values()) == sum(p.numel() for p in network.parameters())


class Attention(nn.Module):
    """A transformer layer over the time steps of a waveform."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)

    def forward(self, waveform):
        return self.layer(waveform.reshape(len(waveform), -1, 8))


def test_attention_is_counted():
    network = StagedNetwork(
        Attention(), ["layer"], sample_rate_hz=RATE_HZ, num_samples=80, layout="batch time features"
    )
    projections = 10 * 8 * (4 * 8 + 2 * 12)
    assert projections <= rows_of(network)["layer"].num_operations <= projections + 2 * 10 * 10 * 8
    assert torch.backends.mha.get_fastpath_enabled()


def test_summary_of_a_configuration_a_checkpoint_and_a_class(published, tmp_path, capsys, monkeypatch):
    backbone = {"class_path": "networks.CochCNN9", "init_args": {"width": 0.05}}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(backbone))
    front_end = {"class_path": "networks.MelSpectrogram"}
    config = {"model": {"backbone": "small.yaml", "front_end": front_end}, "run_dir": "x"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "backbones.py").write_text(
        "from tests.networks.commands.test_network_commands import Functional\n"
        "class Own(Functional):\n    '''A user's own.'''\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, stages in (
        (tmp_path / "config.yaml", ("front end", "relu0", "relufc", "without heads")),
        (published, ("front end", "conv1_relu1", "layer4", "rest")),
        ("backbones.Own", ("one", "two")),
        ("spectrotemporal", ("spectrotemporal", "23421")),
    ):
        assert main(["summary", str(name)]) == 0
        shown = capsys.readouterr().out.replace("\n", " ")
        assert all(stage in shown for stage in stages), shown
    sys.modules.pop("backbones", None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("trainer: {}", "expected settings under 'model'"),
        ("model: {front_end: {}}", "expected a network under model.backbone, got front_end"),
        ("model: {backbone: {class_path: os.system}}", "derived from networks.Described"),
        ("model: {backbone: {class_path: networks.Cochleagram}}", "config.yaml"),
        ("model: [", "expected YAML"),
    ],
)
def test_configurations_without_a_network_are_refused(content, message, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(content)
    assert main(["summary", str(tmp_path / "config.yaml")]) == 2
    assert message in capsys.readouterr().err


def test_unknown_networks_are_reported(capsys):
    assert main(["summary", "CochCNN8"]) == 2
    assert "CochCNN8" in capsys.readouterr().err
