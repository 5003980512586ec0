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
    sound = load_sound(tiny_network, folder / "long.wav")
    assert sound.shape == (1, 64)
    assert sound.dtype == torch.float32
    np.testing.assert_array_equal(sound, sounds_in_folder(folder, ["long"])(1000, 64))
    assert tiny_network(sound)["word"].shape == (1, 2)
    assert stage_activations(tiny_network, sound)["relufc"].shape == (1, 5)


def test_a_short_sound_is_padded_with_a_warning(tiny_network, folder):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        sound, _ = (load_sound(tiny_network, str(folder / "short.wav")) for _ in range(2))
    (warning,) = warned
    assert "short.wav: 0.03 s (30 samples) of the 0.064 s (64 samples) that the network hears" in str(warning.message)
    assert Path(warning.filename).name == Path(__file__).name
    np.testing.assert_array_equal(sound, sounds_in_folder(folder, ["short"])(1000, 64))
    assert not sound[0, 30:].diff().any()


def test_a_sound_of_which_a_part_is_heard_is_named_once(tiny_network, folder):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        load_sound(tiny_network, folder / "long.wav", start_s=0.01)  # chosen by the caller
        for _ in range(2):
            load_sound(tiny_network, folder / "long.wav")
    (warning,) = warned
    assert "long.wav lasts 0.2 s, of which the network hears the first 0.064 s" in str(warning.message)
    assert Path(warning.filename).name == Path(__file__).name


def test_a_benchmark_counts_the_sounds_of_which_a_part_is_heard(folder):
    sounds = sounds_in_folder(folder, ["long", "short"])
    with pytest.warns(UserWarning, match=r"1 sound is longer than the 0\.064 s .* up to 0\.2 s: .*long\.wav"):
        sounds(1000, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sounds(1000, 64)
        sounds(1000, 200)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 22_050, 8000])
def test_lengths_that_differ_by_resampling_are_no_news(tiny_network, tmp_path, rate_hz):
    noise = np.random.default_rng(0).standard_normal(round(0.064 * rate_hz) + 1)
    soundfile.write(tmp_path / "exact.wav", 0.1 * noise, rate_hz, "FLOAT")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_sound(tiny_network, tmp_path / "exact.wav")
        sounds_in_folder(tmp_path, ["exact"])(1000, 64)


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
    with pytest.warns(UserWarning, match=r"7 sounds are too short: 0\.04 s \(40 samples\) of the 0\.064 s") as warned:
        found = stage_activations(tiny_network, sounds, batch_size=2)
    assert [Path(each.filename).name for each in warned] == [Path(__file__).name]
    padded = stage_activations(tiny_network, torch.nn.functional.pad(sounds, (0, 24)), batch_size=2)
    for stage, features in found.items():
        np.testing.assert_array_equal(features, padded[stage])


def test_inspecting_sounds_reports_progress(folder):
    reports = []
    sounds_in_folder(folder, ["long", "short"]).inspect(lambda done, total: reports.append((done, total)))
    assert reports == [(1, 2), (2, 2)]
