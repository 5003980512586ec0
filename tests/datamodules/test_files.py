"""Files put in place whole, locks between processes, and what killed processes leave."""

import errno
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datamodules import files
from datamodules.files import (
    LockTimeoutError,
    NotWritableError,
    check_writable,
    locked,
    new_folder,
    remove_leftovers,
    replace_folder,
    replacing,
    scratch_folder,
    undoing,
    without_new_parents,
    write_bytes,
    write_json,
    write_text,
)

FORK = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="forks a process")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def run(target, *args) -> int:
    process = multiprocessing.get_context("fork").Process(target=target, args=args)
    process.start()
    process.join(60)
    return process.exitcode


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_written_as_given_and_nothing_is_left(tmp_path, durable):
    write_bytes(tmp_path / "bytes.bin", b"\x00\xff", durable=durable)
    write_text(tmp_path / "text.csv", "é\r\n", durable=durable)
    write_json(tmp_path / "plain.json", {"b": 1, "a": ["ü"]}, durable=durable)
    assert (tmp_path / "bytes.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "text.csv").read_bytes() == "é\r\n".encode()
    assert json.loads((tmp_path / "plain.json").read_text(encoding="utf-8")) == {"a": ["ü"], "b": 1}
    assert (tmp_path / "plain.json").read_text(encoding="utf-8").index('"a"') == 3
    assert names(tmp_path) == {"bytes.bin", "text.csv", "plain.json"}


def test_an_error_keeps_the_old_file(tmp_path):
    write_text(tmp_path / "a.tar", "old")

    def write_half() -> None:
        with replacing(tmp_path / "a.tar") as temporary:
            assert (temporary.parent, temporary.suffix) == (tmp_path, ".tar")
            assert temporary.name.startswith(".a.")
            temporary.write_text("ne")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        write_half()
    assert (tmp_path / "a.tar").read_text() == "old"
    assert names(tmp_path) == {"a.tar"}


@pytest.mark.parametrize("error", [ValueError, ImportError, OSError, KeyboardInterrupt])
def test_a_refusal_is_undone_and_work_that_stops_is_kept(tmp_path, error):
    (tmp_path / "old.csv").write_text("old")
    new, folder = tmp_path / "a" / "b" / "new.csv", tmp_path / "folder"

    def work() -> None:
        with undoing(new, folder, tmp_path / "old.csv"):
            new.parent.mkdir(parents=True)
            folder.mkdir()
            for path in (new, folder / "x", tmp_path / "old.csv"):
                path.write_text("new")
            raise error

    with pytest.raises(error):
        work()
    is_undone = error in (ValueError, ImportError)
    assert names(tmp_path) == ({"old.csv"} if is_undone else {"a", "folder", "old.csv"})
    assert (tmp_path / "old.csv").read_text() == ("old" if is_undone else "new")


def test_folders_that_were_made_and_filled_by_others_stay(tmp_path):
    def work() -> None:
        with without_new_parents(tmp_path / "a" / "b" / "c"):
            (tmp_path / "a" / "b").mkdir(parents=True)
            (tmp_path / "a" / "of another").touch()
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        work()
    assert names(tmp_path) == {"a"}
    assert names(tmp_path / "a") == {"of another"}


def test_long_names_fit(tmp_path):
    write_text(tmp_path / f"{'ß' * 120}.txt", "x")
    assert names(tmp_path) == {f"{'ß' * 120}.txt"}


def test_a_new_folder_appears_whole(tmp_path):
    with new_folder(tmp_path / "deep" / "corpus.v1") as folder:
        (folder / "a").write_text("a")
        assert not (tmp_path / "deep" / "corpus.v1").exists()
    assert names(tmp_path / "deep") == {"corpus.v1"}
    assert names(tmp_path / "deep" / "corpus.v1") == {"a"}
    with pytest.raises(FileExistsError, match=r"corpus\.v1 exists"), new_folder(tmp_path / "deep" / "corpus.v1"):
        pass
    with pytest.raises(OSError, match="no such"), new_folder(tmp_path / "deep" / "other") as folder:
        (folder / "no such" / "b").write_text("b")
    assert names(tmp_path / "deep") == {"corpus.v1"}


def test_a_folder_replaces_another(tmp_path):
    for name in ("old", "new", "aside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    replace_folder(tmp_path / "new", tmp_path / "old", aside=tmp_path / "aside")
    assert (names(tmp_path / "old"), names(tmp_path / "aside")) == ({"new"}, {"old"})
    # A process that is killed between the two moves leaves the finished folder, from which another one completes.
    (tmp_path / "old").rename(tmp_path / "finished")
    replace_folder(tmp_path / "finished", tmp_path / "old", aside=tmp_path / "aside")
    assert (names(tmp_path / "old"), names(tmp_path / "aside")) == ({"new"}, {"old"})


def write_and_die(path: Path) -> None:
    (path.parent / "sub").mkdir()
    deep = path.parent / "sub" / "x"
    with replacing(path) as one, scratch_folder(path.parent, "scratch") as two, replacing(deep) as three:
        for file in (one, two / "inside", three):
            file.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


@FORK
def test_leftovers_of_a_killed_process_are_removed_and_those_of_others_kept(tmp_path):
    assert run(write_and_die, tmp_path / "table.csv") == -signal.SIGKILL
    assert len(names(tmp_path)) == 3
    for unrelated in (".tmp", ".a.tmp", ".table.csv.lock", "notes.tmp", ".a.0-1-2.tmp.csv"):
        (tmp_path / unrelated).write_text("mine")
    with replacing(tmp_path / "other.csv") as temporary:
        temporary.write_text("x")
        remove_leftovers(tmp_path)
        assert temporary.exists()
    assert names(tmp_path) == {"sub", "other.csv", ".tmp", ".a.tmp", ".table.csv.lock", "notes.tmp", ".a.0-1-2.tmp.csv"}
    assert len(names(tmp_path / "sub")) == 1
    remove_leftovers(tmp_path, recursive=True)
    assert names(tmp_path / "sub") == set()
    remove_leftovers(tmp_path / "nowhere")


def test_leftovers_of_another_machine_are_kept_for_a_week(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(socket, "gethostname", lambda: "another")
        files._host.cache_clear()
        theirs = files._temporary(tmp_path / "a.csv")
    files._host.cache_clear()
    theirs.write_text("x")
    remove_leftovers(tmp_path)
    assert theirs.exists()
    old_s = time.time() - 8 * 24 * 3600
    os.utime(theirs, (old_s, old_s))
    remove_leftovers(tmp_path)
    assert not theirs.exists()
    theirs.write_text("x")
    remove_leftovers(tmp_path, is_alone=True)
    assert not theirs.exists()


def add_numbers(path: Path) -> None:
    for _ in range(50):
        with locked(path):
            count = int(path.read_text())
            time.sleep(0.0002)
            write_text(path, str(count + 1))


@FORK
def test_writers_take_turns(tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    processes = [multiprocessing.get_context("fork").Process(target=add_numbers, args=(path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert path.read_text() == "150"
    assert names(tmp_path) == {"count", ".count.lock"}


def try_lock(path: Path, shared: bool) -> None:
    try:
        with locked(path, shared=shared, timeout_s=0):
            sys.exit(0)
    except LockTimeoutError as error:
        sys.exit(7 if str(path) in str(error) else 1)


@FORK
@pytest.mark.parametrize(
    ("held", "wanted", "expected"), [(False, False, 7), (False, True, 7), (True, False, 7), (True, True, 0)]
)
def test_holders_exclude_each_other_unless_both_share(tmp_path, monkeypatch, held, wanted, expected):
    monkeypatch.setattr(files, "_SHARING_TIMEOUT_S", 0.1)
    path = tmp_path / "folder"
    with locked(path, shared=held, timeout_s=0):
        assert run(try_lock, path, wanted) == expected
    assert run(try_lock, path, wanted) == 0
    assert names(tmp_path) == {".folder.lock"}


def lock_and_die(path: Path, shared: bool) -> None:
    with locked(path, shared=shared):
        os.kill(os.getpid(), signal.SIGKILL)


@FORK
@pytest.mark.parametrize("shared", [False, True])
def test_a_killed_holder_holds_nothing(tmp_path, shared):
    path = tmp_path / "folder"
    assert run(lock_and_die, path, shared) == -signal.SIGKILL
    with locked(path, timeout_s=0):
        assert names(tmp_path) == {".folder.lock"}


@FORK
def test_who_waits_gets_the_lock(tmp_path):
    path = tmp_path / "folder"
    with locked(path, shared=True):
        process = multiprocessing.get_context("fork").Process(target=add_numbers, args=(path,))
        path.write_text("0")
        process.start()
        process.join(0.3)
        assert path.read_text() == "0"
    process.join(60)
    assert path.read_text() == "50"


def hold(path: Path, has_lock, may_go) -> None:
    with locked(path, timeout_s=20):
        has_lock.set()
        may_go.wait(20)


@FORK
def test_a_lock_whose_folder_was_removed_and_made_again_is_held_once(tmp_path):
    context = multiprocessing.get_context("fork")
    has_lock, may_go, folder = context.Event(), context.Event(), tmp_path / "folder"
    folder.mkdir()
    with locked(folder / "x"):
        process = context.Process(target=hold, args=(folder / "x", has_lock, may_go))
        process.start()
        assert not has_lock.wait(0.3)
        shutil.rmtree(folder)
        folder.mkdir()
    assert has_lock.wait(20)
    with pytest.raises(LockTimeoutError), locked(folder / "x", timeout_s=0):
        pass
    may_go.set()
    process.join(20)
    with locked(folder / "x", timeout_s=0):
        shutil.rmtree(folder)


def test_without_locks_the_work_continues_with_a_warning(tmp_path, monkeypatch, caplog):
    import filelock

    def fail(*_args, **_settings) -> None:
        raise OSError(files._NO_LOCKS[0], "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", fail)
    with locked(tmp_path / "table.csv"):
        pass
    assert "has no locks" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="other systems do not lock by flock")
@pytest.mark.parametrize("shared", [False, True])
def test_without_flock_the_work_continues_with_a_warning(tmp_path, monkeypatch, caplog, shared):
    """As on some network file systems; what filelock does then must not hide it."""
    import fcntl

    def fail(*_args) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", fail)
    for _ in range(2):
        caplog.clear()
        with locked(tmp_path / "table.csv", shared=shared, timeout_s=0), locked(tmp_path / "other.csv", timeout_s=0):
            pass
        assert "has no locks" in caplog.text


def test_folders_that_can_be_written(tmp_path):
    check_writable(tmp_path)
    check_writable(tmp_path / "not" / "yet")
    assert names(tmp_path) == set()


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotWritableError, match=r"file/out cannot be written to: .*file is not a folder"):
        check_writable(tmp_path / "file" / "out")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(NotWritableError, match=r"Permission denied.*choose another folder"):
        check_writable(tmp_path / "locked" / "out")


def test_an_error_of_the_system_is_named(tmp_path, monkeypatch):
    def fail(**_settings) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", fail)
    with pytest.raises(NotWritableError, match=r"out cannot be written to \(.*: Read-only file system\): choose"):
        check_writable(tmp_path / "out")


def test_importing_files_is_quick():
    code = "import sys, datamodules.files; assert not {'numpy', 'torch', 'filelock'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_file_systems_that_cannot_wait_for_the_disk(tmp_path, monkeypatch, number):
    def none(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", none)
    write_text(tmp_path / "a.csv", "x", durable=True)
    assert (tmp_path / "a.csv").read_text() == "x"
