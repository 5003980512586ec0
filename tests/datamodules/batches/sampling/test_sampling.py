"""How often clips are drawn: balanced by class, at a temperature, by corpus; and that everything else stays exact."""

import json
import math

import numpy as np
import pytest

from datamodules.batches.order import ClipWeights, TrainingOrder
from datamodules.batches.random_streams import Purpose
from datamodules.batches.sampling.balanced import BalancedSampling
from datamodules.batches.sampling.clip_weights import clip_weights
from datamodules.batches.sampling.sampling import Sampling
from datamodules.batches.sampling.weighted_order import weighted_order
from datamodules.batches.settings_error import DataSettingsError
from datamodules.data_module import AuditoryDataModule
from datamodules.shards.index import ShardError
from datamodules.shards.joined_clips import JoinedClips
from datamodules.shards.label_numbers import LabelNumbers
from datamodules.shards.reader import ShardSet
from datamodules.shards.writer import NewClip, write_index, write_shard
from datamodules.tasks import NULL_LABEL, UNLABELLED, LabelSet


class Labels:
    """The labels of clips, without the clips."""

    folder = "somewhere"

    def __init__(self, labels, kind="one_label"):
        names = sorted({name for each in labels for name in each})
        self.label_sets = {"tag": LabelSet(kind, tuple(names), None)}
        self._numbers = [[names.index(name) for name in each] or [UNLABELLED] for each in labels]

    def __len__(self):
        return len(self._numbers)

    def label_numbers(self, name):
        assert name == "tag"
        lengths = [len(each) for each in self._numbers]
        return LabelNumbers(np.concatenate(self._numbers), np.repeat(np.arange(len(lengths)), lengths))


def drawn(weights, num_passes=50):
    passes = [weighted_order(weights, seed=1, purpose=Purpose.SIGNAL_ORDER, cycle=cycle) for cycle in range(num_passes)]
    return np.array([np.bincount(one, minlength=len(weights)) for one in passes])  # (passes, N)


def test_clips_are_drawn_as_often_as_they_weigh():
    weights = np.array([1.0] * 90 + [9.0] * 10 + [0.0] * 5)
    counts = drawn(weights)
    expected = len(weights) * weights / weights.sum()
    assert (counts >= np.floor(expected)).all()
    assert (counts <= np.ceil(expected)).all()
    np.testing.assert_allclose(counts[:, :90].mean(), expected[0], rtol=0.05)
    assert (counts.sum(axis=1) == len(weights)).all()
    assert len({tuple(row) for row in counts}) > 40  # other clips in each pass
    assert (drawn(np.full(12, 0.3)) == 1).all()  # equal weights: each once
    first = weighted_order(weights, seed=1, purpose=Purpose.SIGNAL_ORDER, cycle=0)
    assert not np.array_equal(first, weighted_order(weights, seed=2, purpose=Purpose.SIGNAL_ORDER, cycle=0))


def test_classes_at_a_temperature():
    clips = Labels([["a"]] * 64 + [["b"]] * 16 + [["c"]] * 1)
    numbers = np.repeat([0, 1, 2], [64, 16, 1])
    for temperature, expected in [(1.0, [64, 16, 1]), (2.0, [8, 4, 1]), (math.inf, [1, 1, 1])]:
        weights = BalancedSampling("tag", temperature=temperature).weights(clips)
        shares = np.bincount(numbers, weights)
        np.testing.assert_allclose(shares / shares[2], expected, rtol=1e-9)
    with pytest.raises(DataSettingsError, match="temperature must be at least 1"):
        BalancedSampling("tag", temperature=0.5)
    with pytest.raises(DataSettingsError, match=r"no label column 'tags'; it has \['tag'\]"):
        BalancedSampling("tags").weights(clips)
    with pytest.raises(DataSettingsError, match="no clip of somewhere is labelled"):
        BalancedSampling("tag").weights(_unlabelled())


def _unlabelled():
    clips = Labels([["a"], []])
    clips._numbers = [[UNLABELLED], [UNLABELLED]]
    return clips


def test_clips_with_several_labels_or_none():
    clips = Labels([["common"], ["common"], ["common", "rare"], []], kind="many_labels")
    weights = BalancedSampling("tag").weights(clips)
    np.testing.assert_allclose(weights[:3], [1 / 3, 1 / 3, 4 / 3])
    assert weights[3] == pytest.approx(weights[:3].mean())  # the share of an average clip


