"""Score checkpoints as training saves them, from another process and without changing them."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from datamodules.files import write_text
from evaluate.features.fingerprint import content_key
from evaluate.options import CHECKPOINT_PATTERN
from evaluate.run_folder import folder_of_checkpoints
from evaluate.scoring import table as t
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.failures import Failure, one_line
from evaluate.scoring.parts import Parts
from evaluate.scoring.plan import ScoringPlan
from evaluate.watch.checkpoint_folder import (
    DIVERGED_FILE,
    CheckpointFile,
    Content,
    IncompleteError,
    copy_whole,
    list_checkpoints,
    read_content,
)
from networks import LoadedNetwork, load_network
from networks.weights.strict import CheckpointError

if TYPE_CHECKING:
    import pandas as pd


GIVEN_UP_AFTER_S = 600.0
"""A file that is still incomplete this long after its last modification counts as damaged and is not read again."""
MAX_TRIES = 3
"""Number of attempts to score a network: it may have failed for lack of memory."""

_log = logging.getLogger(__name__)


class Finished(NamedTuple):
    """A checkpoint that is finished.

    Attributes:
        name: Path of its file, relative to the run directory.
        size: Size of the file in bytes.
        modified_ns: Time of the file's last modification, in nanoseconds.
        run: Name of the run that saved it.
        step: Optimiser step.
        key: Hash of network and weights.
        is_scored: Whether it has rows in the table; False for a copy of a checkpoint that has.
    """

    name: str
    size: int
    modified_ns: int
    run: str
    step: int
    key: str
    is_scored: bool


class Ledger:
    """The finished checkpoints of a watcher, in a file, so that it can resume.

    Args:
        path: JSON file; created with the first entry. A damaged file counts as empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: dict[str, Finished] = {}
        if path.exists():
            try:
                entries = [Finished(**entry) for entry in json.loads(path.read_text())]
            except (ValueError, TypeError) as error:
                _log.warning("%s is damaged: all checkpoints are read again (%s)", path, error)
            else:
                self._entries = {entry.name: entry for entry in entries}

    def find(self, name: str) -> Finished | None:
        """Look up a file by its name."""
        return self._entries.get(name)

    def scored(self, content: Content) -> list[Finished]:
        """Find the scored files with this content."""
        return [entry for entry in self._entries.values() if entry.is_scored and entry[3:6] == content]

    def add(self, entry: Finished) -> None:
        """Add an entry, replacing one with the same name, and write the file."""
        self._entries[entry.name] = entry
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([each._asdict() for each in self._entries.values()], indent=1)
        write_text(self.path, text, durable=True)

    def clear(self) -> None:
        """Forget all entries, for example because the table was removed."""
        self._entries = {}


def plan_key(plan: ScoringPlan) -> str:
    """Hash a plan: two watchers with the same key would do the same work.

    Args:
        plan: What to score, and how.

    Returns:
        64 hexadecimal digits.
    """
    content = {
        "benchmarks": {benchmark.name: benchmark.content_hash() for benchmark in plan.benchmarks},
        "metrics": [plan.metric_key(name) for name in plan.metrics],
        "stages": list(plan.stages or ()),
    }
    return content_key(content)


