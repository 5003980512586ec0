"""Networks and listeners: from sounds in backgrounds to the table, the screen and the report, with known answers."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from torch import nn

from datamodules.audio import rms
from evaluate.__main__ import main
from evaluate.benchmarks import BenchmarkError, load_benchmark
from evaluate.benchmarks.behaviour import simulated_listener as simulated
from evaluate.benchmarks.behaviour.listeners import make_listeners
from evaluate.benchmarks.behaviour.trials import Trials, condition_name, named_conditions, parse_condition
from evaluate.callback.logged import logged_names, logged_values
from evaluate.features.recording import StageError
from evaluate.metrics import behaviour, load_metrics
from evaluate.report.report import write_report
from evaluate.scoring import table as t
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.parts import Parts
from evaluate.scoring.plan import ScoringPlan
from evaluate.scoring.score_network import score_network
from networks import LoadedNetwork, NetworkIdentity

WORDS = ("red", "green", "blue", "grey")
SNRS_DB = (-12.0, -6.0, 0.0, 6.0)
RATE_HZ, NUM_SAMPLES = 2000, 400


def spoken(word):
    return np.random.default_rng(WORDS.index(word)).standard_normal(NUM_SAMPLES).astype(np.float32)


class MatchedFilter(nn.Module):
    """Hears each word at its best: the correlation with the word without background."""

    stages, sample_rate_hz, num_samples = ("sound",), RATE_HZ, NUM_SAMPLES

    def __init__(self, words=WORDS):
        super().__init__()
        self.register_buffer("templates", torch.tensor(np.stack([spoken(word) for word in words])))
        self.sound = nn.Identity()
        self.class_names = {"word": words}

    def stage_modules(self):
        return {"sound": self.sound}

    def forward(self, waveform):
        return {"word": self.sound(waveform) @ self.templates.T}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Words in two backgrounds: noise, and another word, which masks less at the same level than it confuses."""
    folder = tmp_path_factory.mktemp("listeners") / "colours"
    (folder / "sounds").mkdir(parents=True)
    rng = np.random.default_rng(9)
    for word in WORDS:
        soundfile.write(folder / "sounds" / f"{word}.wav", 0.1 * spoken(word), RATE_HZ, subtype="FLOAT")
    rows = [(f"{word}.wav", word, "", "", "") for word in WORDS]
    for number in range(8):
        masker = 0.1 * rng.standard_normal((2, 2 * RATE_HZ))
        masker[1, :NUM_SAMPLES] += 0.2 * spoken(WORDS[number % 4])
        for file, sound in zip(("hiss", "word"), masker, strict=True):
            soundfile.write(folder / "sounds" / f"{file}{number}.wav", sound, RATE_HZ, subtype="FLOAT")
        rows += [
            (f"{word}.wav", word, background, f"{snr:g}", f"{file}{number}.wav")
            for word in WORDS
            for background, file in (("hiss", "hiss"), ("other word", "word"))
            for snr in SNRS_DB
        ]
    pd.DataFrame(rows, columns=["sound", "label", "background", "snr_db", "noise"]).to_csv(
        folder / "trials.csv", index=False
    )
    human = [("clean", 0.97, 0.01)] + [
        (f"{background}, {snr:g} dB", 0.3 + 0.1 * place + 0.2 * (background == "hiss"), 0.02)
        for background in ("hiss", "other word")
        for place, snr in enumerate(SNRS_DB)
    ]
    pd.DataFrame(human, columns=["condition", "accuracy", "error"]).to_csv(folder / "humans.csv", index=False)
    (folder / "benchmark.json").write_text(json.dumps({"name": "colours"}))
    return folder


