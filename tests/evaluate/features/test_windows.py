"""Sounds longer than a network's input: windows, and networks whose answer is known."""

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from evaluate.benchmarks.sound_files import sounds_in_folder
from evaluate.features.cache import cached_activations, timed_activations
from evaluate.features.windows import Windows, windows_of

NUM_SAMPLES, RATE_HZ = 80, 8000


class Blocks(nn.Module):
    """Stages of mean absolute values of blocks: what they are at a time depends on nothing else."""

    sample_rate_hz, num_samples = RATE_HZ, NUM_SAMPLES

    def __init__(self, **sizes):
        super().__init__()
        self.blocks = nn.ModuleDict({name: nn.AvgPool1d(size) for name, size in sizes.items()})
        self.stages = tuple(sizes)

    def stage_modules(self):
        return dict(self.blocks)

    def forward(self, waveform):
        for block in self.blocks.values():
            block(waveform.abs()[:, None])


@pytest.fixture
def benchmark(tmp_path, make_benchmark):
    generator = np.random.default_rng(0)
    for number in range(24):
        length = 200 if number == 3 else 150
        soundfile.write(tmp_path / f"sound{number}.wav", 0.1 * generator.standard_normal(length), RATE_HZ)
    sounds = sounds_in_folder(tmp_path, [f"sound{number}" for number in range(24)])
    return make_benchmark(num_bins=4, waveforms=sounds)


def test_windows_cover_the_longest_sound():
    windows = Windows.over(80, 200)
    assert (windows.num_windows, windows.total_samples) == (4, 200)
    assert Windows.over(80, 201).total_samples == 240
    assert Windows.over(80, 80) == Windows.over(80, 10) == Windows(80)
    sounds = np.arange(400).reshape(2, 200)
    cut = windows.cut(sounds)
    assert cut.shape == (8, 80)
    np.testing.assert_array_equal(cut[1], sounds[0, 40:120])


@pytest.mark.parametrize("num_frames", [8, 20, 5, 1])
def test_features_of_a_moment_do_not_depend_on_the_window(num_frames):
    windows = Windows.over(80, 200)
    sound = np.random.default_rng(1).standard_normal((2, 200))
    size = 80 // num_frames
    features = windows.cut(sound).reshape(8, 1, num_frames, size).mean(axis=3)
    joined = windows.join(features)
    assert joined.shape == (2, 1, round(200 / 80 * num_frames * (1 if num_frames % 2 == 0 else 2)))
    if num_frames % 2 == 0:  # frames of neighbouring windows fall together
        np.testing.assert_allclose(joined[:, 0], sound.reshape(2, -1, size).mean(axis=2))


def test_the_middle_of_a_window_counts():
    windows = Windows.over(80, 200)
    which = np.repeat(np.arange(4.0), 8).reshape(4, 1, 8)  # the number of the window in all of its frames
    np.testing.assert_array_equal(windows.join(which)[0, 0], np.repeat([0.0, 1, 2, 3], [6, 4, 4, 6]))


def test_a_network_hears_long_sounds_to_their_end(benchmark):
    found = dict(timed_activations(Blocks(fast=10, slow=40), benchmark, cache=None, stages=["fast", "slow"]))
    whole = np.abs(benchmark.stimuli(RATE_HZ, 200))
    np.testing.assert_allclose(found["fast"][:, 0], whole.reshape(24, 20, 10).mean(axis=2), rtol=1e-5)
    np.testing.assert_allclose(found["slow"][:, 0], whole.reshape(24, 5, 40).mean(axis=2), rtol=1e-5)
    averaged = cached_activations(Blocks(fast=10), benchmark, cache=None)["fast"]
    beginning = np.abs(benchmark.stimuli(RATE_HZ, 80)).mean(axis=1)
    np.testing.assert_allclose(averaged[:, 0], beginning, rtol=1e-5)


def test_stages_that_do_not_fit_together_are_heard_one_after_another(benchmark):
    passes = []
    network = Blocks(a=10, b=20, c=40)
    together = dict(timed_activations(network, benchmark, cache=None, stages=network.stages))
    network.register_forward_hook(lambda *_: passes.append(1))
    options = {"cache": None, "stages": network.stages, "memory_limit_gib": 1e-9, "batch_size": 1000}
    for stage, features in timed_activations(network, benchmark, **options):
        np.testing.assert_array_equal(features, together[stage])
    assert len(passes) == 1 + 3  # one sound for the sizes, then each stage


def test_sounds_of_functions_and_responses_without_time_have_one_window(benchmark, make_benchmark):
    assert windows_of(benchmark, RATE_HZ, 80).num_windows == 4
    assert windows_of(make_benchmark(waveforms=benchmark.waveforms), RATE_HZ, 80).num_windows == 1
    assert windows_of(make_benchmark(num_bins=4), RATE_HZ, 80).num_windows == 1
    assert torch.is_grad_enabled()
