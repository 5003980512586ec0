"""The front end against the published values, and its fast method against the direct one."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from datamodules.audio import fit_length, read_audio
from networks import Cochleagram
from networks.front_ends.compression import power_compression
from networks.front_ends.direct import LowPass
from networks.front_ends.filterbank import erb_cosine_filters, erb_to_hz, hz_to_erb, num_bands
from networks.front_ends.multirate.chosen import TOLERANCES

SMALL = {"sample_rate_hz": 2000, "num_samples": 800, "num_filters": 4, "sample_factor": 1, "high_hz": 1000.0}
SMALL_FRAMES = {"frame_rate_hz": 50.0, "num_taps": 81}


def relative_error(value: NDArray, reference: NDArray) -> float:
    return float(np.linalg.norm(value - reference) / np.linalg.norm(reference))


@pytest.fixture(scope="module")
def golden(shared_dir: Path):
    values = {}
    for name in ("cochleagram", "cochleagram_quiet"):
        with np.load(shared_dir / "golden" / f"{name}.npz") as file:
            values |= dict(file)
    return values


@pytest.fixture(scope="module")
def direct() -> Cochleagram:
    return Cochleagram(method="direct")


PUBLISHED_ROUNDING = {
    "woman_speaking": 3e-5,
    "piano": 1.6e-4,
    "speech_then_silence": 2.6e-2,
    "tone_burst": 2.0e-2,
    "two_clicks": 4.7e-3,
}
"""Relative error of the published gradients, which are float32: where a band holds nothing but rounding noise, as in
digital silence after a sound, the gradient's direction is noise too."""


class Golden(NamedTuple):
    """A cochleagram, (211, 390), and the gradient that the golden ones are of, (40000,)."""

    cochleagram: NDArray
    gradient: NDArray


THREADS_OF_PUBLISHED = {"woman_speaking": 2, "piano": 2}
"""With which the golden values were computed, where not 1: FFTs round differently."""


def computed(waveform: NDArray, dtype: torch.dtype, method: str = "direct", num_threads: int = 1) -> Golden:
    torch.set_num_threads(num_threads)
    sound = torch.tensor(waveform, dtype=dtype)[None].requires_grad_()
    weights = np.random.RandomState(0).standard_normal((211, 390)).astype(np.float32)
    cochleagram = Cochleagram(method=method).to(dtype)(sound)[0]
    (cochleagram * torch.tensor(weights)).sum().backward()
    assert sound.grad is not None
    return Golden(cochleagram.detach().numpy(), sound.grad[0].numpy())


def test_equals_published(golden, monkeypatch):
    """Rounded alike: as many threads, and FFTs that are the same on every processor."""
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")  # read at a process' first FFT, so in a new one
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        for sound in PUBLISHED_ROUNDING:
            threads = THREADS_OF_PUBLISHED.get(sound, 1)
            waveform = golden[f"{sound}/waveform"]
            value = process.submit(computed, waveform, torch.float32, num_threads=threads).result()
            assert relative_error(value.cochleagram, golden[f"{sound}/cochleagram"]) <= 1e-5
            assert relative_error(value.gradient, golden[f"{sound}/grad"]) <= 1e-4


@pytest.mark.parametrize(
    "sound",
    [
        *("speech_then_silence", "two_clicks"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("woman_speaking", "piano", "tone_burst")),
    ],
)
def test_is_exact_but_for_its_rounding(golden, sound):
    """On any processor about as near to float64 as the published software is."""
    waveform = golden[f"{sound}/waveform"]
    exact, value = computed(waveform, torch.float64), computed(waveform, torch.float32)
    assert relative_error(golden[f"{sound}/grad"], exact.gradient) <= PUBLISHED_ROUNDING[sound]
    assert relative_error(value.gradient, exact.gradient) <= 1.5 * PUBLISHED_ROUNDING[sound]
    assert relative_error(value.cochleagram, exact.cochleagram) <= 1.5e-4


