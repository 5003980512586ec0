"""`python -m train show`: sounds and a picture of mixtures."""

import numpy as np
import pytest
import soundfile
from PIL import Image

from datamodules.audio import rms
from train.__main__ import main


@pytest.fixture
def show(monkeypatch):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["train", "show", *map(str, arguments)])
        main()

    return run


def test_mixtures_are_written_and_drawn(show, corpus, tmp_path):
    out = tmp_path / "shown"
    given = [corpus / "signal", "--out", out, "--duration_s", 0.4, "--jitter_s", 0.05]
    show(*given, "--noise", corpus / "noise", "--num", 3)
    files = sorted(path.name for path in out.iterdir())
    assert len(files) == 4
    assert files[-1] == "mixtures.png"
    assert [name[:3] for name in files[:3]] == ["00-", "01-", "02-"]
    assert all("word-" in name for name in files[:3])
    waveforms = [soundfile.read(out / name)[0] for name in files[:3]]
    assert {len(waveform) for waveform in waveforms} == {800}
    assert np.ptp([rms(waveform) for waveform in waveforms]) < 1e-3  # of one level
    assert max(np.abs(waveform).max() for waveform in waveforms) < 1
    assert min(Image.open(out / "mixtures.png").size) > 300
    # The same again, and in quiet from one shard set rather than a folder of such.
    before = [(out / name).read_bytes() for name in files[:3]]
    show(*given, "--noise", corpus / "noise", "--num", 3)
    assert [(out / name).read_bytes() for name in files[:3]] == before
    show(corpus / "signal" / "val", *given[1:], "--num", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num", 0], "error: --num must be at least 1"),
        (["--snr_db", 3, -3], "--snr_db LOW HIGH with LOW at most HIGH; got 8, 0.1, [3.0, -3.0]"),
        (["--snr_db", 3], "got 8, 0.1, [3.0]"),
        (["--duration_s", 0], "expected a duration_s of at least one sample at 2000 Hz, got 0.0"),
        (["--split", "test"], "no shard set here"),
    ],
)
def test_errors_are_reported_in_one_line(show, corpus, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        show(corpus / "signal", "--out", tmp_path / "shown", *arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "shown").exists()


def test_help_lists_all_options(show, capsys):
    with pytest.raises(SystemExit) as stop:
        show("--help")
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith("usage: python -m train show")
    for option in ("--noise", "--out", "--num", "--split", "--duration_s", "--snr_db", "--jitter_s", "--seed"):
        assert option in printed
    assert "Write a few mixtures as training hears them" in printed


@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 0), ([], 2), (["shew"], 2)])
def test_the_overview_lists_all_commands(monkeypatch, capsys, arguments, status):
    monkeypatch.setattr("sys.argv", ["train", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == status
    printed = "".join(capsys.readouterr())
    for name in ("fit", "validate", "test", "show") if status == 0 else ("python -m train", "COMMAND"):
        assert name in printed
