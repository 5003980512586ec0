"""What each augmentation does to a sound, against independent computations."""

import pickle

import numpy as np
import pytest
import scipy.signal
import soundfile
import torch

from datamodules.audio import rms
from datamodules.batches.augmentation import AUGMENTATIONS
from datamodules.batches.augmentation.augmentation import Augmentation, SoundAugmentation
from datamodules.batches.augmentation.band_limit import BandLimit
from datamodules.batches.augmentation.equalization import Equalization
from datamodules.batches.augmentation.gain import Gain
from datamodules.batches.augmentation.masks import FrequencyMask, TimeMask
from datamodules.batches.augmentation.mixup import Mixup
from datamodules.batches.augmentation.more_noises import MoreNoises, layered_noises
from datamodules.batches.augmentation.pitch import Pitch
from datamodules.batches.augmentation.plan import AugmentationPlan
from datamodules.batches.augmentation.reverberation import Reverberation
from datamodules.batches.augmentation.speed import Speed
from datamodules.batches.settings_error import DataSettingsError
from datamodules.demo.rooms import gain_between
from networks.named_objects import load_object

RATE_HZ = 8000
NUM_SAMPLES = 4000
ON_SIGNAL = [
    Reverberation(num_rooms=300, longest_s=0.3),
    Equalization(),
    BandLimit(),
    Speed(factor=(0.8, 1.25)),
    Pitch(semitones=(-4.0, 4.0)),
]


def plan_of(*augmentations, **changes):
    given = {"num_samples": NUM_SAMPLES, "sample_rate_hz": RATE_HZ, "seed": 3}
    return AugmentationPlan(augmentations, **{**given, **changes})


def changed(plan, clip, *, middle, position=0, epoch=0):
    """The stretch of a clip around its middle, augmented."""
    drawn = plan.drawn(epoch, position)
    length, before = drawn.windows["signal"]
    start = middle - before
    return drawn.changed("signal", clip[start : start + length])


@pytest.fixture(scope="module")
def clip():
    return np.random.default_rng(0).standard_normal(24_000).astype(np.float32)


def test_every_built_in_augmentation_is_in_the_table():
    found = {name: load_object(target) for name, target in AUGMENTATIONS.items()}
    assert all(issubclass(one, Augmentation) and one.__name__ == name for name, one in found.items())
    import datamodules

    assert all(getattr(datamodules, name) is one for name, one in found.items())


@pytest.mark.parametrize("one", ON_SIGNAL, ids=lambda one: one.name)
def test_length_is_exact_and_a_function_of_seed_epoch_and_position(one, clip):
    plan = plan_of(one)
    results = {}
    for epoch, position in ((0, 0), (0, 1), (1, 0), (7, 12345)):
        result = changed(plan, clip, middle=12_000, epoch=epoch, position=position)
        assert (result.shape, result.dtype) == ((NUM_SAMPLES,), np.float32)
        again = pickle.loads(pickle.dumps(plan))  # as in another process
        np.testing.assert_array_equal(changed(again, clip, middle=12_000, epoch=epoch, position=position), result)
        results[result.tobytes()] = None
    assert len(results) == 4
    assert changed(plan_of(one, seed=4), clip, middle=12_000).tobytes() not in results
    after = plan_of(Gain(), one)  # one more before it changes nothing but its own stream
    assert len(changed(after, clip, middle=12_000)) == NUM_SAMPLES


@pytest.mark.parametrize("one", ON_SIGNAL, ids=lambda one: one.name)
def test_left_out_it_changes_nothing(one, clip):
    one = pickle.loads(pickle.dumps(one))
    one.probability = 0.0
    result = changed(plan_of(one, one), clip, middle=12_000)
    np.testing.assert_array_equal(result, clip[10_000:14_000])


@pytest.mark.parametrize("one", ON_SIGNAL[:3], ids=lambda one: one.name)
def test_a_filtered_stretch_is_that_of_the_whole_clip_filtered(one, clip):
    plan = plan_of(one)
    parameters = one.draw(np.random.default_rng(5), RATE_HZ)
    taps = one.kernel(RATE_HZ, **parameters)
    assert len(taps) == one.num_taps(RATE_HZ)
    whole = scipy.signal.convolve(clip.astype(np.float64), taps)[one.latency(RATE_HZ) :]
    before, after = one.margins(RATE_HZ)
    stretch = one.apply(clip[10_000 - before : 14_000 + after], RATE_HZ, **parameters)
    np.testing.assert_allclose(stretch, whole[10_000:14_000], atol=2e-5 * np.abs(whole).max())
    assert plan.drawn(0, 0).windows["signal"].num_samples == NUM_SAMPLES + before + after


