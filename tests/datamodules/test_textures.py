import time

import numpy as np
import pytest

from datamodules.synthesis import primitives as make
from datamodules.synthesis.textures import TEXTURE_LABELS, synthesise_texture
from evaluate.benchmarks.acoustic_drives import auditory_spectrogram, modulation_spectrum


@pytest.mark.parametrize("label", TEXTURE_LABELS)
def test_texture_has_the_stated_length_level_and_bytes(label):
    waveform = synthesise_texture(label, seed=3, duration_s=1.5)
    assert waveform.shape == (30_000,)
    assert waveform.dtype == np.float32
    assert np.isfinite(waveform).all()
    assert abs(waveform.mean()) < 1e-5
    assert np.sqrt(np.mean(waveform.astype(float) ** 2)) == pytest.approx(0.1, rel=1e-4)
    assert synthesise_texture(label, seed=3, duration_s=1.5).tobytes() == waveform.tobytes()
    assert not np.array_equal(synthesise_texture(label, seed=4, duration_s=1.5), waveform)


@pytest.mark.parametrize("label", TEXTURE_LABELS)
def test_short_and_low_rate_textures_are_finite_and_not_silent(label):
    for seed in range(12):
        for sample_rate_hz in (8000, 20_000):
            waveform = synthesise_texture(label, seed=(7, seed), sample_rate_hz=sample_rate_hz, duration_s=0.5)
            assert np.isfinite(waveform).all()
            assert waveform.any()


def test_textures_do_not_depend_on_global_random_state():
    np.random.seed(0)  # noqa: NPY002
    first = synthesise_texture("rain", seed=0)
    np.random.seed(1)  # noqa: NPY002
    assert np.array_equal(first, synthesise_texture("rain", seed=0))


def test_classes_can_be_told_apart_from_clip_to_clip():
    """A plain nearest-centroid classifier on spectrum and modulation does far better than chance (1 in 31)."""
    train, test = (
        np.stack([_statistics(label, (key, number)) for label in TEXTURE_LABELS for number in range(count)])
        for key, count in ((1, 10), (2, 5))
    )
    mean, deviation = train.mean(axis=0), train.std(axis=0) + 1e-9
    centroids = ((train - mean) / deviation).reshape(len(TEXTURE_LABELS), 10, -1).mean(axis=1)
    distance = (((test - mean) / deviation)[:, None] - centroids).__pow__(2).sum(axis=2)
    accuracy = (distance.argmin(axis=1) == np.repeat(np.arange(len(TEXTURE_LABELS)), 5)).mean()
    assert accuracy > 0.6
    # ... and clips of a class are not copies of each other.
    within = ((train - mean) / deviation).reshape(len(TEXTURE_LABELS), 10, -1).std(axis=1).mean(axis=1)
    assert (within > 0.1).all()


def _statistics(label: str, seed: tuple[int, ...]) -> np.ndarray:
    spectrogram = auditory_spectrogram(synthesise_texture(label, seed=seed, duration_s=1.0)[None])
    rates = np.log(modulation_spectrum(spectrogram).energy.sum(axis=1)[0, 1:60:6] + 1e-9)
    return np.concatenate([spectrogram.mean(axis=2)[0], rates])


def test_textures_are_fast():
    start_s = time.process_time()
    for label in TEXTURE_LABELS:
        synthesise_texture(label, seed=0, duration_s=4.0)
    assert (time.process_time() - start_s) / (4.0 * len(TEXTURE_LABELS)) < 0.03  # a few ms, on an idle machine


def test_errors_say_what_is_allowed():
    with pytest.raises(ValueError, match=r"unknown sound texture 'rains'; the textures are applause, .*wind"):
        synthesise_texture("rains", seed=0)
    with pytest.raises(ValueError, match="at least 8000, got 4000"):
        synthesise_texture("rain", seed=0, sample_rate_hz=4000)
    with pytest.raises(ValueError, match=r"at least 0\.5, got 0\.2"):
        synthesise_texture("rain", seed=0, duration_s=0.2)


def test_harmonic_tone_equals_a_sum_of_sines():
    f0_hz = np.linspace(200, 230, 2000)
    amplitudes, phases = np.array([1.0, 0.5, 0.25]), np.array([0.3, 1.0, -2.0])
    phase = 2 * np.pi * np.cumsum(f0_hz) / 20_000
    expected = sum(a * np.sin((n + 1) * phase + p) for n, (a, p) in enumerate(zip(amplitudes, phases, strict=True)))
    result = make.harmonic_tone(f0_hz, amplitudes, 20_000, start_phases=phases)
    np.testing.assert_allclose(result, expected, atol=1e-9)


def test_harmonics_above_the_limit_are_left_out():
    tone = make.harmonic_tone(np.full(20_000, 3000.0), np.ones(10), 20_000)
    spectrum = np.abs(np.fft.rfft(tone))
    assert spectrum[[3000, 6000, 9000]].min() > 9000
    assert spectrum.sum() == pytest.approx(spectrum[[3000, 6000, 9000]].sum(), rel=1e-6)


def test_filtered_noise_has_the_spectrum_that_was_asked():
    noise = make.filtered_noise(np.random.default_rng(0), 2**17, 20_000, make.power_law(1.0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequencies = np.fft.rfftfreq(2**17, 1 / 20_000)
    octaves = [power[(frequencies >= f) & (frequencies < 2 * f)].sum() for f in (100, 200, 400, 800, 1600, 3200)]
    np.testing.assert_allclose(octaves, np.mean(octaves), rtol=0.12)  # pink: equal power in each octave


def test_scatter_adds_grains_and_cuts_at_the_end():
    grains = [np.ones(4), np.full(2, 10.0)]
    mixture = make.scatter(
        np.array([0.0, 0.2, 0.8]),
        grains,
        np.array([0, 1, 0]),
        np.array([1.0, 2.0, 3.0]),
        num_samples=10,
        sample_rate_hz=10,
    )
    np.testing.assert_array_equal(mixture, [1, 1, 21, 21, 0, 0, 0, 0, 3, 3])
