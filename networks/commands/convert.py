"""The command `cochlearn networks convert`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from networks.commands.dispatch import CommandError, text_console
from networks.text.wording import counted


@dataclass(kw_only=True)
class Convert:
    """Convert published weights to a checkpoint of this project.

    Reads single- or multi-task weights published with Tuckute, Feather et al. 2023, without running code from the file.
    `networks.load_checkpoint` and `cochlearn score` read the result.

    Attributes:
        published: Published file, such as NAME.pt.
        out: Checkpoint to write, such as NAME.ckpt.
        architecture: Architecture of the weights (default: inferred from their names).
        task: Names of the tasks, such as word (default: those of the file; the task of a single-task file is inferred
            from its number of classes).
        run_name: Name of the run in the checkpoint (default: the file's name).
        force: Replace the output if it exists.
    """

    published: Path
    out: Path
    architecture: Literal["CochCNN9", "CochResNet18", "CochResNet34", "CochResNet50", "CochResNet101"] | None = None
    task: list[str] | None = None
    run_name: str | None = None
    force: bool = False
    positionals: ClassVar[tuple[str, ...]] = ("published", "out")

    def run(self) -> None:
        """Convert the weights.

        Raises:
            CommandError: The output exists.
            CheckpointError: The file cannot be read safely, or its weights do not match.
            OSError: A file is missing or cannot be written.
        """
        from networks.weights.checkpoint import save_checkpoint
        from networks.weights.published import PUBLISHED_TASKS, published_network, read_published

        if self.out.exists() and not self.force:
            raise CommandError(f"{self.out} exists: choose another file, or replace it with --force true")
        published = read_published(self.published)
        network = published_network(published, architecture=self.architecture, tasks=self.task)
        tasks = [PUBLISHED_TASKS.get(task, {"name": task}) for task in network.heads]
        save_checkpoint(network, self.out, run=self.run_name or self.published.stem, tasks=tasks)
        heads = ", ".join(f"{task} ({counted(number, 'class')})" for task, number in network.num_classes.items())
        line = f"wrote {self.out}: {type(network.backbone).__name__} with {heads}"
        text_console(soft_wrap=True).print(line, highlight=False)
