"""`python -m evaluate score` killed and started again, and on several processes."""

import random
import signal
import time
from collections import Counter

import pandas as pd
import pytest
from torch import distributed as dist

from evaluate import __main__ as command
from evaluate.scoring import table as t
from evaluate.scoring.parts import Parts
from tests.helpers.forked import start, wait_for
from tests.helpers.killed import die_at_write
from tests.helpers.ranks import become_rank, free_port
from tests.helpers.score_commands import ALL_METRICS, NUM_PARTS, arguments, network_file, rows_of


def start_command(words, prepare=lambda: None):
    def run():
        prepare()
        return command.main(words)

    return start(run)


def log_finished(path):
    """Make the process write down each result that it has finished."""
    original = Parts.save

    def save(parts, key, arrays):
        original(parts, key, arrays)
        with open(path, "a") as file:
            file.write(f"{key}\n")

    Parts.save = save


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_and_started_again(networks, tmp_path, one_thread, seed):
    """Whole table: 9 files of activations, 54 parts and 3 times the table."""
    words = arguments(networks, tmp_path / "out", *ALL_METRICS)
    whole = tmp_path / "whole"
    assert wait_for(start_command(arguments(networks, whole, *ALL_METRICS))) == 0
    finished = tmp_path / "finished"
    chance = random.Random(seed)
    for moment in ("half", "before", "after", "any time", "any time"):
        number = chance.randint(1, 22)
        delay_s = chance.uniform(0, 0.3)

        def prepare(moment=moment, number=number):
            log_finished(finished)
            if moment != "any time":
                die_at_write(t, number, moment)

        process = start_command(words, prepare)
        if moment == "any time":
            time.sleep(delay_s)
            process.kill()
        assert wait_for(process) in (-signal.SIGKILL, 0)
    assert wait_for(start_command(words, lambda: log_finished(finished))) == 0
    assert (tmp_path / "out" / t.SCORES_FILE).read_bytes() == (whole / t.SCORES_FILE).read_bytes()
    times = Counter(finished.read_text().split())
    assert set(times.values()) == {1}
    assert len(times) > 40  # some were killed between their file and their line in the list
    names = sorted(path.name for path in (tmp_path / "out" / "parts").glob("*.npz"))
    assert names == sorted(path.name for path in (whole / "parts").iterdir())


def start_ranks(words, num_ranks, prepare=lambda rank: None):
    """Run the command as torchrun does."""
    port = free_port()

    def joined(rank):
        become_rank(rank, num_ranks, port)
        prepare(rank)

    return [start_command(words, lambda rank=rank: joined(rank)) for rank in range(num_ranks)]


needs_gloo = pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch is built without gloo")


@needs_gloo
def test_two_processes_give_the_same_table(networks, tmp_path, one_thread):
    """Two networks are scored side by side, twice; the last one's stages are divided; the broken one is left out."""
    alone, together = tmp_path / "alone", tmp_path / "together"
    with_broken = [networks[0], network_file(tmp_path, "rubbish"), network_file(tmp_path, 9), *networks[1:]]
    assert wait_for(start_command(arguments([networks[0], with_broken[2], *networks[1:]], alone, *ALL_METRICS))) == 0
    words = arguments(with_broken, together, *ALL_METRICS)
    processes = start_ranks(words, 2, lambda rank: log_finished(tmp_path / f"finished{rank}"))
    assert [wait_for(process) for process in processes] == [1, 1]
    pd.testing.assert_frame_equal(rows_of(together), rows_of(alone), rtol=0, atol=1e-10)
    by_rank = [(tmp_path / f"finished{rank}").read_text().split() for rank in range(2)]
    assert len(set(by_rank[0]) & set(by_rank[1])) == 0
    assert len(by_rank[0]) + len(by_rank[1]) == 4 * 2 * NUM_PARTS


@needs_gloo
def test_stages_of_one_network_are_divided(networks, tmp_path, one_thread):
    words = arguments(networks[:1], tmp_path / "together")
    processes = start_ranks(words, 2, lambda rank: log_finished(tmp_path / f"finished{rank}"))
    assert [wait_for(process) for process in processes] == [0, 0]
    assert wait_for(start_command(arguments(networks[:1], tmp_path / "alone"))) == 0
    pd.testing.assert_frame_equal(rows_of(tmp_path / "together"), rows_of(tmp_path / "alone"), rtol=0, atol=1e-10)
    assert [len((tmp_path / f"finished{rank}").read_text().split()) for rank in range(2)] == [4, 2]


@needs_gloo
def test_what_breaks_on_one_process_stops_all(networks, tmp_path, one_thread):
    """As a table that cannot be written, which rank 0 alone finds out."""

    def prepare(rank):
        if rank == 0:
            t.append_rows = _no_space

    processes = start_ranks(arguments(networks[:2], tmp_path / "out"), 2, prepare)
    assert [wait_for(process) for process in processes] == [2, 1]


def _no_space(*_):
    raise OSError("no space left on device")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"WORLD_SIZE": "4(x2)"}, "the environment variable WORLD_SIZE must be an integer, got '4(x2)'"),
        ({"RANK": ""}, "the environment variable RANK must be an integer, got ''"),
        ({"LOCAL_RANK": "gpu0"}, "the environment variable LOCAL_RANK must be an integer, got 'gpu0'"),
        (
            {"WORLD_SIZE": "2", "MASTER_ADDR": "node1"},
            "as by torchrun, but not RANK and MASTER_PORT: `unset WORLD_SIZE",
        ),
    ],
)
def test_variables_of_launchers_that_do_not_fit_are_one_line(tmp_path, monkeypatch, capsys, variables, message):
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):  # what other tests left
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    arguments_given = ["score", "untrained:CochCNN9", "--benchmark", "simulated", "--out", str(tmp_path / "out")]
    assert command.main(arguments_given) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