@pytest.mark.parametrize(("method", "tolerance"), [("direct", 1e-6), ("multirate", 2e-5)])
def test_silence_is_at_the_floor_of_the_magnitude(golden, method, tolerance):
    value = computed(np.zeros(40_000, np.float32), torch.float32, method)
    np.testing.assert_allclose(value.cochleagram, golden["zeros/cochleagram"], rtol=tolerance)
    np.testing.assert_allclose(value.cochleagram, 2e-8**0.3, rtol=0.01)  # magnitude and offset, compressed
    assert not value.gradient.any()
    assert not golden["zeros/grad"].any()


def test_center_frequencies_equal_published(golden, direct):
    np.testing.assert_allclose(direct.center_freqs_hz.numpy(), golden["center_freqs_hz"], rtol=1e-5)


def test_squared_responses_sum_to_one():
    bank = erb_cosine_filters(40_000)
    assert bank.responses.shape == (211, 20_001) == (num_bands(50, 4), 20_001)
    np.testing.assert_allclose((bank.responses**2).sum(axis=0), 1, atol=1e-12)


def test_erb_scale_inverts():
    frequencies = np.geomspace(20, 20_000, 50)
    np.testing.assert_allclose(erb_to_hz(hz_to_erb(frequencies)), frequencies, rtol=1e-12)


def test_kernel_equals_its_definition():
    time = np.arange(-500.5, 500.5)
    expected = np.sinc(time / 100) / 100 * np.kaiser(1001, 5)
    np.testing.assert_allclose(LowPass(1001, 100).taps(np.arange(1001)), expected, atol=1e-15)


def naive_cochleagram(waveform: NDArray, **settings) -> NDArray:
    """By the definition, one band and one frame at a time, in float64."""
    bank = erb_cosine_filters(
        settings["num_samples"],
        sample_rate_hz=settings["sample_rate_hz"],
        num_filters=settings["num_filters"],
        sample_factor=settings["sample_factor"],
        high_hz=settings["high_hz"],
    )
    num_samples, num_taps = settings["num_samples"], settings["num_taps"]
    stride = int(settings["sample_rate_hz"] / settings["frame_rate_hz"])
    time = np.arange(num_taps) - num_taps / 2
    kernel = np.sinc(time / stride) / stride * np.kaiser(num_taps, 5)
    spectrum = np.fft.rfft(waveform)
    rows = []
    for response in bank.responses:
        one_sided = np.zeros(num_samples, complex)
        one_sided[: len(spectrum)] = spectrum * response
        envelope = np.abs(np.fft.ifft(one_sided))
        starts = range(0, num_samples - num_taps + 1, stride)
        rows.append([np.dot(envelope[start : start + num_taps], kernel) for start in starts])
    return (np.maximum(rows, 0) + 1e-8) ** 0.3


@pytest.mark.parametrize("num_samples", [800, 801, 1003])
@pytest.mark.parametrize("method", ["direct", "multirate"])
def test_other_settings_and_lengths_equal_the_definition(num_samples, method):
    settings = SMALL | SMALL_FRAMES | {"num_samples": num_samples}
    front_end = Cochleagram(**settings, method=method, tolerance=1e-4)
    waveform = np.random.default_rng(0).standard_normal(num_samples).astype(np.float32) * 0.1
    expected = naive_cochleagram(waveform, **settings)
    result = front_end(torch.tensor(waveform)[None])[0].numpy()
    assert result.shape == front_end.output_shape == expected.shape
    assert relative_error(result, expected) <= (1e-6 if method == "direct" else 5e-4)


SECONDS = np.arange(40_000) / 20_000


def click_train(period: int, first: int = 0) -> NDArray:
    clicks = np.zeros(40_000)
    clicks[first::period] = 1.0
    return clicks


HARDEST = ("stim25_bike_bell", "stim86_clock_ticking", "stim150_finger_tapping", "stim527_ringtone")
"""Of the 165 natural sounds, those with errors that come and go with the numbers of points."""


def natural_sounds(shared_dir: Path, every: int) -> NDArray:
    files = sorted((shared_dir / "data" / "natsound165" / "stimuli").glob("*"))
    files = [*files[::every], *(file for file in files if file.stem in HARDEST)]
    return np.stack([fit_length(read_audio(file, sample_rate_hz=20_000, duration_s=2.0), 40_000) for file in files])


