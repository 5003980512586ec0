"""The inspection of a corpus before it is built: each finding has an input of its own, a clean corpus has none."""

import unicodedata

import numpy as np
import pytest
import soundfile

from datamodules.__main__ import main
from datamodules.audio import resample
from datamodules.inspection.findings import (
    InspectedRow,
    missing_classes,
    missing_marks,
    shared_across_splits,
    similar_labels,
    wrong_stretches,
)
from datamodules.inspection.inspecting import inspect
from datamodules.inspection.sound_measures import band_of, measure
from datamodules.progress import Progress

RATE_HZ = 16_000


def noise(seed: int, *, rate_hz: int = RATE_HZ, duration_s: float = 0.5) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(duration_s * rate_hz)).astype(np.float32)


@pytest.fixture
def corpus(tmp_path):
    """A clean corpus as a folder and as a manifest: two classes, two splits, four speakers."""
    rows = ["path,split,word,speaker"]
    for number, (split, word) in enumerate((s, w) for s in ("train", "val") for w in ("dog", "[/cat]") for _ in "ab"):
        path = tmp_path / "corpus" / split / word.replace("/", "") / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise(number), RATE_HZ)
        rows.append(f"{path.relative_to(tmp_path)},{split},{word},{split}{number % 2}")
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def check(capsys, *arguments) -> tuple[int, str]:
    code = main(["check", *map(str, arguments)])
    return code, capsys.readouterr().out


def test_a_clean_corpus_has_no_findings(corpus, capsys):
    for place in (corpus / "corpus", corpus / "m.csv"):
        code, shown = check(capsys, place)
        assert code == 0, shown
        assert "nothing suspicious" in shown
        assert "16000 Hz (8)" in shown
        assert "train (4), val (4)" in shown
    assert "dog (4), [/cat] (4)" in shown
    assert "speaker (4)" in shown


FLAWED = {
    "silent": np.zeros(8000),
    "clipped": np.clip(20 * noise(100), -1, 1),
    "DC-shifted": noise(101) + 0.2,
    "band-limited": resample(noise(102, rate_hz=8000), 8000, RATE_HZ),
}


@pytest.mark.parametrize("flaw", FLAWED)
def test_flawed_sounds_are_found(corpus, capsys, flaw):
    soundfile.write(corpus / "corpus" / "train" / "dog" / "bad.wav", FLAWED[flaw], RATE_HZ)
    code, shown = check(capsys, corpus / "corpus")
    assert code == 1
    assert f"{flaw} sounds: 1" in shown
    assert "bad.wav" in shown
    assert measure(FLAWED[flaw].astype(np.float32), RATE_HZ).flaws() == (flaw,)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16_000), (16_000, 44_100), (16_000, 24_000), (22_050, 44_100)])
def test_the_band_edge_is_where_the_sound_was_sampled_before(from_hz, to_hz):
    upsampled = resample(noise(0, rate_hz=from_hz, duration_s=2), from_hz, to_hz)
    rounded = np.rint(upsampled * 32_768) / 32_768
    assert band_of(rounded).edge == pytest.approx(from_hz / to_hz, abs=0.04)
    assert band_of(rounded).is_cut
    assert band_of(noise(0, rate_hz=to_hz)).edge == 1.0


TIME = np.arange(2 * RATE_HZ) / RATE_HZ


@pytest.mark.parametrize(
    "sound",
    {
        "a tone": 0.3 * np.sin(2 * np.pi * 440 * TIME),
        "a high tone": 0.3 * np.sin(2 * np.pi * 4321 * TIME),
        "harmonics of 110 Hz": sum(0.02 * np.sin(2 * np.pi * 110 * number * TIME + number) for number in range(1, 33)),
        "a glide": 0.3 * np.sin(2 * np.pi * np.cumsum(np.linspace(200, 800, len(TIME))) / RATE_HZ),
        "dark noise": 0.3 * resample(np.cumsum(noise(3, duration_s=2)), RATE_HZ, RATE_HZ) / 40,
    }.items(),
    ids=lambda item: item[0],
)
def test_tones_and_dark_sounds_were_not_upsampled(sound):
    samples = np.rint(sound[1] * 32_768) / 32_768
    assert "band-limited" not in measure(samples.astype(np.float32), RATE_HZ).flaws()


def test_quiet_and_dark_recordings_are_not_band_limited():
    dark = np.cumsum(noise(0, duration_s=2))
    dark = 0.1 * (dark - dark.mean()) / np.abs(dark).max()
    recorded = dark + 3e-4 * np.random.default_rng(1).standard_normal(len(dark))
    assert measure(recorded.astype(np.float32), RATE_HZ).flaws() == ()


def test_copies_are_found_within_and_across_splits(corpus, capsys):
    folder = corpus / "corpus"
    original = folder / "train" / "dog" / "0.wav"
    (folder / "train" / "[cat]").joinpath("copy.wav").write_bytes(original.read_bytes())
    code, shown = check(capsys, folder)
    assert code == 1
    assert "sounds that occur twice: 1\n" in shown
    (folder / "val" / "dog" / "other.wav").write_bytes(original.read_bytes())
    assert "sounds that occur twice, in several splits: 1" in check(capsys, folder)[1]


def test_copies_in_another_format_are_found(corpus, capsys):
    samples, _ = soundfile.read(corpus / "corpus" / "train" / "dog" / "0.wav")
    soundfile.write(corpus / "corpus" / "val" / "dog" / "copy.flac", samples, RATE_HZ)
    code, shown = check(capsys, corpus / "corpus")
    assert code == 1
    assert "sounds that occur twice, in several splits: 1" in shown
    assert "copy.flac (val)" in shown


