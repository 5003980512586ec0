"""Where batch, time and features are: the text, and networks with frames in the batch, chunks, states and steps."""

import copy
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from evaluate import stage_activations
from evaluate.features.activations import StageError
from networks import StagedNetwork
from networks.external.stage_layouts import parse_layout
from networks.stage_summary import stage_summaries

NUM_SAMPLES = 480


@dataclass
class Output:
    logits: torch.Tensor
    hidden: tuple[torch.Tensor, ...]


X = torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(0))
FOLDED = X.reshape(2, 3, 5, 4)


@pytest.mark.parametrize(
    ("text", "output", "num_sounds", "expected"),
    [
        ("batch features time", X, 6, X.mean(2)),
        ("batch time features", X, None, X.mean(1)),
        ("time batch features", X, 5, X.mean(0)),
        ("features batch features", X, 5, X.transpose(0, 1).flatten(1)),
        ("batch features features", X, 6, X.flatten(1)),
        ("batch time time", X, 6, X.mean((1, 2))[:, None]),
        ("(batch time) features features", X, 2, FOLDED.mean(1).flatten(1)),
        ("(batch time) features time", X, 2, FOLDED.mean((1, 3))),
        ("(time batch) time features", X, 2, X.reshape(3, 2, 5, 4).mean((0, 2))),
        ("(batch features) time features", X, 2, FOLDED.mean(2).flatten(1)),
        ("(features batch) time features", X, 2, X.reshape(3, 2, 5, 4).mean(2).transpose(0, 1).flatten(1)),
        ("calls batch features", X[0], 5, X[0]),
        ("[1] batch features time", (None, X), 6, X.mean(2)),
        ("[-1][0:2] features batch features", (None, X), 5, X[:2].transpose(0, 1).flatten(1)),
        ("[1][1][2:] features batch features", (None, (None, X)), 5, X[2:].transpose(0, 1).flatten(1)),
        ("[hidden][1] batch time features", Output(X[0], (X[1], X)), 6, X.mean(1)),
        ("[hidden][1] batch time features", {"hidden": (X[1], X)}, 6, X.mean(1)),
        ("[1][0] batch features", Output(X[0], (X[1], X)), 5, X[1]),
        ("[1] batch features", {"logits": X[0], "hidden": X[1]}, 5, X[1]),
    ],
)
def test_a_layout_averages_over_time_and_flattens_features(text, output, num_sounds, expected):
    layout = parse_layout(f"  {text.replace(' ', '  ')} ")
    assert str(layout) == text
    assert parse_layout(str(layout)) == layout
    torch.testing.assert_close(layout.average(output, num_sounds), expected)
    torch.testing.assert_close(layout.timed(output, num_sounds).mean(2), expected)


@pytest.mark.parametrize(
    ("text", "output", "num_sounds", "expected"),
    [
        ("batch time features", X, 6, X.transpose(1, 2)),
        ("time batch features", X, 5, X.permute(1, 2, 0)),
        ("batch features features", X, 6, X.flatten(1)[:, :, None]),
        ("batch tokens features", X, 6, X.mean(1)[:, :, None]),
        ("(batch time) time features", X, 2, X.reshape(2, 15, 4).transpose(1, 2)),  # frames of a patch after another
        ("(time batch) features time", X, 2, X.reshape(3, 2, 5, 4).permute(1, 2, 0, 3).flatten(2)),
        ("(batch tokens) tokens features", X, 2, FOLDED.mean((1, 2))[:, :, None]),
    ],
)
def test_a_layout_says_which_frames_there_are(text, output, num_sounds, expected):
    torch.testing.assert_close(parse_layout(text).timed(output, num_sounds), expected)


NO_LAYOUTS = ["", "time features", "batch batch", "batch frames", "(batch time features)", "(time features) batch"]
NO_LAYOUTS += ["batch calls", "batch (time", "[1", "[1]", "calls", "batch, time", "(batch batch)", "[a[b]] batch"]


@pytest.mark.parametrize("text", NO_LAYOUTS)
def test_other_texts_are_refused_with_the_forms_that_exist(text):
    with pytest.raises(ValueError, match=r"expected one word per axis: batch, time \(averaged\) or features"):
        parse_layout(text)


@pytest.mark.parametrize(
    ("text", "output", "num_sounds", "message"),
    [
        ("batch features", X, 6, r"expected 2 axes, batch features, got an output of shape \(6, 5, 4\)"),
        ("batch time features", X, 5, r"expected 5 sounds, in the axes batch time features, got .*\(6, 5, 4\)"),
        ("(batch time) features features", X, 4, r"expected 4 sounds, in the axes \(batch time\)"),
        ("(batch time) features features", X, None, "the number of sounds is needed"),
        ("[1] batch features", (X,), 6, r"a tuple, has no part \[1\]"),
        ("[logits] batch features", (X,), 6, r"a tuple, has no part \[logits\]"),
        ("[logits] batch features", {"x": X}, 6, r"has no part \[logits\]"),
        ("[0][0] batch features", (3,), 6, r"a int, has no part \[0\]"),
        ("[0] batch features", ((X, X),), 6, "no tensor but a tuple"),
        ("batch features", "text", 6, "no tensor but a str"),
    ],
)
def test_outputs_of_another_form_are_refused(text, output, num_sounds, message):
    with pytest.raises(ValueError, match=message):
        parse_layout(text).average(output, num_sounds)


