import os
import pickle
import shutil

import numpy as np
import pytest
import soundfile
from scipy.io import savemat

from evaluate.benchmarks import BenchmarkError, load_benchmark
from evaluate.benchmarks.benchmark import NO_REGION
from evaluate.benchmarks.inspection import inspect_benchmark
from tests.helpers.release_layout import (
    CATEGORIES,
    COMPONENTS,
    NAMES,
    NUM_SOUNDS,
    STIMULUS_FIELDS,
    VOXEL_FIELDS,
    cells,
    old_table,
    voxel_table,
    write_release,
)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return write_release(tmp_path_factory.mktemp("release") / "data")


@pytest.fixture
def release(pristine, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(pristine, tmp_path / "data")


def test_2015_keeps_voxels_of_three_repetitions(pristine):
    benchmark = load_benchmark(f"{pristine}:NH2015")
    assert (benchmark.name, benchmark.unit_kind, benchmark.noise_corrected) == ("NH2015", "voxel", True)
    assert benchmark.stimulus_names == NAMES
    assert benchmark.categories == CATEGORIES
    assert benchmark.responses.shape == (NUM_SOUNDS, 10, 3)
    assert benchmark.num_missing == 0
    published = np.load(pristine / "neural" / "NH2015" / "voxel_features_array.npy")
    np.testing.assert_array_equal(benchmark.responses, published[:, [0, *range(2, 11)]])
    assert list(benchmark.units["unit"]) == ["103", "100", "101", "102", "104", "100", "101", "102", "103", "104"]
    assert list(benchmark.units["subject"]) == ["0"] * 5 + ["1"] * 5
    table = voxel_table(5)
    assert list(benchmark.units["x_ras"]) == list(table["x_ras"][[3, 0, 1, 2, 4, 5, 6, 7, 8, 9]])
    assert list(benchmark.units["region"][:5]) == ["Posterior", "Primary", "Anterior", "Lateral", NO_REGION]
    assert {"hemi", "y_ras", "pearson_r_reliability"} <= set(benchmark.units.columns)
    assert "Tuckute" in benchmark.citation
    assert "Norman-Haignere" in benchmark.citation
    assert benchmark.stimuli(20_000, 4_000).shape == (NUM_SOUNDS, 4_000)


def test_2021_takes_the_first_sounds(pristine):
    benchmark = load_benchmark(pristine / "neural" / "B2021")
    published = np.load(pristine / "neural" / "B2021" / "voxel_features_array.npy")
    assert benchmark.name == "B2021"
    assert benchmark.stimulus_names == NAMES
    np.testing.assert_array_equal(benchmark.responses, published[:NUM_SOUNDS])
    assert list(benchmark.units["unit"]) == [str(i) for i in range(8)]
    assert benchmark.subjects == ("0", "1")
    assert "Boebinger" in benchmark.citation


def test_components_come_in_the_order_of_2015(pristine):
    benchmark = load_benchmark(f"{pristine}:NH2015comp")
    from scipy.io import loadmat

    published = loadmat(pristine / "neural" / "NH2015comp" / "components.mat")["R"]
    assert (benchmark.name, benchmark.unit_kind, benchmark.noise_corrected) == ("NH2015comp", "component", False)
    assert benchmark.stimulus_names == NAMES
    assert benchmark.categories == CATEGORIES
    np.testing.assert_array_equal(benchmark.responses[:, :, 0], published[::-1])
    assert tuple(benchmark.units["region"]) == COMPONENTS


def test_release_is_found_by_name_and_path(pristine, tmp_path, monkeypatch):
    expected = load_benchmark(f"{pristine}:B2021").content_hash()
    assert load_benchmark(f"{pristine.parent}:B2021").content_hash() == expected
    monkeypatch.chdir(pristine / "neural" / "B2021")
    assert load_benchmark(".").content_hash() == expected
    with pytest.raises(BenchmarkError, match=r"choose one of its data sets, .*:NH2015, .*:B2021, .*:NH2015comp"):
        load_benchmark(pristine)
    with pytest.raises(BenchmarkError, match=r"neither .*neural/NH2015 nor .*data/neural/NH2015"):
        load_benchmark(f"{tmp_path}:NH2015")


def test_other_counts_than_published_are_a_remark(pristine):
    inspection = inspect_benchmark(load_benchmark(f"{pristine}:NH2015"))
    assert inspection.problems == ()
    assert any("7694 units, 8 participants; this one has 8 sounds, 10 units" in remark for remark in inspection.remarks)


def edit(path, change):
    array = np.load(path)
    np.save(path, change(array))


def voxels(rows):
    return np.array(rows, dtype=VOXEL_FIELDS)


def with_nan(array):
    array[3, 2, :] = np.nan
    return array


def with_inf(array):
    array[3, 2, 1] = np.inf
    return array


def rewrite_table(release, **changes):
    columns = {name: value for name, value in (voxel_table(5) | changes).items() if value is not None}
    (release / "neural/NH2015/df_roi_meta.pkl").write_bytes(old_table(columns))


def change_b2021_names(release):
    names = [*NAMES[:2], NAMES[3], NAMES[2], *NAMES[4:]]
    savemat(release / "neural/B2021/stim_info_v4.mat", {"stim_info": {"stim_names": cells(names)}})


class Evil:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


BAD = {
    "a sound is missing": (
        "NH2015",
        lambda r: (r / "stimuli/165_natural_sounds" / f"{NAMES[2]}.wav").unlink(),
        r"1 of 8 sounds are missing in .*165_natural_sounds.*'stim2_sound'",
    ),
    "no sounds": ("B2021", lambda r: shutil.rmtree(r / "stimuli"), "165_natural_sounds does not exist"),
    "no list of sounds": (
        "B2021",
        lambda r: (r / "neural/NH2015/neural_stim_meta.npy").unlink(),
        r"NH2015/neural_stim_meta\.npy does not exist",
    ),
    "list of sounds is no list": (
        "NH2015",
        lambda r: np.save(r / "neural/NH2015/neural_stim_meta.npy", np.zeros(3)),
        "expected a list of rows with the file name in field 0",
    ),
    "names without suffix": (
        "NH2015",
        lambda r: np.save(r / "neural/NH2015/neural_stim_meta.npy", np.array([(b"a", 0, 0, 0, b"c")], STIMULUS_FIELDS)),
        "not the name of a WAV file in 1 row: 'a'",
    ),
    "a sound twice": (
        "NH2015",
        lambda r: edit(r / "neural/NH2015/neural_stim_meta.npy", lambda a: a[[0, *range(7)]]),
        "more than once: 'stim0_sound'",
    ),
    "misordered names": ("B2021", change_b2021_names, r"sound 2 is 'stim3_sound', expected 'stim2_sound' as in NH2015"),
    "too few names": (
        "B2021",
        lambda r: savemat(r / "neural/B2021/stim_info_v4.mat", {"stim_info": {"stim_names": cells(NAMES[:5])}}),
        "sound 5 is nothing, expected 'stim5_sound'",
    ),
    "MATLAB file without names": (
        "B2021",
        lambda r: savemat(r / "neural/B2021/stim_info_v4.mat", {"stim_info": {"a": 1}}),
        "stim_info lacks the field 'stim_names'",
    ),
    "component names are others": (
        "NH2015comp",
        lambda r: edit(
            r / "neural/NH2015/neural_stim_meta.npy",
            lambda a: np.append(a, np.array([(b"x.wav", 0, 0, 0, b"c")], a.dtype)),
        ),
        "1 of 9 sounds are missing.*1 more problem",
    ),
    "stimulus without response": (
        "NH2015",
        lambda r: edit(r / "neural/NH2015/voxel_features_array.npy", with_nan),
        r"1 of 10 units have stimuli without any response; .*unit '100' \(subject '0'\) to stimulus 'stim3_sound'",
    ),
    "infinite": (
        "NH2015",
        lambda r: edit(r / "neural/NH2015/voxel_features_array.npy", with_inf),
        r"1 response is not finite.*unit '100' \(subject '0'\) to stimulus 'stim3_sound', repetition 1",
    ),
    "one repetition": (
        "NH2015",
        lambda r: edit(r / "neural/NH2015/voxel_features_array.npy", lambda a: a[:, :, :1]),
        "at least 2 repetitions, got 1",
    ),
    "two axes": (
        "B2021",
        lambda r: edit(r / "neural/B2021/voxel_features_array.npy", lambda a: a[:, :, 0]),
        r"expected numbers \(sounds, voxels, repetitions\)",
    ),
    "texts": (
        "NH2015",
        lambda r: edit(r / "neural/NH2015/voxel_features_array.npy", lambda a: a.astype(str)),
        "voxel_features_array.npy holds <U",
    ),
    "too few sounds": (
        "B2021",
        lambda r: edit(r / "neural/B2021/voxel_features_array.npy", lambda a: a[:5]),
        r"shape \(5, 8, 3\), expected .* = \(8, 8, at least 1\)",
    ),
    "pickled objects in an array": (
        "NH2015",
        lambda r: np.save(r / "neural/NH2015/voxel_features_array.npy", np.array([{}], dtype=object)),
        "holds pickled Python objects, which are not read",
    ),
    "other number of voxels": (
        "B2021",
        lambda r: edit(r / "neural/B2021/voxel_features_array.npy", lambda a: a[:, 1:]),
        r"voxel_features_array\.npy holds 7 voxels, .*voxel_features_meta\.npy holds 8",
    ),
    "voxels without fields": (
        "NH2015",
        lambda r: np.save(r / "neural/NH2015/voxel_features_meta.npy", np.arange(12)),
        "lacks the field 'voxel_id', 'subj_idx', 'n_reps'",
    ),
    "no voxel of three": (
        "NH2015",
        lambda r: edit(r / "neural/NH2015/voxel_features_meta.npy", lambda a: voxels([(1, 0, 0, b"", 2)] * len(a))),
        "has 10 rows, but the responses have 0 voxels",
    ),
    "a voxel twice among the responses": (
        "NH2015",
        lambda r: edit(r / "neural/NH2015/voxel_features_meta.npy", lambda a: a[[0, 0, *range(2, 12)]]),
        "the responses have 1 voxel twice: 'subj_idx 0, voxel_id 103'",
    ),
    "a voxel twice in the table": (
        "NH2015",
        lambda r: rewrite_table(r, voxel_id=np.array([100, 100, 102, 103, 104] * 2)),
        "2 voxels occur more than once: 'subj_idx 0, voxel_id 100'",
    ),
    "a voxel is not in the table": (
        "NH2015",
        lambda r: rewrite_table(r, voxel_id=np.array([100, 101, 102, 103, 999] * 2)),
        "lacks 2 of 10 voxels of the responses: 'subj_idx 0, voxel_id 104'",
    ),
    "a voxel that is no whole number": (
        "NH2015",
        lambda r: rewrite_table(r, voxel_id=np.arange(10) + 0.5),
        "column 'voxel_id' contains values that are not integers",
    ),
    "no regions": (
        "NH2015",
        lambda r: rewrite_table(r, roi_label_general=None),
        "lacks the column 'roi_label_general'",
    ),
    "truncated table": (
        "NH2015",
        lambda r: os.truncate(r / "neural/NH2015/df_roi_meta.pkl", 500),
        r"df_roi_meta\.pkl is cut short or damaged",
    ),
    "truncated responses": (
        "B2021",
        lambda r: os.truncate(r / "neural/B2021/voxel_features_array.npy", 900),
        r"voxel_features_array\.npy is cut short or not a NumPy file",
    ),
    "truncated head": (
        "B2021",
        lambda r: os.truncate(r / "neural/B2021/voxel_features_meta.npy", 20),
        r"voxel_features_meta\.npy is cut short or not a NumPy file",
    ),
    "empty file": (
        "B2021",
        lambda r: os.truncate(r / "neural/B2021/voxel_features_meta.npy", 0),
        r"voxel_features_meta\.npy is cut short or not a NumPy file",
    ),
    "truncated MATLAB file": (
        "B2021",
        lambda r: os.truncate(r / "neural/B2021/stim_info_v4.mat", 200),
        r"stim_info_v4\.mat cannot be read",
    ),
    "truncated components": (
        "NH2015comp",
        lambda r: os.truncate(r / "neural/NH2015comp/components.mat", 200),
        r"components\.mat cannot be read",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_are_named(release, case):
    name, spoil, message = BAD[case]
    spoil(release)
    with pytest.raises(BenchmarkError, match=message):
        load_benchmark(f"{release}:{name}")


def test_table_that_runs_code(release, tmp_path):
    trace = tmp_path / "trace"
    (release / "neural/NH2015/df_roi_meta.pkl").write_bytes(pickle.dumps(Evil(trace)))
    with pytest.raises(BenchmarkError, match=r"df_roi_meta\.pkl: this pickle asks for posix\.system"):
        load_benchmark(f"{release}:NH2015")
    assert not trace.exists()


def test_nan_in_published_components(release):
    from scipy.io import loadmat

    path = release / "neural/NH2015comp/components.mat"
    arrays = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    arrays["R"][0, 1] = np.nan
    savemat(path, arrays)
    with pytest.raises(BenchmarkError, match=r"1 response is not finite.*'music'.*'stim7_sound'"):
        load_benchmark(f"{release}:NH2015comp")


def test_missing_repetition_and_constant_voxel_are_counted(release):
    def spoil(array):
        array[2, 0, 1] = np.nan
        array[:, 4] = 0.25
        return array

    edit(release / "neural/NH2015/voxel_features_array.npy", spoil)
    benchmark = load_benchmark(f"{release}:NH2015")
    inspection = inspect_benchmark(benchmark)
    assert benchmark.num_missing == 1
    assert inspection.is_constant.sum() == 1
    assert any("1 unit does not vary over stimuli" in remark for remark in inspection.remarks)
    assert any("1 response is missing" in remark for remark in inspection.remarks)


def test_all_that_is_wrong_is_told(release):
    (release / "stimuli/165_natural_sounds" / f"{NAMES[0]}.wav").unlink()
    change_b2021_names(release)
    os.truncate(release / "neural/B2021/df_roi_meta.pkl", 300)
    edit(release / "neural/B2021/voxel_features_array.npy", lambda a: a[:, 1:])
    with pytest.raises(BenchmarkError, match=r"and 3 more problems: .*check") as caught:
        load_benchmark(f"{release}:B2021")
    assert len(caught.value.problems) == 4
    for word in ("sounds are missing", "cut short", "sound 2 is", "holds 7 voxels"):
        assert any(word in problem for problem in caught.value.problems)


def test_broken_and_silent_sounds_are_told(release):
    folder = release / "stimuli/165_natural_sounds"
    os.truncate(folder / f"{NAMES[1]}.wav", 20)
    soundfile.write(folder / f"{NAMES[2]}.wav", np.zeros(100), 20_000)
    soundfile.write(folder / f"{NAMES[3]}.wav", np.full((100, 2), np.nan), 20_000, subtype="FLOAT")
    inspection = inspect_benchmark(load_benchmark(f"{release}:NH2015"))
    assert len(inspection.problems) == 3
    assert NAMES[1] in inspection.problems[0]
    assert inspection.problems[1].endswith(f"{NAMES[2]}.wav: silent: cannot be set to RMS 0.1")
    assert "not finite" in inspection.problems[2]


def test_silence_is_not_scored(release):
    file = release / "stimuli/165_natural_sounds" / f"{NAMES[2]}.wav"
    soundfile.write(file, np.concatenate([np.zeros(40_000), np.sin(np.arange(400))]), 20_000)
    benchmark = load_benchmark(f"{release}:NH2015")
    (remark,) = [remark for remark in inspect_benchmark(benchmark).remarks if "silent" in remark]
    assert "1 sound is silent in their first 2 s" in remark
    assert np.isfinite(benchmark.stimuli(20_000, 40_400)).all()
    with pytest.raises(BenchmarkError, match=rf"{NAMES[2]}\.wav: silent: cannot be set to RMS 0.1 \(in its first 2 s"):
        benchmark.stimuli(20_000, 40_000)


def test_copies_of_a_sound_are_told(release):
    folder = release / "stimuli/165_natural_sounds"
    assert not any("copies" in remark for remark in inspect_benchmark(load_benchmark(f"{release}:NH2015")).remarks)
    shutil.copy(folder / f"{NAMES[1]}.wav", folder / f"{NAMES[3]}.wav")
    inspection = inspect_benchmark(load_benchmark(f"{release}:NH2015"))
    (remark,) = [remark for remark in inspection.remarks if "copies" in remark]
    assert remark.startswith("2 sounds are copies of each other: ")
    assert all(name in remark for name in (NAMES[1], NAMES[3]))
    assert not inspection.problems
