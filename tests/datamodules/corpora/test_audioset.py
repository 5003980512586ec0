import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from datamodules.__main__ import main
from datamodules.building.build_report import BuildError
from datamodules.corpora.audioset import Segment, exclusion, make_manifest, read_segments
from datamodules.corpora.ontology import Category, Ontology, read_ontology
from datamodules.corpora.sounds import CorpusError
from datamodules.shards.reader import ShardSet

RATE_HZ = 4000

# id: (name, children, restrictions): the part of the published ontology that the rules are about, and a node with two
# parents.
CATEGORIES = {
    "/h": ("Human sounds", ["/v", "/hands"], ["abstract"]),
    "/v": ("Human voice", ["/speech", "/whisper", "/laugh"], []),
    "/hands": ("Hands", ["/clap"], []),
    "/speech": ("Speech", ["/child"], []),
    "/child": ("Child speech, kid speaking", [], []),
    "/whisper": ("Whispering", [], []),
    "/laugh": ("Laughter", [], []),
    "/clap": ("Clapping", [], []),
    "/group": ("Human group actions", ["/clap"], []),
    "/m": ("Music", ["/guitar"], []),
    "/guitar": ("Guitar", [], []),
    "/s": ("Silence", [], []),
}
SEGMENTS = [
    ("plain", "/laugh", "Human voice;Laughter"),
    ("child", "/child,/laugh", None),
    ("whisper", "/whisper", None),
    ("silent", "/s,/laugh", None),
    ("music", "/m", None),
    ("guitar", "/m,/guitar", "Guitar;Music"),
    ("music_laugh", "/m,/laugh", "Human voice;Laughter;Music"),
    ("-clap-_x", "/clap", "Clapping;Hands;Human group actions"),
    ("lost", "/laugh", None),
]
NAMES = {"plain": "plain", "guitar": "Yguitar", "music_laugh": "music_laugh_30.000_40.000", "-clap-_x": "-clap-_x_30"}


