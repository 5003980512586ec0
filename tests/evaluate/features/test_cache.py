import os
import time

import numpy as np
import pytest
import torch
from torch import nn

from datamodules import files
from evaluate.features import cache as cache_module
from evaluate.features.activations import stage_activations
from evaluate.features.array_files import read_array, write_array
from evaluate.features.cache import ActivationCache, activation_key, cached_activations
from evaluate.features.fingerprint import content_key, network_fingerprint
from evaluate.features.recording import StageError
from evaluate.scoring.parts import Parts
from evaluate.scoring.score_network import score_network
from networks import AuditoryNetwork, CochCNN9, Cochleagram

FEATURES = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def cache(tmp_path):
    return ActivationCache(tmp_path / "cache")


@pytest.fixture
def forward_passes(monkeypatch):
    """Stages that were computed rather than found, one tuple per call."""
    calls = []

    def counted(net, waveforms, **options):
        calls.append(tuple(options["stages"]))
        return stage_activations(net, waveforms, **options)

    monkeypatch.setattr(cache_module, "stage_activations", counted)
    return calls


def assert_same(one, other):
    assert list(one) == list(other)
    for stage, features in one.items():
        np.testing.assert_array_equal(features, other[stage])


class TestArrayFiles:
    @pytest.mark.parametrize(
        "array",
        [FEATURES, FEATURES.astype(np.float64).T, np.float32(3.5), np.zeros((3, 0), np.float32), np.arange(5)],
    )
    def test_round_trip(self, tmp_path, array):
        path = tmp_path / "new" / "a.npy"
        write_array(path, array)
        found = read_array(path)
        np.testing.assert_array_equal(found, array)
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(np.load(path), array)
        assert [file.name for file in path.parent.iterdir()] == ["a.npy"]

    def test_writing_into_an_array_does_not_change_the_file(self, tmp_path):
        write_array(tmp_path / "a.npy", FEATURES)
        found = read_array(tmp_path / "a.npy")
        found[:] = 7
        np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), FEATURES)

    def test_every_cut_and_every_changed_byte_is_seen(self, tmp_path):
        path = tmp_path / "a.npy"
        write_array(path, FEATURES)
        whole = path.read_bytes()
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            assert read_array(path) is None, length
        for place in range(len(whole)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :])
            assert read_array(path) is None, place
        path.write_bytes(whole + b"\0")
        assert read_array(path) is None
        path.write_bytes(whole)
        np.testing.assert_array_equal(read_array(path), FEATURES)

    def test_missing_file_and_file_of_objects(self, tmp_path):
        assert read_array(tmp_path / "none.npy") is None
        np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
        assert read_array(tmp_path / "objects.npy") is None
        with pytest.raises(ValueError, match="Object arrays"):
            write_array(tmp_path / "b.npy", np.array([{}]))

    def test_a_failed_write_leaves_nothing(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files.os, "replace", _fail)
        with pytest.raises(OSError, match="no space"):
            write_array(tmp_path / "a.npy", FEATURES)
        assert list(tmp_path.iterdir()) == []


def _fail(*_):
    raise OSError("no space left")


