"""The command `score` in words, and what it wrote."""

from evaluate.metrics import METRICS, load_metrics
from evaluate.scoring import table as t

STAGES = ("relu0", "pool0", "relufc")
# "within_category" has tests of its own: the benchmark "other" has no categories.
_METRICS = load_metrics(list(METRICS))
ALL_METRICS = ["--metric", *(name for name, metric in _METRICS.items() if not metric.needs_categories)]


def network_file(folder, content):
    path = folder / f"{content}.ckpt"
    path.write_text(str(content))
    return str(path)


def arguments(networks, out, *more):
    return ["score", *networks, "--benchmark", "tiny", "other", "--out", str(out), *more]


def rows_of(out):
    return t.read_table(out / t.SCORES_FILE)
