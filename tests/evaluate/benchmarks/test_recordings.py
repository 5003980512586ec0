import json
import os
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile

from evaluate.benchmarks import Benchmark, BenchmarkError, load_benchmark
from evaluate.benchmarks.inspection import inspect_benchmark
from evaluate.benchmarks.recordings.recordings import compact_repetitions, recordings_benchmark
from evaluate.benchmarks.recordings.writer import write_recordings
from evaluate.metrics.encoding.encoding import encode
from evaluate.metrics.encoding.encoding_metric import measure
from evaluate.metrics.encoding.noise_ceiling import reliability
from evaluate.metrics.metric import Computing
from evaluate.metrics.splits import published_splits

NUM_SOUNDS, NUM_UNITS, NUM_REPETITIONS = 6, 4, 3


@pytest.fixture
def folder(tmp_path):
    """A folder in the documented format, names that are easily mistaken for something else included."""
    generator = np.random.default_rng(0)
    folder = tmp_path / "mine"
    (folder / "stimuli").mkdir(parents=True)
    names = [f"sound {i}" for i in range(NUM_SOUNDS)]
    for number, name in enumerate(names):
        sound = 0.1 * generator.standard_normal((800, 1 + number % 2))
        soundfile.write(folder / "stimuli" / f"{name}.{'flac' if number % 2 else 'wav'}", sound, 8000)
    (folder / "benchmark.json").write_text(json.dumps({"name": "mine", "version": "2", "citation": "Me"}))
    pd.DataFrame({"name": names, "category": ["NA", "b"] * 3}).to_csv(folder / "stimuli.csv", index=False)
    units = {"unit": ["007", "1e3", "NA", "x"], "subject": ["01", "01", "2", "2"], "region": ["A", "A", "B", "None"]}
    units |= {"depth_mm": [1.5, None, 2, 3], "note": ["", "b", "", "c,d"]}
    pd.DataFrame(units).to_csv(folder / "units.csv", index=False)
    np.save(folder / "responses.npy", generator.standard_normal((NUM_SOUNDS, NUM_UNITS, NUM_REPETITIONS)))
    return folder


def test_folder(folder):
    benchmark = load_benchmark(folder)
    assert (benchmark.name, benchmark.version, benchmark.citation) == ("mine", "2", "Me")
    assert (benchmark.unit_kind, benchmark.noise_corrected) == ("voxel", True)
    assert benchmark.stimulus_names == tuple(f"sound {i}" for i in range(NUM_SOUNDS))
    assert benchmark.categories == ("NA", "b") * 3
    np.testing.assert_array_equal(benchmark.responses, np.load(folder / "responses.npy"))
    assert list(benchmark.units["unit"]) == ["007", "1e3", "NA", "x"]
    assert list(benchmark.units["subject"]) == ["01", "01", "2", "2"]
    assert list(benchmark.units["region"]) == ["A", "A", "B", "None"]
    np.testing.assert_array_equal(benchmark.units["depth_mm"], [1.5, np.nan, 2, 3])
    assert list(benchmark.units["note"]) == ["", "b", "", "c,d"]
    sounds = benchmark.stimuli(20_000, 3000)
    np.testing.assert_allclose(np.sqrt((sounds.astype(float) ** 2).mean(axis=1)), 0.1, rtol=1e-5)


@pytest.mark.parametrize("target", ["copy", "copy.zip", "copy.npz"])
def test_written_and_read_again(folder, tmp_path, target):
    benchmark = load_benchmark(folder)
    again = load_benchmark(write_recordings(benchmark, tmp_path / target))
    assert again.content_hash() == benchmark.content_hash()
    assert again.stimuli_fingerprint(20_000, 3000) == benchmark.stimuli_fingerprint(20_000, 3000)
    assert again.citation == benchmark.citation
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_archives_of_equal_benchmarks_are_equal(folder, tmp_path):
    one, two = (write_recordings(load_benchmark(folder), tmp_path / name) for name in ("a.zip", "b.zip"))
    assert one.read_bytes() == two.read_bytes()


