"""A command that is refused leaves nothing behind: no manifest, no folder, and an earlier manifest as it was."""

import json
import shutil

import pytest

from datamodules.__main__ import main

QUICK = ("--sample_rate_hz", "4000", "--num_workers", "1")
LOOSE = ("--min_letters", "1", "--min_utterances", "1", "--min_partners", "1", "--max_partner_fraction", "1")
LOOSE_WORDS = ("--layout", "table", "--margin_s", "0", *LOOSE)


@pytest.fixture
def corpus(tmp_path, make_sound):
    """A folder that is a corpus for several commands, with one broken sound, and lists of AudioSet."""
    root = tmp_path / "corpus"
    for label in ("cat", "dog"):
        for number in range(3):
            make_sound(root / label / f"{label}{number}.wav", seed=number)
    (root / "dog" / "dog0.wav").write_bytes(b"no sound")
    (root / "recordings.csv").write_text("path,speaker\ncat/cat0.wav,ann\ncat/cat1.wav,bob\n")
    (root / "a.ctm").write_text("cat0 1 0.1 0.1 window\ncat1 1 0.1 0.1 stone\n")
    names = ("Dog", "Speech", "Whispering", "Silence", "Music")
    ontology = [{"id": f"/m/{name}", "name": name, "child_ids": [], "restrictions": []} for name in names]
    (tmp_path / "ontology.json").write_text(json.dumps(ontology))
    (tmp_path / "train.csv").write_text('dog0, 0.000, 4.000, "/m/Dog"\n')
    (tmp_path / "val.csv").write_text('dog1, 0.000, 4.000, "/m/Dog"\n')
    return root


def command(name, corpus, out):
    """A command that is refused after its manifest was made."""
    root = corpus.parent
    arguments = {
        "genres": ["genres", corpus, out, *QUICK],
        "layout": ["build", corpus, out, "--layout", "genres", "--one_label", "genre", *QUICK],
        "column": ["build", corpus, out, "--layout", "genres", "--one_label", "word", *QUICK],
        "words": ["words", corpus, out, *LOOSE_WORDS, "--split_by", "nobody", *QUICK],
        "too short": ["words", corpus, out, *LOOSE_WORDS, "--min_duration_s", "9", *QUICK],
        "audioset": [
            *("audioset", out, "--train", root / "train.csv", "--val", root / "val.csv", "--skip_bad", "true"),
            *("--ontology", root / "ontology.json", "--clips", corpus, *QUICK),
        ],
    }[name]
    return list(map(str, arguments))


NAMES = ("genres", "layout", "column", "words", "too short", "audioset")


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_command_leaves_nothing(corpus, capsys, name):
    assert main(command(name, corpus, corpus.parent / "new" / "deep" / "out")) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")  # after progress, on a busy machine
    assert sorted(path.name for path in corpus.parent.iterdir()) == ["corpus", "ontology.json", "train.csv", "val.csv"]


@pytest.mark.parametrize("name", ["genres", "words"])
def test_a_refused_command_keeps_what_was_there(corpus, name):
    out = corpus.parent / "out"
    (corpus.parent / "out.csv").write_text("path,word\n")
    before = (corpus.parent / "out.csv").stat()
    assert main(command(name, corpus, out)) == 2
    assert (corpus.parent / "out.csv").read_text() == "path,word\n"
    assert (corpus.parent / "out.csv").stat().st_mtime_ns == before.st_mtime_ns
    assert not list(corpus.parent.glob("*out*/")) + list(corpus.parent.glob(".*"))


def test_a_build_that_is_in_the_way_keeps_its_manifest(corpus):
    arguments = ["genres", str(corpus), str(corpus.parent / "out"), "--split_by", "given", *QUICK, "--skip_bad", "true"]
    assert main(arguments) == 0
    made = (corpus.parent / "out.csv").read_bytes()
    (corpus / "cat" / "cat2.wav").unlink()
    assert main(arguments) == 2  # built from another manifest
    assert (corpus.parent / "out.csv").read_bytes() == made


