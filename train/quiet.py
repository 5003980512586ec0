"""Lines of Lightning that are of no use here, or wrong, left out one by one: all else is told as it is."""

import logging
import warnings
from typing import Any

from pytorch_lightning.callbacks import RichModelSummary
from pytorch_lightning.utilities.model_summary import get_human_readable_count
from rich.console import Console
from rich.table import Table

_LOGGERS = ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning.trainer.connectors.checkpoint_connector")
_LOGGED = (
    "💡 Tip: For seamless cloud",  # advertisements of litlogger and litmodels
    "`weights_only` was not set, defaulting to `False`",  # said while saving, where it means: with the optimiser
    "Trainer already configured with model summary callbacks",  # NetworkSummary
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


class NetworkSummary(RichModelSummary):
    """Lightning's table of modules without floating-point operations, which it gives as 0 without an example."""

    @staticmethod
    def summarize(
        summary_data: list[tuple[str, list[str]]], total_parameters: int, trainable_parameters: int, *_: Any, **__: Any
    ) -> None:
        """Print names, classes and numbers of parameters."""
        columns = dict(summary_data)
        table = Table("module", "class", "parameters")
        for row in zip(columns["Name"], columns["Type"], columns["Params"], strict=True):
            table.add_row(*row)
        total, trained = (
            get_human_readable_count(number).strip() for number in (total_parameters, trainable_parameters)
        )
        console = Console()
        console.print(table)
        console.print(f"{total} parameters, {trained} of them trained")
