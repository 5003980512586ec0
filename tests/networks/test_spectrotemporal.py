from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from evaluate import stage_activations
from evaluate.benchmarks import load_benchmark
from evaluate.report.published_values import COMPONENTS, PUBLISHED_MODELS
from evaluate.scoring.score_network import score_network
from networks import Cochleagram, SpectroTemporal, build
from networks.spectrotemporal import ModulationPower, modulations

SMALL_FRONT_END = {
    "sample_rate_hz": 2000,
    "num_samples": 2000,
    "num_filters": 4,
    "high_hz": 1000.0,
    "frame_rate_hz": 50.0,
    "num_taps": 81,
}
SMALL = {"rates_hz": (0.0, 2.0, 4.0, 8.0), "scales_cyc_per_erb": (0.0, 0.5, 1.0)}


def relative_error(value: NDArray, reference: NDArray) -> float:
    return float(np.linalg.norm(value - reference) / np.linalg.norm(reference))


@pytest.fixture(scope="module")
def small() -> SpectroTemporal:
    return SpectroTemporal(Cochleagram(**SMALL_FRONT_END), **SMALL)


def test_equals_published_power_and_order_of_filters(shared_dir: Path):
    with np.load(shared_dir / "golden" / "cochleagram.npz") as golden:
        waveform, cochleagram = golden["woman_speaking/waveform"], golden["woman_speaking/cochleagram"]
    with np.load(shared_dir / "golden" / "spectemp.npz") as golden:
        power, tuning = golden["power"], golden["rates_hz_scales_cyc_per_erb"]
    net = SpectroTemporal().eval()
    np.testing.assert_array_equal(np.array(net.spectrotemporal.modulations), tuning)
    with torch.inference_mode():
        from_cochleagram = net.spectrotemporal(torch.tensor(cochleagram)[None])
        from_waveform = net(torch.tensor(waveform)[None])
    assert from_waveform.shape == (1, 23_421)
    assert relative_error(from_cochleagram[0].numpy(), power.ravel()) <= 1e-5
    assert relative_error(from_waveform[0].numpy(), power.ravel()) <= 1e-4
    by_filter = np.linalg.norm(from_cochleagram.reshape(111, 211).numpy() - power, axis=1)
    assert (by_filter <= 1e-5 * np.linalg.norm(power, axis=1)).all()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["direct", "multirate"])
def test_predicts_the_real_components_as_well_as_published(shared_dir: Path, method):
    published = dict(zip(COMPONENTS, PUBLISHED_MODELS["SpectroTemporal"].components, strict=True))
    benchmark = load_benchmark(shared_dir / "data" / "natsound165")
    table = score_network(SpectroTemporal(Cochleagram(method=method)), benchmark)
    for metric in ("encoding_r2", "best_stage_r2"):
        scores = table[table["metric"] == metric].set_index("region")["value"]
        assert scores[list(COMPONENTS)].to_dict() == pytest.approx(published, abs=0.05)


