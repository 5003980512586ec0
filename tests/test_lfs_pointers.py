"""A pointer of Git LFS is called a pointer, whatever file it stands for."""

import shutil

import numpy as np
import pytest
import soundfile

from datamodules.audio import audio_info, read_audio
from datamodules.building.build import build_shards
from datamodules.corpora.alignments import read_ctm, read_textgrid
from datamodules.corpora.audioset import read_segments
from datamodules.corpora.ontology import read_ontology
from datamodules.corpora.published.lists import read_lines, read_rows
from datamodules.inspection.inspected_rows import rows_of_manifest
from datamodules.manifests.label_lists import read_label_list
from datamodules.manifests.manifest import read_manifest
from datamodules.shards.hdf5 import read_rows as read_hdf5_rows
from datamodules.shards.reader import ShardSet
from evaluate.benchmarks import load_benchmark
from evaluate.benchmarks.published.pickled_tables import read_pickled_table
from evaluate.benchmarks.recordings.array_formats import read_responses_array
from evaluate.benchmarks.recordings.matlab_files import read_matlab
from evaluate.benchmarks.recordings.npy_files import read_npy
from evaluate.probe.labelled_sounds import find_labelled_sounds
from evaluate.scoring.table import read_table
from networks.external.weight_files import read_state_dict
from networks.files.lfs_pointers import is_pointer, is_pointer_file
from networks.files.strict_yaml import read_yaml
from networks.weights.tensor_files import read_tensor_file
from train.cli.recipes import read_configuration

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n"

READERS = {
    "manifest.csv": lambda path: read_manifest(path, one_label=["word"]),
    "manifest.tsv": lambda path: read_manifest(path, one_label=["word"]),
    "manifest.parquet": lambda path: read_manifest(path, one_label=["word"]),
    "inspected.csv": rows_of_manifest,
    "inspected.parquet": rows_of_manifest,
    "labels.txt": read_label_list,
    "a.TextGrid": read_textgrid,
    "a.ctm": read_ctm,
    "ontology.json": read_ontology,
    "segments.csv": read_segments,
    "table_of_corpus.csv": lambda path: read_rows(path, ["file"]),
    "list_of_corpus.txt": read_lines,
    "a.wav": lambda path: read_audio(path, sample_rate_hz=8000),
    "a.mp3": audio_info,
    "a.h5": lambda path: read_hdf5_rows(path, "sounds"),
    "sounds.csv": find_labelled_sounds,
    "responses.npy": lambda path: read_responses_array(path.read_bytes(), str(path)),
    "responses.npz": lambda path: read_responses_array(path.read_bytes(), str(path)),
    "responses.mat": lambda path: read_responses_array(path.read_bytes(), str(path)),
    "published.npy": read_npy,
    "published.mat": lambda path: read_matlab(path, ()),
    "published.pkl": read_pickled_table,
    "benchmark.zip": lambda path: load_benchmark(str(path)),
    "scores.csv": read_table,
    "weights.pt": read_tensor_file,
    "weights.ckpt": read_state_dict,
    "config.yaml": read_yaml,
    "recipe.yaml": read_configuration,
}


@pytest.mark.parametrize("name", READERS)
def test_a_pointer_is_called_a_pointer(tmp_path, name):
    (tmp_path / name).write_bytes(POINTER)
    with pytest.raises(
        (ValueError, RuntimeError), match="a pointer of Git LFS or git-annex, not the file itself"
    ) as raised:
        READERS[name](tmp_path / name)
    assert name in str(raised.value)
    assert "git lfs pull" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_pointers_in_a_shard_set(tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(4000), 8000)
    (tmp_path / "m.csv").write_text("path,word\na.wav,river\n")
    settings = {"one_label": ["word"], "sample_rate_hz": 8000, "num_workers": 1, "progress": False, "picture": False}
    build_shards(tmp_path / "m.csv", tmp_path / "set", **settings)
    for name in ("index.json", "clips.parquet", "shard-000000.tar"):
        copy = shutil.copytree(tmp_path / "set" / "train", tmp_path / f"with pointer {name}")
        (copy / name).write_bytes(POINTER)
        with pytest.raises(ValueError, match=rf"{name}.*a pointer of Git LFS"):
            ShardSet(copy)


def test_other_files_are_no_pointers(tmp_path):
    (tmp_path / "a").write_bytes(b"version 2")
    assert not is_pointer_file(tmp_path / "a")
    assert not is_pointer_file(tmp_path / "missing")
    assert not is_pointer(b"")
    assert is_pointer(memoryview(POINTER))


def test_a_pointer_of_git_annex_is_called_one(tmp_path):
    (tmp_path / "m.csv").write_text("/annex/objects/SHA256E-s123--0a1b2c.csv\n")
    assert is_pointer_file(tmp_path / "m.csv")
    with pytest.raises(ValueError, match=r"a pointer of Git LFS or git-annex, not the file itself.*git annex get"):
        read_manifest(tmp_path / "m.csv", one_label=["word"])
