import numpy as np
import pytest
import scipy.signal

from datamodules.demo.rooms import DECAY_S, DIRECT_DB, GAIN_DB, in_a_room, recording_gain, room_response

RATE_HZ = 20000


def test_a_room_is_the_convolution_with_its_response_coloured():
    sound = np.random.default_rng(0).standard_normal(5000)
    heard = in_a_room(np.random.default_rng(1), sound, RATE_HZ)
    rng = np.random.default_rng(1)
    response = room_response(rng, RATE_HZ)
    echoing = scipy.signal.convolve(sound, response)
    gain = recording_gain(rng, np.fft.rfftfreq(len(echoing), 1 / RATE_HZ))
    expected = np.fft.irfft(np.fft.rfft(echoing) * gain, len(echoing))[:5000]
    np.testing.assert_allclose(heard, expected, atol=1e-10 * np.abs(expected).max())
    np.testing.assert_array_equal(heard, in_a_room(np.random.default_rng(1), sound, RATE_HZ))
    assert not np.allclose(heard, in_a_room(np.random.default_rng(2), sound, RATE_HZ))


@pytest.mark.parametrize("seed", range(10))
def test_reverberation_decays_by_60_db_in_its_time(seed):
    response = room_response(np.random.default_rng(seed), RATE_HZ)
    assert DECAY_S[0] <= len(response) / RATE_HZ <= DECAY_S[1]
    tail = response[1:]
    direct_db = -10 * np.log10((tail**2).sum())
    assert DIRECT_DB[0] - 0.1 <= direct_db <= DIRECT_DB[1] + 0.1
    # Octave around the slowest frequencies: Schroeder's backward integral falls along a straight line.
    octave = scipy.signal.sosfiltfilt(scipy.signal.butter(2, [350, 1400], "band", fs=RATE_HZ, output="sos"), tail)
    remaining_db = 10 * np.log10(np.cumsum((octave**2)[::-1])[::-1] / (octave**2).sum())
    falling = (remaining_db < -3) & (remaining_db > -25)
    slope_db_per_s = np.polyfit(np.flatnonzero(falling) / RATE_HZ, remaining_db[falling], 1)[0]
    assert 0.6 * len(tail) / RATE_HZ < -60 / slope_db_per_s < 1.15 * len(tail) / RATE_HZ


def test_high_frequencies_die_away_sooner():
    ratios = []
    for seed in range(20):
        response = room_response(np.random.default_rng(seed), RATE_HZ)
        late = np.abs(np.fft.rfft(response[len(response) // 3 :], 2 * RATE_HZ)) ** 2
        early = np.abs(np.fft.rfft(response[1 : len(response) // 3], 2 * RATE_HZ)) ** 2
        middle, high = slice(1000, 2000), slice(12000, 18000)  # 500-1000 Hz and 6-9 kHz
        ratios.append(late[high].sum() / early[high].sum() / (late[middle].sum() / early[middle].sum()))
    assert np.median(ratios) < 0.5


def test_a_recording_gain_is_smooth_and_of_the_stated_spread():
    frequencies_hz = np.arange(0, 10001, 10.0)
    gains_db = np.array([20 * np.log10(recording_gain(np.random.default_rng(i), frequencies_hz)) for i in range(300)])
    assert gains_db.shape == (300, 1001)
    assert (gains_db[:, 0] == gains_db[:, 6]).all()  # up to 60 Hz
    at_octaves = gains_db[:, [6, 12, 24, 48, 96]]
    assert at_octaves.std() == pytest.approx(GAIN_DB, rel=0.1)
    assert np.abs(np.diff(gains_db[:, 96:])).max() < 2.0  # dB in 10 Hz
