import numpy as np
import pytest
import scipy.signal

from datamodules.demo.manners import (
    MANNERS,
    PLAIN,
    SHOUT_TILT_DB,
    VIBRATO_HZ,
    VIBRATO_PART,
    shouted,
    whispered,
    with_vibrato,
)
from datamodules.demo.primitives import harmonic_tone

RATE_HZ = 20000
F0_HZ = 125.0


@pytest.fixture(scope="module")
def vowel():
    """A second of a voiced vowel with formants at 600 and 1800 Hz, half a second of silence, and the vowel again."""
    numbers = np.arange(1, 40)
    amplitudes = sum(1 / (1 + ((numbers * F0_HZ - formant_hz) / 100) ** 2) for formant_hz in (600, 1800)) + 0.01
    voiced = harmonic_tone(np.full(RATE_HZ, F0_HZ), amplitudes, RATE_HZ)
    return np.concatenate([voiced, np.zeros(RATE_HZ // 2), voiced])


def periodicity(waveform):
    """Correlation of a sound with itself one period of the voice later."""
    lag = round(RATE_HZ / F0_HZ)
    return np.corrcoef(waveform[:-lag], waveform[lag:])[0, 1]


def band_level_db(waveform, centre_hz, width_hz=200):
    frequencies_hz, power = scipy.signal.welch(waveform, RATE_HZ, nperseg=2000)
    return 10 * np.log10(power[np.abs(frequencies_hz - centre_hz) < width_hz / 2].mean())


def test_a_whisper_has_the_vowel_but_not_the_voice(vowel):
    whisper = whispered(np.random.default_rng(0), vowel, RATE_HZ)
    assert whisper.shape == vowel.shape
    assert periodicity(vowel[:RATE_HZ]) > 0.99
    assert abs(periodicity(whisper[:RATE_HZ])) < 0.4
    for formant_hz in (600, 1800):
        for valley_hz in (1200, 3000):
            assert band_level_db(whisper[:RATE_HZ], formant_hz) > band_level_db(whisper[:RATE_HZ], valley_hz) + 6
    silence = whisper[int(1.05 * RATE_HZ) : int(1.45 * RATE_HZ)]
    assert np.abs(silence).max() < 1e-3 * np.abs(whisper).max()


@pytest.mark.parametrize("seed", range(5))
def test_a_shout_is_flatter_and_bounded(vowel, seed):
    quiet = 0.01 * vowel
    shout = shouted(np.random.default_rng(seed), vowel, RATE_HZ)
    np.testing.assert_allclose(shouted(np.random.default_rng(seed), quiet, RATE_HZ), shout, atol=1e-9)
    assert np.abs(shout).max() <= 1
    change_db = [band_level_db(shout, hz) - band_level_db(vowel, hz) for hz in (600, 1800)]
    octaves = np.log2(1800 / 600)
    assert change_db[1] - change_db[0] > 0.5 * SHOUT_TILT_DB[0] * octaves
    assert periodicity(shout[:RATE_HZ]) > 0.99


@pytest.mark.parametrize("seed", range(5))
def test_vibrato_sways_the_pitch_within_its_bounds(seed):
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * RATE_HZ) / RATE_HZ)
    sung = with_vibrato(np.random.default_rng(seed), tone, RATE_HZ)
    phase = np.unwrap(np.angle(scipy.signal.hilbert(sung)))
    f_hz = (np.diff(phase) * RATE_HZ / (2 * np.pi))[2000:-2000]
    f_hz = scipy.signal.savgol_filter(f_hz, 201, 2)
    assert np.abs(f_hz / 440 - 1).max() < VIBRATO_PART[1] * 1.1
    spectrum = np.abs(np.fft.rfft(f_hz - f_hz.mean(), 20 * RATE_HZ))
    assert VIBRATO_HZ[0] - 0.3 < spectrum[: 20 * 20].argmax() / 20 < VIBRATO_HZ[1] + 0.3


def test_vibrato_leaves_high_frequencies_as_loud_as_they_were():
    tone = np.sin(2 * np.pi * 7000 * np.arange(RATE_HZ) / RATE_HZ)
    sung = with_vibrato(np.random.default_rng(1), tone, RATE_HZ)
    envelope = np.abs(scipy.signal.hilbert(sung))[500:-500]
    np.testing.assert_allclose(envelope, 1, atol=0.1)  # a straight line between samples would halve it


@pytest.mark.parametrize("name", MANNERS)
def test_a_manner_is_repeatable_and_leaves_silence_silent(name, vowel):
    effect = MANNERS[name].effect
    once, again, other = (effect(np.random.default_rng(seed), vowel, RATE_HZ) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert (name == PLAIN) == np.array_equal(once, other)
    np.testing.assert_array_equal(effect(np.random.default_rng(0), np.zeros(4000), RATE_HZ), 0)
