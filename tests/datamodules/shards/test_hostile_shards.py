"""Shard sets from somebody who means harm: refused by name, nothing executed, nothing written outside."""

import hashlib
import io
import json
import os
import pickle
import re
import tarfile

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import soundfile

from datamodules import expansion
from datamodules.__main__ import main
from datamodules.manifests.manifest import ManifestError, read_manifest
from datamodules.shards.index import ShardError
from datamodules.shards.reader import ShardSet
from datamodules.shards.streaming import StreamedClips
from datamodules.shards.verify import damages
from datamodules.shards.writer import NewClip, write_index, write_shard
from datamodules.tasks import LabelSet

RATE_HZ = 8000
LABEL_SETS = {"word": LabelSet("one_label", ("<null>", "a", "b"))}


class Bomb:
    """Leaves a trace wherever it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (os.mkdir, (str(self.trace),))


def make_set(folder, num_clips=3, labels=("a", "b")):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    clips = [
        NewClip(f"clip-{i}", 0.1 * rng.standard_normal(400), 200, {"word": (labels[i % 2],)}) for i in range(num_clips)
    ]
    record = write_shard(folder / "shard-000000.tar", clips, sample_rate_hz=RATE_HZ)
    sets = {"word": LabelSet("one_label", ("<null>", *sorted(set(labels))))}
    write_index(folder, [record], label_sets=sets, sample_rate_hz=RATE_HZ)
    return folder


@pytest.fixture
def folder(tmp_path):
    return make_set(tmp_path / "deep" / "set")


def edit_index(folder, change):
    content = json.loads((folder / "index.json").read_text())
    change(content)
    (folder / "index.json").write_text(json.dumps(content))


def sign(folder):
    """Make sizes and checksums of the index right, as who means harm would."""

    def change(index):
        data = (folder / "shard-000000.tar").read_bytes()
        index["shards"][0].update(num_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        index["clips"]["sha256"] = hashlib.sha256((folder / "clips.parquet").read_bytes()).hexdigest()

    edit_index(folder, change)


def edit_clips(folder, **columns):
    table = pyarrow.parquet.read_table(folder / "clips.parquet")
    for name, values in columns.items():
        place = table.column_names.index(name)
        field = table.schema.field(name) if not isinstance(values, pyarrow.Array) else pyarrow.field(name, values.type)
        table = table.set_column(place, field, [values])
    pyarrow.parquet.write_table(table, folder / "clips.parquet")
    sign(folder)


def append(folder, member, data=b""):
    with tarfile.open(folder / "shard-000000.tar", "a") as archive:
        member.size = len(data) if member.isreg() else 0
        archive.addfile(member, io.BytesIO(data))
    sign(folder)


def link(name, kind, target):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def everything(folder):
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (tarfile.TarInfo("../../outside.flac"), r"member '\.\./\.\./outside\.flac': not in the index"),
        (tarfile.TarInfo("/etc/outside"), r"member '/etc/outside': not in the index"),
        (tarfile.TarInfo("clip-0.pkl"), r"member 'clip-0\.pkl': not in the index"),
        (link("clip-9.flac", tarfile.SYMTYPE, "/etc/passwd"), r"member 'clip-9\.flac': expected a plain file, got a"),
        (link("clip-0.flac", tarfile.LNKTYPE, "../x"), r"member 'clip-0\.flac': expected a plain file, got a"),
        (link("fifo", tarfile.FIFOTYPE, ""), "member 'fifo': expected a plain file, got a"),
    ],
)
def test_foreign_members_are_named_and_left_alone(folder, tmp_path, member, message):
    append(folder, member, pickle.dumps(Bomb(tmp_path / "trace")))
    before = everything(tmp_path)
    found = list(damages(folder))
    assert len(found) == 1
    assert re.search(message, found[0])
    shards = ShardSet(folder)  # by its index, what belongs to the set can be read
    assert [shards.read(i).key for i in range(3)] == ["clip-0", "clip-1", "clip-2"]
    assert everything(tmp_path) == before
    assert main(["check", str(folder)]) == 1


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_a_link_at_the_place_of_a_clip_is_not_followed(folder, kind):
    path = folder / "shard-000000.tar"
    with tarfile.open(path) as archive:
        member = archive.getmember("clip-1.flac")
    member.type, member.linkname = kind, "/etc/passwd"
    data = bytearray(path.read_bytes())
    data[member.offset : member.offset + 512] = member.tobuf()[:512]
    path.write_bytes(data)
    sign(folder)
    with pytest.raises(ShardError, match=r"clip 'clip-1': the shard holds b'clip-1\.flac' in its place"):
        ShardSet(folder).read(1)
    assert any("'clip-1.flac'" in damage for damage in damages(folder))


def test_truncated_tar_files_name_what_is_missing(folder):
    path = folder / "shard-000000.tar"
    with tarfile.open(path) as archive:
        end = archive.getmember("clip-2.flac").offset_data + 10
    path.write_bytes(path.read_bytes()[:end])
    found = list(damages(folder))
    assert any("shard-000000.tar: has" in damage for damage in found)
    assert any("shard-000000.tar: does not match its checksum" in damage for damage in found)
    assert any("clip-2" in damage for damage in found)
    with pytest.raises(ShardError, match=r"shard-000000\.tar: has \d+ bytes, the index says"):
        ShardSet(folder)
    sign(folder)
    with pytest.raises(ShardError, match="clip 'clip-2' is impossible as described in the table"):
        ShardSet(folder)


def test_sounds_that_claim_to_be_gigantic_are_not_decoded(folder):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(4_000_000, np.int16), RATE_HZ, format="FLAC", subtype="PCM_16")
    silence = NewClip("clip-0", np.zeros(4_000_000), 0, {"word": ("a",)})
    record = write_shard(folder / "shard-000000.tar", [silence], sample_rate_hz=RATE_HZ)
    write_index(folder, [record], label_sets=LABEL_SETS, sample_rate_hz=RATE_HZ)
    edit_clips(folder, num_samples=pyarrow.array([400], pyarrow.int32()))
    with pytest.raises(
        ShardError, match=r"clip 'clip-0': its sound is FLAC of .* 4000000 samples .* says .* 400 samples"
    ):
        ShardSet(folder).read(0)
    edit_clips(folder, num_samples=pyarrow.array([2**31 - 1], pyarrow.int32()))
    with pytest.raises(ShardError, match="clip 'clip-0' is impossible as described in the table"):
        ShardSet(folder)


def test_gigantic_descriptions_are_not_read(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("datamodules.shards.verify.MAX_DESCRIPTION_BYTES", 20)
    assert any("clip 'clip-0': its description is broken or too large" in damage for damage in damages(folder))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("key", ["clip-0", "../../x", "clip-2"]),
        ("key", ["clip-0", "", "clip-2"]),
        ("offset", [512, -1, 5000]),
        ("offset", [512, 2**60, 5000]),
        ("num_bytes", [100, 2**31 - 1, 100]),
        ("shard", [0, 7, 0]),
        ("shard", [0, -1, 0]),
        ("midpoint", [1, 400, 1]),
        ("gain", [1.0, float("nan"), 1.0]),
    ],
)
def test_tables_that_point_elsewhere_are_refused(folder, column, values):
    kind = pyarrow.parquet.read_table(folder / "clips.parquet").schema.field(column).type
    edit_clips(folder, **{column: pyarrow.array(values, kind)})
    with pytest.raises(ShardError, match=r"clips\.parquet: clip .* is impossible as described in the table"):
        ShardSet(folder)


def test_tables_of_another_kind_are_refused(folder):
    edit_clips(folder, offset=pyarrow.array(["a", "b", "c"]))
    with pytest.raises(ShardError, match="column 'offset' must be int64 without gaps, got string"):
        ShardSet(folder)
    (folder / "clips.parquet").write_bytes(pickle.dumps(Bomb(folder / "trace")))
    sign(folder)
    with pytest.raises(ShardError, match=r"clips\.parquet cannot be read"):
        ShardSet(folder)
    assert not (folder / "trace").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.update(num_clips="3"),
        lambda index: index["shards"][0].update(file=5),
        lambda index: index["shards"][0].update(num_bytes=-1),
        lambda index: index["label_sets"]["word"].update(labels=[["a"], "<null>", "b"]),
        lambda index: index.update(shards=index["shards"] * 2),
        lambda index: index.update(clips=3),
    ],
)
def test_indices_of_another_form_are_refused(folder, change):
    edit_index(folder, change)
    with pytest.raises(ShardError, match=r"index\.json: (damaged|lists a shard twice)"):
        ShardSet(folder)


def test_labels_that_disagree_are_named(tmp_path, capsys):
    make_set(tmp_path / "sets" / "train")
    make_set(tmp_path / "sets" / "val", labels=("a", "c"))
    assert main(["check", str(tmp_path / "sets")]) == 1
    shown = capsys.readouterr().out
    assert f"{tmp_path / 'sets' / 'train'}: OK" in shown
    assert "val: its label sets ['word'] disagree with those of" in shown
    edit_clips(tmp_path / "sets" / "train", label_word=pyarrow.array([2, 2, 2], pyarrow.int32()))
    found = "\n".join(damages(tmp_path / "sets" / "train"))
    assert "clip 'clip-0': described as {'word': ['a']}, indexed as {'word': ['b']}" in found
    assert "clips per class of 'word' in the index are not those of the table" in found


def claim_clips(content):
    content["shards"][0]["num_clips"] = content["num_clips"] = 10**12


def claim_clips_and_bytes(content):
    claim_clips(content)
    content["shards"][0]["num_bytes"] = 10**18


def claim_rate(content):
    content["sample_rate_hz"] = 10**9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (claim_clips, "shard-000000.tar has 10240 bytes, too few for the 1000000000000 clips"),
        (claim_clips_and_bytes, "claims 1000000000000 clips at 8000 Hz, more than 100000000"),
        (claim_rate, "claims 3 clips at 1000000000 Hz"),
    ],
)
def test_an_index_that_claims_more_than_there_can_be_is_refused(folder, change, message):
    edit_index(folder, change)
    for read in (ShardSet, lambda folder: StreamedClips(str(folder.parent), folder.name)):
        with pytest.raises(ShardError, match=message):
            read(folder)


def test_tables_of_few_bytes_and_many_rows_are_not_read(folder, monkeypatch):
    monkeypatch.setattr(expansion, "FREE_BYTES", 1 << 20)
    path = folder / "clips.parquet"
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(10**6, dtype=np.int8)), pyarrow.array(["a"]))
    pyarrow.parquet.write_table(pyarrow.table({"path": column, "word": column}), path)
    edit_index(folder, lambda content: content["clips"].update(sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
    with pytest.raises(ShardError, match=r"clips\.parquet cannot be read \(it would expand from 0\.0 MB to 16\.0 MB"):
        ShardSet(folder)
    with pytest.raises(ManifestError, match=r"clips\.parquet cannot be read as a manifest \(it would expand"):
        read_manifest(path, one_label=["word"])