def test_a_network_is_compared_with_listeners(folder):
    benchmark = load_benchmark(folder)
    table = score_network(MatchedFilter(), benchmark)
    sounds = benchmark.stimuli(RATE_HZ, NUM_SAMPLES)
    np.testing.assert_allclose([rms(sound) for sound in sounds], 0.1, rtol=1e-5)
    heard = np.array([WORDS[place] for place in (sounds @ np.stack([spoken(word) for word in WORDS]).T).argmax(axis=1)])
    is_right = heard == np.array(benchmark.trials.labels)
    values = t.summary_rows(table).set_index([t.METRIC, t.STAGE, t.REGION])[t.VALUE]
    names = benchmark.trials.names
    assert names[:3] == ("clean", "hiss, -12 dB", "hiss, -6 dB")
    accuracy = np.array([is_right[np.array(benchmark.trials.conditions) == name].mean() for name in names])
    found = [values[t.BEHAVIOUR_ACCURACY, "word", name] for name in names]
    np.testing.assert_allclose(found, accuracy)
    assert accuracy[0] == 1 > accuracy.min()
    human = np.array([values[t.HUMAN_ACCURACY, "all", name] for name in names])
    assert values[t.BEHAVIOUR_R, "word", "all"] == pytest.approx(np.corrcoef(accuracy, human)[0, 1])
    assert values[t.BEHAVIOUR_RMSE, "word", "all"] == pytest.approx(np.sqrt(np.mean((accuracy - human) ** 2)))
    assert values["best_stage_behaviour_accuracy", "best", "all"] == pytest.approx(accuracy.mean())
    lowest = names[int(accuracy.argmin())]
    assert values[t.BEHAVIOUR_ERROR, "word", lowest] == pytest.approx(
        np.sqrt(accuracy.min() * (1 - accuracy.min()) / 32)
    )
    assert values[t.BEHAVIOUR_NUM_UNKNOWN, "word", "all"] == 0


def test_sounds_are_mixed_at_their_snr(folder):
    benchmark = load_benchmark(folder)
    sounds, conditions = benchmark.stimuli(RATE_HZ, NUM_SAMPLES), np.array(benchmark.trials.conditions)
    hiss = soundfile.read(folder / "sounds" / "hiss0.wav")[0][:NUM_SAMPLES]
    for snr in SNRS_DB:
        place = int(np.flatnonzero(conditions == condition_name("hiss", snr))[0])
        parts = np.stack([spoken(benchmark.trials.labels[place]), hiss], axis=1)
        parts = parts - parts.mean(axis=0)
        weights, rest, _, _ = np.linalg.lstsq(parts, sounds[place])
        assert rest.item() == pytest.approx(0, abs=1e-9)
        word, noise = (parts * weights).std(axis=0)
        assert 20 * np.log10(word / noise) == pytest.approx(snr, abs=1e-4)


def test_a_listener_that_equals_the_network_is_perfectly_alike(folder):
    benchmark = load_benchmark(folder)
    arrays = {"word": {behaviour.IS_RIGHT: (np.arange(benchmark.num_stimuli) % 3 > 0).astype(float)}}
    accuracy, error = behaviour.accuracies(arrays["word"][behaviour.IS_RIGHT], benchmark.trials)
    humans = pd.DataFrame({"condition": benchmark.trials.names, "accuracy": accuracy, "error": error})
    same = replace(benchmark, trials=replace(benchmark.trials, humans=humans))
    rows = {(row["metric"], row["stage"]): row["value"] for row in behaviour.tabulate(arrays, same)}
    assert rows[t.BEHAVIOUR_RMSE, "word"] == 0
    assert rows[t.BEHAVIOUR_R, "word"] == pytest.approx(1)
    assert np.isnan(behaviour.correlation(accuracy[:2], accuracy[:2]))
    assert np.isnan(behaviour.correlation(np.ones(5), np.arange(5)))


