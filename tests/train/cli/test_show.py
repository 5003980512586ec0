"""`python -m train show`: sounds and a picture of mixtures."""

import re

import numpy as np
import pytest
import soundfile
import yaml
from PIL import Image

from datamodules.audio import rms
from datamodules.building.build import build_shards
from tests.train.conftest import SAMPLE_RATE_HZ, write_corpus
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
    assert len(files) == 5
    assert files[3:] == ["mixtures.csv", "mixtures.png"]
    lines = (out / "mixtures.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["file", *files[:3]]
    assert all(re.search(r"word \w+; speaker \w+ in texture .* dB SNR", line) for line in lines[1:])
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
    (out / "03-of-the-user.wav").touch()
    show(corpus / "signal" / "val", *given[1:], "--num", 1, "--seed", 5)
    left = sorted(path.name for path in out.iterdir())
    assert left[1:] == ["03-of-the-user.wav", "mixtures.csv", "mixtures.png"]
    assert (out / "mixtures.csv").read_text().splitlines()[1].startswith(left[0])


def test_letters_of_every_script_stay_in_names_of_files(show, tmp_path):
    rng = np.random.default_rng(0)
    words = ("Bär", "Bar", "犬", "B/r.wav")
    sounds = [(0.1 * rng.standard_normal(800), {"word": word, "split": "train"}) for word in words]
    manifest, shards, out = write_corpus(tmp_path / "sounds", sounds), tmp_path / "shards", tmp_path / "shown"
    build_shards(manifest, shards, one_label=("word",), sample_rate_hz=SAMPLE_RATE_HZ, num_workers=1, progress=False)
    for _ in range(2):  # the second call replaces the files of the first
        show(shards, "--out", out, "--duration_s", 0.4, "--num", 4)
    names = sorted(path.name for path in out.glob("*.wav"))
    assert sorted(name[3:] for name in names) == ["word-B-r.wav.wav", "word-Bar.wav", "word-Bär.wav", "word-犬.wav"]


AUGMENTATION = [
    {"class_path": "datamodules.Reverberation", "init_args": {"num_rooms": 3, "longest_s": 0.1}},
    {"class_path": "datamodules:Gain", "init_args": {"gain_db": [3, 3]}},
    {"class_path": "FrequencyMask", "init_args": {"number": 1, "most": 0.5}},
]


def test_a_configuration_is_shown_without_and_with_its_augmentation(show, config, tmp_path):
    config["data"] |= {"augmentation": AUGMENTATION, "noise": [config["data"]["noise"]], "mix_on_device": True}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(config))
    out = tmp_path / "shown"
    show(path, "--out", out, "--num", 2)
    names = sorted(file.name for file in out.glob("*.wav"))
    assert [name.endswith("-augmented.wav") for name in names] == [True, False] * 2
    content = (out / "mixtures.csv").read_text()
    assert content.count("signal: Reverberation 0.") + content.count("signal: Reverberation 1.") == 2
    assert content.count("mixture: Gain gain_db 3, FrequencyMask starts") == 2
    sounds = {name: soundfile.read(out / name)[0] for name in names}
    augmented, plain = (rms(sounds[name]) for name in names[:2])
    assert 20 * np.log10(augmented / plain) == pytest.approx(3.0, abs=0.05)
    assert min(Image.open(out / "mixtures.png").size) > 300
    with pytest.raises(SystemExit):
        show(path, "--out", out, "--noise", "elsewhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num", 0], "error: --num must be at least 1"),
        (["--snr_db", 3, -3], "--snr_db LOW HIGH with LOW at most HIGH; got 8, 0.1, [3.0, -3.0]"),
        (["--snr_db", 3], "got 8, 0.1, [3.0]"),
        (["--duration_s", 0], "expected a duration_s of at least one sample at 2000 Hz, got 0.0"),
        (["--split", "test"], "but none of test"),
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
    assert printed.startswith("usage: cochlearn show")
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
    expected = {0: ("fit", "validate", "test", "show"), 2: ("cochlearn train", "show" if arguments else "COMMAND")}
    for name in expected[status]:
        assert name in printed
