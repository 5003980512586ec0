"""Sound files as a network hears them."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from datamodules.audio import AudioError
from evaluate import load_sound, stage_activations
from evaluate.benchmarks.sound_files import sounds_in_folder


@pytest.fixture
def folder(tmp_path):
    """Sounds of 0.2 and 0.03 s for a network that hears 0.064 s at 1000 Hz, and a silent one."""
    noise = np.random.default_rng(0).standard_normal((3200, 2))
    soundfile.write(tmp_path / "long.wav", 0.1 * noise, 16_000, "FLOAT")
    soundfile.write(tmp_path / "short.wav", 0.1 * noise[:480], 16_000, "FLOAT")
    soundfile.write(tmp_path / "silent.wav", np.zeros(3200), 16_000)
    return tmp_path


def test_a_sound_is_heard_as_in_a_benchmark(tiny_network, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sound = load_sound(tiny_network, folder / "long.wav")
    assert sound.shape == (1, 64)
    assert sound.dtype == torch.float32
    np.testing.assert_array_equal(sound, sounds_in_folder(folder, ["long"])(1000, 64))
    assert tiny_network(sound)["word"].shape == (1, 2)
    assert stage_activations(tiny_network, sound)["relufc"].shape == (1, 5)


def test_a_short_sound_is_padded_with_a_warning(tiny_network, folder):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")  # once for each place in the code, as Python does by itself
        sound, _ = (load_sound(tiny_network, str(folder / "short.wav")) for _ in range(2))
    expected = "sounds shorter than the 0.064 s that the network hears are padded with zeros"
    assert [str(warning.message) for warning in warned] == [expected]
    np.testing.assert_array_equal(sound, sounds_in_folder(folder, ["short"])(1000, 64))
    assert not sound[0, 30:].diff().any()


def test_start_and_level(tiny_network, folder):
    sound = load_sound(tiny_network, folder / "long.wav", start_s=0.1, rms=0.01)
    assert sound.square().mean().sqrt() == pytest.approx(0.01, rel=1e-5)
    first = load_sound(tiny_network, folder / "long.wav", start_s=0.136)
    assert torch.corrcoef(torch.stack([sound[0, 36:], first[0, :28]]))[0, 1] > 0.999


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("silent.wav", {}, "silent.wav: silent from 0 s to 0.064 s"),
        ("long.wav", {"start_s": 3.0}, r"long.wav: its 3200 frames end before 3 s, where the stretch starts: it lasts"),
        ("nowhere.wav", {}, "nowhere.wav"),
    ],
)
def test_sounds_that_cannot_be_heard_are_refused(tiny_network, folder, name, options, message):
    with pytest.raises(AudioError, match=message):
        load_sound(tiny_network, folder / name, **options)


def test_a_module_without_a_rate_is_refused(folder):
    with pytest.raises(TypeError, match=r"got a Linear; networks\.StagedNetwork adds these to any module"):
        load_sound(torch.nn.Linear(2, 2), folder / "long.wav")


def test_short_waveforms_are_padded_with_one_warning(tiny_network):
    sounds = torch.from_numpy(np.random.default_rng(0).standard_normal((7, 40)).astype(np.float32))
    with pytest.warns(UserWarning, match=r"sounds shorter than the 0\.064 s") as warned:
        found = stage_activations(tiny_network, sounds, batch_size=2)
    assert [Path(each.filename).name for each in warned] == [Path(__file__).name]
    padded = stage_activations(tiny_network, torch.nn.functional.pad(sounds, (0, 24)), batch_size=2)
    for stage, features in found.items():
        np.testing.assert_array_equal(features, padded[stage])
