"""The folder next to its output in which a build works, and from which it resumes after a crash.

`OUT.building` holds

- `build.json`: the request, which a build that resumes must share;
- `plan.json`: the tar files to write, and the rows that were left out before;
- `records/SPLIT/shard-000000.json`: the content of a finished tar file (`datamodules.building.records`);
- `out/`: what becomes OUT in the end.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from datamodules.building.build_report import REQUEST_FILE, BuildError, NothingLeftError
from datamodules.files import LockTimeoutError, file_sha256, locked, remove_leftovers, replace_folder, write_json
from datamodules.text_files import TextFileError, read_json

PLAN_FILE = "plan.json"
_SUFFIX = ".building"
_REPLACED = "replaced"
_LOCKED = "build"


def working_folder(out: Path) -> Path:
    """Folder in which the build of an output works."""
    named = out if out.name not in ("", "..") else out.resolve()  # such as `.`
    return Path(f"{named}{_SUFFIX}")


def is_working_folder(folder: Path) -> bool:
    """Whether a folder is that of an unfinished build."""
    return folder.name.endswith(_SUFFIX) and (folder / REQUEST_FILE).is_file()


def built_by(working: Path) -> Path:
    """Output of the build that works in a folder."""
    return working.with_name(working.name.removesuffix(_SUFFIX))


def final_folder(working: Path) -> Path:
    """Folder that becomes the output in the end."""
    return working / "out"


def record_path(working: Path, split: str, shard: str) -> Path:
    """Path of the record of a tar file."""
    return working / "records" / split / Path(shard).with_suffix(".json").name


def up_to_date(out: Path, request: Mapping[str, Any], *, overwrite: bool) -> bool:
    """Whether a folder already holds the result of a request.

    Args:
        out: The folder.
        request: The request, plain JSON values.
        overwrite: Whether the result of another request may be replaced.

    Returns:
        True if nothing is left to do, False if `out` is free or may be replaced.

    Raises:
        BuildError: `out` holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not (out / REQUEST_FILE).is_file():
        raise BuildError(f"{out}: exists and was not made by a build: choose another folder, or remove it")
    if overwrite:
        return False
    if _same(out / REQUEST_FILE, request):
        return True
    raise BuildError(f"{out}: was built from another manifest or with other settings; --overwrite true replaces it")


def has_built(manifest: Path, out: Path) -> bool:
    """Whether a build of an output, finished or not, is from the manifest that is at a path now."""
    if not manifest.is_file():
        return False
    digests = {_digest_of_manifest(folder / REQUEST_FILE) for folder in (out, working_folder(out))}
    return file_sha256(manifest) in digests


@contextmanager
def working_on(out: Path, request: Mapping[str, Any], *, overwrite: bool, is_part: bool) -> Iterator[Path]:
    """Work on an output, from the beginning or from where the work stopped.

    No other build may work on it meanwhile, except that the parts of one build run in parallel.

    Args:
        out: The output folder.
        request: The request, plain JSON values.
        overwrite: Whether to remove the unfinished build of another request.
        is_part: Whether this is one of several parts.

    Yields:
        The working folder. After a `BuildError` it is removed, unless this is a part; after any other stop, it is kept
        to resume from.

    Raises:
        BuildError: Another build works there, or left its work unfinished.
    """
    with _locked(out, shared=is_part) as working:
        if (working / REQUEST_FILE).is_file() and not _same(working / REQUEST_FILE, request):
            if is_part or not overwrite:  # other parts may be running
                raise BuildError(
                    f"{working}: an unfinished build with another manifest or other settings; finish it with those, "
                    "or remove the folder" + ("" if is_part else ", or let --overwrite true remove it")
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
    """Work on what the parts of a build have left.

    Args:
        out: The output folder.

    Yields:
        The working folder and the request. The folder is removed if the parts have no clip to merge.

    Raises:
        BuildError: There are no parts, or a build works there.
    """
    if is_working_folder(out):
        raise BuildError(f"{out} is where a build works: name its output, `cochlearn merge {built_by(out)}`")
    nothing = f"{working_folder(out)}: no parts of a build here to merge; build them with --part and --parts first"
    if not working_folder(out).is_dir():
        is_complete = (out / REQUEST_FILE).is_file()
        raise BuildError(f"{out} is complete: nothing is left to merge" if is_complete else nothing)
    with _locked(out, shared=False) as working:
        if not (working / REQUEST_FILE).is_file() or not (working / PLAN_FILE).is_file():
            raise BuildError(nothing)
        try:
            yield working, json.loads((working / REQUEST_FILE).read_text(encoding="utf-8"))
        except NothingLeftError:
            shutil.rmtree(working)
            raise


def publish(working: Path, out: Path) -> None:
    """Move the finished folder to its output, replacing an earlier build, and remove the working folder."""
    remove_leftovers(final_folder(working), recursive=True, is_alone=True)
    replace_folder(final_folder(working), out, aside=working / _REPLACED)
    shutil.rmtree(working)


def remove_finished(out: Path, request: Mapping[str, Any]) -> None:
    """Remove the working folder of a build that was stopped after its last step, unless a build works there.

    Args:
        out: The output, which is complete.
        request: The request that it results from.
    """
    working = working_folder(out)
    if not working.is_dir() or final_folder(working).exists():
        return
    if (working / REQUEST_FILE).is_file() and not _same(working / REQUEST_FILE, request):
        return
    with suppress(BuildError), _locked(out, shared=False):
        shutil.rmtree(working, ignore_errors=True)


def _digest_of_manifest(request: Path) -> str | None:
    try:
        return read_json(request)["manifest_sha256"]
    except (OSError, TextFileError, LookupError, TypeError):  # missing, or the file of something else
        return None


def _same(path: Path, request: Mapping[str, Any]) -> bool:
    return bool(json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(request)))


def _empty(working: Path) -> None:
    for path in working.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.name.startswith("."):  # not the lock
            path.unlink()


@contextmanager
def _locked(out: Path, *, shared: bool) -> Iterator[Path]:
    """Hold the lock of an output's working folder, which is made if it is missing."""
    working = working_folder(out)
    with ExitStack() as stack:
        is_locked = False
        while not is_locked:
            working.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(locked(working / _LOCKED, shared=shared, timeout_s=0))
                is_locked = True
            except LockTimeoutError as error:
                raise BuildError(f"{working}: another build is running here; wait for it") from error
            except FileNotFoundError:
                continue  # another build has just finished and removed the folder
        yield working