@pytest.fixture(scope="module")
def audioset(tmp_path_factory):
    """Segment lists with the published header, the ontology, and clips under various names."""
    folder = tmp_path_factory.mktemp("audioset")
    listed = [
        {"id": id, "name": name, "description": "", "child_ids": children, "restrictions": restrictions}
        for id, (name, children, restrictions) in CATEGORIES.items()
    ]
    (folder / "ontology.json").write_text(json.dumps(listed))
    header = "# Segments csv created now\n# num_ytids=9\n# YTID, start_seconds, end_seconds, positive_labels\n"
    lines = [f'{video}, 30.000, 40.000, "{ids}"\n' for video, ids, _ in SEGMENTS]
    (folder / "unbalanced.csv").write_text(header + "".join(lines))
    (folder / "balanced.csv").write_text(header + 'val, 0.000, 10.000, "/guitar"\nzeros, 0.000, 10.000, "/guitar"\n')
    (folder / "clips" / "a").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for video, _, _ in SEGMENTS:
        if video != "lost":
            name = f"a/{NAMES.get(video, video)}"
            soundfile.write(folder / "clips" / f"{name}.wav", 0.1 * rng.standard_normal(RATE_HZ), RATE_HZ)
    soundfile.write(folder / "clips" / "val_0_10000.flac", 0.1 * rng.standard_normal(RATE_HZ), RATE_HZ)
    zeros = np.r_[np.zeros(RATE_HZ // 5), 0.1 * rng.standard_normal(RATE_HZ)]
    soundfile.write(folder / "clips" / "zeros.wav", zeros, RATE_HZ)
    return folder


def test_rules_and_labels(audioset, tmp_path):
    lists = {"train": audioset / "unbalanced.csv", "val": audioset / "balanced.csv"}
    manifest = make_manifest(lists, audioset / "ontology.json", audioset / "clips", tmp_path / "m.csv")
    table = pd.read_csv(manifest.path)
    expected = {NAMES[video]: labels for video, _, labels in SEGMENTS if labels}
    train = table[table["split"] == "train"]
    stems = [path.split("/")[-1].removesuffix(".wav") for path in train["path"]]
    assert dict(zip(stems, train["audioset"], strict=True)) == expected
    assert manifest.removed["train"] == {
        "in the branch 'Speech'": 1,
        "in the branch 'Whispering'": 1,
        "in the branch 'Silence'": 1,
        "'Music' with no finer label": 1,
        "no sound in the folder": 1,
    }
    assert manifest.removed["val"] == {}


def test_command_builds_shards_with_the_right_labels(audioset, tmp_path, capsys):
    arguments = ["audioset", str(tmp_path / "out"), "--train", str(audioset / "unbalanced.csv")]
    arguments += ["--val", str(audioset / "balanced.csv"), "--ontology", str(audioset / "ontology.json")]
    arguments += ["--clips", str(audioset / "clips"), "--sample_rate_hz", str(RATE_HZ), "--num_workers", "1"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "in the branch 'Whispering'" in shown
    assert "many zeros" in shown
    train, val = (ShardSet(tmp_path / "out" / split) for split in ("train", "val"))
    assert (len(train), len(val)) == (4, 1)
    names = train.label_sets["audioset"].labels
    assert names[0] == "<null>"
    assert "Human sounds" not in names
    expected = {NAMES[video]: labels for video, _, labels in SEGMENTS if labels}
    found = {}
    for i in range(len(train)):
        clip = train.read(i)
        sound = next(
            path
            for path in (audioset / "clips" / "a").iterdir()
            if len(clip.waveform) == RATE_HZ and np.allclose(soundfile.read(path)[0], clip.waveform, atol=1e-4)
        )
        found[sound.stem] = ";".join(names[number] for number in clip.labels["audioset"])
    assert found == expected
    assert main(arguments) == 0
    assert "up to date" in " ".join(capsys.readouterr().out.split())


def test_exclusion_is_by_branch():
    ontology = Ontology(Category(id, *values[:2], "abstract" in values[2]) for id, values in CATEGORIES.items())
    assert exclusion(["/child"], ontology) == "in the branch 'Speech'"
    assert exclusion(["/laugh", "/m"], ontology) is None
    assert exclusion(["/m"], ontology) == "'Music' with no finer label"
    assert ontology.closure(["/clap"]) == {"/clap", "/hands", "/group"}
    assert ontology.branch("/v") == {"/v", "/speech", "/child", "/whisper", "/laugh"}


def test_what_is_wrong_is_named(audioset, tmp_path):
    (tmp_path / "s.csv").write_text('# header\nvideo, 1.0, "/m"\n')
    with pytest.raises(CorpusError, match=r"s\.csv, line 2: expected YTID, start_seconds"):
        read_segments(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_text('video, 3.0, 1.0, "/m"\n')
    with pytest.raises(CorpusError, match="0 <= start < end"):
        read_segments(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_text('plain, 30, 40, "/new"\n')
    assert read_segments(tmp_path / "s.csv") == [Segment("plain", 30.0, 40.0, ("/new",))]
    others = (audioset / "ontology.json", audioset / "clips", tmp_path / "m.csv")
    with pytest.raises(CorpusError, match=r"no segment is left for 'train'; removed: \{'unknown label /new': 1\}"):
        make_manifest({"train": tmp_path / "s.csv"}, *others)
    (tmp_path / "s.csv").write_text('nowhere, 30, 40, "/laugh"\n')
    with pytest.raises(
        CorpusError, match=r"'no sound in the folder': 1\}\. Sounds named YTID .* in .*clips, at any depth"
    ):
        make_manifest({"train": tmp_path / "s.csv"}, *others)
    with pytest.raises(CorpusError, match="cannot be read as a list of segments"):
        make_manifest(
            {"train": tmp_path / "no.csv"}, audioset / "ontology.json", audioset / "clips", tmp_path / "m.csv"
        )
    (tmp_path / "o.json").write_text('[{"id": "/a"}]')
    with pytest.raises(BuildError, match=r"o\.json: not AudioSet's ontology \(KeyError"):
        read_ontology(tmp_path / "o.json")
    with pytest.raises(BuildError, match="'A' is its own ancestor"):
        Ontology([Category("/a", "A", ("/b",), False), Category("/b", "B", ("/a",), False)])
    with pytest.raises(BuildError, match=r"'A' has unknown children \['/c'\]"):
        Ontology([Category("/a", "A", ("/c",), False)])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_segment_lists_and_ontologies_with_a_mark(tmp_path, encoding):
    text = '# comment\r\nabcdefghij0, 0.000, 4.000, "/m/a,/m/b"\r\n\r\nb, 1, 2, "/m/b"\r\n'
    (tmp_path / "s.csv").write_bytes(text.encode(encoding))
    first, second = read_segments(tmp_path / "s.csv")
    assert first == Segment("abcdefghij0", 0.0, 4.0, ("/m/a", "/m/b"))
    assert second.video == "b"
    content = [{"id": "/m/a", "name": "Cafe\u0301", "child_ids": [], "restrictions": []}]
    (tmp_path / "o.json").write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    assert read_ontology(tmp_path / "o.json").id_of("Café") == "/m/a"


def test_segment_lists_of_other_encodings_and_wrong_quotes_are_named(tmp_path):
    path = tmp_path / "s.csv"
    for content, message in (
        ('é, 0, 1, "/m/a"\n'.encode("cp1252"), "expected text in UTF-8"),
        (b'a, 0, 1, "/m/a"\nb, 0, 1, "/m/a\n', "line 2: wrong quotes"),
        (b'a, 0, 1, "/m/a", 3\n', "line 1: expected YTID"),
    ):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=rf"s\.csv.*{message}"):
            read_segments(path)
    (tmp_path / "o.json").write_bytes('[{"id": "é"}]'.encode("latin-1"))
    with pytest.raises(BuildError, match=r"o\.json: expected text in UTF-8"):
        read_ontology(tmp_path / "o.json")
