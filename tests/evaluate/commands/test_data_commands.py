import hashlib
import io
import json
import os
import re
import shutil
import signal
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from evaluate import __main__ as command
from evaluate.benchmarks import BenchmarkError, load_benchmark
from evaluate.benchmarks.published.download import download
from evaluate.benchmarks.published.release_download import RELEASE_URL, fetch_release
from evaluate.benchmarks.recordings.writer import write_recordings
from tests.helpers.release_layout import NAMES, write_release


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return write_release(tmp_path_factory.mktemp("release") / "data")


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
        self.requests = []  # the ranges asked for

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


def run(*arguments):
    return command.main([str(argument) for argument in arguments])


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


def test_archive_that_would_fill_the_disk(server, tmp_path, monkeypatch):
    monkeypatch.setattr("evaluate.benchmarks.published.release_download.MAX_RELEASE_BYTES", 5000)
    server.content = tar_of(member("data/neural/a"), member("data/neural/b", size=6000))
    with pytest.raises(BenchmarkError, match="unpacks to more than"):
        fetch_release(tmp_path, url=server.url)
    assert not (tmp_path / "data").exists()


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


def test_check_says_what_is_there(release, capsys):
    assert run("check", f"{release}:NH2015", f"{release}:NH2015comp") == 0
    shown = capsys.readouterr().out
    assert "NH2015, version 1: 8 stimuli, 10 voxels of 2 subjects, 3 repetitions; scores are corrected" in shown
    assert "sounds: 8 of 8 can be read; 0.20 to 0.20 s; 8 at 20000 Hz; channels: 1" in shown
    assert "categories: Music 4, EngSpeech 4" in shown
    assert "reliability of one repetition" in shown
    for region in ("Primary", "Anterior", "Lateral", "Posterior", "Unlabelled"):
        assert region in shown
    assert "remark: NH2015 as published has 165 sounds, 7694 units" in shown
    assert shown.count(": good") == 2


def test_check_lists_all_problems(release, tmp_path, capsys):
    spoiled = shutil.copytree(release, tmp_path / "data")
    os.truncate(spoiled / "stimuli/165_natural_sounds" / f"{NAMES[0]}.wav", 10)
    os.truncate(spoiled / "stimuli/165_natural_sounds" / f"{NAMES[1]}.wav", 10)
    (spoiled / "neural/B2021/df_roi_meta.pkl").unlink()
    (spoiled / "neural/B2021/voxel_features_array.npy").unlink()
    names = [f"{spoiled}:NH2015", f"{spoiled}:B2021", f"{release}:NH2015", tmp_path / "nowhere"]
    assert run("check", *names) == 1
    shown = capsys.readouterr().out
    assert "data:NH2015: 2 problems" in shown
    assert "data:B2021: 2 problems" in shown
    assert "nowhere: 1 problem" in shown
    assert shown.count("problem: ") == 5
    assert shown.count(": good") == 1


def test_check_knows_names_and_missing_values(release, tmp_path, capsys):
    assert run("convert", f"{release}:NH2015", tmp_path / "mine") == 0
    responses = np.load(tmp_path / "mine" / "responses.npy")
    responses[1, 2, 0] = np.nan
    responses[:, 3] = 1.0
    np.save(tmp_path / "mine" / "responses.npy", responses)
    capsys.readouterr()
    assert run("check", tmp_path / "mine") == 0
    shown = capsys.readouterr().out
    assert "missing responses by repetition: 0.0%, 0.0%, 1.2%" in shown
    assert "remark: 1 units do not vary over stimuli; their scores are NaN and counted: '0: 102'" in shown


@pytest.mark.parametrize("name", ["NH2015", "B2021", "NH2015comp"])
@pytest.mark.parametrize("target", ["folder", "file.zip"])
def test_convert_the_release(release, tmp_path, name, target):
    assert run("convert", f"{release}:{name}", tmp_path / target) == 0
    one, two = load_benchmark(f"{release}:{name}"), load_benchmark(tmp_path / target)
    np.testing.assert_array_equal(one.responses, two.responses)
    assert one.stimulus_names == two.stimulus_names
    assert one.categories == two.categories
    assert (one.name, one.version, one.citation) == (two.name, two.version, two.citation)
    assert (one.unit_kind, one.noise_corrected) == (two.unit_kind, two.noise_corrected)
    assert one.units.to_csv() == two.units.to_csv()
    assert one.content_hash() == two.content_hash()
    assert one.stimuli_fingerprint(20_000, 4000) == two.stimuli_fingerprint(20_000, 4000)


@pytest.fixture
def parts(tmp_path) -> Path:
    """Loose files: responses in rows, in no order, with gaps."""
    folder = tmp_path / "parts"
    (folder / "wavs").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        soundfile.write(folder / "wavs" / f"{name}.wav", 0.1 * generator.standard_normal(800), 8000)
    (folder / "stimuli.csv").write_text("name\na\nb\nc\n")
    (folder / "units.csv").write_text("unit,subject,region,x_mm\n1,s1,A,0.5\n2,s1,B,1\n1,s2,A,2\n")
    rows = [
        (stimulus, subject, unit, repetition, 100 * i + 10 * j + repetition)
        for i, stimulus in enumerate("abc")
        for j, (subject, unit) in enumerate((("s1", 1), ("s1", 2), ("s2", 1)))
        for repetition in (1, 2)
        if (i, j, repetition) != (1, 2, 1)
    ]
    table = pd.DataFrame(rows, columns=["stimulus", "subject", "unit", "repetition", "response"])
    table.sample(frac=1, random_state=0).to_csv(folder / "responses.csv", index=False)
    return folder


