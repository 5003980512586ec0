"""`python -m evaluate watch`: which checkpoints are scored, when, how often."""

import os
import signal
import threading
import time

import pandas as pd
import pytest
import torch

from datamodules.files import locked
from evaluate import __main__ as command
from evaluate.commands import watch
from evaluate.scoring import table as t
from evaluate.watch import watching
from evaluate.watch.checkpoint_folder import IncompleteError, copy_whole
from networks.weights.checkpoint import save_checkpoint
from tests.helpers.watched import LIMIT_S, STAGES, Watched, make_network, save, scored, words


def test_checkpoints_are_scored_as_they_come(run_dir):
    watched = Watched(run_dir)
    assert watched.poll() == 0  # before there is a folder
    save(run_dir, 0, "untrained.ckpt")
    assert (watched.poll(), watched.poll()) == (1, 0)
    save(run_dir, 20)
    save(run_dir, 40)
    assert watched.poll() == 2
    names = ["untrained.ckpt", "step-0000020.ckpt", "step-0000040.ckpt"]
    assert scored(run_dir) == [(20 * i, f"checkpoints/{name}") for i, name in enumerate(names)]
    assert watched.watcher.highest_step == 40
    assert set(t.read_table(run_dir / t.SCORES_FILE)[t.RUN]) == {"myrun"}
    assert watched.said == []


def test_rows_are_those_of_score(run_dir, tmp_path):
    save(run_dir, 20)
    Watched(run_dir).poll()
    arguments = ["score", str(run_dir), "--benchmark", "tiny", "--stages", *STAGES, "--out", str(tmp_path / "out")]
    assert command.main(arguments) == 0
    found, expected = (t.read_table(folder / t.SCORES_FILE) for folder in (run_dir, tmp_path / "out"))
    pd.testing.assert_frame_equal(found.drop(columns=t.CHECKPOINT), expected.drop(columns=t.CHECKPOINT))


def test_copies_are_scored_once(run_dir):
    watched = Watched(run_dir)
    for name in ("last.ckpt", "step-0000020.ckpt", "best-step-0000020.ckpt"):
        path = save(run_dir, 20, name)
        os.utime(path, ns=(10**18, 10**18))  # in the same moment
    assert watched.poll() == 3
    assert scored(run_dir) == [(20, "checkpoints/step-0000020.ckpt")]
    save(run_dir, 40, "last.ckpt")
    assert watched.poll() == 1
    save(run_dir, 40)
    assert watched.poll() == 1
    assert scored(run_dir)[1:] == [(40, "checkpoints/last.ckpt")]
    # Equal weights at another step are another point of the curve.
    save(run_dir, 60, seed=40)
    watched.poll()
    assert scored(run_dir)[2:] == [(60, "checkpoints/step-0000060.ckpt")]


def test_a_second_watcher_goes_on_where_the_first_was(run_dir, monkeypatch):
    save(run_dir, 20)
    Watched(run_dir).poll()
    before = (run_dir / t.SCORES_FILE).read_bytes()
    monkeypatch.setattr(watching, "copy_whole", lambda *_: pytest.fail("read again"))
    second = Watched(run_dir)
    assert second.poll() == 0
    assert second.watcher.highest_step == 20
    assert (run_dir / t.SCORES_FILE).read_bytes() == before


def test_without_the_table_everything_is_scored_again(run_dir):
    save(run_dir, 20)
    Watched(run_dir).poll()
    (run_dir / t.SCORES_FILE).unlink()
    assert Watched(run_dir).poll() == 1
    assert scored(run_dir) == [(20, "checkpoints/step-0000020.ckpt")]


def test_rows_that_resumed_training_dropped_come_again_with_the_checkpoint(run_dir):
    save(run_dir, 20)
    save(run_dir, 40)
    watched = Watched(run_dir)
    watched.poll()
    assert t.drop_rows_beyond(run_dir / t.SCORES_FILE, run="myrun", step=20) > 0
    assert watched.poll() == 0  # the file of a training that is not gone on with
    time.sleep(0.02)
    save(run_dir, 40)
    assert watched.poll() == 1
    assert [step for step, _ in scored(run_dir)] == [20, 40]


