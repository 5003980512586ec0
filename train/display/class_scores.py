"""`class_scores.csv`: how well each class of a task with many labels is ranked."""

from pathlib import Path

import pytorch_lightning as pl

from datamodules.files import write_text
from train.run.run_directory import CLASS_SCORES_FILE


class ClassScores(pl.Callback):
    """Writes the values of each class after every validation, if a task has many labels."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write on the first process; classes without positives or without negatives have empty cells."""
        import pandas as pd

        rankings = pl_module.class_rankings
        if not (trainer.is_global_zero and rankings) or trainer.sanity_checking:
            return
        labels = {task.name: task.labels for task in pl_module.tasks}  # type: ignore[union-attr]
        tables = [
            pd.DataFrame(
                {
                    "condition": condition,
                    "task": task,
                    "label": labels[task],
                    **{name: values.cpu().numpy() for name, values in ranking._asdict().items()},
                }
            )
            for (condition, task), ranking in rankings.items()  # type: ignore[union-attr, operator]
        ]
        table = pd.concat(tables).astype({"positives": int})
        write_text(Path(trainer.default_root_dir) / CLASS_SCORES_FILE, table.to_csv(index=False))
