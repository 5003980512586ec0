"""Alignments as users have them: several speakers, marks of noise, words without duration, two of one recording."""

import shutil
import unicodedata

import numpy as np
import pandas as pd
import pytest
import soundfile
import tgt
from hypothesis import given, settings
from hypothesis import strategies as st
from praatio import textgrid

from datamodules.__main__ import main
from datamodules.corpora.aligned_words import make_manifest
from datamodules.corpora.alignments import AlignmentError, is_mark, read_ctm, read_textgrid
from datamodules.corpora.sounds import CorpusError
from datamodules.corpora.word_selection import SelectionRules
from datamodules.decoding import media
from datamodules.shards.reader import ShardSet

ALL = SelectionRules(min_letters=1, margin_s=0.0, min_utterances=1, min_partners=1, max_partner_fraction=1.0)
NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
DURATION_S = 6.0


def grid(*tiers):
    """A TextGrid in short form; each tier is a name and words (text, start, end)."""
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "0",
        f"{DURATION_S}",
        "<exists>",
        f"{len(tiers)}",
    ]
    for name, words in tiers:
        lines += ['"IntervalTier"', f'"{name}"', "0", f"{DURATION_S}", f"{len(words)}"]
        for text, start_s, end_s in words:
            lines += [f"{start_s}", f"{end_s}", f'"{text}"']
    return "\n".join(lines) + "\n"


def said(*words):
    return [(word, 1.0 + 0.6 * place, 1.5 + 0.6 * place) for place, word in enumerate(words)]


@pytest.fixture
def corpus(tmp_path):
    """A folder with recordings of two channels, and a function that writes its table."""
    root = tmp_path / "c"
    root.mkdir()
    for number in range(2):
        samples = 0.1 * np.random.default_rng(number).standard_normal((round(8000 * DURATION_S), 2))
        soundfile.write(root / f"r{number}.wav", samples, 8000)

    def write(*rows, columns="path,speaker"):
        (root / "recordings.csv").write_text("\n".join((columns, *rows)) + "\n")
        return root

    write("r0.wav,ann", "r1.wav,bob")
    write.root = root
    return write


def made(root, **options):
    manifest = make_manifest(root, root.parent / "m.csv", layout="table", rules=ALL, **options)
    counts = {removal.rule: removal.num_clips for removal in manifest.removals if removal.num_clips}
    return pd.read_csv(manifest.path), counts


# Several speakers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [("A", "B"), ("1", "2"), ("a", "b")])
def test_two_channels_are_two_speakers_or_refused(corpus, channels):
    lines = [f"r0 {channel} 1 0.5 {word}\n" for channel, word in zip(channels, ("window", "stone"), strict=True)]
    (corpus.root / "a.ctm").write_text("".join(lines))
    with pytest.raises(CorpusError, match=r"a\.ctm, r0: has words in the channels .*path,channel,speaker: r0\.wav,"):
        made(corpus.root)
    corpus("r0.wav,A,ann", "r0.wav,B,bob", "r1.wav,,cy", columns="path,channel,speaker")
    rows, counts = made(corpus.root)
    assert rows[["word", "speaker", "sound_channel"]].to_numpy().tolist() == [["window", "ann", 1], ["stone", "bob", 2]]
    assert counts == {"recordings without an alignment": 1}
    corpus("r0.wav,A,ann", columns="path,channel,speaker")
    with pytest.raises(CorpusError, match=r"listed with the speakers \['ann \(channel A\)'\], so it is not clear"):
        made(corpus.root)


def test_channels_in_two_files_and_one_that_the_sound_lacks(corpus):
    (corpus.root / "a.ctm").write_text("r0 A 1 0.5 window\n")
    (corpus.root / "b.ctm").write_text("r0 C 2 0.5 stone\n")
    with pytest.raises(CorpusError, match=r"channels \['A', 'C'\]"):
        made(corpus.root)
    corpus("r0.wav,1,ann", "r0.wav,3,bob", columns="path,channel,speaker")
    with pytest.raises(CorpusError, match=r"r0\.wav: has 2 channels, but 'bob' is listed on channel 3"):
        made(corpus.root)


def test_a_channel_that_only_has_noise_is_no_speaker(corpus):
    (corpus.root / "a.ctm").write_text("r0 A 1 0.5 window\nr0 B 2 0.5 <noise>\n")
    rows, counts = made(corpus.root)
    assert rows["word"].tolist() == ["window"]
    assert counts["marks of silence and noise (<noise> 1)"] == 1