def test_a_build_of_a_table_makes_no_folders_if_refused(corpus):
    (corpus / "m.csv").write_text("path,word\ndog/dog0.wav,dog\n")
    assert main(["build", str(corpus / "m.csv"), str(corpus / "new" / "out"), "--one_label", "word", *QUICK]) == 2
    assert not (corpus / "new").exists()


def test_sounds_and_textures_that_are_refused_leave_nothing(corpus):
    digits = corpus.parent / "digits"
    (digits).mkdir()
    (corpus / "cat" / "cat0.wav").rename(digits / "7_ann_0.wav")
    for more in ((), ("--keep_sounds", "true")):
        arguments = ["fsdd", str(digits), str(corpus.parent / "new" / "out"), "--num_workers", "1", *more]
        assert main(arguments) == 2  # no take for validation
        assert not (corpus.parent / "new").exists()


def test_hdf5_files_without_clips_leave_nothing(corpus):
    h5py = pytest.importorskip("h5py")
    for part in ("train_1", "valid_1"):
        (corpus / part).mkdir()
        h5py.File(corpus / part / "JSIN_all__run_0.h5", "w").close()
    assert main(["hdf5", str(corpus), str(corpus.parent / "new" / "out"), *QUICK]) == 2
    assert not (corpus.parent / "new").exists()


@pytest.fixture
def sound_corpus(corpus, make_sound):
    """The same without the broken sound."""
    make_sound(corpus / "dog" / "dog0.wav", seed=7)
    return corpus


@pytest.mark.parametrize("name", ["genres", "layout", "words", "audioset"])
def test_a_table_of_the_user_is_not_replaced_by_a_manifest(sound_corpus, name, capsys):
    root = sound_corpus.parent
    (root / "out.csv").write_text("subject,age\nann,31\n")
    assert main(command(name, sound_corpus, root / "out")) == 2
    assert "out.csv: exists and is not from an earlier call of this command" in capsys.readouterr().err
    assert (root / "out.csv").read_text() == "subject,age\nann,31\n"
    assert not (root / "out").exists()
    by_path = ("--split_by", "path") if name == "words" else ()
    assert main([*command(name, sound_corpus, root / "out"), *by_path, "--overwrite", "true"]) == 0
    assert "path" in (root / "out.csv").read_text().splitlines()[0].split(",")


def test_manifests_of_earlier_calls_are_replaced(sound_corpus):
    root = sound_corpus.parent
    arguments = command("genres", sound_corpus, root / "out")
    assert main(arguments) == 0
    assert main(arguments) == 0  # nothing to do
    made = (root / "out.csv").read_bytes()
    shutil.rmtree(root / "out")
    assert main(arguments) == 0  # the same manifest, as after a build that was killed before it began
    assert (root / "out.csv").read_bytes() == made
    (sound_corpus / "cat" / "cat2.wav").unlink()
    assert main([*arguments, "--overwrite", "true"]) == 0
    assert (root / "out.csv").read_bytes() != made


def test_files_in_the_folders_of_other_commands_are_not_replaced(tmp_path, make_sound, capsys):
    make_sound(tmp_path / "digits" / "7_ann_0.wav", seed=0)
    make_sound(tmp_path / "digits" / "7_ann_15.wav", seed=1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "corpus.json").write_text('{"speakers": 12}')
    arguments = ["fsdd", str(tmp_path / "digits"), str(tmp_path / "out"), "--num_workers", "1"]
    assert main(arguments) == 2
    assert "corpus.json: exists and is not from this command" in capsys.readouterr().err
    assert (tmp_path / "out" / "corpus.json").read_text() == '{"speakers": 12}'
    (tmp_path / "out" / "corpus.json").unlink()
    (tmp_path / "out" / "sounds").mkdir()
    (tmp_path / "out" / "sounds" / "fsdd.csv").write_text("mine")
    assert main([*arguments, "--keep_sounds", "true"]) == 2
    assert "sounds: exists and is not from this command" in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "out" / "sounds" / "fsdd.csv").read_text() == "mine"
