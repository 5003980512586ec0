"""Shards over HTTP and through pipes."""

import functools
import io
import json
import pickle
import shutil
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import pytest

from datamodules.batches.examples import MixtureDataset
from datamodules.batches.loader import TrainingLoader
from datamodules.batches.streaming_order import StreamedTrainingOrder
from datamodules.data_module import AuditoryDataModule
from datamodules.shards.reader import ShardError, ShardSet
from datamodules.shards.streaming import StreamedClips, is_remote


class Handler(SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    servers = []

    def serve(folder):
        Handler.asked.clear()
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def module(signal, noise, **changes):
    given = {
        "tasks": ["word", "speaker", "audioset"],
        "batch_size": 4,
        "num_workers": 0,
        "duration_s": 0.25,
        "sample_rate_hz": 4000,
    }
    return AuditoryDataModule(signal=signal, noise=noise, **{**given, **changes})


def flat(batches):
    return [
        (
            batch["waveform"][i].numpy().tobytes(),
            *(tuple(np.atleast_1d(value[i]).tolist()) for value in batch["targets"].values()),
        )
        for batch in batches
        for i in range(len(batch["waveform"]))
    ]


def test_locations():
    for location in ("http://a/b", "s3://a/b", "pipe:cat {path}"):
        assert is_remote(location)
    for location in ("a/b", "/a/b", "a:b", "c://a".upper()):
        assert not is_remote(location)


def test_clips_are_those_of_the_folder(serve, signal_folder, noise_folder):
    for folder in (signal_folder, noise_folder):
        clips, expected = StreamedClips(serve(folder), "train"), ShardSet(folder / "train")
        assert len(clips) == len(expected)
        assert clips.label_sets == expected.label_sets
        for i in np.random.default_rng(0).permutation(len(clips)):
            found, wanted = clips.read(i), expected.read(i)
            np.testing.assert_array_equal(found.waveform, wanted.waveform)
            assert (found.key, found.midpoint, found.labels) == (wanted.key, wanted.midpoint, wanted.labels)
    asked = [path for path in Handler.asked if path.endswith(".tar")]
    assert len(asked) == len(set(asked))  # within a window each shard is streamed once
    with pytest.raises(IndexError, match="there is no clip 99"):
        clips.read(99)


def test_clips_forgotten_are_streamed_again(serve, signal_folder, monkeypatch):
    monkeypatch.setattr("datamodules.shards.streaming.MAX_WAITING_CLIPS", 3)
    clips, expected = StreamedClips(serve(signal_folder), "train"), ShardSet(signal_folder / "train")
    for i in (9, 19, 22, 0, 5, 5, 12):
        np.testing.assert_array_equal(clips.read(i).waveform, expected.read(i).waveform)
    assert sum(len(stream.waiting) for stream in clips._streams.values()) <= 10


def test_pipes_and_pickles(signal_folder):
    clips = StreamedClips(f"pipe:cat {signal_folder}/{{path}}", "val")
    first = clips.read(0)
    again = pickle.loads(pickle.dumps(clips))
    np.testing.assert_array_equal(again.read(0).waveform, first.waveform)
    with pytest.raises(ShardError, match=r"must contain \{path\}"):
        StreamedClips("pipe:cat", "val")


def test_validation_is_as_from_a_folder(serve, signal_folder, noise_folder):
    streamed = module(serve(signal_folder), str(noise_folder))
    found = flat(streamed.val_dataloader()[0])
    # Noises in another order, signals in the same.
    assert [row[1:3] for row in found] == [
        row[1:3] for row in flat(module(str(signal_folder), str(noise_folder)).val_dataloader()[0])
    ]
    assert len(found) == 7


def test_training_goes_on_exactly(serve, signal_folder, noise_folder):
    location = serve(signal_folder)
    whole_module = module(location, serve(noise_folder))
    loader = whole_module.train_dataloader()
    assert isinstance(loader.order, StreamedTrainingOrder)
    assert isinstance(loader.dataset, MixtureDataset)
    whole = flat(loader)
    assert len(whole) == 20 == len(set(whole))
    for stop_after in range(1, 5):
        iterator = iter(loader)
        seen = flat(next(iterator) for _ in range(stop_after))
        assert seen == whole[: 4 * stop_after]
        state = json.loads(json.dumps(loader.state_dict()))
        resumed = TrainingLoader(loader.dataset, loader.order, current_epoch=lambda: 0)
        resumed.load_state_dict(state)
        assert flat(resumed) == whole[4 * stop_after :]
    other = StreamedTrainingOrder([10, 10, 3], [5], batch_size=4, seed=0, num_workers=2)
    resumed = TrainingLoader(loader.dataset, other, current_epoch=lambda: 0)
    resumed.load_state_dict(state)
    with pytest.raises(ValueError, match="the same numbers of ranks and of workers"):
        next(iter(resumed))
    local = module(str(signal_folder), str(noise_folder)).train_dataloader()
    local.load_state_dict(state)
    assert len(flat(local)) == 4  # from a folder, a state of as many examples is as good


def test_workers_have_their_own_streams(serve, signal_folder, noise_folder):
    location = serve(signal_folder)
    noise = f"pipe:cat {noise_folder}/{{path}}"
    assert sorted(flat(module(location, noise, num_workers=2).train_dataloader())) == sorted(
        flat(module(location, noise).train_dataloader())
    )


def rewritten(path, change):
    """Pass each (member, content) of a tar file through `change`, which gives those to write."""
    with tarfile.open(path) as archive:
        members = [(member, archive.extractfile(member).read()) for member in archive]
    with tarfile.open(path, "w") as archive:
        for member, content in (new for old in members for new in change(*old)):
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def linked(member, content):
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return [(member, b"")]


def renamed(name):
    def change(member, content):
        member.name = name
        return [(member, content)]

    return change


def described(**changes):
    def change(member, content):
        if not member.name.endswith(".json"):
            return [(member, content)]
        return [(member, json.dumps({**json.loads(content), **changes}).encode())]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (linked, "expected KEY.flac and KEY.json"),
        (renamed("../../evil.flac"), r"member '../../evil.flac' of"),
        (renamed("a.pyd"), "expected KEY.flac and KEY.json"),
        (renamed("a.flac"), "expected KEY.flac and KEY.json"),
        (described(labels={}), "its description is broken"),
        (described(labels={"word": ["unknown"], "speaker": ["s0"]}), "its description is broken"),
        (described(midpoint_s=1e9), "its midpoint"),
        (described(gain=0), "its gain"),
        (described(source="x" * (1 << 20)), "expected KEY.flac and KEY.json"),
        (lambda member, content: [(member, content[:-20])], "is broken|cannot be decoded"),
        (lambda member, content: [], "ends after 0 of 7 clips"),
    ],
)
def test_hostile_streams_are_refused(signal_folder, tmp_path, change, message):
    shutil.copytree(signal_folder, tmp_path / "s")
    rewritten(tmp_path / "s" / "val" / "shard-000000.tar", change)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ShardError, match=message):
        StreamedClips(f"pipe:cat {tmp_path}/s/{{path}}", "val").read(0)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_cannot_be_fetched_is_named(serve, signal_folder, tmp_path):
    location = serve(signal_folder)
    with pytest.raises(ShardError, match=r"http.*/test/index.json: the index of the shard set could not be fetched"):
        StreamedClips(location, "test")
    with pytest.raises(ShardError, match="the index of the shard set could not be fetched"):
        StreamedClips("nonsense://host/a", "train")
    shutil.copytree(signal_folder, tmp_path / "s")
    shard = tmp_path / "s" / "val" / "shard-000000.tar"
    shard.write_bytes(shard.read_bytes()[:2000])
    clips = StreamedClips(serve(tmp_path / "s"), "val")
    with pytest.raises(ShardError, match=r"shard-000000.tar: (cannot be streamed|ends after)"):
        clips.read(6)
    shard.unlink()
    with pytest.raises(ShardError, match=r"shard-000000.tar: cannot be streamed"):
        StreamedClips(serve(tmp_path / "s"), "val").read(0)