def test_the_channel_of_the_speaker_is_cut(corpus, tmp_path):
    (corpus.root / "a.ctm").write_text("r0 A 1 0.5 window\nr0 B 3 0.5 stone\n")
    corpus("r0.wav,A,ann", "r0.wav,B,bob", columns="path,channel,speaker")
    rules = ["--min_letters", "1", "--min_utterances", "1", "--min_partners", "1", "--max_partner_fraction", "1"]
    command = ["words", str(corpus.root), str(tmp_path / "out"), "--layout", "table", *rules, "--split_by", "given"]
    assert main([*command, "--sample_rate_hz", "8000", "--num_workers", "1", "--clip_duration_s", "1"]) == 0
    shards = ShardSet(tmp_path / "out" / "train")
    recorded, _ = soundfile.read(corpus.root / "r0.wav")
    for number in range(len(shards)):
        clip = shards.read(number)
        speaker = shards.label_sets["speaker"].labels[clip.labels["speaker"]]
        channel, middle = {"ann": (0, 10_000), "bob": (1, 26_000)}[speaker]
        expected = recorded[middle - 4000 : middle + 4000, channel]
        assert np.corrcoef(clip.waveform, expected)[0, 1] > 0.999
    assert len(shards) == 2


def test_tiers_of_two_speakers_are_both_used_or_refused(corpus):
    two = grid(("ann - words", said("window")), ("ann - phones", said("w")), ("bob - words", said("stone", "river")))
    (corpus.root / "r0.TextGrid").write_text(two)
    with pytest.raises(CorpusError, match=r"r0\.TextGrid: has words in the tiers of the speakers \['ann', 'bob'\]"):
        made(corpus.root)
    corpus("r0.wav,ann", "r0.wav,bob")
    for tier in (None, "words"):
        rows, counts = made(corpus.root, tier=tier)
        assert sorted(zip(rows["speaker"], rows["word"], strict=True)) == [
            ("ann", "window"),
            ("bob", "river"),
            ("bob", "stone"),
        ]
        assert not counts
    corpus("r0.wav,ann", "r0.wav,cy")
    with pytest.raises(CorpusError, match="it is not clear who says what"):
        made(corpus.root)
    corpus("r0.wav,ann")
    assert made(corpus.root, tier="ann - words")[0]["word"].tolist() == ["window"]


def test_one_alignment_is_not_given_to_two_speakers(corpus):
    corpus("r0.wav,ann", "r0.wav,bob")
    (corpus.root / "r0.TextGrid").write_text(grid(("words", said("window"))))
    with pytest.raises(CorpusError, match="it is not clear who says what"):
        made(corpus.root)
    (corpus.root / "r0.TextGrid").write_text(grid(("bob - words", said("window"))))
    rows, counts = made(corpus.root)
    assert rows["speaker"].tolist() == ["bob"]
    assert counts == {"speakers without words in the alignment of their recording": 1}


def test_a_single_tier_with_a_speaker_in_its_name(corpus):
    (corpus.root / "r0.TextGrid").write_text(grid(("x - words", said("window")), ("x - phones", said("w"))))
    assert made(corpus.root)[0]["speaker"].tolist() == ["ann"]


# Two alignments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [("r0.TextGrid", "old/r0.TextGrid"), ("r0.TextGrid", "a.ctm"), ("a.ctm", "b.ctm"), ("r0.TextGrid", "r0.textgrid")],
)
def test_two_alignments_of_one_recording_are_refused(corpus, first, second):
    for place in (first, second):
        path = corpus.root / place
        path.parent.mkdir(exist_ok=True)
        path.write_text("r0 1 1 0.5 window\n" if path.suffix == ".ctm" else grid(("words", said("window"))))
    if first.lower() == second.lower() and len(list(corpus.root.glob("r0.[tT]*"))) == 1:
        pytest.skip("this file system does not distinguish upper and lower case")
    with pytest.raises(CorpusError, match=r"two alignments of one recording|several alignments have its name"):
        made(corpus.root)


