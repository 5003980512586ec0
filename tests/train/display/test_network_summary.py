"""The table of stages at the start of a run."""

from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning.plugins import HalfPrecision, Precision
from pytorch_lightning.strategies import DDPStrategy, FSDPStrategy, SingleDeviceStrategy

from datamodules.tasks import Task
from networks import AuditoryNetwork, CochCNN9, MelSpectrogram
from networks.front_ends.front_end import FrontEnd
from networks.stage_summary import stage_summaries
from train.display.network_summary import NetworkSummary


class Squares(FrontEnd):
    """A front end of a user, whose frames have no rate."""

    sample_rate_hz, num_samples, output_shape = 2000, 800, (8, 100)

    def forward(self, waveform):
        return waveform.square().reshape(-1, 8, 100)


def small(front_end=None):
    settings = {"num_bands": 8, "high_hz": 1000.0, "frame_rate_hz": 50.0, "window_samples": 81}
    front_end = front_end or MelSpectrogram(sample_rate_hz=2000, num_samples=800, **settings)
    return AuditoryNetwork(CochCNN9(width=0.05), {"word": 3, "tags": 5}, front_end)


@pytest.fixture
def summary(capsys):
    def show(network, strategy=None, precision=None):
        module = torch.nn.Module()
        module.network = network
        trainer = SimpleNamespace(
            is_global_zero=True,
            strategy=strategy or SingleDeviceStrategy("cpu"),
            precision_plugin=precision or Precision(),
            datamodule=None,
        )
        NetworkSummary().on_fit_start(trainer, module)
        return capsys.readouterr().out

    return show


def test_it_has_the_shapes_of_the_stages(summary):
    network = small()
    network.heads["tags"].requires_grad_(False)
    network.train()
    shown = summary(network, DDPStrategy())
    for row in stage_summaries(network)[:-1]:
        assert f"{'x'.join(map(str, row.shape))} │" in shown
    assert "heads: word 3 classes, tags 5 classes" in shown
    num_trained = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    assert f"{num_trained / 1000:.3g} k of them trained" in shown
    assert all(module.training for module in network.modules())


def test_frames_without_a_rate_have_no_duration(summary):
    assert "front end" in summary(small(Squares()))
    assert {row.field_ms for row in stage_summaries(small(Squares()))} == {None}


def test_a_network_is_not_compiled_for_it(summary):
    compiled = []

    def backend(graph, _inputs):
        compiled.append(graph)
        return graph.forward

    network = small()
    network.backbone.compile(backend=backend)
    assert "relu0" in summary(network)
    assert not compiled
    network.eval()(torch.zeros(1, 800))
    assert compiled, "the network is compiled when it is used"


def test_a_network_in_half_precision_is_shown(summary):
    network = small(Squares()).to(torch.bfloat16)
    assert "relu0" in summary(network, precision=HalfPrecision("bf16-true"))


def test_a_run_that_resumes_has_its_table_in_its_log(capsys):
    module = torch.nn.Module()
    module.network = small()
    trainer = SimpleNamespace(is_global_zero=True, strategy=SingleDeviceStrategy("cpu"), datamodule=None)
    NetworkSummary(is_resumed=True).on_fit_start(trainer, module)
    shown = capsys.readouterr().out
    assert "relu0" not in shown
    assert "heads: word 3 classes, tags 5 classes" in shown


def test_a_null_class_that_is_not_used_in_quiet_is_said_so(capsys):
    module = torch.nn.Module()
    module.network = small()
    module.tasks = [Task("word", "one_label", "signal", labels=("<null>", "a", "b"))]
    strategy = SingleDeviceStrategy("cpu")
    for has_noise in (True, False):
        trainer = SimpleNamespace(
            is_global_zero=True, strategy=strategy, datamodule=SimpleNamespace(has_noise=has_noise)
        )
        NetworkSummary(is_resumed=True).on_fit_start(trainer, module)
        shown = capsys.readouterr().out
        assert "word 2 classes + null" in shown
        assert ("; there are none in quiet)" in shown) is not has_noise


def test_a_network_that_is_divided_among_ranks_is_only_counted(summary):
    shown = summary(small(), FSDPStrategy())
    assert "stage" not in shown
    assert "of them trained" in shown
