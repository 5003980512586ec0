"""Metrics that compare networks with brains, as named by `--metric` and `brain.metrics`: one file or folder each."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from networks.named_objects import load_object, make_object, parse_object_name
from networks.user_error import UserError

if TYPE_CHECKING:
    from evaluate.metrics.metric import Metric

METRICS = {
    "encoding": "evaluate.metrics.encoding.encoding_metric:METRIC",
    "rsa": "evaluate.metrics.rsa:METRIC",
    "dimensionality": "evaluate.metrics.dimensionality:METRIC",
    "within_category": "evaluate.metrics.within_category:METRIC",
    "temporal": "evaluate.metrics.temporal.temporal_metric:METRIC",
    "behaviour": "evaluate.metrics.behaviour:METRIC",
    "partition": "evaluate.metrics.partition.partition_metric:partition_metric",
}
"""Built-in metrics by name. User-defined metrics are named as `package.module:name`."""

DEFAULT_METRIC = "encoding"
BEHAVIOUR_METRIC = "behaviour"
"""The default for benchmarks of listeners."""
WITH_REFERENCE = ("partition",)
"""Metrics that compare with a reference network, which may be named: `partition:REFERENCE`."""


class MetricError(UserError):
    """A metric that is unknown or cannot be loaded."""


def check_metric_name(name: str) -> None:
    """Check the form of a metric's name, without importing what takes seconds.

    Args:
        name: See `load_metric`.

    Raises:
        MetricError: It is neither built in nor the name of an object.
    """
    if not isinstance(name, str):
        raise TypeError(
            f"a metric is named by a string, got a {type(name).__name__}; give metrics by name: {{NAME: metric}}"
        )
    family, _, reference = name.partition(":")
    if (family in WITH_REFERENCE and reference) or name in METRICS or parse_object_name(name) is not None:
        return
    own = f"{name}:NAME" if name.endswith(".py") else "package.module:NAME or path/file.py:NAME"
    near = difflib.get_close_matches(name, METRICS, n=1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    raise MetricError(f"unknown metric {name!r}{meant}: expected {', '.join(METRICS)}, or {own} of your own metric")


def load_metric(name: str) -> Metric:
    """Find a metric by name.

    Args:
        name: A key of `METRICS`; or `partition:REFERENCE` with the name of a network, see
            `evaluate.scoring.references`; or `package.module:name` or `path/file.py:name` of your own `Metric`, or of a
            function without arguments that returns one. This imports the module or runs the file.

    Returns:
        The metric.

    Raises:
        MetricError: There is no such metric or reference; the message lists the built-in ones.
    """
    check_metric_name(name)
    from evaluate.metrics.metric import Metric

    family, _, reference = name.partition(":")
    if family in WITH_REFERENCE and reference:
        return _with_reference(family, reference)
    try:
        metric: Metric = make_object(
            METRICS.get(name, name), lambda made: isinstance(made, Metric), expected="an evaluate.Metric"
        )
    except ValueError as error:
        raise MetricError(f"metric {name!r}: {error}") from error
    return metric


def is_built_in(name: str) -> bool:
    """Whether a metric is one of `METRICS`, with or without the name of a reference."""
    return name in METRICS or name.partition(":")[0] in WITH_REFERENCE


def _with_reference(family: str, reference: str) -> Metric:
    from evaluate.scoring.references import check_reference
    from networks.weights.source_names import SourceError

    try:
        check_reference(reference)
    except SourceError as error:
        raise MetricError(f"metric {family}:{reference}: {error}") from error
    metric: Metric = load_object(METRICS[family])(reference)
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
