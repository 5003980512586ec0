"""The metric `partition`: rows of stages and of all stages together, through the engine, for several references."""

import numpy as np
import pandas as pd
import pytest
import torch

from evaluate import score_network
from evaluate.features.activations import stage_activations
from evaluate.features.cache import ActivationCache
from evaluate.metrics import MetricError, load_metric
from evaluate.metrics.partition import partition_metric
from evaluate.metrics.partition.network_parts import joined_space, part_values, summarise_parts
from evaluate.metrics.partition.partition import partition
from evaluate.metrics.score_kinds import kinds_in, load_kinds, save_kinds
from evaluate.metrics.splits import published_splits
from evaluate.scoring import table as t
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.parts import Parts
from evaluate.scoring.plan import ScoringPlan
from evaluate.scoring.references import References, reference_label
from networks import LoadedNetwork, NetworkIdentity
from networks.weights.fresh_weights import reset_weights

NAME, LABEL = "partition:untrained:self", "untrained-self"
UNIQUE = f"partition_unique_r2_corrected/{LABEL}"


def value(rows, metric, stage, region="all", subject="all"):
    found = rows[(rows[t.METRIC] == metric) & (rows[t.STAGE] == stage)]
    return found[(found[t.REGION] == region) & (found[t.SUBJECT] == subject)][t.VALUE].item()


@pytest.fixture
def rows(tiny_network, make_benchmark):
    return score_network(tiny_network, make_benchmark(), metrics=[NAME])


def expected_parts(network, benchmark, stages=None):
    sounds = benchmark.stimuli(1000, 64)
    reference = joined_space(stage_activations(reset_weights(network.eval()), sounds))
    space = joined_space(stage_activations(network, sounds, stages=stages))
    return part_values(partition(space, reference, benchmark.responses, published_splits(24)), benchmark)


def test_rows_are_those_of_partition(tiny_network, make_benchmark, rows):
    benchmark = make_benchmark()
    of_all = summarise_parts(expected_parts(tiny_network, benchmark), benchmark).set_index(
        ["part", "region", "subject"]
    )
    for part, name in partition_metric.ROW_NAMES.items():
        metric = f"{name}_corrected/{LABEL}"
        for region, subject in (("all", "all"), ("A", "s1"), ("B", "all")):
            expected = of_all.loc[(part, region, subject), "value"]
            assert value(rows, metric, "all", region, subject) == pytest.approx(expected, abs=1e-8), (part, region)
    of_stage = expected_parts(tiny_network, benchmark, ["pool0"])["unique_a"]
    by_unit = np.minimum(np.median(of_stage, axis=1), 1)
    expected = np.mean([np.median(by_unit[:3]), np.median(by_unit[3:])])
    assert value(rows, UNIQUE, "pool0") == pytest.approx(expected, abs=1e-8)
    assert set(rows[rows[t.METRIC] == f"best_stage_{UNIQUE}"][t.REGION]) == {"all", "A", "B"}
    assert not rows.duplicated(list(t.KEY_COLUMNS)).any()


def test_errors_are_over_subjects_or_else_splits(tiny_network, make_benchmark, rows):
    assert not rows[t.SUBJECT].str.startswith(t.SPLIT).any()
    units = make_benchmark().units.assign(subject="s1")
    alone = score_network(tiny_network, make_benchmark(units=units), metrics=[NAME], stages=["pool0"])
    of_splits = alone[alone[t.SUBJECT].str.startswith(t.SPLIT)]
    assert set(of_splits[t.STAGE]) == {"all"}
    assert sorted(set(of_splits[t.SUBJECT])) == [f"split{number}" for number in range(10)]
    assert set(of_splits[t.REGION]) == {"all", "A", "B"}


def test_a_network_explains_nothing_beyond_itself(tiny_network, make_benchmark):
    class Itself(References):
        def features(self, name, benchmark, *, net, **_):
            return joined_space(stage_activations(net, benchmark.stimuli(1000, 64)))

    plan = ScoringPlan(benchmarks=(make_benchmark(),), metrics={NAME: load_metric(NAME)})
    rows = ScoringEngine(plan=plan, references=Itself()).score(tiny_network, plan.benchmarks[0], NetworkIdentity())
    for part in ("partition_unique_r2", "partition_reference_unique_r2"):
        assert value(rows, f"{part}_corrected/{LABEL}", "all") == pytest.approx(0, abs=1e-6)


