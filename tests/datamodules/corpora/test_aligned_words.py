"""Words out of recordings, with alignments made from the times that the synthesiser tells."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from datamodules.__main__ import main
from datamodules.corpora.aligned_words import make_manifest
from datamodules.corpora.alignments import AlignedWord, read_ctm, read_textgrid
from datamodules.corpora.recordings import find_recordings
from datamodules.corpora.sounds import CorpusError
from datamodules.corpora.word_selection import SelectionRules
from datamodules.shards.reader import ShardSet

WORDS = [("", 0.0, 0.5), ("Window", 0.5, 0.9), ("sp", 0.9, 1.0), ('say"so', 1.0, 1.5)]
EXPECTED = [AlignedWord("window", 0.5, 0.9), AlignedWord('say"so', 1.0, 1.5)]
ALL = SelectionRules(min_letters=1, margin_s=0.0, min_utterances=1, min_partners=1, max_partner_fraction=1.0)


def long_form(words, duration_s, *, tier="words"):
    lines = [
        'File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {duration_s}",
        "tiers? <exists>", "size = 3", "item []:",
        "    item [1]:", '        class = "IntervalTier"', '        name = "phones"', "        xmin = 0",
        f"        xmax = {duration_s}", "        intervals: size = 1", "        intervals [1]:",
        "            xmin = 0", f"            xmax = {duration_s}", '            text = "AH0 12"',
        "    item [2]:", '        class = "TextTier"', '        name = "clicks"', "        xmin = 0",
        f"        xmax = {duration_s}", "        points: size = 1", "        points [1]:",
        "            number = 0.3", '            mark = "3"',
        "    item [3]:", '        class = "IntervalTier"', f'        name = "{tier}"', "        xmin = 0",
        f"        xmax = {duration_s}", f"        intervals: size = {len(words)}",
    ]  # fmt: skip
    for number, (text, start_s, end_s) in enumerate(words, start=1):
        quoted = text.replace('"', '""')
        lines += [f"        intervals [{number}]:", f"            xmin = {start_s}", f"            xmax = {end_s}"]
        lines += [f'            text = "{quoted}"']
    return "\n".join(lines) + "\n"


def short_form(words, duration_s):
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", f"{duration_s}", "<exists>", "1"]
    lines += ['"IntervalTier"', '"words"', "0", f"{duration_s}", f"{len(words)}"]
    for text, start_s, end_s in words:
        quoted = text.replace('"', '""')
        lines += [f"{start_s}", f"{end_s}", f'"{quoted}"']
    return "\n".join(lines) + "\n"


def test_both_forms_of_a_textgrid(tmp_path):
    path = tmp_path / "a.TextGrid"
    for text, encoding in (
        (long_form(WORDS, 2.0), "utf-8"),
        (long_form(WORDS, 2.0), "utf-16"),
        (short_form(WORDS, 2.0), "utf-8"),
    ):
        path.write_text(text, encoding=encoding)
        assert read_textgrid(path).words == EXPECTED
    path.write_text(long_form(WORDS, 2.0, tier="Mary - tokens"))
    assert read_textgrid(path, tier="Mary - tokens").words == EXPECTED
    with pytest.raises(CorpusError, match=r"expected one tier named words or word; .* \['phones', 'Mary - tokens'\]"):
        read_textgrid(path)


def test_a_label_may_have_line_breaks(tmp_path):
    path = tmp_path / "a.TextGrid"
    for text in (long_form(WORDS, 2.0).replace("AH0 12", 'checked\n""look"" again\n3'), long_form(WORDS, 2.0)):
        path.write_text(text)
        assert read_textgrid(path).words == EXPECTED


def test_two_tiers_of_words_are_refused(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(long_form(WORDS, 2.0).replace('name = "phones"', 'name = "words"'))
    for tier in (None, "words"):
        with pytest.raises(CorpusError, match=r"expected one tier named words.* \['words', 'words'\]"):
            read_textgrid(path, tier=tier)


def test_broken_alignments_are_named(tmp_path):
    path = tmp_path / "a.TextGrid"
    for text, message in (
        ("hello", "not a TextGrid: it ends too early"),
        (long_form(WORDS, 2.0)[:-60], "ends too early|expected a"),
        (short_form([("word", 1.0, 0.5)], 2.0), "word 'word' is spoken from 1.0 to 0.5 s"),
        (short_form(WORDS, 2.0).replace("<exists>", "<absent>"), "has no tiers"),
    ):
        path.write_text(text)
        with pytest.raises(CorpusError, match=message):
            read_textgrid(path)
    with pytest.raises(CorpusError, match="cannot be read as an alignment"):
        read_textgrid(tmp_path / "none.TextGrid")
    (tmp_path / "a.ctm").write_text("rec 1 0.5 x word\n")
    with pytest.raises(CorpusError, match=r"a\.ctm, line 1: expected RECORDING CHANNEL START"):
        read_ctm(tmp_path / "a.ctm")


def test_ctm(tmp_path):
    (tmp_path / "a.ctm").write_text(";; comment\nr1 1 1.0 0.5 Two 0.9\nr1 1 0.5 0.4 one\nr2 A 0.1 0.2 <eps>\n")
    words = {name: alignment.words for name, alignment in read_ctm(tmp_path / "a.ctm").items()}
    assert words == {"r1": [AlignedWord("one", 0.5, 0.9), AlignedWord("two", 1.0, 1.5)], "r2": []}
    assert words["r1"][0].midpoint_s == pytest.approx(0.7)


def write_noise(path, duration_s=3.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(round(8000 * duration_s)), 8000)


def test_layouts(tmp_path):
    for name in ("12-3-0001", "12-3-0002", "40-1-0000"):
        write_noise(tmp_path / "ls" / "train" / f"{name}.flac")
    assert [r.speaker for r in find_recordings(tmp_path / "ls", layout="librispeech")] == ["12", "12", "40"]
    write_noise(tmp_path / "cv" / "clips" / "common_1.ogg")
    (tmp_path / "cv" / "validated.tsv").write_text('client_id\tpath\tsentence\nab12\tcommon_1.ogg\tsay "so\n')
    (recording,) = find_recordings(tmp_path / "cv", layout="commonvoice")
    assert (recording.path.name, recording.speaker, recording.path.is_file()) == ("common_1.ogg", "ab12", True)
    write_noise(tmp_path / "wiki" / "Owl" / "audio1.ogg")
    (tmp_path / "wiki" / "speakers.csv").write_text("article,speaker\nOwl,anna\n")
    assert find_recordings(tmp_path / "wiki", layout="articles")[0].speaker == "anna"
    (tmp_path / "wiki" / "recordings.csv").write_text("path,speaker\nOwl/audio1.ogg,bert\n")
    assert find_recordings(tmp_path / "wiki", layout="table")[0].speaker == "bert"
    (tmp_path / "wiki" / "speakers.csv").write_text("article,speaker\nCat,anna\n")
    with pytest.raises(CorpusError, match="does not name the speaker of the article 'Owl'"):
        find_recordings(tmp_path / "wiki", layout="articles")
    with pytest.raises(CorpusError, match="expected a name like SPEAKER-CHAPTER-NUMBER"):
        find_recordings(tmp_path / "wiki", layout="librispeech")
    with pytest.raises(CorpusError, match=r"recordings\.csv: expected a table with the columns path, speaker"):
        find_recordings(tmp_path / "ls", layout="table")
    with pytest.raises(CorpusError, match="unknown layout 'timit'"):
        find_recordings(tmp_path / "ls", layout="timit")


def test_alignments_are_found_beside_below_and_by_name(tmp_path):
    root, other = tmp_path / "sounds", tmp_path / "alignments"
    for place in ("a/1-1-1", "a/1-1-2", "a/1-1-3", "a/1-1-4", "a/1-1-5"):
        write_noise(root / f"{place}.flac")
    (root / "a" / "1-1-1.TextGrid").write_text(short_form([("beside", 1.0, 1.5)], 3.0))
    for place, word in (("a/1-1-2", "below"), ("elsewhere/1-1-3", "named")):
        path = other / f"{place}.TextGrid"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(short_form([(word, 1.0, 1.5)], 3.0))
    (other / "all.ctm").write_text("1-1-4 1 1.0 0.5 listed\n")
    (root / "a" / "1-1-4.flac").write_bytes(b"broken")
    manifest = make_manifest(root, tmp_path / "m.csv", layout="librispeech", alignments=other, rules=ALL)
    assert pd.read_csv(manifest.path)["word"].tolist() == ["below", "named"]
    assert [(r.rule, r.num_clips) for r in manifest.removals[:2]] == [
        ("recordings without an alignment", 2),
        ("recordings that cannot be read", 1),
    ]
    assert make_manifest(root, tmp_path / "n.csv", layout="librispeech", rules=ALL).num_clips == 1
    with pytest.raises(CorpusError, match=r"none of 2 words in 5 recordings is left .*fewer than 200 utterances: 2"):
        make_manifest(root, tmp_path / "n.csv", layout="librispeech", alignments=other)
    twice = other / "twice" / "1-1-3.TextGrid"
    twice.parent.mkdir()
    twice.write_text(short_form([], 3.0))
    with pytest.raises(CorpusError, match="several alignments have its name"):
        make_manifest(root, tmp_path / "n.csv", layout="librispeech", alignments=other, rules=ALL)


def test_words_of_a_librispeech_like_tree_lie_at_the_midpoint(tmp_path, capsys):
    """Spoken sentences: each clip must be the stretch of its recording around the word's known time."""
    pytest.importorskip("espeakng_loader", reason="synthesised speech needs the extra 'demo'")
    from datamodules.demo.speech import Synthesiser

    synthesiser = Synthesiser()
    sentences = ["the yellow butterfly came to the window", "a window and a yellow chocolate butterfly were there"]
    spoken = {}
    for speaker, voice in enumerate(synthesiser.voices()[:3]):
        for number, sentence in enumerate(sentences):
            utterance = synthesiser.speak(sentence, voice=voice, words_per_minute=120)
            name = f"{speaker}-{number}-0000"
            path = tmp_path / "tree" / "train" / str(speaker) / str(number) / f"{name}.flac"
            path.parent.mkdir(parents=True)
            soundfile.write(path, utterance.waveform, utterance.sample_rate_hz)
            duration_s = len(utterance.waveform) / utterance.sample_rate_hz
            grid = tmp_path / "grids" / str(speaker) / str(number) / f"{name}.TextGrid"
            grid.parent.mkdir(parents=True)
            grid.write_text(long_form([tuple(word) for word in utterance.words], duration_s))
            for word in utterance.words:
                middle_s = (word.start_s + word.end_s) / 2
                if sum(map(str.isalpha, word.text)) >= 4 and min(middle_s, duration_s - middle_s) >= 1.0:
                    spoken.setdefault((word.text, str(speaker)), []).append((path, middle_s, word))
    counts = {word: len({speaker for other, speaker in spoken if other == word}) for word, _ in spoken}
    spoken = {pair: found for pair, found in spoken.items() if counts[pair[0]] == 3}
    arguments = ["words", str(tmp_path / "tree"), str(tmp_path / "out"), "--layout", "librispeech"]
    arguments += ["--alignments", str(tmp_path / "grids"), "--min_utterances", "1", "--min_partners", "3"]
    arguments += ["--max_partner_fraction", "0.9", "--val_fraction", "0.34", "--num_workers", "1"]
    assert main(arguments) == 0
    assert "words of fewer than 4 letters" in capsys.readouterr().out
    num_clips = 0
    for split in ("train", "val"):
        shards = ShardSet(tmp_path / "out" / split)
        for i in range(len(shards)):
            clip = shards.read(i)
            word, speaker = (shards.label_sets[name].labels[clip.labels[name]] for name in ("word", "speaker"))
            matches = [found for found in spoken[word, speaker] if holds(clip, *found)]
            assert len(matches) == 1, (word, speaker)
            num_clips += 1
    assert num_clips == sum(map(len, spoken.values())) > 10


def holds(clip, path, middle_s, word):
    """Whether the recording around the known middle is what the clip has around its midpoint."""
    recorded, rate_hz = soundfile.read(path)
    reach_s = 0.2
    times_s = np.arange(-reach_s, reach_s, 1 / 4000)
    original = np.interp(middle_s + times_s, np.arange(len(recorded)) / rate_hz, recorded)
    cut = np.interp(clip.midpoint / 20_000 + times_s, np.arange(len(clip.waveform)) / 20_000, clip.waveform)
    assert word.start_s < middle_s < word.end_s
    return np.corrcoef(original, cut)[0, 1] > 0.95
