"""The table of modules at the start of a run."""

from typing import Any

from pytorch_lightning.callbacks import RichModelSummary
from pytorch_lightning.utilities.model_summary import get_human_readable_count
from rich.table import Table

from networks.commands.dispatch import text_console


class NetworkSummary(RichModelSummary):
    """Lightning's table of modules without floating-point operations, which are 0 without an example input."""

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
        console = text_console()
        console.print(table)
        console.print(f"{total} parameters, {trained} of them trained")
