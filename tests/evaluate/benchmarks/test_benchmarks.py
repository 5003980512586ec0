import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.io import loadmat, savemat

from datamodules.audio import AudioError
from evaluate import benchmarks
from evaluate.benchmarks import Benchmark, BenchmarkError, components_benchmark, load_benchmark
from evaluate.report.published_values import COMPONENTS, PUBLISHED_MODELS, published_value

NUM_SOUNDS = 8


def cells(names):
    return np.array([[name] for name in names], dtype=object).reshape(1, -1)


@pytest.fixture
def component_folder(tmp_path) -> Path:
    """A folder in the published layout, with 8 short sounds of mixed formats and rates."""
    folder = tmp_path / "natsound"
    (folder / "stimuli").mkdir(parents=True)
    names = [f"stim{number}_x" for number in range(NUM_SOUNDS)]
    generator = np.random.default_rng(0)
    for number, name in enumerate(names):
        sound = 0.2 * generator.standard_normal(4410 if number % 2 else 1000) + 0.1
        suffix, rate = ("wav", 44100) if number % 2 else ("flac", 8000)
        soundfile.write(folder / "stimuli" / f"{name}.{suffix}", sound.clip(-1, 1), rate)
    savemat(
        folder / "components.mat",
        {
            "R": generator.standard_normal((NUM_SOUNDS, 2)),
            "W": np.zeros((2, 9)),
            "stim_names": cells(names),
            "component_names": cells(["lowfreq", "music"]),
            "category_labels": cells(["Music"] * 4 + ["EnvSound"] * 4),
        },
    )
    return folder


def test_components_from_the_published_layout(component_folder):
    benchmark = components_benchmark(component_folder)
    assert benchmark.name == "NH2015comp"
    assert benchmark.responses.shape == (NUM_SOUNDS, 2, 1)
    np.testing.assert_array_equal(benchmark.responses[:, :, 0], loadmat(component_folder / "components.mat")["R"])
    assert benchmark.stimulus_names[0] == "stim0_x"
    assert benchmark.categories == ("Music",) * 4 + ("EnvSound",) * 4
    assert list(benchmark.units["unit"]) == list(benchmark.units["region"]) == ["lowfreq", "music"]
    assert benchmark.subjects == ("all",)
    assert benchmark.unit_kind == "component"
    assert not benchmark.noise_corrected
    assert "Norman-Haignere" in benchmark.citation


