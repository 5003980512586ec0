"""Layouts of corpora: ours by name, and those of users as `package.module:name`."""

import textwrap

import numpy as np
import pytest
import soundfile

from datamodules.__main__ import main
from datamodules.corpora import layouts
from datamodules.corpora.layouts import LAYOUTS, corpus_rows, load_layout
from datamodules.corpora.sounds import CorpusError
from datamodules.shards.reader import ShardSet

# The example in the description of `datamodules.corpora.layouts`, between its first and last comment.
EXAMPLE = textwrap.dedent(layouts.__doc__[layouts.__doc__.index("    # instruments.py") :].split("    # python")[0])
COMMAND = layouts.__doc__.split("# cochlearn ")[1].strip()


@pytest.fixture
def instruments(tmp_path, monkeypatch):
    """A corpus, and next to it the user's module, which is importable."""
    rng = np.random.default_rng(0)
    for instrument in ("oboe", "viola"):
        (tmp_path / "corpus" / instrument).mkdir(parents=True)
        for take in range(3):
            soundfile.write(tmp_path / "corpus" / instrument / f"{take}.wav", 0.1 * rng.standard_normal(20_000), 20_000)
    (tmp_path / "instruments.py").write_text(EXAMPLE)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_layout_of_a_user_from_the_command_line_to_shards(instruments, capsys):
    out = instruments / "out"
    arguments = COMMAND.replace("CORPUS", str(instruments / "corpus")).replace("OUT", str(out))
    assert main([*arguments.split(), "--num_workers", "1"]) == 0
    for split, num_clips in (("train", 4), ("val", 2)):
        shards = ShardSet(out / split)
        assert len(shards) == num_clips
        assert shards.label_sets["instrument"].labels[1:] == ("oboe", "viola")
        for i in range(num_clips):
            label = shards.label_sets["instrument"].labels[shards.labels(i)["instrument"]]
            assert label in shards.key(i)
    assert (instruments / "out.csv").is_file()
    assert main([*arguments.split(), "--num_workers", "1"]) == 0
    assert "up to date" in " ".join(capsys.readouterr().out.split())


def test_any_folder_of_sounds_is_built_without_labels(instruments, capsys):
    """A long sound is cut into pieces, which stay on one side of the split."""
    long = instruments / "corpus" / "long.wav"
    soundfile.write(long, 0.1 * np.random.default_rng(1).standard_normal(25 * 4000), 4000)
    arguments = ["build", str(instruments / "corpus"), str(instruments / "all"), "--layout", "sounds"]
    arguments += ["--split_by", "path", "--val_fraction", "0.3", "--sample_rate_hz", "4000", "--num_workers", "1"]
    assert main(arguments) == 0
    found = [ShardSet(instruments / "all" / split) for split in ("train", "val")]
    keys = [[shards.key(i) for i in range(len(shards))] for shards in found]
    assert sum(map(len, keys)) == 6 + 2
    assert [sum("long" in key for key in some) for some in keys] in ([2, 0], [0, 2])
    assert found[0].label_sets == {}
    assert main(["build", str(instruments / "all.csv"), str(instruments / "none"), "--num_workers", "1"]) == 2
    assert "without any, --no_labels true builds clips" in " ".join(capsys.readouterr().err.split())
    for shards in found:
        for i in range(len(shards)):
            assert len(shards.read(i).waveform) == (12.5 * 4000 if "long" in shards.key(i) else 4000)


def test_a_layout_may_be_a_class_in_a_file_and_give_relative_paths(instruments):
    (instruments / "mine.py").write_text(
        textwrap.dedent("""
        class Oboes:
            def __init__(self, folder):
                self.folder = folder

            def __iter__(self):
                yield {"path": "oboe/1.wav", "instrument": "oboe"}
        """)
    )
    rows = corpus_rows(instruments / "corpus", layout=f"{instruments / 'mine.py'}:Oboes")
    path = str((instruments / "corpus" / "oboe" / "1.wav").resolve())
    assert rows == [{"path": path, "split": "train", "instrument": "oboe"}]


def test_words_are_found_in_a_layout_of_a_user(instruments, capsys):
    (instruments / "speech.py").write_text(
        "def spoken(folder):\n    return [{'path': 'oboe/0.wav', 'speaker': 'anna'}, {'path': 'oboe/1.wav'}]\n"
    )
    arguments = ["words", str(instruments / "corpus"), str(instruments / "out"), "--layout", "speech:spoken"]
    assert main(arguments) == 2
    assert "layout 'speech:spoken', row 2: speaker missing" in capsys.readouterr().err


@pytest.mark.parametrize("name", LAYOUTS)
def test_our_layouts_are_found(name):
    assert callable(load_layout(name))


def test_folders_of_classes_are_a_layout(instruments):
    rows = corpus_rows(instruments / "corpus", layout="genres")
    assert [row["genre"] for row in rows] == ["oboe"] * 3 + ["viola"] * 3


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("timit", r"unknown layout 'timit'; known are \['articles', .*package\.module:name"),
        ("nowhere.to:be_found", "layout 'nowhere.to:be_found': module 'nowhere.to' is not found"),
        ("instruments:nothing", "instruments does not define 'nothing'"),
        ("broken:NUMBER", "expected a function of the corpus folder, got 3"),
        ("broken:texts", "layout 'broken:texts', row 1: expected a mapping such as a dictionary, got 'a'"),
        ("broken:no_path", r"row 2: path missing, got {'path': ''}"),
        ("broken:raises", r"layout 'broken:raises' raised KeyError: 'instrument' \(.*broken\.py, line 7\)"),
        ("broken:refuses", "^this corpus is incomplete$"),
        ("broken:empty", "layout 'broken:empty' finds nothing there"),
    ],
)
def test_what_is_wrong_with_a_layout_is_named(instruments, layout, message):
    (instruments / "broken.py").write_text(
        textwrap.dedent("""
        NUMBER = 3
        def texts(folder): return ["a"]
        def no_path(folder): return [{"path": "x.wav"}, {"path": ""}]
        def empty(folder): return []
        def raises(folder):
            yield {"path": "x.wav", "instrument": {}["instrument"]}
        def refuses(folder):
            from datamodules.corpora.sounds import CorpusError
            raise CorpusError("this corpus is incomplete")
        """)
    )
    with pytest.raises(CorpusError, match=message):
        corpus_rows(instruments / "corpus", layout=layout)


def test_a_corpus_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CorpusError, match="nowhere: no such folder"):
        corpus_rows(tmp_path / "nowhere", layout="genres")
