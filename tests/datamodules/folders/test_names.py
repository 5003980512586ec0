"""Names of files and folders: not UTF-8, composed or not, hidden, in upper case."""

import os
import unicodedata

import pandas as pd
import pytest

from datamodules.__main__ import main
from datamodules.building.build import build_shards
from datamodules.corpora.alignment_files import Alignments
from datamodules.corpora.fsdd import digits
from datamodules.corpora.layouts import corpus_rows
from datamodules.corpora.recordings import find_recordings
from datamodules.corpora.sounds import CorpusError, write_manifest
from datamodules.folders.class_folders import find_classes
from datamodules.folders.sound_folders import PassedOver, SoundFolderError, find_file, find_sounds, passed_over
from datamodules.manifests.manifest import ManifestError, _default_key, read_manifest
from datamodules.manifests.splitting import SplitRule
from datamodules.text_files import nfc
from evaluate.probe.labelled_sounds import LabelledSoundsError, find_labelled_sounds

NFC, NFD = (unicodedata.normalize(form, "Škoda café") for form in ("NFC", "NFD"))


def rename(path, name: bytes):
    os.rename(path, os.path.join(os.fsencode(path.parent), name))


@pytest.fixture
def classes(tmp_path, make_sound):
    for k, label in enumerate(("cat", "dog")):
        for i in range(2):
            make_sound(tmp_path / "g" / label / f"{i}.wav", seed=10 * k + i)
    return tmp_path / "g"


@pytest.mark.parametrize("what", ["file", "folder", "folder above"])
def test_a_name_that_is_not_utf8_is_named(classes, capsys, what):
    (classes / "cat" / "disc").mkdir()
    (classes / "cat" / "0.wav").rename(classes / "cat" / "disc" / "0.wav")
    place = {"file": "cat/disc/0.wav", "folder": "cat/disc", "folder above": "cat"}[what]
    rename(classes / place, b"caf\xe9.wav")
    with pytest.raises(SoundFolderError, match=r"caf\\xe9\.wav.*its name is not UTF-8; rename it"):
        find_classes(classes)
    with pytest.raises(LabelledSoundsError, match=r"caf\\xe9"):
        find_labelled_sounds(classes)
    assert main(["genres", str(classes), str(classes.parent / "out")]) == 2
    assert main(["build", str(classes), str(classes.parent / "out"), "--layout", "genres", "--one_label", "genre"]) == 2
    errors = capsys.readouterr().err
    assert errors.count("not UTF-8") == 2
    assert "Traceback" not in errors


def test_other_files_may_have_any_name(classes, capsys):
    (classes / "cat" / "notes.m4a").touch()
    rename(classes / "cat" / "notes.m4a", b"\xff.m4a")
    assert main(["genres", str(classes), str(classes.parent / "out"), "--sample_rate_hz", "4000"]) == 0
    assert r"cat/\xff.m4a" in capsys.readouterr().out
    assert r"cat/\xff.m4a" in (classes.parent / "out" / "passed_over.csv").read_text()


def test_a_layout_that_gives_such_a_name_is_told(tmp_path):
    with pytest.raises(CorpusError, match=r"row 2: path is not UTF-8: /x/\\xe9\.wav"):
        write_manifest(tmp_path / "m.csv", [{"path": "/x/a.wav"}, {"path": os.fsdecode(b"/x/\xe9.wav")}])


def test_classes_that_look_alike_are_one(tmp_path, make_sound):
    for k, form in enumerate((NFC, NFD)):
        make_sound(tmp_path / "g" / form / f"{k}.wav", seed=k)
    make_sound(tmp_path / "g" / "other" / "1.wav", seed=5)
    assert {sound.label for sound in find_classes(tmp_path / "g").sounds} == {NFC, "other"}
    assert find_labelled_sounds(tmp_path / "g").labels.count(NFC) == 2


@pytest.mark.parametrize(("written", "there"), [(NFC, NFD), (NFD, NFC), (NFC + "/" + NFD, NFD + "/" + NFC)])
def test_a_path_is_found_in_either_form(tmp_path, make_sound, written, there):
    make_sound(tmp_path / f"{there}.wav", seed=1)
    assert find_file(tmp_path / f"{written}.wav") == tmp_path / f"{there}.wav"
    assert find_file(tmp_path / f"{written}.flac") == tmp_path / f"{written}.flac"
    (tmp_path / "m.csv").write_text(f"path,word,speaker\n{written}.wav,a,b\n", encoding="utf-8")
    report = build_shards(
        tmp_path / "m.csv",
        tmp_path / "out",
        one_label=["word"],
        sample_rate_hz=4000,
        num_workers=1,
        progress=False,
        picture=False,
    )
    assert len(report.shard_sets["train"]) == 1
    (tmp_path / "m.csv").rename(tmp_path / "recordings.csv")
    assert corpus_rows(tmp_path, layout="table")[0]["path"] == str(tmp_path / f"{there}.wav")
    pd.DataFrame({"path": [f"{written}.wav"] * 2, "label": "ab"}).assign(label=["a", "b"]).to_csv(tmp_path / "l.csv")
    assert find_labelled_sounds(tmp_path / "l.csv").paths[0] == tmp_path / f"{there}.wav"


