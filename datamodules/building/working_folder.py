"""Where a build works until it is done: a folder beside its output, with which it can go on after a crash.

`OUT.building` holds

- `build.json`: the request, which a build that goes on must share;
- `plan.json`: the tar files to write, and the rows that were left out before;
- `records/SPLIT/shard-000000.json`: what a finished tar file holds (`build_records`);
- `out/`: what becomes OUT in the end.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from datamodules.building.build_report import REQUEST_FILE, BuildError
from datamodules.files import write_json

PLAN_FILE = "plan.json"
_LOCK_FILE = "lock"
_REPLACED = "replaced"


def working_folder(out: Path) -> Path:
    """The folder in which the build of an output works."""
    return out.with_name(f"{out.name}.building")


def final_folder(working: Path) -> Path:
    """What becomes the output in the end."""
    return working / "out"


def record_path(working: Path, split: str, shard: str) -> Path:
    """Where the record of a tar file lies."""
    return working / "records" / split / Path(shard).with_suffix(".json").name


def up_to_date(out: Path, request: Mapping[str, Any], *, overwrite: bool) -> bool:
    """Whether a folder holds the outcome of a request already.

    Args:
        out: the folder.
        request: what is asked for, of plain JSON values.
        overwrite: whether the outcome of another request may be replaced.

    Returns:
        True when nothing is to be done, False when `out` is free or may be replaced.

    Raises:
        BuildError: when it is in the way.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not (out / REQUEST_FILE).is_file():
        raise BuildError(f"{out}: exists and was not made by a build: name another folder, or remove it")
    if overwrite:
        return False
    if _same(out / REQUEST_FILE, request):
        return True
    raise BuildError(f"{out}: was built from another manifest or with other settings; --overwrite replaces it")


@contextmanager
def working_on(out: Path, request: Mapping[str, Any], *, overwrite: bool, is_part: bool) -> Iterator[Path]:
    """Take up the work on an output, from the beginning or from where it stopped.

    Nobody else may work on it meanwhile; the parts of one build may work side by side.

    Args:
        out: the output folder.
        request: what is asked for, of plain JSON values.
        overwrite: whether what is left of the build of another request is removed.
        is_part: whether this is one of the parts.

    Yields:
        The working folder. After a `BuildError` it is removed, unless this is a part; after any other stop, it
        is kept to go on with.

    Raises:
        BuildError: when another build works there, or left its work unfinished.
    """
    working = working_folder(out)
    with _locked(working, shared=is_part):
        if (working / REQUEST_FILE).is_file() and not _same(working / REQUEST_FILE, request):
            if is_part or not overwrite:  # other parts may be at work
                raise BuildError(
                    f"{working}: an unfinished build with another manifest or other settings; finish it with those, "
                    "or remove the folder" + ("" if is_part else ", or let --overwrite remove it")
                )
            _empty(working)
        if not (working / REQUEST_FILE).is_file():
            write_json(working / REQUEST_FILE, request)
        try:
            yield working
        except BuildError:
            if not is_part:
                shutil.rmtree(working)
            raise


@contextmanager
def taking_up(out: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Take up the work that the parts of a build have left.

    Args:
        out: the output folder.

    Yields:
        The working folder and the request.

    Raises:
        BuildError: when there is no such work, or somebody works there.
    """
    working = working_folder(out)
    if not (working / REQUEST_FILE).is_file() or not (working / PLAN_FILE).is_file():
        raise BuildError(f"{working}: no parts of a build here to merge; build them with --part and --parts first")
    with _locked(working, shared=False):
        yield working, json.loads((working / REQUEST_FILE).read_text(encoding="utf-8"))


def publish(working: Path, out: Path) -> None:
    """Put the finished folder in the place of the output, and remove the working folder.

    Args:
        working: the working folder.
        out: the output; what an earlier build has left there is removed.
    """
    for stray in final_folder(working).rglob(".*"):
        stray.unlink()  # what a process that was killed was writing
    if out.exists():
        shutil.rmtree(working / _REPLACED, ignore_errors=True)
        out.rename(working / _REPLACED)
    final_folder(working).rename(out)
    shutil.rmtree(working)


def remove_leftovers(out: Path, request: Mapping[str, Any]) -> None:
    """Remove what a build that was stopped after its last step has left, unless somebody works there.

    Args:
        out: the output, which is complete.
        request: the request that it is the outcome of.
    """
    working = working_folder(out)
    if not working.is_dir() or final_folder(working).exists():
        return
    if (working / REQUEST_FILE).is_file() and not _same(working / REQUEST_FILE, request):
        return
    with suppress(BuildError), _locked(working, shared=False):
        shutil.rmtree(working)


def _same(path: Path, request: Mapping[str, Any]) -> bool:
    return bool(json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(request)))


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _LOCK_FILE:
            path.unlink()


@contextmanager
def _locked(working: Path, *, shared: bool) -> Iterator[None]:
    """Hold the folder's lock, which a process loses whenever and however it ends."""
    while True:
        working.mkdir(parents=True, exist_ok=True)
        with (working / _LOCK_FILE).open("a") as file:
            if not _lock(file, shared=shared):
                raise BuildError(f"{working}: another build is at work here; wait for it")
            if not _is_at(file, working / _LOCK_FILE):
                continue  # who held the lock has just finished and removed the folder
            yield
            return


def _lock(file: IO[str], *, shared: bool) -> bool:
    try:
        import fcntl
    except ImportError:  # not a POSIX system: two builds at once overwrite each other with the same bytes
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