def flat(batches):
    rows = [zip(batch["waveform"], batch["targets"]["word"].tolist(), strict=True) for batch in batches]
    return [(waveform.numpy().tobytes(), word) for row in rows for waveform, word in row]


@pytest.fixture
def make(signal_folder, noise_folder):
    def make(**changes):
        given = {"signal": str(signal_folder), "noise": str(noise_folder), "tasks": ["word"], "batch_size": 4}
        return AuditoryDataModule(**{**given, "num_workers": 0, "duration_s": 0.1, "sample_rate_hz": 4000, **changes})

    return make


class OnlyFirst(Sampling):
    """The first three clips alone."""

    def weights(self, clips):
        return (np.arange(len(clips)) < 3).astype(float)


def test_own_weights_are_drawn_by_any_number_of_ranks_and_workers_and_resumed(make):
    data = make(signal_sampling=OnlyFirst(), noise_sampling=BalancedSampling("texture"))
    loader = data.train_dataloader()
    alone = flat(loader)
    assert {draw.signal for batch in loader.order.batches(0) for draw in batch} == {0, 1, 2}
    assert len(loader) == 5  # epochs stay as long
    workers = make(signal_sampling=OnlyFirst(), noise_sampling=BalancedSampling("texture"), num_workers=2)
    assert flat(workers.train_dataloader()) == alone
    ranks = []
    for rank in (0, 1):
        half = make(batch_size=2, signal_sampling=OnlyFirst(), noise_sampling=BalancedSampling("texture"))
        half._rank_and_num_ranks = lambda rank=rank: (rank, 2)
        ranks.append(flat(half.train_dataloader()))
    assert [row for start in range(0, 10, 2) for rank in ranks for row in rank[start : start + 2]] == alone
    iterator = iter(loader)
    next(iterator), next(iterator)
    state = json.loads(json.dumps(loader.state_dict()))
    again = data.train_dataloader()
    again.load_state_dict(state)
    assert flat(again) == alone[8:]
    other = make().train_dataloader()  # without sampling, these would be other clips
    other.load_state_dict(state)
    with pytest.raises(DataSettingsError, match=r"cannot resume after batch 2.*signal_weights"):
        next(iter(other))


def test_wrong_weights_and_settings_are_refused(make):
    class Wrong(Sampling):
        def __init__(self, result):
            self.result = result

        def weights(self, clips):
            return self.result

    for result, message in (
        (np.ones(3), r"Wrong must weigh each of the 23 clips, got shape \(3,\)"),
        (np.full(23, -1.0), "finite, at least 0, and not all 0"),
        (np.zeros(23), "not all 0"),
    ):
        with pytest.raises(DataSettingsError, match=message):
            make(signal_sampling=Wrong(result)).setup("fit")
    with pytest.raises(DataSettingsError, match="leave out noise_sampling, which need noise"):
        make(noise=None, noise_sampling=BalancedSampling("texture"))
    streamed = f"pipe:cat {make()._corpora['signal'].locations[0]}/{{path}}"
    with pytest.raises(DataSettingsError, match="is streamed, so that labels are unknown"):
        make(signal=streamed, signal_sampling=BalancedSampling("word")).setup("fit")
    with pytest.raises(DataSettingsError, match="sampling and shares of corpora need local shards"):
        make(signal=streamed, signal_sampling=OnlyFirst()).setup("fit")
    for signal in ([], ["a", "a"], {"a": 0.0}, {"a": math.nan}):
        with pytest.raises(DataSettingsError, match=r"`data\.signal`"):
            make(signal=signal)


RATE_HZ = 4000


def write_corpus(folder, word, *, num_clips, rate_hz=RATE_HZ, kind="one_label"):
    """A corpus of one word, without speakers."""
    rng = np.random.default_rng(num_clips)
    for split in ("train", "val"):
        (folder / split).mkdir(parents=True)
        waveforms = 0.1 * rng.standard_normal((num_clips, 600))
        clips = [NewClip(f"{word}-{i}", waveform, 300, {"word": (word,)}) for i, waveform in enumerate(waveforms)]
        shard = write_shard(folder / split / "shard-000000.tar", clips, sample_rate_hz=rate_hz)
        label_sets = {"word": LabelSet(kind, (NULL_LABEL, word))}
        write_index(folder / split, [shard], label_sets=label_sets, sample_rate_hz=rate_hz)
    return str(folder)