def test_sounds_of_unknown_words_are_left_out(folder):
    benchmark = load_benchmark(folder)
    table = score_network(MatchedFilter(WORDS[:3]), benchmark)
    values = t.summary_rows(table).set_index([t.METRIC, t.REGION])[t.VALUE]
    assert values[t.BEHAVIOUR_NUM_UNKNOWN, "all"] == benchmark.trials.labels.count("grey")
    assert (values[t.BEHAVIOUR_ACCURACY, "clean"] == 1).all()
    with pytest.raises(StageError, match=r"none of the answers of benchmark 'colours', such as 'red'.* such as 'cat'"):
        score_network(renamed({"word": ("cat", "dog", "cow", "hen")}), benchmark)
    with pytest.raises(StageError, match=r"has 4 outputs, but the names of its classes are not known.*classes\.txt"):
        score_network(renamed({}), benchmark)
    with pytest.raises(StageError, match="no head 'speaker' to answer with: its heads are word"):
        score_network(MatchedFilter(), replace(benchmark, trials=replace(benchmark.trials, task="speaker")))


def renamed(class_names):
    network = MatchedFilter()
    network.class_names = class_names
    return network


def test_classes_may_be_named_in_the_folder(folder):
    benchmark = load_benchmark(folder)
    named = replace(benchmark, trials=replace(benchmark.trials, classes=WORDS))
    expected, found = score_network(MatchedFilter(), benchmark), score_network(renamed({}), named)
    pd.testing.assert_frame_equal(found, expected)


def test_the_engine_works_by_name_beside_other_benchmarks(folder, tmp_path, make_benchmark):
    benchmark = load_benchmark(folder)
    sounds = np.random.default_rng(0).standard_normal((24, NUM_SAMPLES)).astype(np.float32)
    other = make_benchmark(waveforms=lambda *_: sounds.copy())
    plan = ScoringPlan(benchmarks=(benchmark, other), metrics=load_metrics(["encoding", "behaviour"]))
    published = []
    loaded = LoadedNetwork(MatchedFilter(), NetworkIdentity(), [])
    assert list(
        ScoringEngine(plan=plan).run(["a"], parts=Parts(tmp_path), publish=published.append, load=lambda _: loaded)
    ) == [[]]
    (table,) = published
    of_listeners = table[table[t.BENCHMARK] == "colours"].reset_index(drop=True)
    in_memory = ScoringEngine(plan=plan).score(MatchedFilter(), benchmark, NetworkIdentity())
    pd.testing.assert_frame_equal(of_listeners, in_memory, check_exact=True)
    assert {kind.stage_metric for kind in plan.kinds_on(benchmark)} == {t.BEHAVIOUR_ACCURACY, t.BEHAVIOUR_R}
    assert (table[t.METRIC] == t.ENCODING_R2_CORRECTED).any()
    values = logged_values(of_listeners, plan.kinds_on(benchmark))
    assert set(values) <= set(logged_names(benchmark, ["sound"], plan.kinds_on(benchmark)))
    assert {
        "brain/colours/behaviour/best",
        "brain/colours/behaviour/hiss, -6 dB",
        "brain/colours/behaviour_likeness/best",
    } <= set(values)


@pytest.mark.parametrize(
    ("metric", "wrong", "message"),
    [
        ("behaviour", "response", "compares a network's answers"),
        ("rsa", "listeners", "answers of listeners, not responses"),
    ],
)
def test_metrics_that_do_not_apply_are_named(folder, make_benchmark, metric, wrong, message):
    benchmark = make_benchmark() if wrong == "response" else load_benchmark(folder)
    with pytest.raises(BenchmarkError, match=message):
        ScoringPlan(benchmarks=(benchmark,), metrics=load_metrics([metric]))


