"""Sounds that are cut, broken, empty or hostile: the right samples, or one line that says why not."""

import io
import struct
import tracemalloc
from functools import cache

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.audio import AudioError, audio_info, read_audio, resample

NUM_SAMPLES = 4000
# Their headers do not say how much sound there is: a file that was cut is a shorter file.
CLAIM_NOTHING = ("IRCAM", "PAF", "PVF", "XI")
# RAW has no header, SD2 has it in another file, and libsndfile does not read back what it writes as DWVW.
LEFT_OUT = ("RAW", "SD2")
FIXED_RATES_HZ = {"OPUS": 16_000, "MP3": 16_000, "XI": 44_100, "WVE": 8000}


@cache
def encoded(format_name: str, subtype: str, num_channels: int = 1) -> tuple[bytes, np.ndarray, int] | None:
    """The bytes of a file, its samples averaged over channels, and its sample rate; None if libsndfile cannot."""
    rate_hz = FIXED_RATES_HZ.get(subtype, FIXED_RATES_HZ.get(format_name, 8000))
    one = 0.1 * np.random.default_rng(0).standard_normal(NUM_SAMPLES)
    buffer = io.BytesIO()
    try:
        samples = np.stack([one, one[::-1]], axis=1)[:, :num_channels]
        soundfile.write(buffer, samples, rate_hz, format=format_name, subtype=subtype)
        with soundfile.SoundFile(io.BytesIO(buffer.getvalue())) as file:
            whole = file.read(file.frames, dtype="float32", always_2d=True).mean(axis=1)
    except soundfile.SoundFileError:
        return None
    return buffer.getvalue(), whole, rate_hz


def kinds() -> list[tuple[str, str]]:
    formats = [name for name in soundfile.available_formats() if name not in LEFT_OUT]
    pairs = [(name, subtype) for name in formats for subtype in soundfile.available_subtypes(name)]
    return [pair for pair in pairs if encoded(*pair) is not None]


@pytest.mark.parametrize(("format_name", "subtype"), kinds())
def test_every_format_reads_as_it_is(format_name, subtype):
    data, whole, rate_hz = encoded(format_name, subtype)
    read = read_audio(data, sample_rate_hz=rate_hz)
    # A file of GSM in WAV has a byte more, which libsndfile takes for a block more.
    assert len(whole) - 320 * (subtype == "GSM610") <= len(read) <= len(whole)
    np.testing.assert_allclose(read, whole[: len(read)], atol=1e-3)
    stretch = read_audio(data, sample_rate_hz=rate_hz, start_s=1000 / rate_hz, duration_s=500 / rate_hz)
    np.testing.assert_allclose(stretch, whole[1000:1500], atol=1e-3)


@settings(max_examples=400, deadline=None)
@given(
    kind=st.sampled_from(kinds()),
    num_channels=st.integers(1, 2),
    cut=st.floats(0, 1),
    first=st.integers(0, NUM_SAMPLES + 100),
    num_samples=st.none() | st.integers(1, NUM_SAMPLES),
)
def test_a_sound_cut_anywhere_gives_the_right_samples_or_an_error(kind, num_channels, cut, first, num_samples):
    found = encoded(*kind, num_channels)
    if found is None:
        return
    data, whole, rate_hz = found
    num_bytes = round(cut * len(data))
    duration_s = None if num_samples is None else num_samples / rate_hz
    try:
        read = read_audio(data[:num_bytes], sample_rate_hz=rate_hz, start_s=first / rate_hz, duration_s=duration_s)
    except AudioError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert "\n" not in refusal
        return
    expected = whole[first:] if num_samples is None else whole[first : first + num_samples]
    np.testing.assert_allclose(read, expected[: len(read)], atol=1e-3)
    if kind[0] not in CLAIM_NOTHING and kind[1] != "GSM610":
        assert len(read) == len(expected)