def test_checkpoints_are_left_as_they_are(run_dir):
    path = save(run_dir, 20)
    before = path.read_bytes(), path.stat().st_mtime_ns, sorted(path.parent.iterdir())
    Watched(run_dir).poll()
    assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(path.parent.iterdir())) == before


# Half-written, replaced and removed files.


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("rest", ["missing", "zeros", "old"])
def test_what_is_not_whole_is_not_read(run_dir, tmp_path, share, rest):
    """Also where the file has its whole length already, or lies over a former one."""
    path = save(run_dir, 20)
    new = save(run_dir, 40, "other.ckpt").read_bytes()
    old = path.read_bytes()
    num_written = int(share * len(new))
    end = {"missing": b"", "zeros": bytes(len(new) - num_written), "old": old[num_written:]}[rest]
    path.write_bytes(new[:num_written] + end)
    if rest == "old" and (share == 0.0 or path.read_bytes() == new):
        return  # one of the two, whole
    with pytest.raises(IncompleteError, match=r"step-0000020\.ckpt"):
        copy_whole(path, tmp_path / "copy")


def test_a_half_written_checkpoint_is_waited_for(run_dir):
    path = save(run_dir, 20)
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    watched = Watched(run_dir)
    assert (watched.poll(), watched.poll()) == (0, 0)
    assert watched.said == [
        f"checkpoints/step-0000020.ckpt: {path}: the checkpoint is incomplete: File is not a zip file; "
        "tried again later"
    ]
    path.write_bytes(content)
    assert watched.poll() == 1
    assert watched.watcher.failures == []