def test_the_command_scores_and_reports(folder, tmp_path, monkeypatch, capsys):
    """By default, listeners are compared by behaviour."""
    (tmp_path / "mine.py").write_text(
        "from tests.evaluate.metrics.test_behaviour import MatchedFilter\n\ndef net():\n    return MatchedFilter()\n"
    )
    monkeypatch.setattr("evaluate.report.figures.style.save_figure", lambda *_, **__: [])
    out = tmp_path / "scores"
    assert main(["score", f"{tmp_path / 'mine.py'}:net", "--benchmark", str(folder), "--out", str(out)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "colours: recognition" in shown
    assert "listeners" in shown
    page = write_report({"scores": t.read_table(out / t.SCORES_FILE)}, out).page.read_text()
    assert "<h3>Recognition</h3>" in page
    assert "RMSE" in page
    assert "at the best stage over training" not in page
    assert main(["check", str(folder)]) == 0
    assert "260 trials for the head 'word', 4 right answers, 9 conditions (clean; hiss, -12 dB" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize(
    ("name", "column", "value", "message"),
    [
        ("trials.csv", "sound", "none.wav", "1 of 21 sounds of .* are missing"),
        ("trials.csv", "snr_db", "", "needs a number in `snr_db`"),
        ("trials.csv", "snr_db", "loud", "expected numbers in the column 'snr_db'"),
        ("humans.csv", "accuracy", "97", "divide percentages by 100"),
        ("humans.csv", "condition", "hiss, -7 dB", "conditions without sounds: 'hiss, -7 dB'"),
        ("humans.csv", "condition", "clean", "more than one row for condition 'clean'"),
    ],
)
def test_faults_of_a_folder_are_named(folder, tmp_path, name, column, value, message):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).symlink_to(file)
    table = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
    table.loc[6, column] = value
    (copy / name).unlink()
    table.to_csv(copy / name, index=False)
    with pytest.raises(BenchmarkError, match=message):
        load_benchmark(copy)


def test_names_of_conditions():
    table = pd.DataFrame({"background": ["", "babble", "babble"], "snr_db": ["", "-3", "0.0"]})
    assert named_conditions(table, "t") == ["clean", "babble, -3 dB", "babble, 0 dB"]
    assert named_conditions(pd.DataFrame({"condition": ["babble, +0 dB", "music"]}), "t") == ["babble, 0 dB", "music"]
    assert parse_condition("speech, babble, 3 dB") == ("speech, babble", 3.0)
    with pytest.raises(BenchmarkError, match="needs the column `condition`, or `background` and `snr_db`"):
        named_conditions(pd.DataFrame({"kind": ["x"]}), "t")


def test_the_simulated_listener_follows_its_psychometric_function():
    human = simulated.human_values()
    assert len(human) == 1 + len(simulated.THRESHOLDS_DB) * len(simulated.SNRS_DB)
    for condition, accuracy, error in human.itertuples(index=False):
        background, snr_db = parse_condition(condition)
        expected = simulated.expected_accuracy(background, np.inf if snr_db is None else snr_db)
        assert abs(accuracy - expected) < 4 * max(error, 0.02)
    assert human["condition"][0] == "clean"


def test_words_of_the_simulated_listener_are_those_of_the_demo(monkeypatch):
    monkeypatch.setattr(simulated, "NUM_WORDS", 2)
    monkeypatch.setattr(simulated, "SNRS_DB", (0.0,))
    simulated._synthesised.cache_clear()
    benchmark = simulated.simulated_listener()
    sounds = benchmark.stimuli(20_000, 40_000)
    simulated._synthesised.cache_clear()
    assert len(sounds) == benchmark.num_stimuli == 4 * 2 * simulated.NUM_VOICES
    assert set(benchmark.trials.labels) == {"window", "butterfly"}
    np.testing.assert_allclose([rms(sound) for sound in sounds], 0.1, rtol=1e-4)


def test_trials_need_a_value_for_each_sound():
    humans = pd.DataFrame({"condition": ["a"], "accuracy": [0.5]})
    trials = Trials("word", ("x", "y"), ("a", "b"), humans)
    assert np.isnan(trials.human("error")).all()
    np.testing.assert_array_equal(trials.human("accuracy"), [0.5, np.nan])
    with pytest.raises(BenchmarkError, match="1 sounds for 2 trials"):
        make_listeners(name="n", version="1", waveforms=lambda *_: np.zeros((1, 4)), trials=trials, sound_names=("s",))
