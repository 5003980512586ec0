"""The command `cochlearn export`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from networks.commands.dispatch import CommandError, text_console
from networks.weights.run_layout import LAST_CHECKPOINT, MODEL_FOLDER, is_model


@dataclass(kw_only=True)
class Export:
    """Write the network of a run on its own, with a model card, to keep or to share.

    The folder has the weights (model.safetensors, with the network's description and label sets in its header, and in
    model.json), the recipe (config.yaml) and a model card with data, results and licence (model_card.md). If a class of
    your own in a single file, such as my_models.py, is part of the network, the file is copied, too.
    `networks.load_network`, `cochlearn score` and `model.init_from` take the folder in place of a checkpoint.

    Attributes:
        source: Run directory, or a checkpoint in one.
        out: Folder to make (default: the folder model in the run directory).
        checkpoint: Name of the checkpoint in the run.
        ema: Export the averages of the weights, if training kept them.
        licence: Licence of the weights, such as CC-BY-4.0.
        force: Replace the files of an earlier export.
    """

    source: Path
    out: Path | None = None
    checkpoint: str = LAST_CHECKPOINT
    ema: bool = False
    licence: str = ""
    force: bool = False
    positionals: ClassVar[tuple[str, ...]] = ("source",)

    def run(self) -> None:
        """Export.

        Raises:
            CommandError: There is no such run, or the folder exists.
            CheckpointError: The checkpoint cannot be used.
            OSError: A file cannot be written.
        """
        from networks.weights.model_folder import DESCRIPTION_FILE, export_model
        from networks.weights.own_code import how_to_import

        if not self.source.exists():
            raise CommandError(f"there is no run directory or checkpoint {self.source}")
        run_dir = self.source if self.source.is_dir() else self.source.parent.parent
        out = self.out or run_dir / MODEL_FOLDER
        if is_model(out) and not self.force:
            raise CommandError(f"{out} exists: choose another folder with --out, or replace it with --force true")
        export_model(self.source, out, checkpoint=self.checkpoint, averaged=self.ema, licence=self.licence)
        console = text_console(soft_wrap=True, highlight=False)
        console.print(f"wrote {out}")
        description = json.loads((out / DESCRIPTION_FILE).read_text(encoding="utf-8"))["network"]
        if code := how_to_import(description, out):
            console.print(f"who loads it must know: {code}")
