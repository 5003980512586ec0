"""The names of all built-in metrics, those that compare with a network with one that every network has."""

from evaluate.metrics import METRICS, WITH_REFERENCE

EVERY_METRIC = [f"{name}:untrained:self" if name in WITH_REFERENCE else name for name in METRICS]