class FrameNetwork(nn.Module):
    """Frames are folded into the batch, as in networks that were trained on single frames."""

    def __init__(self, *, sounds_take_turns: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 3, 8, stride=4)
        self.dense = nn.Linear(3 * 14, 2)
        self.lstm = nn.LSTM(2, 3, num_layers=2, batch_first=True, bidirectional=True)
        self.sounds_take_turns = sounds_take_turns

    def forward(self, waveform):
        frames = waveform.unfold(1, 60, 60)  # (B, N, 60)
        batch, num_frames, _ = frames.shape
        if self.sounds_take_turns:
            frames = frames.transpose(0, 1)
        x = self.dense(self.conv(frames.reshape(-1, 1, 60)).relu().flatten(1))
        x = x.reshape(num_frames, batch, 2).transpose(0, 1) if self.sounds_take_turns else x.reshape(batch, -1, 2)
        return self.lstm(x)


STAGES = {"conv": "conv", "dense": "dense", "all": "lstm", "states": "lstm", "cells": "lstm"}
LAYOUT = {
    "conv": "(batch time) features time",
    "dense": "(batch time) features",
    "all": "[0] batch time features",
    "states": "[1][0] features batch features",
    "cells": "[1][1][2:4] features batch features",
}


def frame_network(layout=LAYOUT, stages=STAGES, **settings) -> StagedNetwork:
    torch.manual_seed(0)
    module = FrameNetwork(**settings)
    return StagedNetwork(module, stages, sample_rate_hz=1000, num_samples=NUM_SAMPLES, layout=layout)


@pytest.fixture
def sounds() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((5, NUM_SAMPLES)).astype(np.float32)


def test_frames_in_the_batch_and_states(sounds):
    net = frame_network()
    assert net.stages == tuple(STAGES)
    features = stage_activations(net, sounds, batch_size=2)
    with torch.no_grad():
        for number, sound in enumerate(torch.tensor(sounds)):
            frames = sound.reshape(8, 1, 60)
            conv = net.module.conv(frames)
            dense = net.module.dense(conv.relu().flatten(1))
            every, (hidden, cell) = net.module.lstm(dense[None])
            expected = {
                "conv": conv.mean((0, 2)),
                "dense": dense.mean(0),
                "all": every.mean(1)[0],
                "states": hidden[:, 0].flatten(),
                "cells": cell[2:, 0].flatten(),
            }
            for stage, values in expected.items():
                np.testing.assert_allclose(features[stage][number], values.numpy(), rtol=1e-4, atol=1e-5, err_msg=stage)


def test_sounds_that_take_turns(sounds):
    turns = {stage: layout.replace("(batch time)", "(time batch)") for stage, layout in LAYOUT.items()}
    features = stage_activations(frame_network(turns, sounds_take_turns=True), sounds, batch_size=4)
    for stage, values in stage_activations(frame_network(), sounds).items():
        np.testing.assert_allclose(features[stage], values, rtol=1e-4, atol=1e-5, err_msg=stage)


def test_in_several_threads_and_in_a_copy(sounds, monkeypatch):
    net = frame_network()
    expected = stage_activations(net, sounds)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        # Batches of two sizes run at the same time.
        found = stage_activations(copy.deepcopy(net), sounds, batch_size=3)
    finally:
        torch.set_num_threads(before)
    for stage, values in expected.items():
        np.testing.assert_allclose(found[stage], values, rtol=1e-5, atol=1e-6)


def test_nothing_is_run_if_all_is_named_and_declared():
    class Never(FrameNetwork):
        def forward(self, waveform):
            raise AssertionError

    net = StagedNetwork(Never(), STAGES, sample_rate_hz=1000, num_samples=NUM_SAMPLES, layout=LAYOUT)
    assert net.stages == tuple(STAGES)
    frame = {"conv*": LAYOUT["conv"], "dense": LAYOUT["dense"], "lstm": LAYOUT["all"]}
    with pytest.raises(AssertionError):  # the order of patterns is not known
        StagedNetwork(Never(), ["*"], sample_rate_hz=1000, num_samples=NUM_SAMPLES, layout=frame)


def test_frames_in_the_batch_are_recognised_and_the_argument_is_named():
    for stage, layout in (("conv", r"\(batch time\) features features"), ("dense", r"\(batch time\) features")):
        with pytest.raises(ValueError, match=rf"has 8 frames of each sound .*layout=\{{'{stage}': '{layout}'\}}"):
            frame_network(None, [stage])
    assert str(frame_network(None, ["lstm"]).layouts["lstm"]) == "batch time features"


def test_an_output_that_is_not_as_declared_is_named_when_it_comes(sounds):
    net = frame_network(LAYOUT | {"dense": "batch features"})
    with pytest.raises(
        ValueError, match=r"stage 'dense' does not have the axes of layout=\{'dense': 'batch features'\}"
    ):
        stage_activations(net, sounds)
    layers = nn.ModuleDict({"one": nn.ReLU()})
    layers.forward = lambda waveform: waveform
    unreached = StagedNetwork(
        layers, {"one": "one"}, sample_rate_hz=1000, num_samples=NUM_SAMPLES, layout="batch features"
    )
    with pytest.raises(StageError, match="'one' was not reached"):
        stage_activations(unreached, sounds)


def test_the_summary_shows_the_shape_of_one_sound():
    rows = {row.name: row for row in stage_summaries(frame_network())}
    assert {name: rows[name].shape for name in STAGES} == {
        "conv": (8, 3, 14),
        "dense": (8, 2),
        "all": (8, 6),
        "states": (4, 3),
        "cells": (2, 3),
    }
    assert [rows[name].num_units for name in STAGES] == [3, 2, 6, 12, 6]
