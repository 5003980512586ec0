import time

import numpy as np
import pytest
import scipy.signal

from datamodules.demo import primitives as make
from datamodules.demo.textures import TEXTURE_LABELS, synthesise_texture
from evaluate.benchmarks.simulated.acoustic_drives import auditory_spectrogram, modulation_spectrum


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


@pytest.mark.parametrize("label", ["typing", "chopping", "writing", "breathing", "laughing", "crying", "dialling"])
def test_short_clips_have_an_event(label):
    for seed in range(100):
        waveform = synthesise_texture(label, seed=(8, seed), sample_rate_hz=8000, duration_s=0.5).astype(float)
        levels = np.array([np.mean(frame**2) for frame in np.array_split(waveform, 50)])
        assert levels.max() > 3 * np.median(levels) or levels.min() < 0.2 * levels.max(), seed


@pytest.mark.parametrize("seed", range(5))
def test_dialling_sounds_one_row_and_one_column_at_a_time(seed):
    waveform = synthesise_texture("dialling", seed=seed, duration_s=4.0)
    frequencies_hz, _, power = scipy.signal.spectrogram(waveform, 20_000, nperseg=1000, noverlap=500, nfft=20_000)
    tones_hz = (697, 770, 852, 941, 1209, 1336, 1477)
    levels = power[np.searchsorted(frequencies_hz, tones_hz)]
    sounding = levels > 0.1 * levels.max()
    assert sounding.any(axis=0).sum() >= 5
    in_one_key = ~np.diff(sounding, axis=1, prepend=False).any(axis=0)  # frames of two keys at once aside
    assert (sounding[:4, in_one_key].sum(axis=0) <= 1).all()
    assert (sounding[4:, in_one_key].sum(axis=0) <= 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_laughter_comes_in_four_to_seven_calls_a_second(seed):
    waveform = synthesise_texture("laughing", seed=seed, duration_s=4.0).astype(float)
    envelope = np.sqrt(np.add.reduceat(waveform**2, np.arange(0, len(waveform), 200)))
    spectrum = np.abs(np.fft.rfft(envelope - envelope.mean(), 4000))  # 100 Hz: bins of 1/40 Hz
    rates_hz = np.fft.rfftfreq(4000, 0.01)
    within = (rates_hz > 2.5) & (rates_hz < 20)
    assert 3.5 < rates_hz[within][spectrum[within].argmax()] < 15  # or an overtone of the calls


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
    right = distance.argmin(axis=1).reshape(-1, 5) == np.arange(len(TEXTURE_LABELS))[:, None]
    assert right.mean() > 0.6
    unknown = [label for label, mean in zip(TEXTURE_LABELS, right.mean(axis=1), strict=True) if mean < 0.2]
    assert len(unknown) <= 2, unknown
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