def test_the_alignment_of_another_recording_is_not_taken(corpus):
    for folder in ("a", "b"):
        (corpus.root / folder).mkdir()
        (corpus.root / folder / "r.wav").write_bytes((corpus.root / "r0.wav").read_bytes())
    corpus("a/r.wav,ann", "b/r.wav,bob")
    (corpus.root / "a" / "r.TextGrid").write_text(grid(("words", said("window"))))
    rows, counts = made(corpus.root)
    assert rows["speaker"].tolist() == ["ann"]
    assert counts == {"recordings without an alignment": 1}
    (corpus.root / "a" / "r.TextGrid").rename(corpus.root / "r.TextGrid")
    with pytest.raises(CorpusError, match=r"may be the alignment of .* or of"):
        made(corpus.root)


def test_alignments_behind_links_and_in_the_other_form(corpus, tmp_path):
    (corpus.root / "r0.wav").rename(corpus.root / f"{NFD}.wav")
    corpus(f"{NFC}.wav,{NFC}", "r1.wav,bob")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / f"{NFC}.TextGrid").write_text(grid(("words", said(NFD))))
    (tmp_path / "elsewhere" / "._r1.TextGrid").write_bytes(b"\0\5\x16\7")
    (corpus.root / "grids").symlink_to(tmp_path / "elsewhere")
    (corpus.root / "r1.ctm").write_text("r1.wav 1 1 0.5 window\nr7 1 1 0.5 stone\n")
    rows, counts = made(corpus.root)
    assert set(zip(rows["word"], rows["speaker"], strict=True)) == {(NFC, NFC), ("window", "bob")}
    assert counts == {"alignments without a recording": 1}
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CorpusError, match="a loop of links"):
        made(corpus.root)


# Marks and words without duration ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mark",
    [
        "",
        "sil",
        "sp",
        "spn",
        "nsn",
        "<unk>",
        "<eps>",
        "noise",
        "laughter",
        "[noise]",
        "{breath}",
        "<cut-w=word>",
        "[laughter-word]",
        "(cough)",
        "!sil",
        "h#",
        "<>",
        "[vocalized noise]",
    ],
)
def test_marks_are_no_words(mark):
    assert is_mark(mark)


@pytest.mark.parametrize("word", ["silver", "noises", "<b", "a>b", "don't", "x-ray", "[b", "so]"])
def test_words_are_no_marks(word):
    assert not is_mark(word)


def test_marks_are_counted_and_can_be_given(corpus):
    marks = ["<UNK>", "[noise]", "{lipsmack}", "SPN", "noise", "uh"]
    lines = [f"r0 1 {1 + 0.3 * place:.1f} 0.3 {mark}\n" for place, mark in enumerate([*marks, "window"])]
    (corpus.root / "a.ctm").write_text("".join(lines))
    rows, counts = made(corpus.root)
    assert rows["word"].tolist() == ["uh", "window"]
    assert counts["marks of silence and noise (<unk> 1, [noise] 1, {lipsmack} 1, spn 1, noise 1)"] == 5
    rows, counts = made(corpus.root, not_words=["UH", "spn"])
    assert rows["word"].tolist() == ["noise", "window"]


@pytest.mark.parametrize("skip_bad", [False, True])
def test_words_without_duration_are_counted_and_left_out(corpus, skip_bad):
    (corpus.root / "a.ctm").write_text("r0 1 1 0.5 window\nr0 1 1.8 0.0 river\nr0 1 1.8 0 stone\n")
    (corpus.root / "r1.TextGrid").write_text(grid(("words", [("garden", 1.0, 1.5), ("gate", 2.0, 2.0)])))
    rows, counts = made(corpus.root, skip_bad=skip_bad)
    assert rows["word"].tolist() == ["window", "garden"]
    assert counts == {"words without duration": 3}


