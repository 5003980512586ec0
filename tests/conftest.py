"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

# Before torch is imported: a forked process waits for ever for the threads of its parent's OpenMP pool.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder with the reference values and real data, named by AUDITORY_TEST_DATA."""
    folder = os.environ.get("AUDITORY_TEST_DATA")
    if not folder:
        pytest.skip("AUDITORY_TEST_DATA is not set: no reference values and no real data to test with")
    path = Path(folder).resolve()
    if not (path / "golden").is_dir():
        pytest.fail(f"AUDITORY_TEST_DATA={folder} has no folder 'golden'")
    return path


@pytest.fixture(autouse=True)
def without_media(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are the same where ffmpeg or torchcodec is installed; those of media have a fixture of this name."""
    from datamodules.decoding import media

    monkeypatch.setattr(media, "_ffmpeg_program", lambda: None)
    monkeypatch.setattr(media, "_audio_decoder", lambda: None)


@pytest.fixture
def every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal, every report of progress is a line."""
    for name in ("LINE_EVERY_S", "FIRST_LINE_AFTER_S"):
        monkeypatch.setattr(f"datamodules.progress.{name}", 0.0)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is no GPU."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device: run `make gpu-check` on a machine that has one")
