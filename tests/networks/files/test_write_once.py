"""A file that the first of several processes writes, also where the file system has no hard links."""

import errno
import multiprocessing
import os

import pytest

from networks.files import write_once as module
from networks.files.write_once import write_once

NO_LINKS = (errno.ENOTSUP, errno.EPERM, errno.EXDEV, errno.ENOSYS, errno.EMLINK)


@pytest.fixture(params=[None, *NO_LINKS], ids=lambda number: errno.errorcode.get(number, "links"))
def file_system(request, monkeypatch):
    """One with hard links, and those that refuse them."""
    if request.param is not None:
        refuse_links(monkeypatch.setattr, request.param)


def refuse_links(patch, number):
    def refused(source, target, **_):
        raise OSError(number, os.strerror(number), str(source))

    patch(os, "link", refused)


def test_the_first_text_stays_and_nothing_else_is_left(tmp_path, file_system):
    file = tmp_path / "new" / "kept.txt"
    write_once(file, "first ü")
    write_once(file, "second")
    assert file.read_text(encoding="utf-8") == "first ü"
    assert list(file.parent.iterdir()) == [file]


def write_and_read(file, text, has_links, barrier, found):
    if not has_links:
        refuse_links(setattr, errno.ENOTSUP)
    barrier.wait()
    write_once(file, text)
    found.put(file.read_text())


@pytest.mark.parametrize("has_links", [True, False])
def test_of_several_processes_the_first_wins(tmp_path, has_links):
    fork = multiprocessing.get_context("fork")
    num_processes = 6
    barrier, found = fork.Barrier(num_processes), fork.Queue()
    processes = [
        fork.Process(target=write_and_read, args=(tmp_path / "id", f"id-{i:05d}", has_links, barrier, found))
        for i in range(num_processes)
    ]
    for process in processes:
        process.start()
    read = {found.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert len(read) == 1
    assert read.pop().startswith("id-")


def test_what_a_killed_process_left_is_replaced(tmp_path, file_system, monkeypatch):
    monkeypatch.setattr(module, "FINISHED_WITHIN_S", 0.05)
    file = tmp_path / "id"
    file.touch()  # created, and killed before it was written
    write_once(file, "mine")
    assert file.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path, file_system):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        write_once(tmp_path / "file" / "id", "mine")