def test_several_corpora_are_one_with_the_union_of_their_labels(make, signal_folder, tmp_path):
    first, second = str(signal_folder), write_corpus(tmp_path / "second", "eight", num_clips=8)
    data = make(signal=[first, second], tasks=["word", "speaker"])
    words = data.tasks[0].labels
    assert words == (*ShardSet(signal_folder / "train").label_sets["word"].labels, "eight")
    clips = data.clips("train").signals
    assert len(clips) == 31
    assert clips.read(0).labels == ShardSet(signal_folder / "train").read(0).labels
    assert clips.read(23).labels == {"word": words.index("eight"), "speaker": UNLABELLED}
    assert clips.read(30).key == "eight-7"
    numbers = clips.label_numbers("word")
    assert [clips.read(i).labels["word"] for i in range(31)] == numbers.numbers.tolist()
    assert (clips.label_numbers("speaker").numbers[23:] == UNLABELLED).all()
    drawn = [draw.signal for batch in data.train_dataloader().order.batches(0) for draw in batch]
    assert len(set(drawn)) == len(drawn) == 28
    assert sum(len(batch["waveform"]) for batch in data.val_dataloader()[0]) == 7 + 8


def test_shares_of_corpora(make, signal_folder, tmp_path):
    second = write_corpus(tmp_path / "second", "eight", num_clips=8)
    data = make(signal={str(signal_folder): 1, second: 3}, signal_sampling=BalancedSampling("word"))
    loader = data.train_dataloader()
    counts = np.zeros(31)
    for epoch in range(20):
        for batch in loader.order.batches(epoch):
            np.add.at(counts, [draw.signal for draw in batch], 1)
    assert counts[23:].sum() / counts.sum() == pytest.approx(0.75, abs=0.02)
    words = data.clips("train").signals.label_numbers("word").numbers
    of_first = np.bincount(words[:23], counts[:23])[1:]  # balanced within the corpus
    assert of_first.max() / of_first.min() < 1.3
    streamed = [f"pipe:cat {folder}/{{path}}" for folder in (signal_folder, second)]
    order = make(signal=streamed).train_dataloader().order
    assert type(order).__name__ == "StreamedTrainingOrder"
    with pytest.raises(DataSettingsError, match="need local shards"):
        make(signal=dict.fromkeys(streamed, 1.0)).setup("fit")


def test_corpora_that_do_not_fit_are_refused(make, signal_folder, tmp_path):
    first = str(signal_folder)
    fast = write_corpus(tmp_path / "fast", "eight", num_clips=8, rate_hz=8000)
    with pytest.raises(ShardError, match=r"fast.*has a sample rate of 8000 Hz, .*signal.* has 4000 Hz"):
        make(signal=[first, fast]).setup("fit")
    many = write_corpus(tmp_path / "many", "eight", num_clips=8, kind="many_labels")
    with pytest.raises(ShardError, match=r"label column 'word' is many_labels .*many.*, but one_label"):
        make(signal=[first, many]).setup("fit")
    with pytest.raises(ShardError, match=r"`data.signal`.*gone"):
        make(signal=[first, str(tmp_path / "gone")]).setup("fit")
    clips = ShardSet(signal_folder / "train")

    class NoneOfSecond(Sampling):
        def weights(self, clips):
            return np.r_[np.ones(23), np.zeros(23)]

    joined = JoinedClips([clips, clips], [1.0, 1.0])
    with pytest.raises(DataSettingsError, match=r"gives every clip of .* the weight 0, but the corpus has a share"):
        clip_weights(joined, NoneOfSecond())


def test_noises_of_an_example_are_all_drawn_before_any_repeats():
    order = TrainingOrder(10, 9, batch_size=3, seed=0, noises_per_example=3)
    draws = [draw for batch in order.batches(0) for draw in batch]
    noises = [number for draw in draws for number in (draw.noise, *draw.more_noises)]
    assert all(sorted(noises[start : start + 9]) == list(range(9)) for start in range(0, 27, 9))
    assert order.identity()["noises_per_example"] == 3
    weighted = TrainingOrder(10, 9, batch_size=3, seed=0, weights=ClipWeights(noise=np.eye(9)[4]))
    assert {draw.noise for batch in weighted.batches(0) for draw in batch} == {4}
