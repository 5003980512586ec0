"""`python -m datamodules show`: sounds and a picture of mixtures."""

import numpy as np
import pytest
import soundfile
from PIL import Image

from datamodules.__main__ import main
from datamodules.audio import rms


def show(*arguments):
    return main(["show", *map(str, arguments)])


def test_mixtures_are_written_and_drawn(corpus, tmp_path):
    out = tmp_path / "shown"
    given = [corpus / "signal", "--out", out, "--duration-s", 0.4, "--jitter-s", 0.05]
    assert show(*given, "--noise", corpus / "noise", "--num", 3) == 0
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
    assert show(*given, "--noise", corpus / "noise", "--num", 3) == 0
    assert [(out / name).read_bytes() for name in files[:3]] == before
    assert show(corpus / "signal" / "val", *given[1:], "--num", 1) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--num", 0], "--num must be at least 1"), (["--split", "test"], "no shard set here")],
)
def test_errors_are_told_in_one_line(corpus, tmp_path, capsys, arguments, message):
    assert show(corpus / "signal", "--out", tmp_path / "shown", *arguments) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "shown").exists()
