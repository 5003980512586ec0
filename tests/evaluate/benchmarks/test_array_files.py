"""Arrays of numbers in files of NumPy and MATLAB, and sounds by the names of stimuli."""

import io
import unicodedata

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from evaluate.benchmarks.problems import BenchmarkError
from evaluate.benchmarks.recordings.array_formats import read_responses_array
from evaluate.benchmarks.sound_files import match_names

RESPONSES = np.random.default_rng(0).standard_normal((4, 3, 2))
NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def mat(**arrays):
    file = io.BytesIO()
    savemat(file, arrays)
    return file.getvalue()


def mat_7_3(**arrays):
    """As MATLAB writes it: HDF5 after 512 bytes of text, axes reversed."""
    h5py = pytest.importorskip("h5py")
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=512) as content:
        for name, array in arrays.items():
            content[name] = np.transpose(array)
    return b"MATLAB 7.3 MAT-file".ljust(512) + file.getvalue()[512:]


@pytest.mark.parametrize(("write", "where"), [(npz, "r.npz"), (mat, "r.mat"), (mat_7_3, "r.mat")])
def test_arrays_are_found_by_name(write, where):
    others = {"baseline": np.zeros((2, 2)), "rate": np.array([[3.0]])}
    np.testing.assert_array_equal(read_responses_array(write(responses=RESPONSES, **others), where), RESPONSES)
    np.testing.assert_array_equal(read_responses_array(write(betas=RESPONSES), where), RESPONSES)  # the only one
    named = read_responses_array(write(betas=RESPONSES, **others), where, "betas")
    np.testing.assert_array_equal(named, RESPONSES)
    with pytest.raises(BenchmarkError, match=r"lacks the array 'responses'; it has .*'baseline'.*--variable"):
        read_responses_array(write(betas=RESPONSES, **others), where)
    with pytest.raises(BenchmarkError, match="lacks the array 'beta'; it has 'betas'"):
        read_responses_array(write(betas=RESPONSES), where, "beta")


@pytest.mark.parametrize(
    ("content", "where", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "r.npy", "pointer of Git LFS"),
        (b"version https://git-lfs.github.com/spec/v1\n", "r.mat", "pointer of Git LFS"),
        (b"nonsense" * 100, "r.mat", "cannot be read as a MATLAB file"),
        (mat(responses=RESPONSES)[:300], "r.mat", "cannot be read as a MATLAB file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "r.mat", "cannot be read as a file of MATLAB 7.3"),
        (npz(responses=RESPONSES)[:300], "r.npz", "cut short or no archive"),
        (mat(names=np.array(["a", "b"], dtype=object)), "r.mat", "it has no arrays of numbers"),
        (npz(responses=np.array([{}], dtype=object)), "r.npz", "r.npz"),
    ],
)
def test_what_cannot_be_read_is_one_line(content, where, message):
    with pytest.raises(BenchmarkError, match=message):
        read_responses_array(content, where)


@pytest.mark.parametrize(
    ("names", "files", "found"),
    [
        (["s0", "s1"], ["s0.WAV", "s1.Flac"], ["s0.WAV", "s1.Flac"]),
        (["s0.wav", "s1"], ["s0.wav", "s1.aiff"], ["s0.wav", "s1.aiff"]),
        (["s0.wav"], ["s0.wav.flac"], ["s0.wav.flac"]),
        ([NFC], [f"{NFD}.wav"], [f"{NFD}.wav"]),
        ([NFD], [f"{NFC}.wav"], [f"{NFC}.wav"]),
        (["s0"], ["s0.mp3", "s0.wav", "s0.flac", "s0.txt"], ["s0.wav"]),
        (["a.b"], ["a.b.ogg", "a.ogg"], ["a.b.ogg"]),
    ],
)
def test_sounds_are_found_by_the_names_of_stimuli(names, files, found):
    assert match_names(names, files, "stimuli") == found


@pytest.mark.parametrize(
    ("names", "files", "message"),
    [
        (["a"], ["a.wav", "a.WAV"], r"stimuli: the name 'a' fits several sounds, 'a.WAV', 'a.wav'; keep one"),
        (["a.Wav"], ["a.wav", "a.WAV"], "the name 'a.Wav' fits several sounds"),
        (["a", "a.wav"], ["a.wav"], "the names 'a' and 'a.wav' both fit the sound 'a.wav'"),
        (["a.wav", "a.WAV"], ["a.wav"], "the names 'a.wav' and 'a.WAV' both fit the sound 'a.wav'"),
        (["caf\u00e9"], ["caf\u00e9.wav", "cafe\u0301.wav"], "fits several sounds"),
        (["a"], ["a.mp3", "a.MP3", "a.ogg"], "fits several sounds"),
    ],
)
def test_names_that_fit_several_sounds_are_refused(names, files, message):
    with pytest.raises(BenchmarkError, match=message):
        match_names(names, files, "stimuli")


def test_names_with_suffixes_tell_sounds_apart():
    assert match_names(["a.WAV", "a.wav"], ["a.wav", "a.WAV"], "stimuli") == ["a.WAV", "a.wav"]
    assert match_names(["a.wav", "b.FLAC"], ["a.WAV", "b.flac"], "stimuli") == ["a.WAV", "b.flac"]
    assert match_names(["a"], ["a.wav", "a.MP3", "a.mp3"], "stimuli") == ["a.wav"]


@pytest.mark.parametrize("files", [["._s0.wav"], ["s0.txt"], ["S0.wav"], []])
def test_other_files_are_no_sounds(files):
    with pytest.raises(BenchmarkError, match="1 of 1 sounds are missing in stimuli"):
        match_names(["s0"], files, "stimuli")


@pytest.mark.parametrize(
    ("content", "where", "message"),
    [
        (
            npz(responses=np.array([{}], dtype=object)),
            "r.npz",
            "'responses' is no array of numbers, but texts, cells or",
        ),
        (mat(responses=np.array([RESPONSES, RESPONSES], dtype=object)), "r.mat", "'responses' is no array of numbers"),
        (mat(responses=csc_matrix(RESPONSES[:, :, 0])), "r.mat", r"is sparse; save it as full\(responses\)"),
    ],
)
def test_what_has_the_name_but_no_numbers_is_called_what_it_is(content, where, message):
    with pytest.raises(BenchmarkError, match=message):
        read_responses_array(content, where)
