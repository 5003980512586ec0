"""The command `score` in words, and what it wrote."""

from evaluate.metrics import load_metrics
from evaluate.scoring import table as t
from tests.helpers.metric_names import EVERY_METRIC

STAGES = ("relu0", "pool0", "relufc")
# "within_category" and "temporal" have tests of their own: the benchmark "other" has neither categories nor time.
_METRICS = load_metrics(EVERY_METRIC)
_NEEDS_MORE = [name for name, each in _METRICS.items() if each.needs_categories or each.in_time or each.of_heads]
_MEASURED = {name: each for name, each in _METRICS.items() if name not in _NEEDS_MORE}
ALL_METRICS = ["--metric", *_MEASURED]
NUM_PARTS = len(STAGES) * len(_MEASURED) + sum(each.join is not None for each in _MEASURED.values())
"""What is measured of a network on a benchmark: every stage and, by some metrics, all stages together."""


def network_file(folder, content):
    path = folder / f"{content}.ckpt"
    path.write_text(str(content))
    return str(path)


def arguments(networks, out, *more):
    return ["score", *networks, "--benchmark", "tiny", "other", "--out", str(out), *more]


def rows_of(out):
    return t.read_table(out / t.SCORES_FILE)
