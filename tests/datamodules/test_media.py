"""Sounds in formats of FFmpeg's, read with torchcodec or the program ffmpeg; both are imitated where not installed."""

import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from datamodules.audio import AudioError, audio_info, read_audio
from datamodules.building.build import build_shards
from datamodules.decoding import media

M4A = b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(400)


@pytest.fixture(autouse=True)
def without_media():
    """Media are what is tested here."""


@pytest.fixture
def only_ffmpeg(monkeypatch):
    monkeypatch.setattr(media, "_audio_decoder", lambda: None)


@pytest.fixture
def sound():
    return 0.1 * np.random.default_rng(0).standard_normal((6000, 2)).astype(np.float32)


def stand_in(tmp_path, monkeypatch, script):
    """A program called ffmpeg."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_without_a_decoder_the_error_says_what_to_install(tmp_path, monkeypatch, only_ffmpeg):
    monkeypatch.setenv("PATH", "")
    (tmp_path / "a.m4a").write_bytes(M4A)
    with pytest.raises(AudioError, match=r"a\.m4a: .*install ffmpeg, or the extra `media`") as raised:
        read_audio(tmp_path / "a.m4a", sample_rate_hz=8000)
    assert raised.value.kind == "no decoder"


def test_bad_media_are_counted_by_a_build(tmp_path, monkeypatch, only_ffmpeg):
    monkeypatch.setenv("PATH", "")
    (tmp_path / "a.m4a").write_bytes(M4A)
    whole = np.random.default_rng(0).uniform(-0.1, 0.1, 8000)
    soundfile.write(tmp_path / "whole.wav", whole, 8000)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:5000])
    (tmp_path / "m.csv").write_text("path,word\na.m4a,a\nwhole.wav,a\ncut.wav,a\n")
    report = build_shards(
        tmp_path / "m.csv", tmp_path / "out", one_label=["word"], sample_rate_hz=8000, num_workers=1, skip_bad=True,
        progress=False, picture=False,
    )  # fmt: skip
    assert sorted(problem.kind for problem in report.problems) == ["cut short", "no decoder"]
    assert len(report.shard_sets["train"]) == 1


def test_ffmpeg_gives_the_samples_of_any_stretch(tmp_path, monkeypatch, only_ffmpeg, sound):
    soundfile.write(tmp_path / "sound.au", sound, 8000, subtype="FLOAT", format="AU")
    stand_in(tmp_path, monkeypatch, f"cat {tmp_path / 'sound.au'}")
    (tmp_path / "video.mp4").write_bytes(M4A)
    for source in (tmp_path / "video.mp4", M4A):
        whole = read_audio(source, sample_rate_hz=8000)
        np.testing.assert_allclose(whole, sound.mean(axis=1), atol=1e-6)
        stretch = read_audio(source, sample_rate_hz=8000, start_s=0.25, duration_s=0.25)
        np.testing.assert_allclose(stretch, sound.mean(axis=1)[2000:4000], atol=1e-6)
    assert audio_info(M4A)[1:] == (8000, 2)
    with pytest.raises(AudioError, match="6000 frames end before 1 s"):
        read_audio(M4A, sample_rate_hz=8000, start_s=1.0)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo '[mov @ 0x1] moov atom not found' >&2; exit 1", "cannot be read as audio (ffmpeg: moov atom not found)"),
        ("cat {sound}; echo '[mov @ 0x1] partial file' >&2", "damaged or cut short (ffmpeg: partial file)"),
        ("cat {sound}; exit 1", "damaged or cut short (ffmpeg"),
        ("exit 0", "cannot be read as audio (ffmpeg: it has no sound)"),
    ],
)
def test_what_ffmpeg_complains_of_is_one_line(tmp_path, monkeypatch, only_ffmpeg, sound, script, reason):
    soundfile.write(tmp_path / "sound.au", sound, 8000, subtype="FLOAT", format="AU")
    stand_in(tmp_path, monkeypatch, script.replace("{sound}", str(tmp_path / "sound.au")))
    with pytest.raises(AudioError) as raised:
        read_audio(M4A, sample_rate_hz=8000, duration_s=0.1)
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("num_more", [0, 500, -2000])
def test_torchcodec_is_asked_where_the_program_is_missing(monkeypatch, sound, num_more):
    class Decoder:
        metadata = SimpleNamespace(sample_rate=8000, num_channels=2, duration_seconds=0.75)

        def __init__(self, path):
            with open(path, "rb") as file:
                assert file.read() == M4A

        def get_all_samples(self):
            more = np.zeros((max(0, num_more), 2), dtype=np.float32)
            samples = np.concatenate([sound, more])[: len(sound) + num_more]
            return SimpleNamespace(data=torch.from_numpy(samples.T.copy()))

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(media, "_audio_decoder", lambda: Decoder)
    if num_more < 0:
        with pytest.raises(AudioError, match=r"cut short: it holds 0\.500 of the 0\.750 s") as raised:
            read_audio(M4A, sample_rate_hz=8000)
        assert raised.value.kind == "cut short"
        return
    np.testing.assert_allclose(read_audio(M4A, sample_rate_hz=8000), sound.mean(axis=1), atol=1e-6)
    stretch = read_audio(M4A, sample_rate_hz=8000, start_s=0.25, duration_s=0.25)
    np.testing.assert_allclose(stretch, sound.mean(axis=1)[2000:4000], atol=1e-6)


def test_errors_of_torchcodec_are_one_line(monkeypatch):
    class Decoder:
        def __init__(self, path):
            raise RuntimeError("Decoder, /src/decoder.cpp:41, Could not open the file\nTraceback: ...")

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(media, "_audio_decoder", lambda: Decoder)
    with pytest.raises(AudioError, match=r"cannot be read as audio \(Could not open the file\)$"):
        read_audio(M4A, sample_rate_hz=8000)


@pytest.mark.parametrize("text", [b"#EXTM3U\nhttp://example.org/a.ts\n", b"ffconcat version 1.0\nfile a\n", b"text"])
def test_playlists_and_other_text_never_reach_ffmpeg(tmp_path, monkeypatch, only_ffmpeg, text):
    stand_in(tmp_path, monkeypatch, f"touch {tmp_path / 'was-run'}")
    (tmp_path / "list.mp4").write_bytes(text)
    with pytest.raises(AudioError, match=r"list\.mp4: cannot be read as audio"):
        read_audio(tmp_path / "list.mp4", sample_rate_hz=8000)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the program ffmpeg is not installed")
def test_the_real_ffmpeg(tmp_path, only_ffmpeg):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    soundfile.write(tmp_path / "tone.wav", tone, 44_100)
    for name in ("a.m4a", "b.mkv", "c.aac", "-d.mp4"):
        command = ["ffmpeg", "-v", "error", "-i", tmp_path / "tone.wav", "-c:a", "aac", f"file:{tmp_path / name}"]
        subprocess.run(command, check=True)
        read = read_audio(tmp_path / name, sample_rate_hz=20_000, start_s=0.2, duration_s=0.5)
        expected = 0.3 * np.sin(2 * np.pi * 440 * (0.2 + np.arange(10_000) / 20_000))
        if name not in ("b.mkv", "c.aac"):  # without a container, and in Matroska of FFmpeg 5, the delay is not known
            np.testing.assert_allclose(read, expected, atol=0.02)