@pytest.mark.parametrize(
    ("format_name", "subtype", "numbers"),
    [
        ("WAV", "PCM_16", "3978 of the 8000 bytes"),
        ("AIFF", "PCM_16", r"\d+ of the 8008 bytes"),
        ("AU", "PCM_16", "3988 of the 8000 bytes"),
        ("RF64", "PCM_16", r"1974 of the 4000 samples"),
        ("NIST", "PCM_16", r"1744 of the 4000 samples"),
        ("MP3", "MPEG_LAYER_III", r"\d+ of the 4000 samples"),
    ],
)
def test_a_file_that_holds_less_than_it_claims_is_counted_as_short(tmp_path, format_name, subtype, numbers):
    data, whole, rate_hz = encoded(format_name, subtype)
    path = tmp_path / "cut.sound"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match=rf"cut\.sound: cut short: it holds {numbers}") as raised:
        read_audio(path, sample_rate_hz=rate_hz)
    assert raised.value.kind == "cut short"
    # What is there before the cut is right, and resampling needs some more of it.
    start = read_audio(path, sample_rate_hz=rate_hz, duration_s=500 / rate_hz)
    np.testing.assert_allclose(start, whole[:500], atol=1e-3)
    with pytest.raises(AudioError, match="cut short"):
        read_audio(path, sample_rate_hz=rate_hz, start_s=3000 / rate_hz, duration_s=500 / rate_hz)


def wav(riff: int | None = None, data: int | None = None) -> bytes:
    made = bytearray(encoded("WAV", "PCM_16")[0])
    if riff is not None:
        made[4:8] = struct.pack("<I", riff)
    if data is not None:
        made[40:44] = struct.pack("<I", data)
    return bytes(made)


@pytest.mark.parametrize(
    ("riff", "data"),
    [(0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF024, 0x7FFFF000), (0x80000024, 0x80000000), (0, 0xFFFFFFFF)],
)
def test_sounds_that_were_written_into_a_pipe_claim_nothing(riff, data):
    assert len(read_audio(wav(riff, data), sample_rate_hz=8000)) == NUM_SAMPLES


def test_a_stream_of_flac_does_not_say_how_long_it_is():
    data = bytearray(encoded("FLAC", "PCM_16")[0])
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    np.testing.assert_array_equal(read_audio(bytes(data), sample_rate_hz=8000), encoded("FLAC", "PCM_16")[1])
    stretch = read_audio(bytes(data), sample_rate_hz=8000, start_s=0.1, duration_s=0.1)
    np.testing.assert_array_equal(stretch, encoded("FLAC", "PCM_16")[1][800:1600])
    assert np.isnan(audio_info(bytes(data)).duration_s)


