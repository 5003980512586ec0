"""What a run says about its network at the start: stages with shapes, heads, and what is trained."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelSummary
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy

from networks import AuditoryNetwork
from networks.commands.console_tables import print_table
from networks.commands.dispatch import text_console
from networks.commands.stage_table import short_count, stage_table
from networks.stage_summary import stage_summaries


class NetworkSummary(ModelSummary):
    """A table of the stages, as `cochlearn summary` shows it, in place of Lightning's table of modules.

    Args:
        is_resumed: Whether a run resumes, whose log has the table.
    """

    def __init__(self, *, is_resumed: bool = False) -> None:
        super().__init__()
        self._is_resumed = is_resumed

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Run the network on one sound, and print the table; on the first rank alone."""
        if not trainer.is_global_zero:
            return
        console, network = text_console(soft_wrap=True), pl_module.network
        assert isinstance(network, AuditoryNetwork)
        # Other strategies divide the weights among ranks, so that one rank cannot run the network alone.
        if isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy) and not self._is_resumed:
            # Compiling a network for one sound would take minutes.
            with torch.compiler.set_stance("force_eager"), trainer.precision_plugin.forward_context():
                rows = stage_summaries(network)
            print_table(stage_table(type(network.backbone).__name__, rows), text_console())
        with_null = {task.name for task in getattr(pl_module, "tasks", ()) if task.null_index is not None}
        heads = [_head(task, number, has_null=task in with_null) for task, number in network.num_classes.items()]
        quiet = "" if getattr(getattr(trainer, "datamodule", None), "has_noise", True) else "; there are none in quiet"
        meaning = f" (null: the class of examples without such a sound{quiet})" if with_null else ""
        if heads:
            console.print(f"heads: {', '.join(heads)}{meaning}")
        objectives = [f"{name} ({type(made).__name__})" for name, made in getattr(pl_module, "objectives", {}).items()]
        if objectives:
            console.print(f"objectives without labels: {', '.join(objectives)}")
        parameters = list(pl_module.parameters())
        # An average of the weights is no part of the model.
        averaged = {id(parameter) for parameter in ema.parameters()} if (ema := getattr(pl_module, "ema", None)) else ()
        parameters = [parameter for parameter in parameters if id(parameter) not in averaged]
        total = sum(parameter.numel() for parameter in parameters)
        trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
        console.print(f"{short_count(total)} parameters, {short_count(trained)} of them trained")


def _head(task: str, num_classes: int, *, has_null: bool) -> str:
    """A task and its classes, such as "word 4 classes + null"."""
    number = num_classes - has_null
    return f"{task} {number} class{'es' * (number != 1)}{' + null' * has_null}"
