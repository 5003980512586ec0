import numpy as np
import pytest

from datamodules.batches.mixing import MixingError, crop_noise, draw_shift, mix, place_signal


def sounds(seed=0, num_samples=4000):
    rng = np.random.default_rng(seed)
    return (0.3 * rng.standard_normal(num_samples) + 0.2).astype("f"), (rng.uniform(-1, 1, num_samples) - 0.1).astype(
        "f"
    )


def parts_of(mixture, signal, noise):
    """The weights of signal and noise in a mixture, by least squares."""
    design = np.stack([signal - signal.mean(), noise - noise.mean()], axis=1).astype(np.float64)
    weights, _, _, _ = np.linalg.lstsq(design, mixture.astype(np.float64), rcond=None)
    return design * weights


@pytest.mark.parametrize("snr_db", [-10.0, -3.3, 0.0, 10.0, 40.0])
def test_the_mixture_has_the_ratio_and_level_asked_for(snr_db):
    signal, noise = sounds()
    mixture = mix(signal, noise, snr_db)
    assert mixture.snr_db == snr_db
    assert mixture.waveform.dtype == np.float32
    in_mixture = parts_of(mixture.waveform, signal, noise)
    signal_rms, noise_rms = np.sqrt((in_mixture**2).mean(axis=0))
    assert 20 * np.log10(signal_rms / noise_rms) == pytest.approx(snr_db, abs=1e-4)
    np.testing.assert_allclose(in_mixture.sum(axis=1), mixture.waveform, atol=1e-7)
    assert np.sqrt(np.mean(mixture.waveform.astype(float) ** 2)) == pytest.approx(0.1, rel=1e-6)
    assert abs(mixture.waveform.mean()) < 1e-7


def test_the_mixture_follows_the_published_formula():
    signal, noise = (x.astype(np.float64) for x in sounds(1))
    signal_0, noise_0 = signal - signal.mean(), noise - noise.mean()
    scale = signal_0.std() / (noise_0.std() * 10 ** (3.0 / 20))
    expected = signal_0 + scale * noise_0
    expected *= 0.1 / expected.std()
    np.testing.assert_allclose(mix(signal, noise, 3.0).waveform, expected, atol=1e-7)


def test_levels_of_the_inputs_do_not_matter():
    signal, noise = sounds(2)
    np.testing.assert_allclose(
        mix(100 * signal, 0.01 * noise + 0.01, 4.0).waveform, mix(signal, noise, 4.0).waveform, atol=1e-5
    )


def test_one_side_absent_or_silent():
    signal, noise = sounds(3)
    quiet = 0.1 * (signal - signal.mean()) / signal.std()
    silent = np.full_like(signal, 0.3)
    for mixture in (mix(signal, noise, np.inf), mix(signal, None, np.inf), mix(signal, silent, 0.0)):
        np.testing.assert_allclose(mixture.waveform, quiet, atol=1e-6)
        assert mixture.snr_db == np.inf
    alone = 0.1 * (noise - noise.mean()) / noise.std()
    for mixture in (mix(signal, noise, -np.inf), mix(None, noise, 2.0), mix(silent, noise, 0.0)):
        np.testing.assert_allclose(mixture.waveform, alone, atol=1e-6)
        assert mixture.snr_db == -np.inf


def test_errors():
    with pytest.raises(MixingError, match=r"word 'a' and rain 'b': nothing to hear"):
        mix(np.zeros(10), np.ones(10), 0.0, names="word 'a' and rain 'b'")
    with pytest.raises(MixingError, match="nothing to hear"):
        mix(None, None, 0.0)
    with pytest.raises(MixingError, match=r"signal has shape \(3,\), noise \(4,\)"):
        mix(np.ones(3), np.ones(4), 0.0)


def test_the_midpoint_comes_to_the_middle():
    x = np.arange(1, 11, dtype=np.float32)
    np.testing.assert_array_equal(place_signal(x, 5, 4), [4, 5, 6, 7])  # sample 5 has the value 6, at place 2
    np.testing.assert_array_equal(place_signal(x, 5, 4, shift=1), [5, 6, 7, 8])
    np.testing.assert_array_equal(place_signal(x, 0, 6), [0, 0, 0, 1, 2, 3])
    np.testing.assert_array_equal(place_signal(x, 9, 6), [7, 8, 9, 10, 0, 0])
    np.testing.assert_array_equal(place_signal(x, 5, 30)[10:20], x)
    assert place_signal(x, 5, 30).sum() == x.sum()


@pytest.mark.parametrize("shift", [-100, -3, 0, 3, 100])
def test_the_middle_stays_on_the_clip(shift):
    x = np.ones(9, dtype=np.float32)
    assert place_signal(x, 4, 20, shift=shift)[10] == 1


def test_shifts_fill_their_range():
    rng = np.random.default_rng(0)
    shifts = [draw_shift(rng, 0.01, 1000) for _ in range(2000)]
    assert set(shifts) == set(range(-10, 11))
    assert draw_shift(rng, 0.0, 1000) == 0


def test_crops_are_stretches_from_everywhere():
    x = np.arange(10.0)
    rng = np.random.default_rng(0)
    crops = np.array([crop_noise(x, 4, rng) for _ in range(300)])
    assert set(crops[:, 0]) == set(range(7))
    np.testing.assert_array_equal(np.diff(crops, axis=1), 1)
    np.testing.assert_array_equal(crop_noise(x, 10, rng), x)


def test_short_noises_loop():
    x = np.arange(5.0)
    rng = np.random.default_rng(0)
    crops = np.array([crop_noise(x, 13, rng) for _ in range(100)])
    assert set(crops[:, 0]) == set(range(5))
    assert set(np.unique(np.diff(crops, axis=1) % 5)) == {1}


def test_silent_crops_are_drawn_again():
    x = np.zeros(100)
    x[:40] = np.random.default_rng(1).standard_normal(40)
    rng = np.random.default_rng(0)
    assert sum(not crop_noise(x, 20, rng).any() for _ in range(200)) <= 3
    assert not crop_noise(np.zeros(100), 20, rng).any()
