"""Lines of Lightning that are of no use here, or wrong, left out one by one: all else is told as it is."""

import logging
import warnings

_LOGGERS = ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning.trainer.connectors.checkpoint_connector")
_LOGGED = (
    "💡 Tip: For seamless cloud",  # advertisements of litlogger and litmodels
    "`weights_only` was not set, defaulting to `False`",  # said while saving, where it means: with the optimiser
    "Trainer already configured with model summary callbacks",  # train.network_summary
)
_WARNED = r"`isinstance\(treespec, LeafSpec\)` is deprecated"
"""Of how Lightning uses torch."""


def leave_out_noise() -> None:
    """Filter these lines from logs and warnings; doing it again changes nothing."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_of_use)
    warnings.filterwarnings("ignore", message=_WARNED)


def _is_of_use(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_LOGGED)
