"""The transfer check against scikit-learn, on known truths, and its command."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from evaluate import __main__ as command
from evaluate.features.activations import stage_activations
from evaluate.probe.crop_features import crop_features, random_crops
from evaluate.probe.labelled_sounds import LabelledSoundsError, find_labelled_sounds
from evaluate.probe.probe import ProbeError, majority, probe, stratified_folds
from evaluate.scoring import table as t
from networks import LoadedNetwork, NetworkIdentity

RATE_HZ = 1000


def made_features(num_labels: int = 4, separation: float = 0.6, seed: int = 0) -> tuple:
    """(40, 3, 12) features of clusters, their labels, and five folds."""
    rng = np.random.default_rng(seed)
    numbers = np.arange(40) % num_labels
    centres = separation * rng.standard_normal((num_labels, 12))
    features = centres[numbers][:, None] + rng.standard_normal((40, 3, 12))
    scale = np.resize([1.0, 100.0], 12)
    return (features * scale + 5).astype(np.float32), [f"label{n}" for n in numbers], 1 + np.arange(40) // 8


@pytest.mark.parametrize("num_labels", [2, 4])
def test_equals_nested_cross_validation_with_scikit_learn(num_labels):
    features, labels, folds = made_features(num_labels)
    labels = np.array(labels)
    penalties = (0.001, 0.01, 1.0)

    def predicted(training, test, penalty, scaler_from):
        scaler = StandardScaler().fit(features[scaler_from].reshape(-1, 12))
        flat = [scaler.transform(features[chosen].reshape(-1, 12)) for chosen in (training, test)]
        machine = SVC(kernel="linear", C=penalty, break_ties=num_labels > 2).fit(
            flat[0], np.repeat(labels[training], 3)
        )
        votes = machine.predict(flat[1]).reshape(-1, 3)
        return [max(sorted(set(row)), key=list(row).count) if len(set(row)) < 3 else None for row in votes]

    result = probe(features, labels, folds, penalties=penalties)
    for number, fold in enumerate(np.unique(folds)):
        training = folds != fold
        right = {}
        for penalty in penalties:
            right[penalty] = 0
            for held_out in set(folds[training]):
                test = folds == held_out
                given = predicted(training & ~test, test, penalty, training)
                # A tie of all crops is settled by decision values: leave this comparison to the next test.
                assert None not in given or num_labels > 2
                right[penalty] += sum(a == b for a, b in zip(given, labels[test], strict=True))
        final = predicted(training, folds == fold, result.penalty[number], training)
        same = [a is None or a == b for a, b in zip(final, result.predictions[folds == fold], strict=True)]
        assert all(same)
        if num_labels == 2:
            assert result.penalty[number] == max(penalties, key=lambda c: (right[c], -c))
        assert result.accuracy[number] == np.mean(result.predictions[folds == fold] == labels[folds == fold])


def test_pipeline_of_scikit_learn_on_single_crops():
    features, labels, folds = made_features(3, separation=0.4)
    labels = np.array(labels)
    result = probe(features[:, :1], labels, folds, penalties=(0.1,))
    for fold in np.unique(folds):
        pipeline = make_pipeline(StandardScaler(), SVC(kernel="linear", C=0.1, break_ties=True))
        pipeline.fit(features[folds != fold, 0], labels[folds != fold])
        given = pipeline.predict(features[folds == fold, 0])
        assert list(given) == list(result.predictions[folds == fold])


@pytest.mark.slow
def test_what_is_known_is_found_and_what_is_not_is_not():
    features, labels, folds = made_features(separation=5.0)
    result = probe(features, labels, folds)
    assert result.mean == 1.0
    assert result.standard_error == 0.0
    assert result.chance == 0.25
    assert list(result.num_test) == [8] * 5
    noise = np.random.default_rng(1).standard_normal(features.shape)
    assert probe(noise, labels, folds).mean < 0.5
    assert set(result.penalty) == {0.01}  # of equals the smallest


def test_a_constant_feature_says_nothing():
    features, labels, folds = made_features()
    with_constant = np.concatenate([features, np.full((40, 3, 2), 7.0)], axis=2)
    assert list(probe(features, labels, folds).predictions) == list(probe(with_constant, labels, folds).predictions)


def test_test_sounds_do_not_touch_the_fit():
    features, labels, folds = made_features()
    changed = features.copy()
    changed[folds == 1] = 1e3
    before, after = (probe(values, labels, folds, penalties=(0.1,)) for values in (features, changed))
    assert before.penalty[0] == after.penalty[0]
    assert len(set(after.predictions[folds == 1])) == 1


def test_progress_reaches_its_end():
    reported = []
    features, labels, folds = made_features()
    probe(features, labels, folds, progress=lambda what, done, total: reported.append((what, done, total)))
    assert reported[0] == ("classifiers", 1, 105)
    assert reported[-1] == ("classifiers", 105, 105)


def test_majority_and_its_ties():
    decisions = np.zeros((3, 3, 3))
    decisions[0, :, 1] = 1, 1, 0
    decisions[0, 2, 2] = 50  # one very sure crop against two
    decisions[1] = np.diag([1.0, 1.0, 3.0])  # each crop another class
    decisions[2, :, 0] = 1
    assert list(majority(decisions)) == [1, 2, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, names, folds: (f, names, np.where(folds > 2, 2, folds)), "at least three folds .* got 2"),
        (lambda f, names, folds: (np.where(f > 300, np.nan, f), names, folds), "not finite"),
        (lambda f, names, folds: (f, ["a"] * 24 + ["b"] * 8 + ["c"] * 8, folds), "without folds 4 and 5"),
    ],
)
def test_what_cannot_be_fitted(change, message):
    with pytest.raises(ProbeError, match=message):
        probe(*change(*made_features()))


def test_shapes_are_checked():
    features, labels, folds = made_features()
    with pytest.raises(ValueError, match=r"\(40, 36\)"):
        probe(features.reshape(40, 36), labels, folds)


def test_crops():
    sound = np.concatenate([np.zeros(5000), np.sin(np.arange(400))])
    crops = random_crops(sound, 200, np.random.default_rng(0), num_crops=6)
    assert crops.shape == (6, 200)
    assert crops.dtype == np.float32
    np.testing.assert_array_equal(crops, random_crops(sound, 200, np.random.default_rng(0), num_crops=6))
    heard = crops[np.abs(crops).max(axis=1) > 0]
    assert len(heard) >= 2  # without drawing again, about 1 in 10 would be
    np.testing.assert_allclose(np.sqrt((heard**2).mean(axis=1)), 0.1, rtol=1e-5)
    short = random_crops(np.resize([1.0, -1.0], 20), 100, np.random.default_rng(0))
    assert short.shape == (5, 100)
    assert (short[:, 21:] == short[:, -1:]).all()
    assert not random_crops(np.zeros(300), 100, np.random.default_rng(0)).any()


def test_folds_keep_sources_together_and_labels_even():
    labels = np.repeat(["a", "b", "c"], 40)
    sources = [f"{label}{i % 20}" for i, label in enumerate(labels)]
    folds = stratified_folds(labels, sources, seed=3)
    assert set(folds) == {1, 2, 3, 4, 5}
    table = pd.DataFrame({"label": labels, "source": sources, "fold": folds})
    assert (table.groupby("source")["fold"].nunique() == 1).all()
    assert (table.groupby(["fold", "label"]).size() == 8).all()
    assert (folds == stratified_folds(labels, sources, seed=3)).all()
    assert (folds != stratified_folds(labels, sources, seed=4)).any()
    with pytest.raises(ProbeError, match="label 'b' has sounds of 2 sources"):
        stratified_folds(["a"] * 6 + ["b"] * 6, [*"123456", *"111222"])


def write_sound(path: Path, label: str, number: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(160) / RATE_HZ
    frequency = {"low": 60, "high": 300}[label] * (1 + 0.01 * number)
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * frequency * time + number), RATE_HZ)
    return path


@pytest.fixture
def folder(tmp_path):
    for label in ("low", "high"):
        for number in range(8):
            write_sound(tmp_path / "sounds" / label / f"{number}.wav", label, number)
    (tmp_path / "sounds" / "low" / "notes.txt").write_text("no sound")
    return tmp_path / "sounds"


def write_esc50(folder: Path, **changes: object) -> Path:
    rows = []
    for number in range(20):
        label = ("low", "high")[number % 2]
        name = f"{1 + number // 4}-{100 + number // 2}-A-{number % 2}.wav"
        write_sound(folder / "audio" / name, label, number)
        rows.append(
            {"filename": name, "fold": 1 + number // 4, "target": number % 2, "category": label, "src_file": number}
        )
    (folder / "meta").mkdir(parents=True)
    pd.DataFrame(rows).assign(**changes).to_csv(folder / "meta" / "esc50.csv", index=False)
    return folder


def test_forms_of_labelled_sounds(folder, tmp_path):
    by_folder = find_labelled_sounds(folder)
    assert (by_folder.name, len(by_folder.paths), by_folder.folds) == ("sounds", 16, None)
    assert by_folder.labels[:8] == ("high",) * 8
    assert len(set(by_folder.sources)) == 16

    esc50 = find_labelled_sounds(write_esc50(tmp_path / "ESC-50"))
    assert esc50.name == "ESC-50"
    assert esc50.folds == tuple(1 + number // 4 for number in range(20))
    assert esc50.labels[:2] == ("low", "high")
    assert find_labelled_sounds(tmp_path / "ESC-50" / "meta" / "esc50.csv").paths == esc50.paths

    table = tmp_path / "table.csv"
    pd.DataFrame({"path": ["sounds/low/0.wav", "sounds/high/0.wav"], "label": ["1", "2"]}).to_csv(table, index=False)
    assert find_labelled_sounds(table).labels == ("1", "2")
    assert find_labelled_sounds(table).paths[1].samefile(folder / "high" / "0.wav")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": ["sounds/low/0.wav"]}, "expected a column 'label' or 'category', got path"),
        ({"path": ["sounds/low/99.wav"], "label": ["x"]}, "row 1: there is no file"),
        ({"path": ["sounds/low/0.wav", "sounds/low/1.wav"], "label": ["x", ""]}, "row 2: the column 'label' is empty"),
        ({"path": ["sounds/low/0.wav"], "label": ["x"]}, "got 1 for 1 sound"),
        (
            {"path": ["sounds/low/0.wav"], "label": ["x"], "fold": ["one"]},
            "row 1: expected an integer in `fold`, got 'one'",
        ),
        (
            {"path": [f"sounds/low/{i}.wav" for i in range(4)], "label": [*"xyxy"], "fold": [1, 1, 2, 2]},
            "at least three folds",
        ),
        (
            {
                "path": [f"sounds/low/{i}.wav" for i in range(4)],
                "label": [*"xyxy"],
                "fold": [1, 1, 2, 3],
                "source": [*"abac"],
            },
            "source 'a' are in folds 1 and 2",
        ),
    ],
)
def test_tables_that_cannot_be_used(folder, columns, message):
    table = folder.parent / "table.csv"
    pd.DataFrame(columns).to_csv(table, index=False)
    with pytest.raises(LabelledSoundsError, match=message):
        find_labelled_sounds(table)


def test_places_without_sounds(tmp_path):
    with pytest.raises(LabelledSoundsError, match="no folder or table of sounds"):
        find_labelled_sounds(tmp_path / "nowhere")
    with pytest.raises(LabelledSoundsError, match="a folder of sound files for each label"):
        find_labelled_sounds(tmp_path)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(LabelledSoundsError, match="not a CSV table"):
        find_labelled_sounds(tmp_path / "empty.csv")


def test_features_are_those_of_the_crops(folder, tiny_network):
    paths = find_labelled_sounds(folder).paths
    reported = []
    settings = {"num_crops": 3, "seed": 5, "progress": lambda what, done, total: reported.append((what, done, total))}
    found = crop_features(tiny_network, paths, stages=["relufc"], batch_size=3, **settings)["relufc"]
    assert reported == [("activations", done, len(paths)) for done in range(len(paths) + 1)]
    assert found.shape == (16, 3, 5)
    sound, _ = soundfile.read(paths[11])
    crops = random_crops(sound, 64, np.random.default_rng((5, 11)), num_crops=3)
    np.testing.assert_allclose(found[11], stage_activations(tiny_network, crops)["relufc"], rtol=1e-4, atol=1e-6)


@pytest.fixture
def networks(monkeypatch, tmp_path, tiny_network):
    def load(source):
        identity = NetworkIdentity(run=Path(source).stem, checkpoint=source, step=7, epoch=1)
        return LoadedNetwork(tiny_network.eval(), identity, [])

    monkeypatch.setattr("networks.load_network", load)
    for name in ("one", "two"):
        (tmp_path / f"{name}.ckpt").touch()
    return [str(tmp_path / "one.ckpt"), str(tmp_path / "two.ckpt")]


def test_command_writes_and_shows_accuracies(networks, folder, tmp_path, capsys):
    arguments = ["probe", *networks, "--sounds", str(folder), "--out", str(tmp_path / "out"), "--stages", "all"]
    assert command.main(arguments) == 0
    rows = t.read_table(tmp_path / "out" / "probe.csv")
    assert set(rows[t.STAGE]) == {"relu0", "pool0", "relufc"}
    assert set(rows[t.BENCHMARK]) == {"sounds"}
    accuracies = rows[(rows[t.METRIC] == "probe_accuracy") & (rows[t.CHECKPOINT] == networks[1])]
    for _, group in accuracies.groupby(t.STAGE):
        values = group.set_index(t.SUBJECT)[t.VALUE]
        assert values.drop("all").mean() == pytest.approx(values["all"])
        assert len(values) == 6
    shown = " ".join(capsys.readouterr().out.split())
    assert "one, step 7" in shown
    assert "chance: 50.0 %" in shown
    assert command.main(arguments) == 0
    pd.testing.assert_frame_equal(rows, t.read_table(tmp_path / "out" / "probe.csv"))  # replaced, and the same


def test_command_takes_the_last_stage_and_the_folds_of_esc50(networks, tmp_path):
    sounds = write_esc50(tmp_path / "ESC-50")
    assert command.main(["probe", networks[0], "--sounds", str(sounds), "--out", str(tmp_path / "out")]) == 0
    rows = t.read_table(tmp_path / "out" / "probe.csv")
    assert set(rows[t.STAGE]) == {"relufc"}
    assert set(rows[t.SUBJECT]) == {"all", *(f"fold {i}" for i in range(1, 6))}


def test_command_takes_run_directories(networks, folder, tmp_path, capsys):
    """As `score` does: all checkpoints in them, but that of a loss that was not finite."""
    (tmp_path / "non_finite.ckpt").touch()
    arguments = ["probe", str(tmp_path), "--sounds", str(folder), "--out", str(tmp_path / "out")]
    assert command.main(arguments) == 0
    assert set(t.read_table(tmp_path / "out" / "probe.csv")[t.CHECKPOINT]) == set(networks)
    assert "non_finite.ckpt is left out" in capsys.readouterr().out
    assert command.main(["probe", str(folder), *arguments[2:]]) == 2
    assert "there are no checkpoints (*.ckpt) in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--stages", "relu7"], "unknown stage 'relu7': expected stages of this network, relu0, pool0, relufc"),
        (["--folds", "2"], "--folds must be at least 3, got 2"),
        (["--folds", "9"], "label 'high' has sounds of 8 sources, but 9 folds need at least 9"),
        (["--sounds", "nowhere"], "there is no folder or table of sounds nowhere"),
        (["--crops", "0"], "--crops must be at least 1, got 0"),
    ],
)
def test_command_tells_what_is_wrong_in_one_line(networks, folder, tmp_path, capsys, more, message):
    arguments = ["probe", networks[0], "--sounds", str(folder), "--out", str(tmp_path / "out"), *more]
    assert command.main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