SOUNDS = {
    "noise": np.random.default_rng(1).standard_normal((2, 40_000)),
    "tones": np.stack(
        [
            np.sin(2 * np.pi * 440 * SECONDS) + np.sin(2 * np.pi * 4321.5 * SECONDS),
            sum(np.sin(2 * np.pi * 200 * harmonic * SECONDS) for harmonic in range(1, 40)),
            np.sin(2 * np.pi * 4000 * SECONDS) + np.sin(2 * np.pi * 4300 * SECONDS),
        ]
    ),
    "silence": np.zeros((1, 40_000)),
    # Between clicks an envelope is the filter's impulse response: cusps at regular times, made much of by the power.
    "clicks": np.stack([click_train(period) for period in (250, 1000, 2500, 5000)] + [click_train(40_000, 20_000)]),
}


def at_level(sounds: NDArray) -> torch.Tensor:
    rms = np.sqrt(np.mean(sounds**2, axis=1, keepdims=True))
    return torch.tensor(0.1 * sounds / np.where(rms > 0, rms, 1.0), dtype=torch.float32)


def relative_errors(front_end: Cochleagram, reference: Cochleagram, waveforms: torch.Tensor) -> NDArray:
    expected = reference(waveforms).flatten(1)
    differences = (front_end(waveforms).flatten(1) - expected).norm(dim=1)
    return (differences / expected.norm(dim=1)).numpy()


@pytest.fixture(scope="module")
def multirate() -> Cochleagram:
    return Cochleagram(method="multirate")


@pytest.mark.parametrize("sound", PUBLISHED_ROUNDING)
def test_multirate_is_close_to_direct_with_digital_silence(golden, direct, multirate, sound):
    """Rounding of the direct method itself is 1e-4 where there is nothing but noise."""
    assert relative_errors(multirate, direct, torch.tensor(golden[f"{sound}/waveform"])[None]).max() <= 4e-4


@pytest.mark.parametrize("kind", SOUNDS)
def test_multirate_is_close_to_direct(direct, multirate, kind):
    assert relative_errors(multirate, direct, at_level(SOUNDS[kind])).max() <= 5e-4


def test_multirate_is_close_to_direct_for_natural_sounds(shared_dir, direct, multirate):
    assert relative_errors(multirate, direct, at_level(natural_sounds(shared_dir, every=30))).max() <= 5e-4


@pytest.mark.slow
def test_tolerance_trades_accuracy_for_points(direct, multirate):
    fast = Cochleagram(method="multirate", tolerance=3e-3)
    assert fast.envelopes.num_points < 0.7 * multirate.envelopes.num_points
    assert relative_errors(fast, direct, at_level(SOUNDS["noise"])).max() <= 3e-3


def test_multirate_gradient_points_as_the_direct_one(golden, direct, multirate):
    gradients = []
    for front_end in (direct, multirate):
        waveform = torch.tensor(golden["woman_speaking/waveform"])[None].requires_grad_()
        weights = torch.tensor(np.random.RandomState(0).standard_normal((211, 390)), dtype=torch.float32)
        (front_end(waveform)[0] * weights).sum().backward()
        gradients.append(waveform.grad[0])
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) >= 0.999


