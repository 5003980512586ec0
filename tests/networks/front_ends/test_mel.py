"""The mel spectrogram as a front end."""

import numpy as np
import pytest
import torch
import torchaudio

from networks import AuditoryNetwork, CochCNN9, Cochleagram, FrontEnd, MelSpectrogram, build
from networks.stage_summary import stage_summaries

SMALL = {
    "sample_rate_hz": 2000,
    "num_samples": 800,
    "num_bands": 12,
    "high_hz": 1000.0,
    "frame_rate_hz": 50.0,
    "window_samples": 81,
    "fft_samples": 256,
}


def noise(num_sounds: int, num_samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(num_sounds, num_samples, generator=torch.Generator().manual_seed(0))


def test_has_the_cochleagrams_shape():
    front_end = MelSpectrogram()
    assert front_end.output_shape == Cochleagram().output_shape == (211, 390)
    assert front_end(noise(2, 40_000)).shape == (2, 211, 390)
    assert not front_end.state_dict()
    assert isinstance(front_end, FrontEnd)


def test_equals_torchaudios_transform():
    front_end = MelSpectrogram(compression="log", offset=1e-5, **SMALL)
    transform = torchaudio.transforms.MelSpectrogram(
        2000, n_fft=256, win_length=81, hop_length=40, f_min=50.0, f_max=1000.0, n_mels=12, power=1.0, center=False
    )
    sounds = noise(3, 800)
    padded = torch.nn.functional.pad(sounds, (87, 88))  # the window lies in the middle of 256 points
    expected = (transform(padded) / torch.hann_window(81).sum() + 1e-5).log()
    torch.testing.assert_close(front_end(sounds), expected)


def test_equals_sums_written_out():
    """One frame and band, from the definition alone."""
    front_end = MelSpectrogram(power=0.3, **SMALL)
    sounds = noise(1, 800).double().numpy()[0]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(81) / 81)
    frame, band = 7, 5
    piece = sounds[40 * frame : 40 * frame + 81] * window
    bins_hz = np.arange(129) * 2000 / 256
    magnitude = [abs(np.sum(piece * np.exp(-2j * np.pi * f / 2000 * np.arange(81)))) for f in bins_hz]
    low, high = (2595 * np.log10(1 + f / 700) for f in (50, 1000))
    edges = 700 * (10 ** (np.linspace(low, high, 14)[band : band + 3] / 2595) - 1)
    triangle = np.interp(bins_hz, edges, [0, 1, 0])
    expected = (np.sum(triangle * magnitude) / window.sum() + 1e-8) ** 0.3
    assert front_end(torch.tensor(sounds[None]).float())[0, band, frame].item() == pytest.approx(expected, rel=1e-4)


def test_a_tone_is_strongest_in_its_band():
    front_end = MelSpectrogram()
    time_s = torch.arange(40_000) / 20_000
    tone = torch.sin(2 * torch.pi * 1000 * time_s)[None]
    low, high = (2595 * np.log10(1 + f / 700) for f in (50, 10_000))
    position = (2595 * np.log10(1 + 1000 / 700) - low) / (high - low) * 212 - 1
    assert abs(front_end(tone)[0].mean(dim=1).argmax().item() - position) <= 1


def test_is_differentiable_and_float32_under_autocast():
    front_end = MelSpectrogram(**SMALL)
    sounds = noise(2, 800).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = front_end(sounds)
    assert output.dtype == torch.float32
    torch.testing.assert_close(output, front_end(sounds))
    output.sum().backward()
    assert sounds.grad.isfinite().all()
    assert sounds.grad.abs().sum() > 0
    assert front_end(torch.zeros(1, 800)).isfinite().all()


def test_takes_the_cochleagrams_place_and_is_rebuilt():
    network = AuditoryNetwork(CochCNN9(width=0.05), {"word": 3}, MelSpectrogram(**SMALL)).eval()
    again = build(network.description()).eval()
    assert isinstance(again.front_end, MelSpectrogram)
    assert again.description() == network.description()
    again.load_state_dict(network.state_dict())
    torch.testing.assert_close(again(noise(2, 800))["word"], network(noise(2, 800))["word"])
    assert stage_summaries(network)[0].shape == (12, 18)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frame_rate_hz": 60.0}, "frame rate that divides 2000 Hz"),
        ({"window_samples": 300}, "window of at most num_samples=800 and fft_samples=256"),
        ({"high_hz": 1001.0}, "half the sample rate"),
        ({"num_bands": 400}, r"too coarse for mel filter \d+ of 400"),
        ({"compression": "cube"}, "'power' or 'log', got 'cube'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MelSpectrogram(**SMALL | settings)


def test_sounds_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"shape \(batch, 800\), 0.4 s at 2000 Hz, got \(2, 801\)"):
        MelSpectrogram(**SMALL)(noise(2, 801))