def convert_parts(parts, destination, *more):
    return run("convert", parts, destination, "--sounds", parts / "wavs", "--name", "mine", *more)


def test_convert_loose_rows(parts, tmp_path):
    assert convert_parts(parts, tmp_path / "done.zip", "--version", "7", "--citation", "Us") == 0
    benchmark = load_benchmark(tmp_path / "done.zip")
    assert (benchmark.name, benchmark.version, benchmark.citation) == ("mine", "7", "Us")
    assert benchmark.noise_corrected
    assert benchmark.num_missing == 1
    assert list(benchmark.units["x_mm"]) == [0.5, 1, 2]
    values = np.sort(benchmark.responses, axis=2)
    np.testing.assert_array_equal(values[2, 1], [211, 212])
    np.testing.assert_array_equal(values[1, 2], [122, np.nan])
    np.testing.assert_array_equal(values[:, 0, 0], [1, 101, 201])


def test_convert_rows_without_repetitions(parts, tmp_path):
    table = pd.read_csv(parts / "responses.csv").drop(columns="repetition")
    table.to_csv(parts / "responses.csv", index=False)
    assert convert_parts(parts, tmp_path / "done", "--noise_corrected", "false") == 0
    benchmark = load_benchmark(tmp_path / "done")
    assert benchmark.responses.shape == (3, 3, 2)
    assert not benchmark.noise_corrected
    np.testing.assert_array_equal(np.sort(benchmark.responses[2, 1]), [211, 212])


def test_convert_an_array(parts, tmp_path):
    (parts / "responses.csv").unlink()
    responses = np.random.default_rng(0).standard_normal((3, 3, 2))
    responses[0, 1] = np.nan
    np.save(parts / "responses.npy", responses)
    assert convert_parts(parts, tmp_path / "done") == 2
    assert not (tmp_path / "done").exists()
    assert convert_parts(parts, tmp_path / "done", "--drop_incomplete", "true") == 0
    np.testing.assert_array_equal(load_benchmark(tmp_path / "done").responses, responses[:, [0, 2]])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.assign(stimulus="d"), "1 stimulus names are not in their table: 'd'"),
        (lambda t: t.assign(unit=9), "1 unit names are not in their table: '9'"),
        (lambda t: t.assign(repetition=1), "responses occur twice; the first is that of unit"),
        (lambda t: t.assign(response="loud"), "column 'response' holds values that are no numbers"),
        (lambda t: t.drop(columns="subject"), "lacks the column 'subject'"),
        (lambda t: t[t["stimulus"] != "c"], "3 of 3 units have stimuli without any response"),
    ],
)
def test_bad_rows(parts, tmp_path, capsys, spoil, message):
    spoil(pd.read_csv(parts / "responses.csv")).to_csv(parts / "responses.csv", index=False)
    assert convert_parts(parts, tmp_path / "done") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "done").exists()


def test_convert_requests_that_cannot_be(parts, release, tmp_path, capsys):
    cases = [
        (["convert", parts, tmp_path / "done"], "--name NAME"),
        (["convert", f"{release}:NH2015", parts], "exists already"),
        (["convert", tmp_path / "nowhere", tmp_path / "done"], "no such name or path"),
        (["convert", parts, tmp_path / "done", "--name", "a", "--units", tmp_path / "no.csv"], "no.csv does not exist"),
    ]
    for arguments, message in cases:
        assert run(*arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "done").exists()


def test_convert_changes_what_is_asked(release, tmp_path):
    words = ["--name", "other", "--version", "2", "--noise_corrected", "false"]
    assert run("convert", f"{release}:NH2015", tmp_path / "one", *words) == 0
    assert run("convert", tmp_path / "one", tmp_path / "two.zip", "--citation", "Them") == 0
    benchmark = load_benchmark(tmp_path / "two.zip")
    assert (benchmark.name, benchmark.version, benchmark.citation) == ("other", "2", "Them")
    assert not benchmark.noise_corrected


def test_convert_killed_leaves_no_destination(release, tmp_path):
    """Killed in the middle of writing, by a signal that cannot be handled."""

    def die(num_done, _):
        if num_done == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    benchmark = load_benchmark(f"{release}:NH2015")
    for target in ("done", "done.zip"):
        child = os.fork()
        if child == 0:
            write_recordings(benchmark, tmp_path / target, progress=die)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert not (tmp_path / target).exists()
        assert run("convert", f"{release}:NH2015", tmp_path / target) == 0


@pytest.mark.parametrize("name", ["check", "convert", "fetch"])
def test_help(name, capsys):
    with pytest.raises(SystemExit):
        run(name, "--help")
    assert f"python -m evaluate {name}" in capsys.readouterr().out
