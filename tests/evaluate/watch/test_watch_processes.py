"""A watcher killed at any moment, and beside a training run that writes into the same table."""

import random
import signal
import time

import pandas as pd
import pytest

from datamodules.files import LockTimeoutError, locked
from evaluate import __main__ as command
from evaluate.scoring import table as t
from networks import NetworkIdentity
from tests.helpers.forked import start, wait_for
from tests.helpers.watched import LIMIT_S, save, words


@pytest.mark.slow
def test_killed_and_started_again(run_dir, tmp_path, one_thread):
    whole = tmp_path / "whole" / "myrun"
    for folder in (run_dir, whole):
        for step in (20, 40, 60):
            save(folder, step)
    assert command.main(words(whole, "--until_step", "60")) == 0
    chance = random.Random(0)
    for _ in range(6):
        process = start(lambda: command.main(words(run_dir, "--until_step", "60")))
        time.sleep(chance.uniform(0, 0.6))
        process.kill()
        assert wait_for(process) in (0, -signal.SIGKILL)
    assert command.main(words(run_dir, "--until_step", "60")) == 0
    pd.testing.assert_frame_equal(*(t.read_table(folder / t.SCORES_FILE) for folder in (run_dir, whole)))


@pytest.mark.slow
def test_two_writers_lose_no_rows(tmp_path, one_thread):
    """As training and a watcher; each would overwrite what the other has just written."""
    path = tmp_path / t.SCORES_FILE

    def write(run):
        for step in range(40):
            t.append_rows(path, t.failed_row("tiny", NetworkIdentity(run=run, step=step)))

    processes = [start(lambda run=run: write(run)) for run in ("training", "watcher", "third")]
    assert [wait_for(process) for process in processes] == [0, 0, 0]
    table = t.read_table(path)
    assert len(table) == 120
    for _, rows in table.groupby(t.RUN):
        assert list(rows[t.STEP]) == list(range(40))


def test_a_killed_holder_leaves_no_lock(tmp_path, one_thread):
    path = tmp_path / "table"

    def hold():
        with locked(path):
            (tmp_path / "held").touch()
            time.sleep(LIMIT_S)

    process = start(hold)
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    with (
        pytest.raises(LockTimeoutError, match=r"table is locked by another process \(waited 0\.1 s\)"),
        locked(path, timeout_s=0.1),
    ):
        pass
    process.kill()
    wait_for(process)
    with locked(path, timeout_s=5):
        pass