@pytest.mark.parametrize("num_sounds", [1, 5, 512])
def test_multirate_result_and_gradient_do_not_depend_on_how_sounds_are_batched(monkeypatch, num_sounds):
    front_end = Cochleagram(**SMALL, **SMALL_FRAMES, method="multirate", fused=False)
    waveforms = torch.randn(num_sounds, 800, generator=torch.Generator().manual_seed(0)) * 0.1
    values = []
    for points in (2**11, 2**17):
        monkeypatch.setattr("networks.front_ends.multirate.envelopes.CPU_POINTS_AT_ONCE", points)
        leaf = waveforms.clone().requires_grad_()
        result = front_end(leaf)
        (result**2).sum().backward()
        values.append((result.detach(), leaf.grad))
    assert values[0][0].shape == (num_sounds, *front_end.output_shape)
    torch.testing.assert_close(values[0][0], values[1][0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(values[0][1], values[1][1], rtol=1e-3, atol=1e-4)


def test_lengths_of_one_setting_are_measured_once(monkeypatch):
    Cochleagram(**SMALL, **SMALL_FRAMES, method="multirate")
    monkeypatch.setattr("networks.front_ends.multirate.chosen.measure_groups", None)
    Cochleagram(**SMALL, **SMALL_FRAMES, method="multirate")


@pytest.mark.parametrize("tolerance", TOLERANCES)
def test_the_published_setting_is_not_measured_again(monkeypatch, tolerance):
    monkeypatch.setattr("networks.front_ends.multirate.chosen.measure_groups", None)
    monkeypatch.setattr("networks.front_ends.multirate.chosen.CHOSEN", {})
    Cochleagram(method="multirate", tolerance=tolerance)


@pytest.mark.slow
def test_stored_groups_are_those_measured(monkeypatch):
    stored = Cochleagram(method="multirate", tolerance=3e-3).envelopes.groups
    monkeypatch.setattr("networks.front_ends.multirate.chosen.CHOSEN", {})
    monkeypatch.setattr("networks.front_ends.multirate.chosen.stored_groups", lambda key: None)
    measured = Cochleagram(method="multirate", tolerance=3e-3).envelopes.groups
    for groups in (stored, measured):
        assert sorted(band for group in groups for band in group.bands) == list(range(211))
    points = [sum(len(group.bands) * group.num_points for group in groups) for groups in (stored, measured)]
    assert points[0] == pytest.approx(points[1], rel=0.02)  # processors round differently


def test_frame_rate_is_known():
    assert Cochleagram(**SMALL, **SMALL_FRAMES).frame_rate_hz == 50.0


@pytest.mark.parametrize("method", ["direct", "multirate"])
def test_gradients_are_those_of_finite_differences(method):
    settings = SMALL | {"num_samples": 200, "frame_rate_hz": 50.0, "num_taps": 81}
    front_end = Cochleagram(**settings, method=method).double()
    waveform = torch.randn(1, 200, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 10
    assert torch.autograd.gradcheck(front_end, waveform.requires_grad_(), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("method", ["direct", "multirate"])
def test_batch_of_many_equals_one_at_a_time_and_silence_has_a_gradient(method):
    front_end = Cochleagram(**SMALL, **SMALL_FRAMES, method=method)
    waveforms = torch.randn(3, 800, generator=torch.Generator().manual_seed(0))
    waveforms[1] = 0
    waveforms.requires_grad_()
    together = front_end(waveforms)
    together.sum().backward()
    assert torch.isfinite(waveforms.grad).all()
    for waveform, expected in zip(waveforms.detach(), together, strict=True):
        torch.testing.assert_close(front_end(waveform[None])[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["direct", "multirate"])
def test_autocast_leaves_it_in_float32(method):
    front_end = Cochleagram(**SMALL, **SMALL_FRAMES, method=method)
    waveform = torch.randn(2, 800, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        result = front_end(waveform)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, front_end(waveform))


def test_compression_clips_its_gradient_and_passes_the_clamp():
    x = torch.tensor([-1.0, 0.0, 1e-4, 0.5], requires_grad=True)
    y = power_compression(x)
    y.sum().backward()
    torch.testing.assert_close(y.detach(), (x.detach().clamp(min=0) + 1e-8) ** 0.3)
    torch.testing.assert_close(x.grad, torch.tensor([5.0, 5.0, 5.0, 0.3 * 0.5**-0.7]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"high_hz": 11_000.0}, "half the sample rate"),
        ({"num_samples": 500}, "num_taps"),
        ({"frame_rate_hz": 190.0}, "divides"),
        ({"method": "fast"}, "multirate"),
        ({"num_samples": 200, "num_taps": 101}, "too coarse"),
        ({"num_filters": 0}, "at least one filter"),
        ({"method": "multirate", "oversampling": 0.5}, "oversampling"),
        ({"method": "multirate", "tolerance": 0.0}, "tolerance"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Cochleagram(**settings)


def test_waveform_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"\(batch, 800\).*got \(2, 799\)"):
        Cochleagram(**SMALL, **SMALL_FRAMES)(torch.zeros(2, 799))
