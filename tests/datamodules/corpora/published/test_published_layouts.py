"""Published corpora as layouts: small copies of their folders and tables."""

import numpy as np
import pytest
import soundfile

from datamodules.__main__ import main
from datamodules.corpora.layouts import corpus_rows, make_manifest
from datamodules.corpora.published.lists import read_lines, read_rows
from datamodules.corpora.sounds import CorpusError
from datamodules.shards.reader import ShardSet


def sounds(root, *names, audio_format=None):
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        samples = 0.1 * np.random.default_rng(number).standard_normal(2000)
        with open(root / name, "wb") as file:
            soundfile.write(file, samples, 4000, format=audio_format or "WAV")


def text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def esc50(tmp_path):
    names = ["1-100032-A-0.wav", "5-9032-A-0.wav", "1-17367-A-45.wav", "5-203128-B-45.wav"]
    sounds(tmp_path, *(f"audio/{name}" for name in names))
    rows = [
        (n, n[0], n[:-4].split("-")[3], "dog" if "-0." in n else "train", "True", n.split("-")[1], n[-7]) for n in names
    ]
    text(tmp_path / "meta" / "esc50.csv", "filename,fold,target,category,esc10,src_file,take", *map(",".join, rows))
    text(tmp_path / "README.md", "ESC-50")
    return tmp_path


@pytest.fixture
def fsd50k(tmp_path):
    sounds(tmp_path, "FSD50K.dev_audio/64760.wav", "FSD50K.dev_audio/16399.wav", "FSD50K.eval_audio/37199.wav")
    truth = tmp_path / "FSD50K.ground_truth"
    text(truth / "dev.csv", "fname,labels,mids,split", '64760,"Guitar,Music","/m/1,/m/2",train', "16399,Rain,/m/3,val")
    text(truth / "eval.csv", "fname,labels,mids", '37199,"Music,Rain","/m/2,/m/3"')
    text(truth / "vocabulary.csv", "0,Guitar,/m/1")
    return tmp_path


@pytest.fixture(params=["genres/{}.au", "Data/genres_original/{}.wav", "{}.wav"])
def gtzan(request, tmp_path):
    names = [f"{genre}/{genre}.{number:05d}" for genre in ("blues", "jazz") for number in (0, 53, 54)]
    is_au = request.param.endswith("au")
    sounds(tmp_path, *(request.param.format(name) for name in names), audio_format="AU" if is_au else "WAV")
    if not is_au:
        (tmp_path / request.param.format("jazz/jazz.00054")).write_bytes(bytes(1000))
    return tmp_path


@pytest.fixture
def commands(tmp_path):
    names = [f"{word}/{who}_nohash_{take}.wav" for word in ("bed", "cat") for who, take in (("0c40e715", 0), ("a1", 1))]
    sounds(tmp_path, *names, "bed/b2_nohash_0.wav", "_background_noise_/pink_noise.wav")
    text(tmp_path / "validation_list.txt", names[1], names[3])
    text(tmp_path / "testing_list.txt", "bed/b2_nohash_0.wav")
    text(tmp_path / "LICENSE", "CC BY")
    return tmp_path


@pytest.fixture
def voxceleb(tmp_path):
    for folder, speaker in (("vox1_dev_wav", "id10001"), ("vox1_test_wav", "id10270")):
        sounds(
            tmp_path / folder / "wav" / speaker,
            "1zcIwhmdeo4/00001.wav",
            "1zcIwhmdeo4/00002.wav",
            "7gWzIy6yIIk/00001.wav",
        )
    text(
        tmp_path / "vox1_meta.csv", "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet", "id10001\tA\tm\tIreland\tdev"
    )
    return tmp_path


@pytest.fixture
def musan(tmp_path):
    sounds(
        tmp_path,
        "music/fma/music-fma-0000.wav",
        "music/fma/music-fma-0001.wav",
        "noise/free-sound/noise-free-sound-0000.wav",
    )
    sounds(tmp_path, "speech/librivox/speech-librivox-0000.wav")
    text(
        tmp_path / "music" / "fma" / "ANNOTATIONS", "music-fma-0000 pop,rock Y some_one", "music-fma-0001 jazz N other"
    )
    text(tmp_path / "noise" / "free-sound" / "LICENSE", "CC")
    return tmp_path


