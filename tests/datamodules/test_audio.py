import io

import numpy as np
import pytest
import soundfile

from datamodules.audio import AudioError, demean, fit_length, read_audio, resample, rms, set_rms


def wav_bytes(samples: np.ndarray, sample_rate_hz: int, subtype: str = "FLOAT") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate_hz, format="WAV", subtype=subtype)
    return buffer.getvalue()


def tone(frequency_hz: float, sample_rate_hz: int, duration_s: float = 1.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz)


def test_reads_path_bytes_and_file_alike(tmp_path):
    samples = np.random.default_rng(0).uniform(-1, 1, 1000).astype(np.float32)
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(samples, 8000))
    for source in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        read = read_audio(source, sample_rate_hz=8000)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, samples)


def test_channels_are_averaged():
    left, right = np.full(10, 0.5), np.full(10, -0.25)
    read = read_audio(wav_bytes(np.stack([left, right], axis=1), 8000), sample_rate_hz=8000)
    np.testing.assert_allclose(read, 0.125)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44100, 20000), (8000, 20000), (16000, 20000), (48000, 20000)])
def test_resampling_keeps_a_tone(from_hz, to_hz):
    resampled = resample(tone(440, from_hz), from_hz, to_hz)
    assert len(resampled) == to_hz
    middle = slice(to_hz // 10, -to_hz // 10)  # the ends see the zeros outside
    np.testing.assert_allclose(resampled[middle], tone(440, to_hz)[middle], atol=1e-4)


def test_resampling_leaves_out_what_would_alias():
    resampled = resample(tone(15_000, 44100), 44100, 20000)
    assert rms(resampled[2000:-2000]) < 1e-4


@pytest.mark.parametrize("from_hz", [8000, 20000, 44100, 22050])
@pytest.mark.parametrize(("start_s", "duration_s"), [(0.0, 0.5), (0.25, 0.5), (0.12345, 0.2), (0.9, 0.5), (0.7, None)])
def test_a_stretch_is_a_piece_of_the_whole(from_hz, start_s, duration_s):
    sound = wav_bytes(np.random.default_rng(1).uniform(-0.5, 0.5, from_hz), from_hz)
    whole = read_audio(sound, sample_rate_hz=20000)
    stretch = read_audio(sound, sample_rate_hz=20000, start_s=start_s, duration_s=duration_s)
    first = round(start_s * 20000)
    last = None if duration_s is None else first + round(duration_s * 20000)
    np.testing.assert_allclose(stretch, whole[first:last], atol=1e-6)


def test_errors_name_the_file_and_the_reason(tmp_path):
    with pytest.raises(AudioError, match=r"gone\.wav: no such audio file") as raised:
        read_audio(tmp_path / "gone.wav", sample_rate_hz=8000)
    assert raised.value.kind == "missing"
    (tmp_path / "text.wav").write_text("this is no sound")
    with pytest.raises(AudioError, match=r"text\.wav: cannot be read as audio"):
        read_audio(tmp_path / "text.wav", sample_rate_hz=8000)
    (tmp_path / "zero.wav").write_bytes(b"")
    with pytest.raises(AudioError, match=r"zero\.wav"):
        read_audio(tmp_path / "zero.wav", sample_rate_hz=8000)
    (tmp_path / "empty.wav").write_bytes(wav_bytes(np.zeros(0), 8000))
    with pytest.raises(AudioError, match=r"empty\.wav: empty") as raised:
        read_audio(tmp_path / "empty.wav", sample_rate_hz=8000)
    assert raised.value.kind == "empty"
    (tmp_path / "nan.wav").write_bytes(wav_bytes(np.array([0.0, np.nan, 0.1]), 8000))
    with pytest.raises(AudioError, match=r"nan\.wav: has samples that are not finite") as raised:
        read_audio(tmp_path / "nan.wav", sample_rate_hz=8000)
    assert raised.value.kind == "not finite"
    short = wav_bytes(np.ones(800), 8000)
    with pytest.raises(AudioError, match=r"800 frames end before 0.2 s"):
        read_audio(short, sample_rate_hz=8000, start_s=0.2)
    with pytest.raises(AudioError, match="start_s >= 0"):
        read_audio(short, sample_rate_hz=8000, start_s=-0.2)
    with pytest.raises(ValueError, match="sample_rate_hz must be positive"):
        read_audio(short, sample_rate_hz=0)


def test_levels():
    x = np.random.default_rng(0).standard_normal(5000).astype(np.float32) + 3
    assert rms(np.array([3.0, -4.0])) == pytest.approx(np.sqrt(12.5))
    levelled = set_rms(x)
    assert levelled.dtype == np.float32
    assert rms(levelled) == pytest.approx(0.1, rel=1e-6)
    assert abs(levelled.mean()) < 1e-8
    assert rms(set_rms(x, 0.02)) == pytest.approx(0.02, rel=1e-6)
    np.testing.assert_array_equal(set_rms(np.zeros(10)), np.zeros(10))
    for constant in (0.1, 1 / 3, 1e-6):
        assert not set_rms(np.full(12345, constant, dtype=np.float32)).any()
    assert demean(np.zeros(0)).shape == (0,)


def test_fit_length():
    x = np.arange(3.0)
    np.testing.assert_array_equal(fit_length(x, 2), [0, 1])
    np.testing.assert_array_equal(fit_length(x, 5), [0, 1, 2, 0, 0])