def test_words_after_the_end_of_a_recording_are_counted_and_it_is_named(corpus, caplog):
    sound = (corpus.root / "r0.wav").read_bytes()
    (corpus.root / "r0.wav").write_bytes(sound[: len(sound) // 3])
    words = "".join(
        f"r{number} 1 {start_s} 0.4 {word}\n" for number in (0, 1) for start_s, word in ((0.5, "a"), (3, "b"))
    )
    (corpus.root / "a.ctm").write_text(words)
    rows, counts = made(corpus.root)
    assert rows["word"].tolist() == ["a", "a", "b"]
    assert counts == {"words after the end of their recording": 1}
    assert [line for line in caplog.messages if "r0.wav: lasts" in line and "1 word after that" in line]


def test_broken_alignments_stop_the_build_or_are_counted(corpus):
    (corpus.root / "r0.TextGrid").write_text(grid(("words", said("window"))))
    for content in (
        b"hello",
        grid(("words", [("stone", 2.0, 1.0)])).encode(),
        grid(("words", said("é"))).encode("cp1252"),
    ):
        (corpus.root / "r1.TextGrid").write_bytes(content)
        with pytest.raises(AlignmentError, match=r"r1\.TextGrid"):
            made(corpus.root)
        rows, counts = made(corpus.root, skip_bad=True)
        assert rows["word"].tolist() == ["window"]
        assert counts == {"recordings with a broken alignment": 1}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "r1.TextGrid",
            grid(("words", [("window", 1.0, 2.0), ("stone", 1.5, 2.5)])),
            r"r1\.TextGrid, tier 'words': two words overlap: 'window' from 1 to 2 s and 'stone' from 1\.5 to 2\.5 s",
        ),
        (
            "r1.TextGrid",
            grid(("phones", said("a")), ("words", [("late", 3.0, 3.5), ("gate", 1.0, 4.0), ("stone", 4.2, 5.0)])),
            r"r1\.TextGrid, tier 'words': two words overlap: 'gate' from 1 to 4 s and 'late' from 3 to 3\.5 s",
        ),
        (
            "a.ctm",
            "r1 1 1 0.5 window\nr1 1 1.2 0.5 stone\n",
            r"a\.ctm, r1, channel 1: two words overlap: 'window' from 1 to 1\.5 s and 'stone' from 1\.2 to 1\.7 s",
        ),
        ("a.ctm", "r1 A 1 0.5 window\nr1 A 1 0.5 window\n", "channel A: two words overlap"),
    ],
)
def test_words_that_overlap_stop_the_build_or_are_counted(corpus, caplog, name, content, message):
    (corpus.root / "r0.TextGrid").write_text(grid(("words", said("window"))))
    (corpus.root / name).write_text(content)
    with pytest.raises(AlignmentError, match=message):
        made(corpus.root)
    rows, counts = made(corpus.root, skip_bad=True)
    assert rows["word"].tolist() == ["window"]
    assert counts == {"recordings with a broken alignment": 1}
    (line,) = caplog.messages
    assert "left out: " in line
    assert "two words overlap" in line


def test_speakers_may_talk_at_the_same_time_and_times_may_be_rounded(corpus):
    tiers = [("ann - words", said("window")), ("bob - words", [("stone", 1.2, 1.7)])]
    (corpus.root / "r0.TextGrid").write_text(grid(*tiers))
    corpus("r0.wav,ann", "r0.wav,bob", "r1.wav,cy")
    (corpus.root / "a.ctm").write_text("r1 1 1.00 0.51 garden\nr1 1 1.50 0.30 gate\nr1 1 1.6 0.5 <noise>\n")
    rows, _ = made(corpus.root)
    assert rows["word"].tolist() == ["window", "stone", "garden", "gate"]