def test_archive_of_the_folder_itself(folder, tmp_path):
    """As a file manager makes it: the folder's name before all others, and some files of its own."""
    with zipfile.ZipFile(tmp_path / "hand.zip", "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, f"mine/{path.relative_to(folder)}")
        archive.writestr("__MACOSX/mine/._responses.npy", b"x")
    assert load_benchmark(tmp_path / "hand.zip").content_hash() == load_benchmark(folder).content_hash()


def test_other_spellings(folder):
    expected = load_benchmark(folder).content_hash()
    responses = np.load(folder / "responses.npy")
    (folder / "responses.npy").unlink()
    np.savez_compressed(folder / "responses.npz", responses=responses, more=np.zeros(3))
    (folder / "benchmark.json").unlink()
    (folder / "benchmark.yaml").write_text("name: mine\nversion: 2\ncitation: Me\nnoise_corrected: true\n")
    assert load_benchmark(folder).content_hash() == expected


def test_one_repetition_without_its_axis(folder):
    np.save(folder / "responses.npy", np.load(folder / "responses.npy")[:, :, 0].astype(np.float32))
    (folder / "stimuli.csv").write_text("name\n" + "".join(f"sound {i}\n" for i in range(NUM_SOUNDS)))
    benchmark = load_benchmark(folder)
    assert benchmark.num_repetitions == 1
    assert not benchmark.noise_corrected
    assert benchmark.categories is None
    assert any("one repetition" in remark for remark in inspect_benchmark(benchmark).remarks)


def test_compact_repetitions():
    nan = np.nan
    responses = np.array([[[1, nan, 3, nan], [nan, nan, 6, nan]], [[7, 8, 9, nan], [1, 2, nan, nan]]])
    expected = np.array([[[1, 3, nan], [6, nan, nan]], [[7, 8, 9], [1, 2, nan]]])
    np.testing.assert_array_equal(compact_repetitions(responses), expected)
    whole = np.arange(12.0).reshape(2, 3, 2)
    assert compact_repetitions(whole) is whole
    assert compact_repetitions(np.full((2, 3, 2), nan)).shape == (2, 3, 1)


def test_missing_repetitions_are_read(folder):
    responses = np.load(folder / "responses.npy")
    responses[2, 1, 0] = np.nan
    responses[:, 3, 2] = np.nan
    np.save(folder / "responses.npy", responses)
    benchmark = load_benchmark(folder)
    assert benchmark.num_missing == 1 + NUM_SOUNDS
    np.testing.assert_allclose(np.nanmean(benchmark.responses, axis=2), np.nanmean(responses, axis=2))
    np.testing.assert_array_equal(benchmark.responses[2, 1, :2], responses[2, 1, 1:])
    assert not np.isnan(reliability(benchmark.responses)).any()
    remarks = inspect_benchmark(benchmark).remarks
    assert any("7 responses are missing" in remark for remark in remarks)


def test_units_without_any_response_to_a_stimulus(folder, caplog):
    responses = np.load(folder / "responses.npy")
    responses[2, 1] = np.nan
    np.save(folder / "responses.npy", responses)
    with pytest.raises(BenchmarkError, match=r"1 of 4 units have .* unit '1e3' .*'sound 2'.*--drop_incomplete"):
        load_benchmark(folder)
    benchmark = recordings_benchmark(folder, drop_incomplete=True)
    assert list(benchmark.units["unit"]) == ["007", "NA", "x"]
    np.testing.assert_array_equal(benchmark.responses, responses[:, [0, 2, 3]])
    assert "1 of 4 units" in caplog.text


def test_synthesised_sounds_are_written(make_benchmark, tmp_path):
    generator = np.random.default_rng(3)
    sounds = 0.1 * generator.standard_normal((24, 40_000)).astype(np.float32)
    benchmark = make_benchmark(waveforms=lambda sample_rate_hz, num_samples: sounds[:, :num_samples])
    again = load_benchmark(write_recordings(benchmark, tmp_path / "sim"))
    assert again.content_hash() == benchmark.content_hash()
    info = soundfile.info(tmp_path / "sim" / "stimuli" / "sound0.wav")
    assert (info.samplerate, info.frames) == (20_000, 40_000)
    heard = again.stimuli(20_000, 40_000)
    assert min(np.corrcoef(one, two)[0, 1] for one, two in zip(heard, sounds, strict=True)) > 1 - 1e-6


def test_nothing_is_overwritten_or_left_behind(folder, tmp_path):
    benchmark = load_benchmark(folder)
    with pytest.raises(BenchmarkError, match="exists already"):
        write_recordings(benchmark, folder)
    for bad in ("../up", "a/b", "a\\b", "/a"):
        names = (bad, *benchmark.stimulus_names[1:])
        with pytest.raises(BenchmarkError, match="valid file names"):
            write_recordings(replace(benchmark, stimulus_names=names), tmp_path / "odd")
    for target in ("broken", "broken.zip"):
        (folder / "stimuli" / "sound 5.flac").unlink(missing_ok=True)
        with pytest.raises(BenchmarkError, match="sound 5"):
            write_recordings(benchmark, tmp_path / target)
    assert {path.name for path in tmp_path.iterdir()} == {"mine"}


def edit(name, change):
    def spoil(folder):
        table = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
        change(table).to_csv(folder / name, index=False)

    return spoil


def replaced(change):
    return lambda folder: np.save(
        folder / "responses.npy", change(np.load(folder / "responses.npy")), allow_pickle=True
    )


def text(name, content):
    return lambda folder: (folder / name).write_text(content)


def yaml_metadata(content):
    def spoil(folder):
        (folder / "benchmark.json").unlink()
        (folder / "benchmark.yaml").write_text(content)

    return spoil


def with_value(place, value):
    def change(array):
        array[place] = value
        return array

    return change


BAD = {
    "missing sound": (lambda f: (f / "stimuli/sound 3.flac").unlink(), "1 of 6 sounds are missing in .*'sound 3'"),
    "no sounds": (lambda f: [p.unlink() for p in (f / "stimuli").iterdir()], "6 of 6 sounds are missing"),
    "no metadata": (
        lambda f: (f / "benchmark.json").unlink(),
        r"mine has no benchmark\.json, so it is no benchmark yet: `cochlearn evaluate convert .*mine DESTINATION",
    ),
    "no responses": (lambda f: (f / "responses.npy").unlink(), r"responses\.npy does not exist"),
    "no units": (lambda f: (f / "units.csv").unlink(), r"units\.csv cannot be read"),
    "broken metadata": (text("benchmark.json", "{"), r"benchmark\.json cannot be read"),
    "truth as a key": (yaml_metadata("name: a\non: b"), r"benchmark\.yaml, line 2: .*the key 'on' as a truth value"),
    "an entry twice": (yaml_metadata("name: a\nname: b"), r"line 2: the key 'name' occurs twice"),
    "code": (yaml_metadata("name: !!python/object/apply:os.getcwd []"), "the tag !!python/object/apply:os.getcwd"),
    "metadata in Latin-1": (
        lambda f: (f / "benchmark.json").write_bytes('{"name": "ä"}'.encode("latin-1")),
        r"benchmark\.json cannot be read: expected text in UTF-8",
    ),
    "metadata is a list": (text("benchmark.json", "[]"), "holds a list"),
    "no name": (text("benchmark.json", "{}"), "lacks the entry 'name'"),
    "unknown entry": (
        text("benchmark.json", '{"name": "a", "verison": 1}'),
        "unknown entry 'verison'; known are 'name'",
    ),
    "wrong type": (text("benchmark.json", '{"name": ["a"]}'), "name must be a text, got"),
    "wrong truth": (text("benchmark.json", '{"name": "a", "noise_corrected": "no"}'), "true or false, got 'no'"),
    "wrong kind": (text("benchmark.json", '{"name": "a", "unit_kind": "x"}'), "'voxel' or 'component', got 'x'"),
    "slash": (text("benchmark.json", '{"name": "a/b"}'), "has no '/'"),
    "empty table": (text("units.csv", ""), r"units\.csv cannot be read as a table"),
    "no rows": (text("units.csv", "unit,subject,region\n"), r"units\.csv has no rows"),
    "ragged table": (text("units.csv", "unit,subject,region\na,b,c\na,b,c,d\n"), "cannot be read as a table"),
    "not UTF-8": (lambda f: (f / "stimuli.csv").write_bytes(b"name\n\xff\xfe\n"), "cannot be read as a table"),
    "no region": (edit("units.csv", lambda t: t.drop(columns="region")), "lacks the column 'region'"),
    "empty subject": (
        edit("units.csv", lambda t: t.assign(subject=["01", "", "2", "2"])),
        "'subject' is empty in 1 rows",
    ),
    "duplicate unit": (edit("units.csv", lambda t: t.assign(unit="a")), "units of a subject must be unique"),
    "duplicate sound": (edit("stimuli.csv", lambda t: t.assign(name="sound 0")), "more than once: 'sound 0'"),
    "one stimulus less": (edit("stimuli.csv", lambda t: t[1:]), r"shape \(6, 4, 3\), expected .* \(5, 4, at least 1\)"),
    "one unit less": (edit("units.csv", lambda t: t[1:]), r"shape \(6, 4, 3\), expected .* \(6, 3, at least 1\)"),
    "texts": (replaced(lambda a: a.astype(str)), "expected numbers"),
    "objects": (replaced(lambda a: a.astype(object)), "holds pickled Python objects"),
    "complex": (replaced(lambda a: a + 1j), "expected numbers"),
    "four axes": (replaced(lambda a: a[..., None]), r"shape \(6, 4, 3, 1\), expected numbers"),
    "infinite": (replaced(with_value((1, 2, 0), np.inf)), "1 response is not finite.*'NA'.*'sound 1', repetition 0"),
    "no response": (replaced(with_value((1, 2), np.nan)), "1 of 4 units have stimuli without any response"),
    "one repetition, corrected": (
        lambda f: (
            np.save(f / "responses.npy", np.zeros((6, 4, 1))),
            (f / "benchmark.json").write_text('{"name": "a", "noise_corrected": true}'),
        ),
        "at least 2 repetitions, got 1",
    ),
    "truncated responses": (lambda f: os.truncate(f / "responses.npy", 300), r"responses\.npy is cut short"),
    "npz without responses": (
        lambda f: ((f / "responses.npy").unlink(), np.savez(f / "responses.npz", a=np.zeros(3), b=np.zeros(3))),
        r"lacks the array 'responses'; it has 'a', 'b'",
    ),
    "truncated npz": (
        lambda f: ((f / "responses.npy").unlink(), (f / "responses.npz").write_bytes(b"PK\x03\x04")),
        r"responses\.npz is cut short or no archive",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_recordings_are_named(folder, case):
    spoil, message = BAD[case]
    spoil(folder)
    with pytest.raises(BenchmarkError, match=message):
        load_benchmark(folder)


def test_all_that_is_wrong_is_told(folder):
    for case in ("missing sound", "unknown entry", "no region", "texts"):
        BAD[case][0](folder)
    with pytest.raises(BenchmarkError, match="and 3 more problems") as caught:
        load_benchmark(folder)
    assert len(caught.value.problems) == 4


def test_misordered_responses_show_in_the_hash(folder):
    """Order is the tables' order: other rows are another benchmark, never one that is mixed up unseen."""
    before = load_benchmark(folder)
    edit("stimuli.csv", lambda table: table[::-1])(folder)
    after = load_benchmark(folder)
    assert after.stimulus_names == before.stimulus_names[::-1]
    assert after.content_hash() != before.content_hash()


@pytest.mark.parametrize("keep", [0, 10, 1000, -100])
def test_truncated_single_file(folder, tmp_path, keep):
    path = write_recordings(load_benchmark(folder), tmp_path / "one.zip")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BenchmarkError, match=r"one\.zip is cut short or no ZIP archive"):
        load_benchmark(path)


def test_damaged_single_file(folder, tmp_path):
    path = write_recordings(load_benchmark(folder), tmp_path / "one.zip")
    content = bytearray(path.read_bytes())
    place = content.find(b"\x93NUMPY") + 200
    content[place] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(BenchmarkError, match=r"one\.zip/responses\.npy cannot be read, the archive is damaged"):
        load_benchmark(path)


def simulated(num_missing_of, seed=0, num_stimuli=165, num_units=300):
    """Units that are known functions of features, measured up to four times."""
    generator = np.random.default_rng(seed)
    features = generator.standard_normal((num_stimuli, 20))
    signal = features @ generator.standard_normal((20, num_units))
    signal /= signal.std(axis=0)
    noise = generator.standard_normal((num_stimuli, num_units, 4))
    responses = signal[:, :, None] + np.sqrt(1 / 0.5 - 1) * noise
    return features, num_missing_of(responses, generator)


def one_in_fifty(responses, generator):
    """Scattered gaps: hardly any repetition of a unit stays whole, but each stimulus keeps one."""
    is_missing = generator.random(responses.shape) < 0.02
    is_missing[:, :, 0] &= ~is_missing[:, :, 1:].all(axis=2)
    return np.where(is_missing, np.nan, responses)


def uneven_numbers(responses, generator):
    """Stimuli are presented two to four times."""
    count = generator.integers(2, 5, size=(len(responses), 1, 1))
    return np.where(np.arange(4) < count, responses, np.nan)


def lost_runs(responses, generator):
    """Half of the units lack the second run, a quarter the fourth too."""
    responses = responses.copy()
    responses[:, ::2, 1] = np.nan
    responses[:, ::4, 3] = np.nan
    return responses


@pytest.mark.parametrize("pattern", [one_in_fifty, uneven_numbers, lost_runs])
def test_noise_ceiling_with_missing_repetitions(pattern):
    """True features explain all that can be explained, whatever is missing; noise explains nothing."""
    features, responses = simulated(pattern)
    splits = published_splits(len(features), num_splits=2)
    compacted = compact_repetitions(responses)
    result = encode(features, compacted, splits, allow_missing=True)
    corrected = np.median(result.r2_test_corrected, axis=1)
    defined = corrected[~np.isnan(corrected)]
    assert len(defined) > 0.9 * len(corrected)
    standard_error = defined.std() / np.sqrt(len(defined))
    assert abs(defined.mean() - 1) < max(3 * standard_error, 0.02)
    noise = np.random.default_rng(1).standard_normal(features.shape)
    unrelated = encode(noise, compacted, splits, allow_missing=True).r2_test_corrected
    assert np.nanmedian(unrelated) < 0.02


def test_missing_repetitions_are_scored(make_benchmark):
    """The way of the score command, and undefined units are NaN."""
    whole = make_benchmark()
    responses = whole.responses.copy()
    responses[3, 0, 1] = np.nan
    responses[:, 1, 1:] = np.nan
    responses[:, 2] = 5.0
    benchmark = replace(whole, responses=compact_repetitions(responses))
    assert isinstance(benchmark, Benchmark)
    features = np.abs(whole.stimuli(1000, 64)).astype(np.float64)
    r2 = measure(features, benchmark, "sounds", Computing())["r2"]
    assert np.isnan(r2[[1, 2]]).all()
    assert not np.isnan(r2[[0, 3, 4, 5]]).any()
    inspection = inspect_benchmark(benchmark)
    assert inspection.is_constant.tolist() == [False, False, True, False, False, False]
    assert any("1 unit has fewer than two repetitions" in remark for remark in inspection.remarks)


def test_sounds_may_lie_in_a_linked_folder(folder, tmp_path):
    expected = recordings_benchmark(folder).content_hash()
    (folder / "stimuli").rename(tmp_path / "elsewhere")
    (folder / "stimuli").symlink_to(tmp_path / "elsewhere")
    assert recordings_benchmark(folder).content_hash() == expected


@pytest.mark.parametrize("entry", ["name: on", "name: mine\nversion: 1.10", "name: mine\ncitation: no"])
def test_values_that_yaml_changes_are_refused(folder, entry):
    (folder / "benchmark.json").unlink()
    (folder / "benchmark.yaml").write_text(f"{entry}\n")
    with pytest.raises(BenchmarkError, match=r"must be a text, got .*; write it in quotes"):
        load_benchmark(folder)