def build(root, layout, *more):
    out = root.parent / f"{root.name}.out"
    arguments = [
        "build",
        str(root),
        str(out),
        "--layout",
        layout,
        "--sample_rate_hz",
        "4000",
        "--num_workers",
        "1",
        *more,
    ]
    assert main(arguments) == 0
    return {path.name: ShardSet(path) for path in out.iterdir() if path.is_dir()}


def test_esc50(esc50):
    sets = build(esc50, "esc50", "--one_label", "category")
    assert {split: len(shards) for split, shards in sets.items()} == {"train": 2, "val": 2}
    assert sets["train"].label_sets["category"].labels == ("<null>", "dog", "train")
    assert {row["source"] for row in corpus_rows(esc50, layout="esc50")} == {"100032", "9032", "17367", "203128"}
    text(
        esc50 / "meta" / "esc50.csv", "filename,fold,target,category,esc10,src_file,take", "a.wav,1,0,dog,True,1,A,more"
    )
    with pytest.raises(CorpusError, match=r"esc50\.csv, row 1: has 8 cells, more than the 7 columns"):
        corpus_rows(esc50, layout="esc50")
    text(esc50 / "meta" / "esc50.csv", "file,label", "a.wav,dog")
    with pytest.raises(CorpusError, match=r"no column 'filename', 'fold', .*; it has \['file', 'label'\]"):
        corpus_rows(esc50, layout="esc50")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_tables_and_lists_with_marks_of_byte_order(esc50, encoding):
    rows = corpus_rows(esc50, layout="esc50")
    table = esc50 / "meta" / "esc50.csv"
    table.write_bytes(table.read_text().replace("\n", "\r\n").encode(encoding))
    assert corpus_rows(esc50, layout="esc50") == rows
    table.write_bytes("one\r\n\ncafé".encode(encoding))
    assert read_lines(table) == ["one", "café"]


def test_tables_and_lists_in_another_encoding_are_named(esc50):
    table = esc50 / "meta" / "esc50.csv"
    table.write_bytes("one\ncafé\n".encode("cp1252"))
    for read in (read_lines, lambda path: read_rows(path, ["one"])):
        with pytest.raises(CorpusError, match=r"esc50\.csv: expected text in UTF-8 .* byte 0xe9 in line 2"):
            read(table)


def test_fsd50k(fsd50k):
    sets = build(fsd50k, "fsd50k", "--many_labels", "labels")
    assert {split: len(shards) for split, shards in sets.items()} == {"train": 1, "val": 1, "test": 1}
    assert sets["train"].label_sets["labels"].labels == ("<null>", "Guitar", "Music", "Rain")
    (fsd50k / "FSD50K.ground_truth" / "eval.csv").unlink()
    with pytest.raises(CorpusError, match=r"eval\.csv: No such file or directory; expected the corpus as it is downl"):
        corpus_rows(fsd50k, layout="fsd50k")
    text(fsd50k / "FSD50K.ground_truth" / "dev.csv", "fname,labels,mids,split", "64760,,/m/1,train")
    with pytest.raises(CorpusError, match=r"dev\.csv, row 1: expected labels and the split"):
        corpus_rows(fsd50k, layout="fsd50k")


def test_gtzan(gtzan, tmp_path, capsys):
    is_whole = bool(list(gtzan.rglob("*.au")))
    sets = build(gtzan, "gtzan", "--one_label", "genre", "--split_by", "path", "--val_fraction", "0.4")
    assert sum(map(len, sets.values())) == (6 if is_whole else 5)
    assert ("1 known to be broken: " in capsys.readouterr().out) == (not is_whole)
    manifest = make_manifest(gtzan, tmp_path / "m.csv", layout="gtzan")
    assert [each.path[-14:] for each in manifest.passed_over] == ([] if is_whole else ["jazz.00054.wav"])


def test_gtzan_with_the_fault_filtered_lists(gtzan, tmp_path):
    for name, excerpt in (("train", "blues/blues.00000"), ("valid", "jazz/jazz.00000"), ("test", "jazz/jazz.00053")):
        text(gtzan / f"{name}_filtered.txt", f"{excerpt}.wav")
    rows = corpus_rows(gtzan, layout="gtzan")
    assert [(row["genre"], row["split"]) for row in rows] == [("blues", "train"), ("jazz", "val"), ("jazz", "test")]
    kinds = [each.kind for each in make_manifest(gtzan, tmp_path / "m.csv", layout="gtzan").passed_over]
    assert kinds.count("not in the fault-filtered lists") == (3 if list(gtzan.rglob("*.au")) else 2)
    (tmp_path / "none").mkdir()
    with pytest.raises(CorpusError, match="has none of the folders blues"):
        corpus_rows(tmp_path / "none", layout="gtzan")