def tagless(bit_rates: list[int]) -> bytes:
    """Silent frames of MPEG-1 layer III at 44.1 kHz, mono, without a header for all."""
    frames = []
    for index in bit_rates:
        kbits = (32, 40, 48, 56, 64, 80, 96, 112, 128)[index - 1]
        header = bytes([0xFF, 0xFB, index << 4, 0xC0])
        frames.append(header + bytes(144_000 * kbits // 44_100 - 4))
    return b"".join(frames)


def test_mp3_without_a_header_is_read_if_its_bit_rate_is_constant(monkeypatch):
    assert len(read_audio(tagless([5] * 40), sample_rate_hz=44_100)) == 40 * 1152
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("datamodules.decoding.media._audio_decoder", lambda: None)
    with pytest.raises(AudioError, match=r"varying bit rate.*install ffmpeg") as raised:
        read_audio(tagless([9] * 20 + [1] * 100), sample_rate_hz=44_100)
    assert raised.value.kind == "no decoder"


def hostile_wav(num_channels: int, rate_hz: int, data: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, num_channels, rate_hz, 0, 2 * num_channels & 0xFFFF, 16)
    sound = bytes(range(56))
    return b"".join(
        [
            b"RIFF",
            struct.pack("<I", 92),
            b"WAVEfmt ",
            struct.pack("<I", 16),
            form,
            b"data",
            struct.pack("<I", data),
            sound,
        ]
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (hostile_wav(1, 8000, 0xFFFF_FFFF), "holds 56 of the 4294967295 bytes"),
        (hostile_wav(1, 8000, 0xFFFF_FF00), "holds 56 of the 4294967040 bytes"),
        (hostile_wav(10_000, 8000, 56), "channels"),
        (hostile_wav(0, 8000, 56), "cannot be read as audio"),
        (hostile_wav(1, 0xFFFF_FFFF, 56), "hostile"),
        (hostile_wav(1, 2_000_000_000, 56), "sample rate of 2000000000 Hz"),
        (hostile_wav(1, 0, 56), "hostile"),
        (b"fLaC" + bytes(100), "cannot be read as audio"),
        (b"RIFF", "cannot be read as audio"),
    ],
)
def test_headers_that_lie_cost_no_memory(data, reason):
    named = io.BytesIO(data)
    named.name = "hostile.wav"
    tracemalloc.start()
    try:
        with pytest.raises(AudioError, match=reason) as raised:
            read_audio(named, sample_rate_hz=8000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "\n" not in str(raised.value)
    assert "hostile.wav" in str(raised.value)
    assert peak < 100e6


def test_a_stream_that_claims_the_longest_sound_of_all_is_read_as_far_as_it_goes():
    data = bytearray(encoded("FLAC", "PCM_16")[0])
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4  # 2^36 - 1 samples, 256 GiB
    with pytest.raises(AudioError, match="cut short"):
        read_audio(bytes(data), sample_rate_hz=8000)


def test_long_stretches_are_refused_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr("datamodules.decoding.sound.MAX_SAMPLES", 3000)
    with pytest.raises(AudioError, match="more than 3000 samples, too many to read at once"):
        read_audio(wav(), sample_rate_hz=8000)
    assert len(read_audio(wav(), sample_rate_hz=8000, start_s=0.4)) == 800


def test_sounds_are_read_in_blocks(monkeypatch):
    monkeypatch.setattr("datamodules.decoding.libsndfile._BLOCK_SIZE", 1000)
    for kind in (
        ("WAV", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("MP3", "MPEG_LAYER_III"),
        ("OGG", "VORBIS"),
        ("WAV", "GSM610"),
    ):
        data, whole, rate_hz = encoded(*kind)
        read = read_audio(data, sample_rate_hz=rate_hz, start_s=100 / rate_hz, duration_s=3500 / rate_hz)
        np.testing.assert_allclose(read, whole[100:3600], atol=1e-6)


def test_what_is_no_sound_is_named(tmp_path):
    (tmp_path / "none.wav").write_bytes(b"")
    with pytest.raises(AudioError, match=r"none\.wav: empty: it has no bytes") as raised:
        read_audio(tmp_path / "none.wav", sample_rate_hz=8000)
    assert raised.value.kind == "empty"
    (tmp_path / "pointer.wav").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(AudioError, match=r"pointer\.wav: a pointer of Git LFS") as raised:
        read_audio(tmp_path / "pointer.wav", sample_rate_hz=8000)
    assert raised.value.kind == "missing"
    with pytest.raises(AudioError, match="no such audio file"):
        read_audio(tmp_path, sample_rate_hz=8000)
    for start_s, duration_s in ((float("nan"), None), (float("inf"), 1.0), (0.0, float("inf"))):
        with pytest.raises(AudioError, match="start_s >= 0"):
            read_audio(wav(), sample_rate_hz=8000, start_s=start_s, duration_s=duration_s)
    assert resample(np.zeros(0, dtype=np.float32), 44_100, 20_000).shape == (0,)


def test_names_that_are_not_utf8(tmp_path):
    path = tmp_path / b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    try:
        path.write_bytes(wav())
    except OSError:
        pytest.skip("this file system has no such names")
    assert len(read_audio(path, sample_rate_hz=8000)) == NUM_SAMPLES
    path.write_bytes(b"no sound")
    with pytest.raises(AudioError, match=r"caf.\.wav: cannot be read") as raised:
        read_audio(path, sample_rate_hz=8000)
    assert "caf\ufffd.wav" in str(raised.value)