def test_a_slow_writer_is_never_caught_halfway(run_dir):
    """Three checkpoints written in place, piece by piece, while the watcher looks without a pause."""
    contents = [save(run_dir, step, "elsewhere.ckpt").read_bytes() for step in (20, 40, 60)]
    (run_dir / "checkpoints" / "elsewhere.ckpt").unlink()

    def write():
        for step, content in zip((20, 40, 60), contents, strict=True):
            with (run_dir / "checkpoints" / f"step-{step:07d}.ckpt").open("wb") as file:
                for start in range(0, len(content), len(content) // 20 + 1):
                    file.write(content[start : start + len(content) // 20 + 1])
                    file.flush()
                    time.sleep(0.01)

    writer = threading.Thread(target=write)
    watched = Watched(run_dir)
    writer.start()
    end = time.monotonic() + LIMIT_S
    while watched.watcher.highest_step < 60 and time.monotonic() < end:
        watched.poll()
    writer.join()
    assert [step for step, _ in scored(run_dir)] == [20, 40, 60]
    assert watched.watcher.failures == []


def test_files_that_stay_damaged_are_given_up(run_dir):
    path = save(run_dir, 20)
    path.write_bytes(path.read_bytes()[:-100])
    os.utime(path, (0, time.time() - watching.GIVEN_UP_AFTER_S - 1))
    (run_dir / "checkpoints" / "notes.ckpt").write_text("no checkpoint")
    torch.save({"state_dict": {}}, run_dir / "checkpoints" / "foreign.ckpt")
    watched = Watched(run_dir)
    assert (watched.poll(), watched.poll()) == (0, 0)
    assert len(watched.said) == 3
    (foreign,) = (line for line in watched.said if "foreign" in line)
    assert "error: checkpoints/foreign.ckpt is left out:" in foreign
    assert "expected a checkpoint saved by `cochlearn fit`" in foreign
    assert watched.watcher.failures[0].source == "checkpoints/step-0000020.ckpt"


def test_removed_checkpoints_do_not_matter(run_dir, monkeypatch):
    for step in (20, 40, 60):
        save(run_dir, step)

    def remove_first(path, target):
        if "20" in path.name:
            path.unlink()
        copy_whole(path, target)
        path.unlink()  # before it is scored

    monkeypatch.setattr(watching, "copy_whole", remove_first)
    watched = Watched(run_dir)
    assert watched.poll() == 2
    assert [step for step, _ in scored(run_dir)] == [40, 60]
    assert watched.said == ["checkpoints/step-0000020.ckpt was removed before it could be scored"]
    assert watched.poll() == 0


def test_a_network_that_cannot_be_scored_is_tried_three_times(run_dir):
    network = make_network(0)
    torch.nn.init.constant_(next(network.backbone.parameters()), float("nan"))
    save_checkpoint(network, run_dir / "checkpoints" / "step-0000030.ckpt", run="myrun", step=30)
    save(run_dir, 20)
    watched = Watched(run_dir)
    assert [watched.poll() for _ in range(5)] == [1, 0, 0, 0, 0]
    assert len(watched.said) == 2
    assert "tried again later" in watched.said[0]
    assert "_NotScoredError" not in "".join(watched.said)
    assert watched.said[1].startswith("error: checkpoints/step-0000030.ckpt is left out: ")
    assert watched.watcher.highest_step == 30  # it is dealt with
    assert [step for step, _ in scored(run_dir)] == [20]


def test_a_table_that_cannot_be_written_is_written_later(run_dir):
    save(run_dir, 20)
    full = [True]

    def publish(rows):
        if full[0]:
            raise OSError("no space left on device")
        t.append_rows(run_dir / t.SCORES_FILE, rows)

    watched = Watched(run_dir, publish=publish)
    assert [watched.poll() for _ in range(5)] == [0] * 5
    assert watched.said == ["checkpoints/step-0000020.ckpt: no space left on device; tried again later"]
    full[0] = False
    assert watched.poll() == 1


def test_a_damaged_ledger_counts_as_empty(run_dir, caplog):
    save(run_dir, 20)
    Watched(run_dir).poll()
    (run_dir / "watch" / "ledger.json").write_text("[{")
    assert Watched(run_dir).poll() == 1
    assert "is damaged" in caplog.text
    assert len(scored(run_dir)) == 1


# When it stops.


class Clock:
    def __init__(self, at=None):
        self.now_s, self.at = 0.0, at or {}

    def sleep(self, seconds):
        self.now_s += seconds
        for moment in [moment for moment in self.at if moment <= self.now_s]:
            self.at.pop(moment)()


def watch_until(watched, clock, **stop):
    return watched.watcher.watch(poll_s=20.0, sleep=clock.sleep, clock=lambda: clock.now_s, **stop)


def test_it_stops_at_a_step(run_dir):
    clock = Clock({100: lambda: save(run_dir, 20), 500: lambda: save(run_dir, 40)})
    assert watch_until(Watched(run_dir), clock, until_step=30) == "step 40 is scored"
    assert clock.now_s == 500
    again = Clock()
    assert watch_until(Watched(run_dir), again, until_step=30) == "step 40 is scored"
    assert again.now_s == 0


def test_it_stops_when_nothing_comes(run_dir):
    clock = Clock({100: lambda: save(run_dir, 20), 500: lambda: save(run_dir, 40)})
    assert watch_until(Watched(run_dir), clock, idle_s=600.0) == "no new checkpoint for 10 minutes"
    assert clock.now_s == 1100
    assert len(scored(run_dir)) == 2


def test_a_checkpoint_is_found_at_the_next_look(run_dir):
    """With the default of 20 s between looks: within a minute."""
    found = []
    clock = Clock({131: lambda: save(run_dir, 20)})
    watched = Watched(run_dir, publish=lambda rows: found.append(clock.now_s))
    watch_until(watched, clock, until_step=20)
    assert found[0] - 131 <= watch.DEFAULT_POLL_S < 60


# The command.


def test_the_command(run_dir, capsys):
    save(run_dir, 20)
    save(run_dir, 40)
    assert command.main(words(run_dir, "--until_step", "40")) == 0
    shown = capsys.readouterr().out
    assert "watching" in shown
    assert "step 20: tiny 0." in shown
    assert "(checkpoints/step-0000040.ckpt)" in shown
    assert "stopped: step 40 is scored" in shown
    assert [step for step, _ in scored(run_dir)] == [20, 40]
    assert not (run_dir / "cache").exists()
    assert command.main(words(run_dir, "--idle_minutes", "0.001", "--pattern", "last.ckpt")) == 0


def test_exit_code_where_a_checkpoint_could_not_be_scored(run_dir, capsys):
    (run_dir / "checkpoints").mkdir(parents=True)
    torch.save({}, run_dir / "checkpoints" / "foreign.ckpt")
    assert command.main(words(run_dir, "--idle_minutes", "0.001")) == 1
    assert "error: checkpoints/foreign.ckpt is left out" in capsys.readouterr().out


def test_ctrl_c_and_sigterm_end_it(run_dir, capsys, monkeypatch):
    def interrupt(*_):
        os.kill(os.getpid(), signal.SIGTERM)

    save(run_dir, 20)
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(watching.Watcher, "poll", interrupt)
    assert command.main(words(run_dir)) == 0
    assert "stopped: interrupted; run the command again to resume" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_run_that_has_not_begun_is_waited_for(run_dir, capsys, monkeypatch):
    """Said once; nothing is made before there is something to score."""
    looks = []

    def sleep(_):
        looks.append(run_dir.exists())
        if len(looks) == 3:
            save(run_dir, 20)

    monkeypatch.setattr(watch.time, "sleep", sleep)
    assert command.main(words(run_dir, "--until_step", "20")) == 0
    assert looks == [False] * 3
    assert capsys.readouterr().out.count("no checkpoints yet") == 1
    assert [step for step, _ in scored(run_dir)] == [20]


def test_waiting_ends_too(run_dir, capsys, monkeypatch):
    assert command.main(words(run_dir, "--idle_minutes", "0.001")) == 0
    assert "stopped: no checkpoint for 0.001 minutes" in capsys.readouterr().out
    monkeypatch.setattr(watch.time, "sleep", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert command.main(words(run_dir)) == 0
    assert "stopped: interrupted" in capsys.readouterr().out
    assert not run_dir.exists()


def test_the_folder_of_checkpoints_stands_for_its_run(run_dir):
    save(run_dir, 20)
    (run_dir / "config.yaml").touch()
    assert command.main(words(run_dir / "checkpoints", "--until_step", "20")) == 0
    assert scored(run_dir) == [(20, "checkpoints/step-0000020.ckpt")]
    assert [path.name for path in (run_dir / "checkpoints").iterdir()] == ["step-0000020.ckpt"]


def test_the_state_of_a_loss_that_was_not_finite_is_left_out(run_dir, capsys):
    save(run_dir, 20)
    save(run_dir, 30, "non_finite.ckpt")
    assert command.main(words(run_dir, "--until_step", "20")) == 0
    shown = capsys.readouterr().out
    assert shown.count("non_finite.ckpt is left out: the state that led to a loss that is not finite") == 1
    assert scored(run_dir) == [(20, "checkpoints/step-0000020.ckpt")]
    assert command.main(words(run_dir, "--until_step", "30", "--pattern", "non_finite.ckpt")) == 0
    assert len(scored(run_dir)) == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--poll_seconds", "0"], "--poll_seconds must be more than 0, got 0.0"),
        (["--idle_minutes", "-1"], "--idle_minutes must be more than 0, got -1.0"),
        (["--benchmark", "nowhere"], "unknown benchmark 'nowhere'"),
        (["--cache_gib", "-1"], "--cache_gib must be 0"),
    ],
)
def test_errors_of_the_user(run_dir, capsys, more, message):
    assert command.main(words(run_dir, *more)) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_one_watcher_of_a_kind(run_dir, capsys):
    save(run_dir, 20)
    assert command.main(words(run_dir, "--until_step", "20")) == 0
    (ledger,) = (run_dir / "watch").glob("*.json")
    with locked(ledger):
        assert command.main(words(run_dir, "--until_step", "20")) == 2
    assert "another process is watching" in capsys.readouterr().err