def test_sounds_have_rate_length_mean_and_level(component_folder):
    benchmark = components_benchmark(component_folder)
    sounds = benchmark.stimuli(20_000, 5_000)
    assert sounds.shape == (NUM_SOUNDS, 5_000)
    assert sounds.dtype == np.float32
    np.testing.assert_allclose(sounds.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(np.sqrt((sounds.astype(float) ** 2).mean(axis=1)), 0.1, rtol=1e-5)
    sounds[:] = 0  # what a caller does with them is his own
    assert benchmark.stimuli(20_000, 5_000).any()


def test_real_components(shared_dir):
    benchmark = load_benchmark(shared_dir / "data" / "natsound165")
    golden = np.load(shared_dir / "golden" / "encoding.npz")
    assert benchmark.stimulus_names == tuple(golden["stimulus_names"])
    np.testing.assert_array_equal(benchmark.responses[:, :, 0], golden["responses"])
    assert tuple(benchmark.units["region"]) == COMPONENTS
    assert benchmark.categories is not None
    assert len(set(benchmark.categories)) == 11


def test_missing_sounds_are_counted_and_named(component_folder):
    for number in (1, 3, 5, 7):
        (component_folder / "stimuli" / f"stim{number}_x.wav").unlink()
    with pytest.raises(BenchmarkError, match=r"4 of 8 sounds are missing.*'stim1_x'.*'stim5_x' and 1 more"):
        components_benchmark(component_folder)


def test_missing_folder_of_sounds(component_folder):
    shutil.rmtree(component_folder / "stimuli")
    with pytest.raises(BenchmarkError, match="stimuli does not exist"):
        components_benchmark(component_folder)


def test_broken_sound_is_named(component_folder):
    (component_folder / "stimuli" / "stim1_x.wav").write_bytes(b"RIFF nonsense")
    with pytest.raises(AudioError, match="stim1_x"):
        components_benchmark(component_folder).stimuli(20_000, 5_000)


def test_missing_components_file(tmp_path):
    with pytest.raises(BenchmarkError, match=r"components\.mat does not exist"):
        components_benchmark(tmp_path)


@pytest.mark.parametrize("keep", [0, 100, 200, 700])
def test_truncated_components_file(component_folder, keep):
    path = component_folder / "components.mat"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BenchmarkError, match=r"components\.mat"):
        components_benchmark(component_folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"R": np.zeros((7, 2))}, r"R has shape \(7, 2\), expected 8 sounds x 2 components"),
        ({"R": None}, "lacks the array 'R'"),
        ({"stim_names": np.arange(8.0)}, "entry 0 of stim_names is not one string"),
        ({"category_labels": cells(["Music"] * 7)}, "7 categories for 8 stimuli"),
    ],
)
def test_wrong_arrays(component_folder, changes, message):
    path = component_folder / "components.mat"
    arrays = {name: value for name, value in loadmat(path).items() if not name.startswith("__")} | changes
    savemat(path, {name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(BenchmarkError, match=message):
        components_benchmark(component_folder)


def test_nan_in_components_names_component_and_sound(component_folder):
    path = component_folder / "components.mat"
    arrays = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    arrays["R"][3, 1] = np.nan
    savemat(path, arrays)
    with pytest.raises(BenchmarkError, match=r"'music'.*'stim3_x'"):
        components_benchmark(component_folder)


def test_known_names_and_folders(component_folder, make_benchmark, monkeypatch):
    assert load_benchmark(str(component_folder)).name == "NH2015comp"
    assert list(benchmarks.BENCHMARKS) == ["simulated", "simulated_time", "simulated_listener"]
    monkeypatch.setitem(benchmarks.BENCHMARKS, "mine", make_benchmark)
    assert load_benchmark("mine").name == "tiny"


def test_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(BenchmarkError, match=r"'NH2016'.*no such name or path.*'simulated'"):
        load_benchmark("NH2016")
    with pytest.raises(BenchmarkError, match=r"the folder has no components\.mat"):
        load_benchmark(tmp_path)


def changed(array: np.ndarray, index: tuple, value: float) -> np.ndarray:
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (lambda b: {"name": "a/b"}, "no '/'"),
        (lambda b: {"unit_kind": "neuron"}, "'voxel' or 'component', got 'neuron'"),
        (lambda b: {"stimulus_names": ()}, "no stimuli"),
        (lambda b: {"stimulus_names": ("sound1", *b.stimulus_names[1:])}, "more than once: 'sound1'"),
        (lambda b: {"categories": ("Music",)}, "1 category for 24 stimuli"),
        (lambda b: {"units": b.units.drop(columns="region")}, "lacks the column 'region'"),
        (lambda b: {"units": b.units.assign(unit="v0", subject="s1")}, "more than once: 's1: v0'"),
        (lambda b: {"units": b.units.assign(region=["A"] * 5 + [None])}, "'region' is empty in 1 rows, first in row 5"),
        (lambda b: {"units": b.units.assign(subject=["all"] * 3 + ["s2"] * 3)}, "subject 'all'"),
        (lambda b: {"units": b.units.assign(region="all")}, "region 'all'"),
        (lambda b: {"responses": b.responses[:, :, 0]}, r"shape \(24, 6\), expected"),
        (lambda b: {"responses": b.responses[1:]}, r"\(23, 6, 3\), expected .* = \(24, 6, at least 1\)"),
        (lambda b: {"responses": b.responses.astype(str)}, "real numbers"),
        (lambda b: {"responses": b.responses + 1j}, "real numbers"),
        (
            lambda b: {"responses": changed(b.responses, (4, 2), np.nan)},
            "1 of 6 units have stimuli without any response; the first is that of unit 'v2' .*'s1'.*'sound4'",
        ),
        (
            lambda b: {"responses": changed(b.responses, (4, 2, 1), np.nan), "unit_kind": "component"},
            "1 response is not finite.*'v2' .*'s1'.*'sound4', repetition 1",
        ),
        (
            lambda b: {"responses": changed(b.responses[:, :, :1], (4, 2, 0), np.nan), "noise_corrected": False},
            "1 of 6 units have stimuli without any response",
        ),
        (lambda b: {"responses": changed(b.responses, (0, 0, 0), np.inf)}, "'v0'.*'sound0'"),
        (lambda b: {"responses": b.responses[:, :, :1]}, "at least 2 repetitions, got 1"),
    ],
)
def test_bad_fields_are_named(make_benchmark, changes, message):
    benchmark = make_benchmark()
    with pytest.raises(BenchmarkError, match=message):
        replace(benchmark, **changes(benchmark))


def test_missing_repetitions_are_counted(make_benchmark):
    benchmark = make_benchmark()
    assert benchmark.num_missing == 0
    responses = changed(benchmark.responses, (4, 2, 1), np.nan)
    responses[:, 3, 2] = np.nan
    assert replace(benchmark, responses=responses).num_missing == 25


def test_all_problems_are_told_at_once(make_benchmark):
    changes = {"name": "", "unit_kind": "voxel", "categories": ("Music",)}
    with pytest.raises(
        BenchmarkError, match=r"not empty.* \(and 2 more problems: `cochlearn evaluate check`"
    ) as caught:
        make_benchmark(**changes, responses=np.zeros((24, 6, 1)))
    assert len(caught.value.problems) == 3
    with pytest.raises(BenchmarkError, match="not empty") as caught:
        make_benchmark(name="")
    assert caught.value.problems == (str(caught.value),)