def naive_power(cochleagram: NDArray, frame_rate_hz: float, rates: tuple, scales: tuple) -> NDArray:
    """By the definition: one complex filter at a time on the whole plane, in float64."""
    num_bands, num_frames = cochleagram.shape
    height, width = 2 * num_bands, 3 * num_frames
    spectrum = np.fft.fft2(np.pad(100 * cochleagram, ((0, num_bands), (0, 2 * num_frames))))
    sign_f = np.sign(np.fft.fftfreq(height))[:, None] * np.ones((1, width))
    sign_t = np.sign(np.fft.fftfreq(width))[None] * np.ones((height, 1))
    is_nyquist = np.zeros((height, width), bool)
    is_nyquist[num_bands] = True
    if width % 2 == 0:
        is_nyquist[:, width // 2] = True
    power = []
    for signed_rate, scale in modulations(rates, scales):
        rate, direction = abs(signed_rate), -1 if signed_rate < 0 else 1
        in_time = np.zeros(width, complex)
        in_time[0] = 1
        if rate:
            tau = rate * np.arange(num_frames) / frame_rate_hz
            h = np.sin(2 * np.pi * tau) * tau**2 * np.exp(-3.5 * tau)
            in_time = np.fft.fft(np.concatenate([h - h.mean(), np.zeros(2 * num_frames)]))
            magnitude, phase = np.abs(in_time) / np.abs(in_time).max(), np.angle(in_time)
            if rate == max(rates):
                peak = int(np.argmax(magnitude[: width // 2 + 1]))
                magnitude[peak : width - peak + 1] = 1
            in_time = magnitude * np.exp(1j * phase)
        over_bands = np.zeros(height)
        over_bands[0] = 1
        if scale:
            ratio = (6 * np.minimum(np.arange(height), height - np.arange(height)) / height / scale) ** 2
            over_bands = ratio * np.exp(-ratio)
            over_bands /= over_bands.max()
            if scale == max(scales):
                peak = int(np.argmax(over_bands[: num_bands + 1]))
                over_bands[peak : height - peak + 1] = 1
        plane = np.outer(over_bands, in_time)
        zeroed = ((sign_t == -direction) & (sign_f > 0)) | ((sign_t == direction) & (sign_f < 0))
        plane[zeroed & ~is_nyquist] = 0
        output = np.fft.ifft2(spectrum * plane)[:num_bands, :num_frames].real
        power.append(np.maximum(output**2, 1e-8).mean(axis=1))
    return np.array(power)


@pytest.mark.parametrize(("num_bands", "num_frames"), [(20, 60), (21, 61), (7, 40)])
def test_equals_the_definition_at_other_sizes(num_bands, num_frames):
    cochleagrams = np.random.default_rng(0).random((2, num_bands, num_frames)).astype(np.float32)
    rates, scales = (0.0, 1.0, 4.0, 8.0, 16.0), (0.0, 0.0625, 0.5, 2.0)
    module = ModulationPower(num_bands, num_frames, frame_rate_hz=50.0, rates_hz=rates, scales_cyc_per_erb=scales)
    power = module(torch.tensor(cochleagrams)).reshape(2, -1, num_bands).numpy()
    assert module.num_features == power[0].size
    for one, cochleagram in zip(power, cochleagrams, strict=True):
        expected = naive_power(cochleagram.astype(float), 50.0, rates, scales)
        assert one.shape == expected.shape
        assert relative_error(one, expected) <= 1e-5


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_moving_ripple_drives_the_filter_of_its_rate_scale_and_direction(sign):
    """cos(2 pi (w t + s f)): for positive w and s, peaks fall in frequency; that is the positive direction here."""
    num_bands, num_frames, frame_rate_hz, rate, scale = 60, 100, 50.0, 4.0, 0.5
    time, bands_erb = np.arange(num_frames) / frame_rate_hz, np.arange(num_bands) / 6
    ripple = 1 + np.cos(2 * np.pi * (sign * rate * time + scale * bands_erb[:, None]))
    rates, scales = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0), (0.0, 0.125, 0.25, 0.5, 1.0, 2.0)
    module = ModulationPower(
        num_bands, num_frames, frame_rate_hz=frame_rate_hz, rates_hz=rates, scales_cyc_per_erb=scales
    )
    power = module(torch.tensor(ripple, dtype=torch.float32)[None]).reshape(-1, num_bands).mean(dim=1).numpy()
    # Filters at rate or scale 0 are left out: they hold the ripple's mean.
    moving = [i for i, tuned in enumerate(module.modulations) if tuned.rate_hz and tuned.scale_cyc_per_erb]
    best = module.modulations[max(moving, key=lambda i: power[i])]
    assert best == (sign * rate, scale)
    against = module.modulations.index((-sign * rate, scale))
    assert power[module.modulations.index(best)] > 20 * power[against]


def test_louder_by_a_factor_is_its_square_in_power_and_silence_is_the_floor():
    module = ModulationPower(20, 60, frame_rate_hz=50.0, rates_hz=(2.0, 8.0), scales_cyc_per_erb=(0.25, 1.0))
    cochleagram = torch.rand(1, 20, 60, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(3 * cochleagram), 9 * module(cochleagram), rtol=1e-4, atol=0)
    torch.testing.assert_close(module(torch.zeros(1, 20, 60)), torch.full((1, module.num_features), 1e-8))


def test_batch_equals_one_at_a_time_and_autocast_changes_nothing(small):
    waveforms = torch.randn(3, 2000, generator=torch.Generator().manual_seed(0))
    together = small(waveforms)
    for waveform, expected in zip(waveforms, together, strict=True):
        torch.testing.assert_close(small(waveform[None])[0], expected, rtol=1e-4, atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(small(waveforms), together)


def test_evaluation_treats_it_like_any_network(small):
    waveforms = torch.randn(3, 2000, generator=torch.Generator().manual_seed(1))
    features = stage_activations(small, waveforms, batch_size=2)
    assert list(features) == list(small.stages) == list(small.stage_modules())
    assert (small.sample_rate_hz, small.num_samples) == (2000, 2000)
    np.testing.assert_allclose(features["spectrotemporal"], small(waveforms).numpy(), rtol=1e-4, atol=1e-6)


def test_its_description_rebuilds_it_without_any_weights(small):
    assert small.state_dict() == {}
    waveforms = torch.randn(1, 2000, generator=torch.Generator().manual_seed(2))
    again = build(small.description())
    assert isinstance(again, SpectroTemporal)
    torch.testing.assert_close(again(waveforms), small(waveforms), rtol=0, atol=0)


def test_double_precision_is_closer_to_the_definition():
    cochleagram = np.random.default_rng(0).random((20, 60))
    module = ModulationPower(20, 60, frame_rate_hz=50.0, rates_hz=(0.0, 2.0, 8.0), scales_cyc_per_erb=(0.0, 1.0))
    expected = naive_power(cochleagram, 50.0, (0.0, 2.0, 8.0), (0.0, 1.0)).ravel()
    assert relative_error(module.double()(torch.tensor(cochleagram)[None])[0].numpy(), expected) <= 1e-6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rates_hz": (0.0, 26.0)}, r"rates_hz.*25\.0 or less, got \[0\.0, 26\.0\]"),
        ({"rates_hz": (4.0, 2.0)}, "rates_hz that increase"),
        ({"rates_hz": ()}, "rates_hz"),
        ({"scales_cyc_per_erb": (-1.0, 1.0)}, "scales_cyc_per_erb that increase from 0"),
        ({"scales_cyc_per_erb": (0.0, 3.5)}, "3.0 or less"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SpectroTemporal(Cochleagram(**SMALL_FRONT_END), **(SMALL | settings))


def test_cochleagram_of_another_size_is_refused(small):
    with pytest.raises(ValueError, match=r"\(batch, 27, 48\), got \(2, 5, 48\)"):
        small.spectrotemporal(torch.zeros(2, 5, 48))