class TestActivationCache:
    def test_what_was_put_is_found(self, cache):
        assert cache.get("k") is None
        cache.put("k", FEATURES)
        np.testing.assert_array_equal(cache.get("k"), FEATURES)
        assert (cache.num_found, cache.num_missed) == (1, 1)
        assert cache.size_bytes() == (cache.folder / "k.npy").stat().st_size
        assert "of at most 20 GiB, 1 stage reused, 1 computed" in str(cache)

    def test_what_was_used_longest_ago_goes(self, tmp_path):
        size = 2**18
        cache = ActivationCache(tmp_path, limit_gib=3.5 * size / 2**30)
        arrays = {key: np.full(size // 4, number, np.float32) for number, key in enumerate("abcd")}
        for age, key in ((30, "a"), (20, "b"), (10, "c")):
            cache.put(key, arrays[key])
            os.utime(tmp_path / f"{key}.npy", (time.time() - age,) * 2)
        assert cache.get("a") is not None  # now "b" was used longest ago
        cache.put("d", arrays["d"])
        assert sorted(path.stem for path in tmp_path.iterdir()) == ["a", "c", "d"]
        assert cache.size_bytes() <= 3.5 * size

    def test_what_is_larger_than_the_limit_is_not_kept(self, tmp_path, caplog):
        cache = ActivationCache(tmp_path / "c", limit_gib=1e-9)
        cache.put("k", FEATURES)
        assert cache.get("k") is None
        assert "are not cached: the limit is 1e-09 GiB" in caplog.text

    def test_a_full_disk_is_no_reason_to_stop(self, cache, monkeypatch, caplog):
        monkeypatch.setattr(cache_module, "write_array", _fail)
        cache.put("k", FEATURES)
        assert "not cached: no space left" in caplog.text

    def test_remains_of_killed_writers_go_when_they_are_old(self, cache):
        cache.put("a", FEATURES)
        # Of another machine, written just now and long ago; see `datamodules.files.remove_leftovers`.
        names = [f".a.{host * 8}-1-{'0' * 8}.tmp.npy" for host in "12"]
        for name, age_s in zip(names, (10, 8 * 24 * 3600), strict=True):
            (cache.folder / name).write_bytes(b"half")
            os.utime(cache.folder / name, (time.time() - age_s,) * 2)
        cache.put("b", FEATURES)
        assert sorted(path.name for path in cache.folder.iterdir()) == [names[0], "a.npy", "b.npy"]

    @pytest.mark.parametrize("limit", [0, -1, float("nan")])
    def test_bad_limits(self, tmp_path, limit):
        with pytest.raises(ValueError, match="more than 0 GiB"):
            ActivationCache(tmp_path, limit)


class TestFingerprint:
    def test_weights_and_running_statistics_count(self, tiny_network):
        before = network_fingerprint(tiny_network)
        assert network_fingerprint(tiny_network) == before
        with torch.no_grad():
            tiny_network.fc.weight[0, 0] = torch.nextafter(tiny_network.fc.weight[0, 0], torch.tensor(9.0))
        changed = network_fingerprint(tiny_network)
        tiny_network.norm.running_mean[0] += 1
        assert len({before, changed, network_fingerprint(tiny_network)}) == 3

    def test_mode_does_not_count(self, tiny_network):
        assert network_fingerprint(tiny_network.train()) == network_fingerprint(tiny_network.eval())

    def test_settings_without_weights_count(self):
        assert network_fingerprint(nn.ReLU()) != network_fingerprint(nn.GELU())
        assert network_fingerprint(nn.MaxPool2d(2)) != network_fingerprint(nn.MaxPool2d(3))
        torch.manual_seed(0)
        net = AuditoryNetwork(CochCNN9(width=0.0625), {"word": 2}, Cochleagram(num_samples=2000))
        other = AuditoryNetwork(CochCNN9(width=0.0625), {"word": 2}, Cochleagram(num_samples=2000, method="direct"))
        other.load_state_dict(net.state_dict(), strict=False)
        assert network_fingerprint(net) != network_fingerprint(other)

    def test_code_counts(self, tiny_network, monkeypatch):
        from evaluate.features import fingerprint

        before = network_fingerprint(tiny_network)
        monkeypatch.setattr(fingerprint, "_source_digest", lambda name: f"{name} was edited")
        assert network_fingerprint(tiny_network) != before

    def test_keys(self):
        assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
        assert content_key(["ab", "c"]) != content_key(["a", "bc"])
        keys = {
            activation_key(*parts) for parts in (("n", "s", "w"), ("x", "s", "w"), ("n", "x", "w"), ("n", "s", "x"))
        }
        assert len(keys) == 4


class TestCachedActivations:
    def test_second_time_nothing_is_computed(self, tiny_network, make_benchmark, cache, forward_passes):
        benchmark = make_benchmark()
        plain = stage_activations(tiny_network, benchmark.stimuli(1000, 64))
        assert_same(cached_activations(tiny_network, benchmark, cache=cache), plain)
        assert_same(cached_activations(tiny_network, benchmark, cache=cache), plain)
        assert forward_passes == [tiny_network.stages]

    def test_another_benchmark_with_the_same_sounds_finds_them(
        self, tiny_network, make_benchmark, cache, forward_passes
    ):
        cached_activations(tiny_network, make_benchmark(), cache=cache)
        cached_activations(tiny_network, make_benchmark(num_units=2, name="other"), cache=cache)
        assert len(forward_passes) == 1
        silence = make_benchmark(waveforms=lambda *_: np.zeros((24, 64), np.float32))
        cached_activations(tiny_network, silence, cache=cache)
        assert len(forward_passes) == 2

    def test_only_what_is_missing_is_computed(self, tiny_network, make_benchmark, cache, forward_passes):
        benchmark = make_benchmark()
        cached_activations(tiny_network, benchmark, cache=cache, stages=["pool0"])
        found = cached_activations(tiny_network, benchmark, cache=cache)
        assert forward_passes == [("pool0",), ("relu0", "relufc")]
        assert_same(found, stage_activations(tiny_network, benchmark.stimuli(1000, 64)))

    def test_features_in_time_are_kept_apart(self, tiny_network, make_benchmark, cache, forward_passes):
        benchmark = make_benchmark()
        cached_activations(tiny_network, benchmark, cache=cache)
        for _ in range(2):
            in_time = cached_activations(tiny_network, benchmark, cache=cache, average=False)
            assert in_time["relu0"].shape[2] == 8
        assert len(forward_passes) == 2

    def test_other_weights_are_another_network(self, tiny_network, make_benchmark, cache, forward_passes):
        benchmark = make_benchmark()
        cached_activations(tiny_network, benchmark, cache=cache)
        nn.init.ones_(tiny_network.fc.weight)
        found = cached_activations(tiny_network, benchmark, cache=cache)
        assert len(forward_passes) == 2
        assert_same(found, stage_activations(tiny_network, benchmark.stimuli(1000, 64)))

    def test_damaged_files_are_computed_again(self, tiny_network, make_benchmark, cache, forward_passes):
        benchmark = make_benchmark()
        plain = cached_activations(tiny_network, benchmark, cache=cache)
        plain = {stage: np.array(features) for stage, features in plain.items()}
        paths = sorted(cache.folder.iterdir())
        paths[0].write_bytes(paths[0].read_bytes()[:-40])
        content = bytearray(paths[1].read_bytes())
        content[200] ^= 1
        paths[1].write_bytes(content)
        paths[2].write_bytes(b"")
        assert_same(cached_activations(tiny_network, benchmark, cache=cache), plain)
        assert len(forward_passes[1]) == 3
        assert_same(cached_activations(tiny_network, benchmark, cache=cache), plain)
        assert len(forward_passes) == 2

    def test_off_unless_given(self, tiny_network, make_benchmark, forward_passes, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for _ in range(2):
            cached_activations(tiny_network, make_benchmark(), cache=None, stages=["relufc"])
        assert forward_passes == [("relufc",)] * 2
        assert list(tmp_path.iterdir()) == []

    def test_scores_are_the_same(self, tiny_network, make_benchmark, cache):
        benchmark = make_benchmark()
        plain = score_network(tiny_network, benchmark)
        for _ in range(2):
            np.testing.assert_array_equal(score_network(tiny_network, benchmark, cache=cache)["value"], plain["value"])
        assert cache.num_found == 3

    def test_nothing_is_kept_of_a_diverged_network(self, tiny_network, make_benchmark, cache):
        nn.init.constant_(tiny_network.fc.weight, float("nan"))
        with pytest.raises(StageError, match="not finite"):
            cached_activations(tiny_network, make_benchmark(), cache=cache)
        assert cache.size_bytes() == 0


RESULT = {"r2": np.array([[0.5, np.nan]]), "num_ties": np.array(3)}


class TestParts:
    def test_round_trip(self, tmp_path):
        parts = Parts(tmp_path / "parts")
        assert parts.load("k") is None
        parts.save("k", RESULT)
        found = Parts(tmp_path / "parts").load("k")
        assert list(found) == ["r2", "num_ties"]
        np.testing.assert_array_equal(found["r2"], RESULT["r2"])
        assert int(found["num_ties"]) == 3

    def test_damage_is_seen(self, tmp_path):
        parts = Parts(tmp_path)
        parts.save("k", RESULT)
        path = tmp_path / "k.npz"
        whole = path.read_bytes()
        for length in range(0, len(whole), 7):
            path.write_bytes(whole[:length])
            assert parts.load("k") is None, length
        content = bytearray(whole)
        content[content.index(RESULT["r2"].tobytes())] ^= 1
        path.write_bytes(content)
        assert parts.load("k") is None