def test_rooms_keep_the_time_of_the_direct_sound_and_die_away():
    one = Reverberation(num_rooms=20, longest_s=0.5)
    for room in range(20):
        taps = one.kernel(RATE_HZ, room=room)
        assert np.abs(taps).argmax() == one.latency(RATE_HZ)
        energy = np.square(taps[one.latency(RATE_HZ) + 1 :])
        assert energy[: len(energy) // 4].sum() > 5 * energy[-len(energy) // 4 :].sum()
        assert "direct sound" in one.describe(room=room)
    assert taps.tobytes() == Reverberation(num_rooms=20, longest_s=0.5).kernel(RATE_HZ, room=19).tobytes()


def test_recorded_rooms(tmp_path):
    response = np.zeros(6000)
    response[500], response[600:5000:100] = 0.5, 0.1
    stereo = np.stack([response, np.zeros(6000)], axis=1)
    (tmp_path / "halls").mkdir()
    soundfile.write(tmp_path / "halls" / "large.wav", stereo, RATE_HZ, subtype="FLOAT")
    one = Reverberation(folder=str(tmp_path), longest_s=0.2)
    taps = one.kernel(RATE_HZ, room=0)
    latency = one.latency(RATE_HZ)
    assert (len(taps), taps[latency]) == (latency + 1600, 1.0)
    np.testing.assert_allclose(taps[latency + 100 : latency + 1400 : 100], 0.2, rtol=1e-6)
    assert 0 < taps[latency + 1500] < 0.2  # longer ones are faded
    assert one.describe(room=0) == "Reverberation large.wav"
    soundfile.write(tmp_path / "silent.wav", np.zeros(100), RATE_HZ)
    with pytest.raises(DataSettingsError, match=r"silent\.wav: the impulse response is silent"):
        Reverberation(folder=str(tmp_path)).kernel(RATE_HZ, room=1)
    with pytest.raises(DataSettingsError, match=r"Reverberation: .*no such folder"):
        Reverberation(folder=str(tmp_path / "gone"))


def test_filters_have_the_drawn_gain():
    frequencies_hz = np.array([150.0, 400.0, 1000.0, 3000.0])
    gains_db = np.array([0.0, 6.0, -6.0, 0.0, 3.0, 0.0, 0.0, -3.0])
    _, found = scipy.signal.freqz(Equalization().kernel(RATE_HZ, gains_db=gains_db), worN=frequencies_hz, fs=RATE_HZ)
    np.testing.assert_allclose(20 * np.log10(np.abs(found) / gain_between(gains_db, frequencies_hz)), 0, atol=0.7)
    kernel = BandLimit().kernel(RATE_HZ, low_hz=300.0, high_hz=3000.0)
    _, found = scipy.signal.freqz(kernel, worN=[100.0, 200.0, 400.0, 1000.0, 2500.0, 3500.0], fs=RATE_HZ)
    levels_db = 20 * np.log10(np.abs(found))
    assert (levels_db[[0, 1]] < -15).all()
    assert np.abs(levels_db[2:5]).max() < 1.5
    assert levels_db[5] < -8


@pytest.mark.parametrize(("one", "ratio"), [(Speed(), 1.07), (Speed(), 0.81), (Pitch(), 1.19), (Pitch(), 0.84)])
def test_tones_move_by_the_ratio_at_the_same_level(one, ratio):
    parameters = {"factor": ratio} if isinstance(one, Speed) else {"semitones": 12 * np.log2(ratio)}
    tone = np.sin(2 * np.pi * 500 * np.arange(16_000) / RATE_HZ).astype(np.float32)
    result = one.apply(tone, RATE_HZ, **parameters)
    middle = result[2000:10_000]
    peak_hz = np.abs(np.fft.rfft(middle * np.hanning(8000))).argmax()  # bins of 1 Hz
    assert peak_hz == pytest.approx(500 * ratio, abs=1)
    assert rms(middle) == pytest.approx(rms(tone), rel=0.01)


def test_speed_keeps_the_middle_and_pitch_keeps_times():
    clicks = np.zeros(24_000, dtype=np.float32)
    clicks[12_000] = 1.0
    assert np.abs(changed(plan_of(Speed(factor=(1.2, 1.2))), clicks, middle=12_000)).argmax() == 2000
    assert abs(np.abs(changed(plan_of(Pitch(semitones=(3, 3))), clicks, middle=12_000)).argmax() - 2000) < 200


def test_a_mixture_keeps_its_level_unless_a_gain_sets_it(clip):
    mixture = clip[: NUM_SAMPLES + 8000] * 0.1
    for augmentations, expected_db in (
        ((BandLimit(applies_to="mixture"), Speed(applies_to="mixture")), 0.0),
        ((Gain(gain_db=(6, 6)), BandLimit(applies_to="mixture")), 6.0),
    ):
        drawn = plan_of(*augmentations).drawn(0, 0)
        result = drawn.changed_mixture(mixture[: drawn.windows["mixture"].num_samples])
        assert result.shape == (NUM_SAMPLES,)
        assert 20 * np.log10(rms(result) / 0.1) == pytest.approx(expected_db, abs=0.2)


def test_noises_are_layered_at_their_levels():
    first, second, third = np.random.default_rng(0).standard_normal((3, 20_000)) + 0.5
    total = layered_noises(first, [second * 7, third / 9, np.zeros(20_000)], np.array([-6.0, 0.0, 0.0]))
    centred = np.stack([one - one.mean() for one in (first, second, third)], axis=1)
    weights = np.linalg.lstsq(centred, total.astype(np.float64), rcond=None)[0]
    np.testing.assert_allclose(20 * np.log10(weights / weights[0]), [0, -6, 0], atol=0.2)
    assert layered_noises(first, [], np.zeros(0)) is first


def test_masks_hide_what_they_say():
    cochleagrams = torch.rand(3, 20, 50) + 1
    parameters = {"starts": torch.tensor([[0.1], [0.5], [0.0]]), "ends": torch.tensor([[0.3], [0.5], [1.0]])}
    in_time = TimeMask(number=1, most=1.0).apply(cochleagrams, **parameters)
    in_frequency = FrequencyMask(number=1, most=1.0, fill="silence").apply(cochleagrams, **parameters)
    changed_columns = (in_time != cochleagrams).any(dim=1)  # (B, N)
    assert changed_columns[0].nonzero().ravel().tolist() == list(range(5, 15))
    torch.testing.assert_close(in_time[0, :, 5:15], cochleagrams[0].mean().expand(20, 10))
    assert not changed_columns[1].any()
    assert (in_frequency[0] == 0).all(dim=1).nonzero().ravel().tolist() == list(range(2, 6))
    assert (in_frequency[2] == 0).all()


class Clipped(SoundAugmentation):
    """Of one's own: clips peaks."""

    def __init__(self, *, applies_to="mixture", probability=1.0, num_extra=0):
        super().__init__(applies_to=applies_to, probability=probability)
        self.num_extra = num_extra

    def draw(self, rng, sample_rate_hz):
        return {"limit": rng.uniform(0.3, 0.9)}

    def apply(self, waveform, sample_rate_hz, *, limit):
        peak = np.abs(waveform).max()
        return np.clip(waveform, -limit * peak, limit * peak)[: len(waveform) + self.num_extra]


def test_ones_own(clip):
    drawn = plan_of(Clipped()).drawn(0, 0)
    assert drawn.described()[0].startswith("mixture: Clipped limit 0.")
    assert rms(drawn.changed_mixture(clip[:NUM_SAMPLES])) == pytest.approx(0.1, rel=1e-4)
    with pytest.raises(DataSettingsError, match=r"Clipped.apply must return at least 4000 samples .*3999"):
        plan_of(Clipped(num_extra=-1)).drawn(0, 0).changed_mixture(clip[:NUM_SAMPLES])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gain(probability=1.5), "Gain: probability must be between 0 and 1"),
        (lambda: Gain(gain_db=(3, -3)), r"Gain: gain_db must be \[lowest, highest\], got \[3, -3\]"),
        (lambda: Speed(factor=(0.1, 1)), "Speed: factor must be .* between 0.25 and 4"),
        (
            lambda: Speed(applies_to="left"),
            r"Speed: applies_to must be one of \['signal', 'noise', 'mixture'\], got 'left'",
        ),
        (lambda: Equalization(gain_db=-1), "gain_db must be at least 0"),
        (lambda: BandLimit(high_hz=(100, 200)), "BandLimit: high_hz must be"),
        (lambda: Reverberation(num_rooms=0), "num_rooms must be at least 1"),
        (lambda: MoreNoises(most=0), "most must be at least 1"),
        (lambda: Mixup(alpha=0), "alpha must be above 0"),
        (lambda: TimeMask(most=2), "TimeMask: number must be at least 1 and most between 0 and 1"),
        (lambda: plan_of(Mixup(), Mixup()), "Mixup is given 2 times, expected at most one"),
        (
            lambda: plan_of(Speed(applies_to="mixture"), on_device=True),
            "Speed changes mixtures in the loader",
        ),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(DataSettingsError, match=message):
        make()