def test_the_command_reports_what_is_left_out(corpus, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    (corpus.root / "a.ctm").write_bytes(b"\xef\xbb\xbfr0 1 1 0.5 [noise]\nr0 1 1.8 0.0 river\nr0 1 2 0.5 window\n")
    rules = ["--min_letters", "1", "--min_utterances", "1", "--min_partners", "1", "--max_partner_fraction", "1"]
    command = ["words", str(corpus.root), str(tmp_path / "out"), "--layout", "table", *rules, "--skip_bad", "true"]
    command += ["--split_by", "given", "--sample_rate_hz", "8000", "--num_workers", "1", "--not_words", "sp", "um"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "marks of silence and noise ([noise] 1)" in printed
    assert "words without duration" in printed


@pytest.mark.parametrize("count", ["inf", "-1", "1.5", "1e12"])
def test_counts_that_are_none(tmp_path, count):
    path = tmp_path / "a.TextGrid"
    path.write_text(grid(("words", said("window"))).replace("<exists>\n1\n", f"<exists>\n{count}\n"))
    with pytest.raises(AlignmentError, match="not a TextGrid"):
        read_textgrid(path)


def test_ctm_files_with_marks_of_byte_order(tmp_path):
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "a.ctm").write_bytes(f"{NFD} 1 1 0.5 {NFD.upper()}\r\n".encode(encoding))
        (alignment,) = [read_ctm(tmp_path / "a.ctm")[NFC]]
        assert [word.text for word in alignment.words] == [NFC]
    (tmp_path / "a.ctm").write_bytes("é 1 1 0.5 x\n".encode("latin-1"))
    with pytest.raises(AlignmentError, match=r"a\.ctm: expected text in UTF-8"):
        read_ctm(tmp_path / "a.ctm")


@pytest.mark.parametrize("other", ["r0.WAV", "r0.flac"])
def test_recordings_that_differ_in_their_suffix_alone_share_no_alignment(corpus, other):
    samples = 0.1 * np.random.default_rng(9).standard_normal(round(8000 * DURATION_S))
    soundfile.write(corpus.root / other, samples, 8000, format="FLAC" if other.endswith("flac") else "WAV")
    corpus("r0.wav,ann", f"{other},bob")
    (corpus.root / "r0.TextGrid").write_text(grid(("words", said("window"))))
    with pytest.raises(CorpusError, match=rf"r0\.TextGrid: may be the alignment of .*{other} or of .*r0\.wav"):
        made(corpus.root)


def test_words_of_a_video_have_a_duration(corpus, monkeypatch):
    monkeypatch.setattr(media, "_ffmpeg_program", lambda: shutil.which("ffmpeg"))
    soundfile.write(corpus.root / "x.au", np.full((48_000, 1), 0.1), 8000, subtype="FLOAT", format="AU")
    program = corpus.root.parent / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {corpus.root / 'x.au'}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    (corpus.root / "r2.m4a").write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(400))
    corpus("r2.m4a,ann")
    (corpus.root / "a.ctm").write_text("r2 1 2.8 0.4 window\nr2 1 5.8 0.1 stone\n")
    rules = SelectionRules(min_letters=1, margin_s=1.0, min_utterances=1, min_partners=1, max_partner_fraction=1.0)
    manifest = make_manifest(corpus.root, corpus.root.parent / "m.csv", layout="table", rules=rules)
    assert pd.read_csv(manifest.path)["word"].tolist() == ["window"]


# TextGrids of other libraries ----------------------------------------------------------------------------------------

LABELS = st.text(
    st.one_of(st.sampled_from("ab7é \"'<>\n[]=!"), st.characters(codec="utf-8", exclude_categories=["C"])), max_size=6
)


@st.composite
def word_tiers(draw):
    """Words with gaps between them."""
    times = sorted(draw(st.sets(st.integers(1, 500), min_size=2, max_size=12)))
    spans = [(a / 100, b / 100) for a, b in zip(times[::2], times[1::2], strict=False)]
    return [(draw(LABELS), a, b) for a, b in spans]


def expected(words):
    labels = [(unicodedata.normalize("NFC", text.strip().lower()), a, b) for text, a, b in words]
    return [(text, pytest.approx(a), pytest.approx(b)) for text, a, b in labels if not is_mark(text)]


@settings(max_examples=60, deadline=None)
@given(
    word_tiers(),
    st.sampled_from(["short_textgrid", "long_textgrid"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_praatio_writes_reads_the_same(tmp_path_factory, words, form, encoding):
    path = tmp_path_factory.mktemp("grid") / "a.TextGrid"
    written = textgrid.Textgrid(0, DURATION_S)
    intervals = [(a, b, text) for text, a, b in words]
    written.addTier(textgrid.IntervalTier("words", intervals, 0, DURATION_S))
    written.addTier(textgrid.IntervalTier("phones", [(0, 1, '"x" = 3')], 0, DURATION_S))
    written.save(str(path), format=form, includeBlankSpaces=True)
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    assert [tuple(word) for word in read_textgrid(path).words] == expected(words)


@settings(max_examples=60, deadline=None)
@given(word_tiers(), st.sampled_from(["short", "long"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_what_tgt_writes_reads_the_same(tmp_path_factory, words, form, encoding):
    path = tmp_path_factory.mktemp("grid") / "a.TextGrid"
    written = tgt.TextGrid()
    tier = tgt.IntervalTier(0, DURATION_S, "words", [tgt.Interval(a, b, text) for text, a, b in words])
    written.add_tier(tier)
    written.add_tier(tgt.PointTier(0, DURATION_S, "clicks", [tgt.Point(0.5, "3")]))
    text = (tgt.io.export_to_short_textgrid if form == "short" else tgt.io.export_to_long_textgrid)(written)
    path.write_bytes(text.encode(encoding))
    assert [tuple(word) for word in read_textgrid(path).words] == expected(words)
