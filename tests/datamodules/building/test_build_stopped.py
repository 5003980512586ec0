"""Builds that are killed, split into parts, or run side by side: the bytes are always those of one quiet build."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datamodules.__main__ import main
from datamodules.building.build import build_shards, merge_parts
from datamodules.building.build_report import BuildError
from datamodules.building.working_folder import working_folder, working_on
from datamodules.shards.verify import damages

RATE_HZ = 4000
SETTINGS = {"one_label": ["word", "speaker"], "sample_rate_hz": RATE_HZ, "clips_per_shard": 6, "progress": False}


def build(manifest, out, **changes):
    return build_shards(manifest, out, **{**SETTINGS, "num_workers": 1, "picture": False, **changes})


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def build_and_die(manifest, out, num_operations, changes):
    """Build, and die of a signal at the given change of the file system's names."""
    left = num_operations

    def counted(operation):
        def call(*args, **kwargs):
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*args, **kwargs)

        return call

    for name in ("replace", "rename", "unlink", "mkdir"):
        setattr(os, name, counted(getattr(os, name)))
        if hasattr(Path, name):
            setattr(Path, name, counted(getattr(Path, name)))
    build(manifest, out, **changes)


def died(target, *args):
    process = multiprocessing.get_context("fork").Process(target=target, args=args)
    process.start()
    process.join()
    return process.exitcode == -signal.SIGKILL


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    build(corpus / "words.csv", folder)
    return files_of(folder)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="kills a forked process")
def test_killed_anywhere_and_resumed_gives_the_same_bytes(corpus, tmp_path, whole):
    """At every change of a name, on one build that is killed again and again, and on builds killed once."""
    manifest = corpus / "words.csv"
    rng = random.Random(0)
    for _ in range(20):
        died(build_and_die, manifest, tmp_path / "often", rng.randrange(40), {})
        assert not (tmp_path / "often").exists() or files_of(tmp_path / "often") == whole
    build(manifest, tmp_path / "often")
    assert files_of(tmp_path / "often") == whole
    for num_operations in range(3, 200, 17):
        out = tmp_path / f"once {num_operations}"
        if not died(build_and_die, manifest, out, num_operations, {}):
            break
        build(manifest, out)
        assert files_of(out) == whole, num_operations
    assert num_operations > 40
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".building")]


@pytest.mark.slow
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="kills a forked process")
def test_killed_while_replacing_an_earlier_build(corpus, tmp_path, whole):
    for num_operations in range(60, 200, 9):
        out = tmp_path / f"{num_operations}"
        build(corpus / "words.csv", out, seed=1)
        if not died(build_and_die, corpus / "words.csv", out, num_operations, {"overwrite": True}):
            break
        build(corpus / "words.csv", out, overwrite=True)
        assert files_of(out) == whole


@pytest.mark.slow
def test_killed_at_random_moments_with_workers(corpus, tmp_path, make_sound, make_manifest):
    rows = []
    for i in range(400):
        make_sound(tmp_path / "sounds" / f"{i}.wav", seed=i, duration_s=4.0, sample_rate_hz=44_100)
        rows.append({"path": f"sounds/{i}.wav", "word": f"w{i % 7}", "split": "val" if i % 5 == 0 else "train"})
    manifest = make_manifest(tmp_path / "m.csv", rows)
    arguments = [sys.executable, "-m", "datamodules", "build", str(manifest), "--one_label", "word"]
    arguments += ["--num_workers", "2", "--clips_per_shard", "16"]
    start = time.monotonic()
    subprocess.run([*arguments, str(tmp_path / "quiet")], check=True, capture_output=True)
    duration_s = time.monotonic() - start
    expected = files_of(tmp_path / "quiet")
    rng = random.Random(0)
    killed = attempt = 0
    while killed < 20:
        attempt += 1
        process = subprocess.Popen([*arguments, str(tmp_path / "out")], stdout=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0.2, 0.9) * duration_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        if (tmp_path / "out").exists():
            assert files_of(tmp_path / "out") == expected
            (tmp_path / "out").rename(tmp_path / f"finished {attempt}")
    subprocess.run([*arguments, str(tmp_path / "out")], check=True, capture_output=True)
    assert files_of(tmp_path / "out") == expected


def test_parts_merged_equal_one_build(corpus, tmp_path, whole, capsys):
    out = tmp_path / "out"
    report = build(corpus / "words.csv", out, part=(1, 2))
    assert (report.part, report.shard_sets) == ((1, 2), {})
    with pytest.raises(BuildError, match=r"3 of 6 tar files are missing: train/shard-000000\.tar, .*missing"):
        merge_parts(out)
    build(corpus / "words.csv", out, part=(0, 2))
    report = merge_parts(out)
    assert files_of(out) == whole
    assert [*damages(out / "train"), *damages(out / "val")] == []
    assert len(report.shard_sets["train"]) == 23
    assert not working_folder(out).exists()
    assert not build(corpus / "words.csv", out, part=(0, 2)).is_new
    arguments = ["build", str(corpus / "words.csv"), str(tmp_path / "cli"), "--one_label", "word", "speaker"]
    arguments += ["--sample_rate_hz", str(RATE_HZ), "--clips_per_shard", "6", "--num_workers", "1"]
    for part in ("0", "1", "2"):
        assert main([*arguments, "--part", part, "--parts", "3"]) == 0
    assert "part 2 of 3 (from 0) is built" in " ".join(capsys.readouterr().out.split())
    assert main(["merge", str(tmp_path / "cli")]) == 0
    found = files_of(tmp_path / "cli")
    assert {path: found[path] for path in whole if path != Path("build.json")} == {
        path: whole[path] for path in whole if path != Path("build.json")
    }
    assert Path("report.png") in found
    assert main([*arguments, "--part", "1"]) == 2
    assert main(["merge", str(tmp_path / "nothing")]) == 2
    assert "no parts of a build here" in " ".join(capsys.readouterr().err.split())


def test_parts_that_differ_are_refused(corpus, tmp_path):
    build(corpus / "words.csv", tmp_path / "out", part=(0, 2))
    with pytest.raises(BuildError, match="an unfinished build with another manifest or other settings"):
        build(corpus / "words.csv", tmp_path / "out", part=(1, 2), seed=1, overwrite=True)
    with pytest.raises(BuildError, match="part must be from 0 to parts - 1, got part 2 of 2"):
        build(corpus / "words.csv", tmp_path / "out", part=(2, 2))
    build(corpus / "words.csv", tmp_path / "out", seed=1, overwrite=True)
    assert (tmp_path / "out").is_dir()


def test_two_builds_at_once_are_refused(corpus, tmp_path):
    pytest.importorskip("fcntl", reason="locks need POSIX")
    out = tmp_path / "out"
    with working_on(out, {"a": 1}, overwrite=False, is_part=True):
        with working_on(out, {"a": 1}, overwrite=False, is_part=True):
            pass
        with pytest.raises(BuildError, match="another build is running here"):
            build(corpus / "words.csv", out)


def test_a_damaged_tar_file_is_written_again(corpus, tmp_path, whole):
    build(corpus / "words.csv", tmp_path / "out", part=(0, 2))
    working = working_folder(tmp_path / "out")
    shards = sorted((working / "out").rglob("*.tar"))
    data = bytearray(shards[0].read_bytes())
    data[700] ^= 1
    shards[0].write_bytes(data)
    shards[1].unlink()
    next((working / "records").rglob("shard-000002.json")).write_text("")
    build(corpus / "words.csv", tmp_path / "out")
    assert files_of(tmp_path / "out") == whole