@dataclass(kw_only=True)
class Watcher:
    """Scores each checkpoint of a run directory once, as soon as it is complete.

    Every checkpoint is copied and checked before it is read, so that training may write, replace or remove it at any
    moment. Finished checkpoints are in the table, under the file's path relative to the run directory, and in the
    ledger. Results of single stages are in `parts`, so that interrupted work resumes.

    Attributes:
        run_dir: The run directory; it need not exist yet.
        engine: Scores each checkpoint.
        ledger: The finished checkpoints.
        parts: Storage of the results of single stages.
        publish: Called with the rows of each checkpoint to write them to the table; may raise OSError or TableError.
        report: Called with messages for the user.
        pattern: File names of the checkpoints to score.
        failures: The networks that could not be scored.
        highest_step: The highest step of the finished checkpoints, -1 if there are none yet.
    """

    run_dir: Path
    engine: ScoringEngine
    ledger: Ledger
    parts: Parts
    publish: Callable[[pd.DataFrame], None]
    report: Callable[[str], None]
    pattern: str = CHECKPOINT_PATTERN
    failures: list[Failure] = field(default_factory=list, init=False)
    highest_step: int = field(default=-1, init=False)
    _hopeless: set[CheckpointFile] = field(default_factory=set, init=False)
    _num_tries: dict[CheckpointFile, int] = field(default_factory=dict, init=False)
    _reported: set[str] = field(default_factory=set, init=False)

    def watch(
        self,
        *,
        poll_s: float,
        until_step: int | None = None,
        idle_s: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> str:
        """Score existing and new checkpoints until there is a reason to stop.

        Args:
            poll_s: Seconds between checks of the folder.
            until_step: Stop after a checkpoint of this step or a later one is finished; None for never.
            idle_s: Stop if there is no new checkpoint for this many seconds; None for never.
            sleep: Function that waits, in seconds.
            clock: Function that returns the time, in seconds.

        Returns:
            The reason for stopping.
        """
        last_news_s = clock()
        while True:
            has_news = self.poll() > 0
            if until_step is not None and self.highest_step >= until_step:
                return f"step {self.highest_step} is scored"
            if has_news:
                last_news_s = clock()
                continue  # without waiting: more checkpoints may have appeared during scoring
            if idle_s is not None and clock() - last_news_s >= idle_s:
                return f"no new checkpoint for {idle_s / 60:g} minutes"
            sleep(poll_s)

    def poll(self) -> int:
        """Check the folder once, and score all new checkpoints.

        Returns:
            Number of checkpoints that were finished.
        """
        if not (self.run_dir / t.SCORES_FILE).exists():
            self.ledger.clear()
        if self.pattern != DIVERGED_FILE and (folder_of_checkpoints(self.run_dir) / DIVERGED_FILE).is_file():
            sentence = f"{DIVERGED_FILE} is left out: the state that led to a loss that is not finite"
            self._report_once(sentence, DIVERGED_FILE)
        num_finished = 0
        looked_at: set[Path] = set()
        while (file := self._next_file(looked_at)) is not None:
            looked_at.add(file.path)
            num_finished += self._attend(file)
        return num_finished

    def _next_file(self, looked_at: set[Path]) -> CheckpointFile | None:
        """Find the first unfinished checkpoint; the folder is listed again each time, as its files change."""
        for file in list_checkpoints(folder_of_checkpoints(self.run_dir), self.pattern):
            known = self.ledger.find(self._name(file))
            if known is not None and (known.size, known.modified_ns) == (file.size, file.modified_ns):
                self.highest_step = max(self.highest_step, known.step)
            elif file not in self._hopeless and file.path not in looked_at:
                return file
        return None

    def _attend(self, file: CheckpointFile) -> bool:
        """Score one checkpoint and return whether it is finished; errors do not end the watch."""
        name = self._name(file)
        try:
            content = self._finish(file)
        except FileNotFoundError:
            self._report_once(f"{name} was removed before it could be scored", name)
            return False
        except (IncompleteError, _NotScoredError, OSError, t.TableError) as error:
            self._try_later(file, error)
            return False
        except CheckpointError as error:
            self._give_up(file, error)
            return False
        self.highest_step = max(self.highest_step, content.step)
        self._reported.discard(name)
        return True

    def _finish(self, file: CheckpointFile) -> Content:
        """Read a checkpoint, and score it unless its content already has rows, under this name or another."""
        name = self._name(file)
        with tempfile.TemporaryDirectory(prefix="watched-") as folder:
            copy = Path(folder) / file.path.name
            copy_whole(file.path, copy)
            content = read_content(copy)
            names_with_rows = self._names_with_rows(content)
            loaded = None if names_with_rows else _load_as(name, copy)
        if loaded is not None:
            self._score(name, content, loaded)
        is_scored = loaded is not None or name in names_with_rows
        self.ledger.add(Finished(name, file.size, file.modified_ns, *content, is_scored=is_scored))
        return content

    def _score(self, name: str, content: Content, loaded: LoadedNetwork) -> None:
        for failed in self.engine.run((name,), parts=self.parts, publish=self.publish, load=lambda _: loaded):
            for failure in failed:
                raise _NotScoredError(failure.reason, step=content.step)

    def _names_with_rows(self, content: Content) -> set[str]:
        """Find the finished files with this content that have rows in the table; dropped rows are computed again."""
        path = self.run_dir / t.SCORES_FILE
        names = {entry.name for entry in self.ledger.scored(content)}
        if not names or not path.exists():
            return set()
        table = t.read_table(path)
        return names & set(table[(table[t.RUN] == content.run) & (table[t.STEP] == content.step)][t.CHECKPOINT])

    def _try_later(self, file: CheckpointFile, error: Exception) -> None:
        """Leave a checkpoint for the next poll, for example if GPU memory was full; give up after a limit."""
        self._num_tries[file] = self._num_tries.get(file, 0) + 1
        if isinstance(error, IncompleteError):
            is_hopeless = time.time() - file.modified_ns / 1e9 > GIVEN_UP_AFTER_S
        else:
            is_hopeless = isinstance(error, _NotScoredError) and self._num_tries[file] >= MAX_TRIES
        if is_hopeless:
            self._give_up(file, error)
            self.highest_step = max(self.highest_step, getattr(error, "step", -1))
        else:
            self._report_once(f"{self._name(file)}: {one_line(error)}; tried again later", self._name(file))

    def _give_up(self, file: CheckpointFile, error: Exception) -> None:
        self._hopeless.add(file)
        self.failures.append(Failure(self._name(file), one_line(error)))
        self.report(f"error: {self._name(file)} is left out: {one_line(error)}")

    def _report_once(self, sentence: str, name: str) -> None:
        if name not in self._reported:
            self._reported.add(name)
            self.report(sentence)

    def _name(self, file: CheckpointFile) -> str:
        return file.path.relative_to(self.run_dir).as_posix()


def _load_as(name: str, copy: Path) -> LoadedNetwork:
    """Load the copy of a checkpoint; the table names the checkpoint itself."""
    loaded = load_network(str(copy))
    return loaded._replace(identity=replace(loaded.identity, checkpoint=name))


class _NotScoredError(ValueError):
    """A network could not be scored, for example because its weights are not finite or memory was insufficient."""

    def __init__(self, reason: str, *, step: int) -> None:
        super().__init__(reason)
        self.step = step
