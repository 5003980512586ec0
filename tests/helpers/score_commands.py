"""The command `score` in words, and what it wrote."""

from evaluate.metrics.metric import METRICS
from evaluate.scoring import table as t

STAGES = ("relu0", "pool0", "relufc")
# "within_category" has tests of its own: the benchmark "other" has no categories.
ALL_METRICS = [word for name, metric in METRICS.items() if not metric.needs_categories for word in ("--metric", name)]


def network_file(folder, content):
    path = folder / f"{content}.ckpt"
    path.write_text(str(content))
    return str(path)


def arguments(networks, out, *more):
    return ["score", *networks, "--benchmark", "tiny", "--benchmark", "other", "--out", str(out), *more]


def rows_of(out):
    return t.read_table(out / t.SCORES_FILE)