def test_speech_commands(commands, capsys):
    sets = build(commands, "speech_commands", "--one_label", "word", "speaker")
    assert {split: len(shards) for split, shards in sets.items()} == {"train": 2, "val": 2, "test": 1}
    assert sets["train"].label_sets["word"].labels == ("<null>", "bed", "cat")
    assert "1 background noise without a word: _background_noise_/pink_noise.wav" in capsys.readouterr().out
    (commands / "bed" / "b2_nohash_0.wav").unlink()
    with pytest.raises(CorpusError, match=r"lacks 1 sound of validation_list\.txt and testing_list\.txt"):
        corpus_rows(commands, layout="speech_commands")
    text(commands / "testing_list.txt")
    sounds(commands, "cat/other.wav")
    with pytest.raises(CorpusError, match=r"other\.wav: expected WORD/SPEAKER_nohash_NUMBER"):
        corpus_rows(commands, layout="speech_commands")


def test_voxceleb(voxceleb, tmp_path):
    sets = build(voxceleb, "voxceleb", "--one_label", "speaker", "--split_by", "video")
    assert {split: len(shards) for split, shards in sets.items()} in ({"train": 4, "val": 2}, {"train": 2, "val": 4})
    videos = [
        f"{who}/{video}" for who in ("id10001", "id10270") for video in ("1zcIwhmdeo4/00001", "1zcIwhmdeo4/00002")
    ]
    lines = [f"{1 + k % 3} {name}.wav" for k, name in enumerate(videos)]
    text(voxceleb / "iden_split.txt", *lines)
    rows = corpus_rows(voxceleb, layout="voxceleb")
    assert [row["split"] for row in rows] == ["train", "val", "test", "train"]
    manifest = make_manifest(voxceleb, tmp_path / "m.csv", layout="voxceleb")
    assert [each.kind for each in manifest.passed_over] == ["not in iden_split.txt"] * 2
    text(voxceleb / "iden_split.txt", "4 id10001/x/00001.wav")
    with pytest.raises(CorpusError, match=r"iden_split\.txt, line 1: expected 1, 2 or 3"):
        corpus_rows(voxceleb, layout="voxceleb")
    sounds(voxceleb, "stray.wav")
    (voxceleb / "iden_split.txt").unlink()
    with pytest.raises(CorpusError, match=r"stray\.wav: expected \.\.\./SPEAKER/VIDEO/NUMBER\.wav"):
        corpus_rows(voxceleb, layout="voxceleb")


def test_voxceleb2_is_named_where_m4a_is_not_read(tmp_path):
    (tmp_path / "dev" / "aac" / "id00012" / "21Uxsk56VDQ").mkdir(parents=True)
    (tmp_path / "dev" / "aac" / "id00012" / "21Uxsk56VDQ" / "00001.m4a").touch()
    with pytest.raises(CorpusError, match=r"has no sounds .*\(\.m4a\): dev/aac/id00012/21Uxsk56VDQ/00001\.m4a"):
        corpus_rows(tmp_path, layout="voxceleb")


def test_musan(musan):
    sets = build(musan, "musan", "--one_label", "kind", "--split_by", "path", "--val_fraction", "0.25")
    assert {split: len(shards) for split, shards in sets.items()} == {"train": 3, "val": 1}
    found = [(row["kind"], row["source"], row["genres"], row["vocals"]) for row in corpus_rows(musan, layout="musan")]
    assert found[:2] == [("music", "fma", "pop;rock", "Y"), ("music", "fma", "jazz", "N")]
    assert found[2:] == [("noise", "free-sound", "", ""), ("speech", "librivox", "", "")]
    text(musan / "music" / "fma" / "ANNOTATIONS", "music-fma-0000")
    with pytest.raises(CorpusError, match=r"ANNOTATIONS, line 1: expected NAME GENRES VOCALS ARTIST"):
        corpus_rows(musan, layout="musan")
