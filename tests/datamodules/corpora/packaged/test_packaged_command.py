"""The command `packaged`, on a small tree of packages and without any."""

import pytest

from datamodules.__main__ import main
from datamodules.commands.signal_and_noise import SignalAndNoise
from datamodules.corpora.packaged import corpus, cutting
from datamodules.corpora.sounds import CorpusError
from datamodules.demo.texture_corpus import make_textures
from datamodules.demo.textures import TEXTURE_LABELS
from datamodules.shards.index import read_index_file
from datamodules.tables import read_text_table

QUICK = (
    *("--num_voices", "0", "--clips_per_class", "1", "--texture_duration_s", "0.5", "--num_workers", "1"),
    *("--least_clips", "1"),
)


@pytest.fixture(autouse=True)
def no_programs(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)


def one_texture(command, sounds):
    return make_textures(sounds, clips_per_class=1, labels=TEXTURE_LABELS[:1], duration_s=0.5)


@pytest.mark.parametrize("error", [OSError, CorpusError])
def test_corpus_of_packages_is_stopped_and_resumes(error, packages_root, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(SignalAndNoise, "make_noises", one_texture)
    out = tmp_path / "corpus"
    command = ["packaged", str(out), "--root", str(packages_root), *QUICK]
    with monkeypatch.context() as stopped:

        def full(*_, **__):
            raise error("no space left")

        stopped.setattr(corpus, "played_clips", full)
        assert main(command) == 2
    with monkeypatch.context() as heard:
        heard.setattr(cutting, "run_jobs", full)  # what was listened to is not listened to again
        assert main(command) == 0
    shown = capsys.readouterr().out
    assert "noise: recordings left out: 1 cannot be read, 1 silent, 1 the same sound as another" in shown
    assert "to install them: apt-get install --no-install-recommends" in shown
    table = read_text_table(out / "packages.csv")
    scratch = table[table["package"] == "scratch"].iloc[0]
    assert (scratch["version"], scratch["licence"], scratch["clips"]) == ("1.4-6", "GPL-2, CC-BY-SA-3.0", "6")
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == [
        *("corpus.json", "noise", "packages.csv", "signal"),
    ]
    train = read_index_file(out / "signal" / "train")
    assert {"word", "speaker", "language"} == set(train.num_clips_per_class)
    assert main(command) == 0
    assert "up to date" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["nothing", "noise"])
def test_without_speech_it_says_what_to_install(part, packages_root, tmp_path, capsys):
    root = tmp_path / "root"
    (root / "usr/share").mkdir(parents=True)
    if part == "noise":
        (root / "usr/share/scratch").symlink_to(packages_root / "usr/share/scratch")
    assert main(["packaged", str(tmp_path / "out"), "--root", str(root), *QUICK]) == 2
    message = capsys.readouterr().err
    assert "apt-get install --no-install-recommends" in message
    assert ("no package with sounds" if part == "nothing" else "no package with speech") in message
    assert not (tmp_path / "out").exists()