def test_fields_get_their_types(make_benchmark):
    units = pd.DataFrame({"unit": [3, 4], "subject": [1, 1], "region": ["A", "B"]}, index=[7, 9])
    benchmark = make_benchmark(
        num_units=2, units=units, responses=np.arange(48).reshape(24, 2, 1), noise_corrected=False
    )
    assert benchmark.responses.dtype == np.float64
    assert list(benchmark.units["unit"]) == ["3", "4"]
    assert list(benchmark.units.index) == [0, 1]
    assert (benchmark.num_stimuli, benchmark.num_units, benchmark.num_repetitions) == (24, 2, 1)
    assert benchmark.regions == ("A", "B")


@pytest.mark.parametrize(
    ("sounds", "message"),
    [
        (np.zeros((23, 64), np.float32), r"\(23, 64\) float32, expected \(24, 64\) float32"),
        (np.zeros((24, 64)), "float64, expected"),
        (np.full((24, 64), np.nan, np.float32), "not finite in the sound of 'sound0'.*and 21 more"),
    ],
)
def test_bad_sounds_are_named(make_benchmark, sounds, message):
    benchmark = make_benchmark(waveforms=lambda sample_rate_hz, num_samples: sounds)
    with pytest.raises(BenchmarkError, match=message):
        benchmark.stimuli(1000, 64)


def test_hashes_follow_the_content(make_benchmark):
    one = make_benchmark()
    assert one.content_hash() == make_benchmark().content_hash()
    assert one.stimuli_fingerprint(1000, 64) == make_benchmark(version="2").stimuli_fingerprint(1000, 64)
    others = [
        make_benchmark(version="2"),
        make_benchmark(responses=changed(one.responses, (0, 0, 0), 0.5)),
        make_benchmark(units=one.units.assign(region="A")),
        make_benchmark(noise_corrected=False),
    ]
    assert len({benchmark.content_hash() for benchmark in (one, *others)}) == 5
    assert one.stimuli_fingerprint(1000, 64) != one.stimuli_fingerprint(1000, 63)
    assert one.stimuli_fingerprint(1000, 64) != one.stimuli_fingerprint(2000, 64)


def test_published_values_belong_to_their_panels():
    assert published_value("NH2015comp", "speech") == 0.66
    assert published_value("NH2015comp", "all") == pytest.approx(0.54, abs=0.001)
    assert published_value("NH2015comp", "elsewhere") is None
    assert published_value("NH2015", "all") == 0.527
    assert published_value("NH2015", "Primary") is None
    assert published_value("simulated", "all") is None
    assert len(PUBLISHED_MODELS) == 20
    assert PUBLISHED_MODELS["CochCNN9-MultiTask"].components[3] == 0.855


def test_benchmark_is_exported():
    assert Benchmark is benchmarks.Benchmark


def test_a_benchmark_of_a_user_is_named_by_its_module(tmp_path, monkeypatch):
    (tmp_path / "my_lab.py").write_text(
        "import numpy as np, pandas as pd\n"
        "from evaluate import Benchmark\n"
        "rng = np.random.default_rng(0)\n"
        "sounds = rng.standard_normal((24, 64)).astype('float32')\n"
        "value = Benchmark(\n"
        "    name='ferret', version='1', stimulus_names=tuple(map(str, range(24))), noise_corrected=True,\n"
        "    waveforms=lambda sample_rate_hz, num_samples: sounds, responses=rng.standard_normal((24, 2, 3)),\n"
        "    units=pd.DataFrame({'unit': ['a', 'b'], 'subject': 's1', 'region': 'A1'}),\n"
        ")\n"
        "def ferret():\n    return value\n"
        "nothing = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    named = load_benchmark("my_lab:ferret")
    assert named.name == load_benchmark("my_lab:value").name == "ferret"
    assert load_benchmark(f"{tmp_path / 'my_lab.py'}:ferret").content_hash() == named.content_hash()
    with pytest.raises(BenchmarkError, match=r"'my_lab:nothing': expected an evaluate\.Benchmark or a function"):
        load_benchmark("my_lab:nothing")
    with pytest.raises(BenchmarkError, match="benchmark 'my_lab:mouse': my_lab does not define 'mouse'"):
        load_benchmark("my_lab:mouse")


@pytest.mark.parametrize(
    ("waveforms", "message"),
    [
        (
            lambda rate, number: {}["tone 3"],
            r"waveforms\(1000, 64\) raised KeyError: 'tone 3' \(.*test_benchmarks\.py, line",
        ),
        (lambda rate: None, r"waveforms\(1000, 64\) raised TypeError: .*takes 1 positional argument"),
        (
            lambda rate, number: [[0.0] * number] * 24,
            r"waveforms\(1000, 64\) returned a list, expected \(24, 64\) float32",
        ),
    ],
)
def test_a_function_that_makes_no_sounds_is_named(make_benchmark, waveforms, message):
    with pytest.raises(BenchmarkError, match=f"benchmark 'tiny': {message}"):
        make_benchmark(waveforms=waveforms).stimuli(1000, 64)
