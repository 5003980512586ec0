"""Which metrics are scored during training, and when each one is: as configurations write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluate.callback.evaluation_schedule import EvaluationSchedule, make_schedule
from evaluate.metrics import MetricError

NAME = "name"
_TIMES = ("every_n_epochs", "every_n_steps", "at_steps", "log_spaced")
_ENDS = ("at_start", "at_end")
SETTINGS = (*_TIMES, *_ENDS)
"""Settings of a metric, which are those of the callback; a metric that has none of the first four has those."""

MetricSetting = str | Mapping[str, Any]


def metric_schedules(metrics: Sequence[MetricSetting], default: EvaluationSchedule) -> dict[str, EvaluationSchedule]:
    """Find when each metric is scored.

    Args:
        metrics: Names, or mappings of `name` and any of `SETTINGS`, such as `{"name": "rsa", "every_n_epochs": 10}`.
        default: Schedule of metrics without settings of their own.

    Returns:
        Schedules by the names of metrics, in order. A metric with any time of its own has no others, and is scored at
        the start and the end as `default` is unless it says otherwise.

    Raises:
        MetricError: A metric is neither a name nor a mapping, a setting is unknown, a number is out of its range, or a
            metric is named twice.
    """
    found: dict[str, EvaluationSchedule] = {}
    for metric in metrics:
        name, settings = _parsed(metric)
        if name in found:
            raise MetricError(f"metric {name!r} is named twice: give it one schedule")
        try:
            found[name] = _schedule(settings, default)
        except (TypeError, ValueError) as error:
            raise MetricError(f"metric {name}: {error}") from error
    return found


def metric_names(metrics: Sequence[MetricSetting]) -> list[str]:
    """List the names of metrics with and without settings; errors as for `metric_schedules`."""
    return list(metric_schedules(metrics, EvaluationSchedule()))


def _parsed(metric: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(metric, str):
        return metric, {}
    if not isinstance(metric, Mapping) or not isinstance(metric.get(NAME), str):
        raise MetricError(
            f"expected a metric as a name or as {{name: NAME, every_n_epochs: 10}}, got {_shown(metric)}: settings are "
            f"{', '.join(SETTINGS)}"
        )
    settings = {str(key): value for key, value in metric.items() if key != NAME and value is not None}
    unknown = next((key for key in settings if key not in SETTINGS), None)
    if unknown is not None:
        raise MetricError(f"metric {metric[NAME]}: unknown setting {unknown!r}; known are {', '.join(SETTINGS)}")
    return metric[NAME], settings


def _shown(metric: Any) -> str:
    return str(dict(metric)) if isinstance(metric, Mapping) else repr(metric)


def _schedule(settings: Mapping[str, Any], default: EvaluationSchedule) -> EvaluationSchedule:
    ends: dict[str, Any] = {name: bool(settings.get(name, getattr(default, name))) for name in _ENDS}
    times = {name: settings[name] for name in _TIMES if name in settings}
    if times:
        return make_schedule(**times, **ends)
    return EvaluationSchedule(
        every_n_epochs=default.every_n_epochs,
        every_n_steps=default.every_n_steps,
        at_steps=default.at_steps - ({0} if settings.get("at_start") is False else set()),
        **ends,
    )
