"""`python -m evaluate fetch`: a release over a connection that breaks, and archives that are not one."""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from evaluate.benchmarks import BenchmarkError, load_benchmark
from evaluate.benchmarks.published.download import MIN_FREE_BYTES, download
from evaluate.benchmarks.published.release_download import RELEASE_URL, fetch_release
from tests.helpers.evaluate_command import run


@pytest.fixture(scope="module")
def archive(release):
    """The release as it is published: one TAR archive of the folder `data`."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as members:
        members.add(release, "data")
    return content.getvalue()


class Server(ThreadingHTTPServer):
    """Serves one file with ranges, and breaks off as told."""

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.tag = '"one"'
        self.break_after = []  # bytes to send on each of the next requests before breaking off
        self.codes = []  # codes to answer the next requests with
        self.has_ranges = True
        self.states_length = True
        self.requests = []  # the ranges asked for

    def handle_error(self, *_):
        """Say nothing of a client that hangs up: the download stops reading when it has had enough."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/data.tar"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.requests.append(asked)
        if server.codes:
            self.send_error(server.codes.pop(0))
            return
        start = 0
        if asked and server.has_ranges and self.headers.get("If-Range") in (None, server.tag):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(server.content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        body = server.content[start:]
        if server.states_length:
            self.send_header("Content-Length", str(len(body)))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        limit = server.break_after.pop(0) if server.break_after else None
        self.wfile.write(body[:limit])


@pytest.fixture
def server(archive):
    with Server(archive) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_fetch(server, tmp_path, capsys):
    assert run("fetch", tmp_path, "--url", server.url) == 0
    shown = capsys.readouterr().out
    assert hashlib.sha256(server.content).hexdigest() in shown
    for line in ("data:NH2015: 8 sounds, 10 units", "data:B2021: 8 sounds, 8 units", "data:NH2015comp: 8 sounds, 2"):
        assert line in shown
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert load_benchmark(f"{tmp_path}:NH2015").num_units == 10
    assert run("fetch", tmp_path, "--url", server.url) == 0
    assert "exists already" in capsys.readouterr().out
    assert server.requests == [None]


@pytest.mark.usefixtures("every_line")
def test_fetching_without_a_terminal_shows_how_far_it_is(server, tmp_path, capsys):
    assert run("fetch", tmp_path, "--url", server.url) == 0
    out, log = capsys.readouterr()
    lines = [line[9:] for line in log.splitlines()]
    size = f"{len(server.content) / 1e6:.1f} MB"
    assert "connecting" in lines
    assert any(line.startswith(f"downloading: {size} of {size} (100 %)") for line in lines)
    assert any(re.match(r"unpacking: \d+ files", line) for line in lines)
    assert re.fullmatch(rf"fetching {re.escape(server.url)}: done in \d+ s", lines[-1])
    assert "unpacking" not in out


def test_fetch_goes_on_after_breaks(server, tmp_path):
    server.break_after = [20_000, 30_000, 0]
    release = fetch_release(tmp_path, url=server.url, first_wait_s=0.0)
    assert release.sha256 == hashlib.sha256(server.content).hexdigest()
    assert server.requests == [None, "bytes=20000-", "bytes=50000-", "bytes=50000-"]


def test_fetch_goes_on_in_another_call(server, tmp_path):
    server.break_after = [20_000, *[0] * 10]
    with pytest.raises(BenchmarkError, match=r"20000 bytes are kept in .*run the command again"):
        download(server.url, tmp_path / "data.tar", num_attempts=3, first_wait_s=0.0)
    assert not (tmp_path / "data.tar").exists()
    server.break_after, server.requests = [], []
    release = fetch_release(tmp_path, url=server.url, keep_archive=True)
    assert server.requests == ["bytes=20000-"]
    assert (tmp_path / "data.tar").read_bytes() == server.content
    assert release.names == tuple(f"{tmp_path}/data:{name}" for name in ("NH2015", "B2021", "NH2015comp"))


def test_a_file_that_changed_is_fetched_anew(server, tmp_path):
    server.break_after = [20_000, 0, 0]
    with pytest.raises(BenchmarkError):
        download(server.url, tmp_path / "file", num_attempts=2, first_wait_s=0.0)
    server.tag, server.content, server.break_after = '"two"', server.content[::-1], []
    download(server.url, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == server.content


@pytest.mark.parametrize("changes", [{"has_ranges": False}, {"tag": None}, {"tag": 'W/"weak"'}])
def test_servers_that_cannot_continue(server, tmp_path, changes):
    for name, value in changes.items():
        setattr(server, name, value)
    server.break_after = [20_000]
    download(server.url, tmp_path / "file", first_wait_s=0.0)
    assert (tmp_path / "file").read_bytes() == server.content


def test_a_damaged_note_starts_anew(server, tmp_path):
    (tmp_path / "file.part").write_bytes(b"something else")
    (tmp_path / "file.part.json").write_text('{"url": ')
    download(server.url, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == server.content
    assert server.requests == [None]


def test_more_than_the_file_starts_anew(server, tmp_path):
    note = {"url": server.url, "size": len(server.content), "validator": server.tag}
    (tmp_path / "file.part").write_bytes(server.content + b"more")
    (tmp_path / "file.part.json").write_text(json.dumps(note))
    download(server.url, tmp_path / "file", first_wait_s=0.0)
    assert (tmp_path / "file").read_bytes() == server.content
    assert len(server.requests) == 2


def test_passing_and_lasting_answers(server, tmp_path):
    server.codes = [503, 429]
    download(server.url, tmp_path / "file", first_wait_s=0.0)
    server.codes = [404]
    with pytest.raises(BenchmarkError, match="the server answers 404"):
        download(server.url, tmp_path / "other")
    with pytest.raises(BenchmarkError, match="cannot fetch 'file:///etc/passwd'"):
        download("file:///etc/passwd", tmp_path / "other")


def test_nobody_there(tmp_path, capsys):
    with pytest.raises(BenchmarkError, match="the connection fails"):
        download("http://127.0.0.1:9/data.tar", tmp_path / "file", num_attempts=2, first_wait_s=0.0)


def test_wrong_checksum(server, tmp_path, capsys):
    right = hashlib.sha256(server.content).hexdigest()
    assert run("fetch", tmp_path, "--url", server.url, "--sha256", "0" * 64) == 2
    error = capsys.readouterr().err
    assert right in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
    assert run("fetch", tmp_path, "--url", server.url, "--sha256", "xyz") == 2
    assert "64 hexadecimal digits" in capsys.readouterr().err
    assert run("fetch", tmp_path, "--url", server.url, "--sha256", right.upper()) == 0


@pytest.mark.parametrize("damage", [lambda a: b"no archive", lambda a: a[: len(a) // 2], lambda a: b""])
def test_archive_that_is_none(server, tmp_path, damage):
    server.content = damage(server.content)
    with pytest.raises(BenchmarkError, match=r"data\.tar is (damaged|not the release)"):
        fetch_release(tmp_path, url=server.url)
    assert not (tmp_path / "data").exists()


def tar_of(*members):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return content.getvalue()


def member(name, **changes):
    info = tarfile.TarInfo(name)
    info.size = 1
    for key, value in changes.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside"),
        member("data/../../outside"),
        member("data/link", type=tarfile.SYMTYPE, linkname="/etc", size=0),
        member("data/link", type=tarfile.SYMTYPE, linkname="../../outside", size=0),
        member("data/hard", type=tarfile.LNKTYPE, linkname="../outside", size=0),
        member("data/device", type=tarfile.CHRTYPE, size=0),
        member("data/pipe", type=tarfile.FIFOTYPE, size=0),
    ],
    ids=lambda bad: f"{bad.name} {bad.type}",
)
def test_archive_that_would_write_elsewhere(server, tmp_path, bad):
    server.content = tar_of(member("data/neural/a"), bad)
    with pytest.raises(BenchmarkError, match="damaged or no TAR archive"):
        fetch_release(tmp_path / "in" / "side", url=server.url)
    assert not (tmp_path / "in" / "outside").exists()
    assert not (tmp_path / "in" / "side" / "data").exists()


def test_archive_that_would_fill_the_disk(server, tmp_path):
    server.content = gzip.compress(tar_of(member("data/neural/a"), member("data/neural/b", size=600_000)))
    with pytest.raises(BenchmarkError, match=r"unpacks to more than 0\.0002 GB"):
        fetch_release(tmp_path, url=server.url, max_bytes=20_000)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("states_length", [True, False])
def test_a_server_that_sends_more_than_allowed_is_stopped(server, tmp_path, capsys, states_length):
    server.states_length = states_length
    server.content = bytes(3_000_000)
    assert run("fetch", tmp_path / "to", "--url", server.url, "--max_gb", "0.001") == 2
    error = capsys.readouterr().err
    assert "the server sends more than 0.001 GB (`--max_gb`)" in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_limit_must_be_a_size(tmp_path, capsys):
    for limit in ("0", "-1", ".inf"):
        assert run("fetch", tmp_path, "--url", "http://127.0.0.1:9/", "--max_gb", limit) == 2
        assert "--max_gb must be above 0" in capsys.readouterr().err


def test_what_a_disk_has_no_room_for_is_not_fetched_or_unpacked(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    free = MIN_FREE_BYTES + len(server.content)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free - 1))
    with pytest.raises(BenchmarkError, match=r"GB are free on this disk, too few for the .* GB of http"):
        fetch_release(tmp_path / "to", url=server.url)
    assert server.content not in [path.read_bytes() for path in (tmp_path / "to").glob("*")]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))
    download(server.url, tmp_path / "to" / "data.tar")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=MIN_FREE_BYTES))
    with pytest.raises(BenchmarkError, match="free on this disk, too few"):
        fetch_release(tmp_path / "to", url=server.url)
    assert not (tmp_path / "to" / "data").exists()