def test_alignments_and_speakers_are_found_in_either_form(tmp_path, make_sound):
    sound = make_sound(tmp_path / "c" / NFD / f"{NFD}.wav", seed=1)
    (tmp_path / "c" / "speakers.csv").write_text(f"article,speaker\n{NFC},ann\n", encoding="utf-8")
    (tmp_path / "c" / "a.ctm").write_text(f"{NFC.replace(' ', '_')} 1 0.1 0.1 word\n", encoding="utf-8")
    assert [recording.speaker for recording in find_recordings(tmp_path / "c", layout="articles")] == ["ann"]
    spaceless = sound.with_name(f"{NFD.replace(' ', '_')}.wav")
    assert [word.text for word in Alignments(tmp_path / "c", [spaceless]).of(spaceless).words] == ["word"]


@pytest.mark.parametrize("hidden", ["._0.wav", ".hidden.wav", ".trash/0.wav", "__MACOSX/0.wav", "@eaDir/0.wav"])
def test_hidden_files_are_never_sounds(classes, hidden, capsys):
    for place in (classes, classes / "cat"):
        (place / hidden).parent.mkdir(exist_ok=True)
        (place / hidden).write_bytes(bytes(100))
    assert (
        len(find_sounds(classes)) == len(find_classes(classes).sounds) == len(find_labelled_sounds(classes).paths) == 4
    )
    assert set(find_labelled_sounds(classes).labels) == {"cat", "dog"}
    assert {each.kind for each in passed_over(classes, find_sounds(classes))} == {"hidden"}
    assert main(["genres", str(classes), str(classes.parent / "out"), "--sample_rate_hz", "4000"]) == 0
    assert "passed over: 2 hidden: " in capsys.readouterr().out


def test_hidden_alignments_and_digits_are_not_read(tmp_path, make_sound):
    for take in (0, 15):
        make_sound(tmp_path / f"7_ann_{take}.WAV", seed=take)
    (tmp_path / "._7_ann_0.WAV").write_bytes(bytes(100))
    assert [row["word"] for row in digits(tmp_path)] == ["seven", "seven"]
    (tmp_path / "._a.TextGrid").write_bytes(bytes(100))
    with pytest.raises(CorpusError, match="has no alignments"):
        Alignments(tmp_path, [])


def test_endings_in_upper_case_are_sounds(tmp_path):
    for name in ("a/1.WAV", "a/2.Flac", "b/3.AIFF", "b/4.Mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert len(find_sounds(tmp_path)) == len(find_labelled_sounds(tmp_path).paths) == 4


@pytest.mark.parametrize("form", [NFC, NFD])
def test_reports_and_keys_do_not_depend_on_the_form_of_names(tmp_path, make_sound, form):
    for number in range(4):
        make_sound(tmp_path / f"{form}{number}.wav", seed=number % 3)
    (tmp_path / f"{form}4.wav").write_bytes(b"no sound")
    rows = [f"{form}{number}.wav,{form}" for number in range(5)]
    (tmp_path / "m.csv").write_text("\n".join(("path,word", *rows, f"{form}5.wav,<null>")) + "\n", encoding="utf-8")
    report = build_shards(
        tmp_path / "m.csv", tmp_path / "out", one_label=["word"], sample_rate_hz=4000, num_workers=1, skip_bad=True,
        progress=False, picture=False, passed_over=[PassedOver("hidden", nfc(form))], split_rule=SplitRule("path"),
    )  # fmt: skip
    tables = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "out").glob("*.csv")}
    assert set(tables) == {"report.csv", "duplicates.csv", "passed_over.csv", "statistics.csv"}
    for name, text in tables.items():
        assert NFC in text, name
        assert NFD not in text, name
    keys = sorted(shards.key(number) for shards in report.shard_sets.values() for number in range(len(shards)))
    assert keys == sorted(_default_key(f"{NFC}{number}.wav", (None, None, None)) for number in range(4))
    assert {problem.path for problem in report.problems} == {f"{NFC}4.wav", f"{NFC}5.wav"}


def test_what_is_passed_over_is_named_in_one_form(tmp_path, make_sound):
    make_sound(tmp_path / "a" / "1.wav", seed=1)
    make_sound(tmp_path / f"{NFD}.wav", seed=2)
    (tmp_path / "a" / f"{NFD}.xyz").write_bytes(b"x")
    found = passed_over(tmp_path, [tmp_path.resolve() / "a" / "1.wav"])
    assert {each.path for each in found} == {f"{NFC}.wav", f"a/{NFC}.xyz"}


def test_two_files_whose_names_look_alike_are_refused(tmp_path, make_sound):
    for number, form in enumerate((NFC, NFD)):
        make_sound(tmp_path / f"{form}.wav", seed=number)
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system keeps one form of names")
    (tmp_path / "m.csv").write_text(f"path,word\n{NFC}.wav,a\n{NFD}.wav,b\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="was used in row 1; keys must differ"):
        read_manifest(tmp_path / "m.csv", one_label=["word"])