def test_broken_short_and_missing_sounds_are_found(corpus, capsys):
    whole = (corpus / "corpus" / "train" / "dog" / "0.wav").read_bytes()
    (corpus / "corpus" / "cut.wav").write_bytes(whole[:9000])
    (corpus / "corpus" / "text.wav").write_text("no sound")
    soundfile.write(corpus / "corpus" / "tiny.wav", noise(5)[:100], RATE_HZ)
    with (corpus / "m.csv").open("a") as file:
        file.write("corpus/cut.wav,train,dog,train0\ncorpus/text.wav,train,dog,train0\n")
        file.write("corpus/tiny.wav,train,dog,train0\ncorpus/gone.wav,train,dog,train0\n,train,dog,train0\n")
    code, shown = check(capsys, corpus / "m.csv")
    assert code == 1
    for text in (
        "unusable sounds (cut short): 1",
        "it holds 8956 of the 16000 bytes",
        "unusable sounds (broken): 1",
        "unusable sounds (missing): 1",
        "sounds shorter than 0.05 s: 1",
        "rows that cannot be used: 1",
        "row 13: no path",
    ):
        assert text in shown, text


def row(label: str, split: str = "train", **more) -> InspectedRow:
    return InspectedRow("row", more.pop("path", "a.wav"), split, {"word": (label,)}, **more)


@pytest.mark.parametrize(
    "pair",
    [
        ("dog", "Dog"),
        ("ice cream", "icecream"),
        ("a  b", "a b"),
        ("café", unicodedata.normalize("NFD", "café")),
        ("dog", "dog\u200b"),
        ("dog", "\ufeffdog"),
    ],
)
def test_labels_that_look_alike(pair):
    (found,) = similar_labels([row(label) for label in (*pair, "other")], "word")
    assert found.num_cases == 1
    assert similar_labels([row("dog"), row("dogs"), row("dog")], "word") == []
    first, second = found.cases[0].split(" and ")
    assert first != second


def test_speakers_across_splits_and_splits_without_a_class():
    rows = [row("a"), row("b"), row("a", "val")]
    (found,) = shared_across_splits(rows, "word")
    assert found.cases == ("'a' in train, val",)
    (found,) = missing_classes(rows, "word")
    assert found.cases == ("'val' lacks 1 of 2: 'b'",)
    assert missing_classes([row("a"), row("a", "val")], "word") == []
    assert shared_across_splits([row("a"), row("b", "val")], "word") == []


def test_rows_that_end_after_their_file():
    rows = [row("a", end_s=1.0), row("a", end_s=1.005), row("a", end_s=1.2), row("a", start_s=0.99), row("a")]
    after, short = wrong_stretches(rows, {"a.wav": 1.0})
    assert (after.num_cases, short.num_cases) == (1, 1)


def test_speakers_across_splits_by_the_command(corpus, capsys):
    text = (corpus / "m.csv").read_text()
    (corpus / "m.csv").write_text(text.replace("val1", "train1"))
    code, shown = check(capsys, corpus / "m.csv")
    assert code == 1
    assert "values of speaker in several splits: 1" in shown
    (corpus / "m.csv").write_text(text.replace("val1", "train1").replace("speaker", "person"))
    assert "values of person in several" in check(capsys, corpus / "m.csv", "--speaker_column", "person")[1]


def test_a_large_corpus_is_sampled_by_the_seed(corpus, capsys):
    code, shown = check(capsys, corpus / "corpus", "--max_sounds", "3")
    assert code == 0
    assert "3 of 8 files were heard" in shown
    rows = [InspectedRow(str(path), path, "train") for path in sorted((corpus / "corpus").rglob("*.wav"))]

    def heard(seed):
        with Progress("", is_shown=False) as display:
            return set(inspect(rows, max_sounds=3, max_duration_s=60, seed=seed, display=display).measured)

    assert heard(0) == heard(0)
    assert any(heard(0) != heard(seed) for seed in range(1, 5))


def test_a_manifest_without_labels_and_a_missing_one(tmp_path, capsys):
    (tmp_path / "m.csv").write_text("path\na.wav\n")
    assert main(["check", str(tmp_path / "m.csv")]) == 2
    assert "no column of labels" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "none.csv")]) == 2
    assert "none.csv: no such file or folder" in capsys.readouterr().err


def test_labels_that_most_likely_are_missing_values():
    (found,) = missing_marks([row("NA"), row("NA"), row("n/a"), row("null"), row("none"), row("dog")], "word")
    assert found.cases == ("'NA' (2)", "'n/a' (1)")
    assert missing_marks([row("null"), row("nan")], "word") == []


def test_files_that_are_no_sounds_are_named(corpus, capsys):
    (corpus / "corpus" / "train" / "dog" / "9.m4a").touch()
    assert main(["check", str(corpus / "corpus")]) == 0
    assert "corpus: passed over: 1 in a format that is not read (.m4a): train/dog/9.m4a" in capsys.readouterr().out


def test_another_separator_of_columns_is_named(corpus, capsys):
    (corpus / "m.csv").write_text((corpus / "m.csv").read_text().replace(",", ";"))
    assert main(["check", str(corpus / "m.csv")]) == 2
    assert "its columns seem to be separated by ';'" in capsys.readouterr().err