def test_a_reference_is_computed_once_and_another_file_of_its_name_is_another_one(
    tiny_network, make_benchmark, tiny_network_class, tmp_path, monkeypatch
):
    loaded, path = [], tmp_path / "other.ckpt"
    path.write_text("")

    def load(source):
        torch.manual_seed(len(loaded))
        loaded.append(source)
        return LoadedNetwork(tiny_network_class(), NetworkIdentity(run="other"), [])

    monkeypatch.setattr("networks.load_network", load)
    name = f"partition:{path}"
    plan = ScoringPlan(benchmarks=(make_benchmark(),), metrics={name: load_metric(name)})
    published = []

    def run(folder):
        engine = ScoringEngine(plan=plan, cache=ActivationCache(tmp_path / "cache"))
        networks = {"one": tiny_network, "two": reset_weights(tiny_network, seed=5)}
        runs = engine.run(
            list(networks),
            parts=Parts(tmp_path / folder),
            publish=published.append,
            load=lambda source: LoadedNetwork(networks[source], NetworkIdentity(run=source), []),
        )
        assert list(runs) == [[], []]

    run("parts")
    assert loaded == [str(path)]
    num_parts = len(list((tmp_path / "parts").iterdir()))
    assert num_parts == 2 * 4  # three stages and all together
    run("parts")
    assert len(list((tmp_path / "parts").iterdir())) == 2 * num_parts
    first, second = (published[place].query("stage == 'all'")[t.VALUE].to_numpy() for place in (0, 2))
    assert not np.array_equal(first, second)


def test_killed_between_stages_it_resumes(tiny_network, make_benchmark, tmp_path, monkeypatch):
    plan = ScoringPlan(benchmarks=(make_benchmark(),), metrics={NAME: load_metric(NAME)})
    loaded, published = LoadedNetwork(tiny_network, NetworkIdentity(), []), []
    original, calls = partition, []

    def counted(*args, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*args, **options)

    monkeypatch.setattr("evaluate.metrics.partition.partition.partition", counted)

    def run():
        engine = ScoringEngine(plan=plan)
        return list(engine.run(["a"], parts=Parts(tmp_path), publish=published.append, load=lambda _: loaded))

    with pytest.raises(KeyboardInterrupt):
        run()
    assert len(list(tmp_path.iterdir())) == 2
    assert run() == [[]]
    assert len(calls) == 5  # two stages, one that was killed, and again it and all together
    whole = score_network(tiny_network, make_benchmark(), metrics=[NAME], identity=NetworkIdentity())
    pd.testing.assert_frame_equal(published[0], whole, check_exact=True)


def test_controls_of_the_network_itself(tiny_network, make_benchmark):
    references, benchmark = References(), make_benchmark()
    options = {"net": tiny_network, "device": torch.device("cpu")}
    before = {name: each.clone() for name, each in tiny_network.state_dict().items()}
    spaces = [
        references.features(f"{kind}:self{seed}", benchmark, **options)
        for kind, seed in (("untrained", ""), ("untrained", ":0"), ("untrained", ":1"), ("permuted", ""))
    ]
    np.testing.assert_array_equal(spaces[0], spaces[1])
    assert not np.allclose(spaces[0], spaces[2])
    assert not np.allclose(spaces[0], spaces[3])
    assert all(torch.equal(each, before[name]) for name, each in tiny_network.state_dict().items())


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("SpectroTemporal", "SpectroTemporal"),
        ("untrained:self", "untrained-self"),
        ("permuted:self:3", "permuted-self-3"),
        ("runs/words/checkpoints/last.ckpt", "words-last"),
        ("untrained:runs/words/checkpoints/step-0000100.ckpt", "untrained-words-step-0000100"),
        ("published:weights.pt", "published-weights"),
        ("VGGish:/data/vggish", "VGGish-vggish"),
        ("my_models.py:make", "my_models.py-make"),
    ],
)
def test_labels_of_references(name, label):
    assert reference_label(name) == label


@pytest.mark.parametrize("name", ["partition:", "partition:nowhere.ckpt", "partition:untrained:nowhere.ckpt"])
def test_unknown_references(name):
    with pytest.raises(MetricError):
        load_metric(name)


def test_its_kind_is_known_from_the_table_alone(rows, tmp_path):
    (kind,) = kinds_in(rows[t.METRIC])
    assert (kind.stage_metric, kind.reference, kind.name) == (UNIQUE, LABEL, f"partition_{LABEL}")
    save_kinds(tmp_path, [kind])
    assert load_kinds(tmp_path) == []