def test_archive_of_something_else(server, tmp_path):
    server.content = tar_of(member("other/file"))
    with pytest.raises(BenchmarkError, match=r"is not the release: it has no folder neural/, but 'other'"):
        fetch_release(tmp_path, url=server.url)
    (tmp_path / "taken" / "data").mkdir(parents=True)
    with pytest.raises(BenchmarkError, match="exists already, and is not the release"):
        fetch_release(tmp_path / "taken", url=server.url)


def test_broken_off_while_unpacking(server, tmp_path):
    """The archive is whole, and is not downloaded again."""
    (tmp_path / "data.tar").write_bytes(server.content)
    assert fetch_release(tmp_path, url=server.url).names
    assert server.requests == []


def test_release_with_problems(server, release, tmp_path, capsys):
    spoiled = shutil.copytree(release, tmp_path / "spoiled" / "data")
    os.truncate(spoiled / "neural/B2021/df_roi_meta.pkl", 100)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as members:
        members.add(spoiled, "data")
    server.content = content.getvalue()
    assert run("fetch", tmp_path / "to", "--url", server.url) == 1
    shown = capsys.readouterr().out
    assert "cut short or damaged" in shown
    assert "NH2015: 8 sounds" in shown


def test_address_is_a_web_address():
    assert RELEASE_URL.startswith("https://")


def test_help(capsys):
    with pytest.raises(SystemExit):
        run("fetch", "--help")
    assert "cochlearn fetch" in capsys.readouterr().out
