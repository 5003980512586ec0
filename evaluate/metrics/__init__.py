"""Metrics that compare networks with brains, as named by `--metric` and `brain.metrics`: one file or folder each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from networks.named_objects import load_object, parse_object_name

if TYPE_CHECKING:
    from evaluate.metrics.metric import Metric

METRICS = {
    "encoding": "evaluate.metrics.encoding.encoding_metric:METRIC",
    "rsa": "evaluate.metrics.rsa:METRIC",
    "dimensionality": "evaluate.metrics.dimensionality:METRIC",
    "within_category": "evaluate.metrics.within_category:METRIC",
}
"""Built-in metrics by name; the first is the default. User-defined metrics are named as `package.module:name`."""

DEFAULT_METRIC = next(iter(METRICS))


class MetricError(ValueError):
    """A metric that is unknown or cannot be loaded."""


def load_metric(name: str) -> Metric:
    """Find a metric by name.

    Args:
        name: A key of `METRICS`, or `package.module:name` or `path/file.py:name` of your own `Metric`. This imports the
            module or runs the file.

    Returns:
        The metric.

    Raises:
        MetricError: There is no such metric; the message lists the built-in ones.
    """
    from evaluate.metrics.metric import Metric

    if not isinstance(name, str):
        raise TypeError(
            f"a metric is named by a string, got a {type(name).__name__}; give metrics by name: {{NAME: metric}}"
        )
    if name not in METRICS and parse_object_name(name) is None:
        own = f"{name}:NAME" if name.endswith(".py") else "package.module:NAME or path/file.py:NAME"
        raise MetricError(f"unknown metric {name!r}: expected {', '.join(METRICS)}, or {own} of your own metric")
    try:
        metric = load_object(METRICS.get(name, name))
    except ValueError as error:
        raise MetricError(f"metric {name!r}: {error}") from error
    if not isinstance(metric, Metric):
        raise MetricError(f"metric {name!r}: expected an evaluate.Metric, got a {type(metric).__name__}")
    return metric


def load_metrics(names: Sequence[str] | Mapping[str, Metric]) -> dict[str, Metric]:
    """Find metrics by name, each once, in the order given; see `load_metric`.

    Args:
        names: Names, or metrics by a name of your choice, which are taken as they are.
    """
    if isinstance(names, str):
        raise TypeError(f"metrics must be a list of names, got the single string {names!r}: put it in a list")
    if isinstance(names, Mapping):
        return dict(names)
    return {name: load_metric(name) for name in dict.fromkeys(names)}
