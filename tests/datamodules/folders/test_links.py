"""Links to files and folders: names come from the link, nothing is lost, and a loop is an error."""

import shutil

import pandas as pd
import pytest

from datamodules.__main__ import main
from datamodules.building.build import build_shards
from datamodules.building.build_report import BuildError
from datamodules.corpora.alignment_files import Alignments
from datamodules.corpora.layouts import corpus_rows
from datamodules.corpora.recordings import find_recordings
from datamodules.folders.class_folders import find_classes
from datamodules.folders.sound_folders import SoundFolderError, find_sounds, located, passed_over
from datamodules.manifests.splitting import SplitRule
from evaluate.probe.labelled_sounds import LabelledSoundsError, find_labelled_sounds


def link(place, target):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


@pytest.fixture
def annex(tmp_path, make_sound):
    """As git-annex and hub caches have it: names are links, contents have the names of their digests and no ending."""
    for k, label in enumerate(("cat", "dog")):
        for i in range(3):
            content = make_sound(tmp_path / "objects" / f"{k}{i}.wav", seed=10 * k + i)
            content = content.rename(content.with_suffix(""))
            link(tmp_path / "data" / label / f"{label}-{i}-7.wav", content)
    return tmp_path / "data"


def test_names_are_those_of_links(annex):
    assert [path.name for path in find_sounds(annex)] == [f"{x}-{i}-7.wav" for x in ("cat", "dog") for i in range(3)]
    assert {recording.speaker for recording in find_recordings(annex, layout="librispeech")} == {"cat", "dog"}
    assert len(find_labelled_sounds(annex).paths) == 6


def test_linked_folders_are_entered_and_named_by_the_link(annex, tmp_path):
    link(annex / "lion", tmp_path / "other disk" / "felis leo")
    shutil.copytree(annex / "cat", tmp_path / "other disk" / "felis leo", symlinks=True)
    assert {sound.label for sound in find_classes(annex).sounds} == {"cat", "dog", "lion"}
    assert set(find_labelled_sounds(annex).labels) == {"cat", "dog", "lion"}
    link(tmp_path / "linked root", annex)
    assert find_sounds(tmp_path / "linked root") == find_sounds(annex)
    assert find_labelled_sounds(tmp_path / "linked root").name == "linked root"


def test_linked_alignments_are_found(annex, tmp_path):
    link(tmp_path / "grids" / "here", tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    link(tmp_path / "elsewhere" / "words.ctm", tmp_path / "x1")
    (tmp_path / "x1").write_text("cat-0-7 1 0.1 0.1 meow\n")
    sounds = find_sounds(annex)
    alignment = Alignments(annex, sounds, tmp_path / "grids").of(sounds[0])
    assert [word.text for word in alignment.words] == ["meow"]


def test_relative_paths_of_tables_keep_the_names_of_links(annex, tmp_path):
    (annex / "recordings.csv").write_text("path,speaker\ncat/cat-0-7.wav,a\n./dog/../dog/dog-0-7.wav,b\n")
    rows = corpus_rows(annex, layout="table")
    assert [row["path"] for row in rows] == [str(annex / "cat" / "cat-0-7.wav"), str(annex / "dog" / "dog-0-7.wav")]
    link(tmp_path / "far" / "away", annex)
    assert located(tmp_path / "far" / "away", "../objects/00") == tmp_path / "objects" / "00"  # as the system reads it


@pytest.mark.parametrize("target", [".", "..", "../..", "../../data"])
def test_a_loop_of_links_is_an_error(annex, target):
    link(annex / "dog" / "loop", target)
    for read in (find_sounds, find_classes, lambda root: passed_over(root, ())):
        with pytest.raises(SoundFolderError, match="loop: a loop of links"):
            read(annex)
    with pytest.raises(LabelledSoundsError, match="a loop of links"):
        find_labelled_sounds(annex)
    assert main(["genres", str(annex), str(annex / "out")]) == 2


def test_a_link_to_itself_is_an_error(annex):
    link(annex / "dog" / "self.wav", "self.wav")
    with pytest.raises(SoundFolderError, match=r"self\.wav: a loop of links"):
        find_sounds(annex)


def test_a_folder_may_be_reached_in_two_ways(annex):
    link(annex / "wolf", "dog")
    assert len(find_classes(annex).sounds) == 9


def test_a_link_without_its_file_is_no_sound_that_vanishes(annex, capsys):
    next((annex.parent / "objects").glob("12")).unlink()
    arguments = ["genres", str(annex), str(annex.parent / "out"), "--num_workers", "1", "--sample_rate_hz", "4000"]
    assert main(arguments) == 2
    assert "dog-2-7.wav: no such audio file: a link to" in capsys.readouterr().err
    # Not split by path, as the only sound for validation could be the missing one.
    assert main([*arguments, "--skip_bad", "true", "--split_by", "given"]) == 0
    assert "dog-2-7.wav" in (annex.parent / "out" / "report.csv").read_text()
    with pytest.raises(LabelledSoundsError, match=r"dog-2-7\.wav: a link to .* which is missing"):
        find_labelled_sounds(annex)


def test_two_links_to_one_file_stay_in_one_split(annex, tmp_path):
    rows = []
    for i, path in enumerate(find_sounds(annex)):
        link(tmp_path / "again" / f"{i}.wav", path)
        rows += [{"path": str(path), "word": "w"}, {"path": f"again/{i}.wav", "word": "w"}]
    pd.DataFrame(rows).to_csv(tmp_path / "m.csv", index=False)
    report = build_shards(
        tmp_path / "m.csv",
        tmp_path / "out",
        one_label=["word"],
        split_rule=SplitRule("path", 0.4),
        sample_rate_hz=4000,
        num_workers=1,
        progress=False,
        picture=False,
    )
    splits = {}
    for duplicate in report.duplicates:
        splits.setdefault(duplicate.content, set()).add(duplicate.split)
    assert len(splits) == 6
    assert all(len(found) == 1 for found in splits.values())


def test_a_missing_file_of_a_manifest_is_named_with_what_it_links_to(tmp_path):
    link(tmp_path / "a.wav", "nowhere/b.wav")
    (tmp_path / "m.csv").write_text("path,word\na.wav,x\n")
    with pytest.raises(BuildError, match=r"a link to nowhere/b\.wav, which is missing"):
        build_shards(tmp_path / "m.csv", tmp_path / "out", one_label=["word"], progress=False)
