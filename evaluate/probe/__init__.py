"""Linear classification of labelled sounds from stage activations."""

from typing import TYPE_CHECKING

from networks.lazy import lazy_names

if TYPE_CHECKING:
    from evaluate.probe.labelled_sounds import LabelledSounds

__all__ = ["LabelledSounds"]

_HOMES = {"LabelledSounds": "evaluate.probe.labelled_sounds"}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
