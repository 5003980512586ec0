"""A corpus that needs no download: words synthesised in many voices.

Each voice says each word several times, with another speed, pitch and pitch range each time. Validation holds out such
renditions: training has all words and speakers, but none of the sounds. All or some of the words can be said in
running speech, as in the published clips, whispered, shouted or sung, and recorded in rooms.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from datamodules.corpora.sounds import CorpusError, Row, check_part, run_jobs, write_manifest, write_sound
from datamodules.demo.manners import MANNERS, PLAIN, Manner
from datamodules.demo.phrases import phrase_around
from datamodules.demo.rooms import in_a_room
from datamodules.demo.speech import Synthesiser, Utterance
from datamodules.demo.words import WORDS
from datamodules.tables import read_text_table

MANIFEST_NAME = "words.csv"

RECIPE = "demo 4"
"""Increment this if the same arguments give other sounds."""

PHRASE_CLIP_S = 2.5
"""Duration kept around the middle of a word in a phrase: a window of 2 s, and room to shift it."""

_MANNER_KEY, _PAIR_KEY = 78, 79

Pair = TypeVar("Pair")


class _Rendition(NamedTuple):
    folder: Path
    word: str
    voice: str
    split: str
    name: str
    seed: tuple[int, ...]
    phrases: float
    manners: float
    rooms: float


def make_words(
    folder: str | Path,
    *,
    num_words: int = 20,
    words: Sequence[str] | None = None,
    num_voices: int = 20,
    num_renditions: int = 3,
    num_val_renditions: int = 1,
    val_part: float = 1.0,
    phrases: float = 0.0,
    manners: float = 0.0,
    rooms: float = 0.0,
    seed: int = 0,
    num_workers: int = 1,
    show_progress: bool = False,
) -> Path:
    """Synthesise words as WAV files, with a manifest.

    Args:
        folder: Folder for `words/*.wav` and `words.csv`; created if it does not exist.
        num_words: Number of words; the first `num_words` of `WORDS` are used.
        words: Words to use instead, in lower case.
        num_voices: Number of voices; the first of the synthesiser's are used, the most different ones first.
        num_renditions: Training clips of each word in each voice.
        num_val_renditions: Validation clips of each word in each voice.
        val_part: Fraction of the pairs of word and voice, chosen at random, that have validation clips. If it is small,
            some words and voices may have none.
        phrases: Fraction of the renditions, chosen at random, in which the word is spoken within a carrier phrase; the
            clip is then 2.5 s around its middle.
        manners: Fraction of the renditions, chosen at random, that are whispered, shouted or sung, see
            `datamodules.demo.manners`.
        rooms: Fraction of the renditions, chosen at random, that are recorded in rooms, see `datamodules.demo.rooms`.
        seed: Random seed.
        num_workers: Number of processes.
        show_progress: Whether to show a progress bar.

    Returns:
        The manifest's path; its columns are path, midpoint_s (middle of the word), start_s and end_s (for phrases),
        split, word, speaker, and the manner, words_per_minute, pitch and pitch_range of the rendition.

    Raises:
        CorpusError: More words or voices than exist, a number below 1, or a fraction outside 0-1.
        ImportError: The package espeakng-loader is missing.
    """
    voices = Synthesiser().voices()
    said = WORDS[:num_words] if words is None else words
    _check_count("num_words", num_words, len(WORDS))
    _check_count("num_voices", num_voices, len(voices))
    _check_count("num_renditions", num_renditions)
    _check_count("num_val_renditions", num_val_renditions)
    check_part("val_part", val_part)
    check_part("phrases", phrases)
    check_part("manners", manners)
    check_part("rooms", rooms)
    root = Path(folder)
    (root / "words").mkdir(parents=True, exist_ok=True)
    every_pair = list(product(enumerate(voices[:num_voices]), enumerate(said)))
    renditions = [
        _Rendition(
            root,
            word,
            voice,
            split,
            name=f"{word}_v{voice_number:03d}_{split}_{number}",
            seed=(seed, split == "val", word_number, voice_number, number),
            phrases=phrases,
            manners=manners,
            rooms=rooms,
        )
        for split, pairs, count in (
            ("train", every_pair, num_renditions),
            ("val", _some(every_pair, val_part, seed), num_val_renditions),
        )
        for (voice_number, voice), (word_number, word) in pairs
        for number in range(count)
    ]
    rows = run_jobs(
        _write_rendition, renditions, num_workers=num_workers, description="words", show_progress=show_progress
    )
    return write_manifest(root / MANIFEST_NAME, rows)


def join_manifests(words: Path, digits: Path) -> Path:
    """Add the rows of the digits' manifest, whose paths are absolute, to that of the words; returns the latter."""
    import pandas as pd

    tables = [read_text_table(manifest) for manifest in (words, digits)]
    joined = pd.concat(tables, ignore_index=True)
    return write_manifest(words, [{str(k): v for k, v in row.items()} for row in joined.to_dict("records")])


def _check_count(name: str, count: int, most: int | None = None) -> None:
    if count < 1 or (most is not None and count > most):
        allowed = "at least 1" if most is None else f"in 1-{most}"
        raise CorpusError(f"{name} must be {allowed}, got {count}")


def _write_rendition(rendition: _Rendition) -> Row:
    rng = np.random.default_rng(rendition.seed)
    name, manner = _manner(rendition)
    words_per_minute, pitch, pitch_range = (
        int(rng.integers(low, high + 1)) for low, high in (manner.words_per_minute, manner.pitch, manner.pitch_range)
    )
    in_phrase = rendition.phrases == 1 or rng.uniform() < rendition.phrases
    utterance = Synthesiser().speak(
        phrase_around(rendition.word, rng) if in_phrase else rendition.word,
        voice=rendition.voice,
        words_per_minute=words_per_minute,
        pitch=pitch,
        pitch_range=pitch_range,
    )
    waveform = manner.effect(rng, utterance.waveform, utterance.sample_rate_hz)
    if rng.uniform() < rendition.rooms:
        waveform = in_a_room(rng, waveform, utterance.sample_rate_hz)
    path = f"words/{rendition.name}.wav"
    write_sound(rendition.folder / path, waveform, utterance.sample_rate_hz)
    return {
        "path": path,
        **(_around_word(utterance, rendition.word) if in_phrase else _whole(utterance)),
        "split": rendition.split,
        "word": rendition.word,
        "speaker": rendition.voice,
        "manner": name,
        "words_per_minute": words_per_minute,
        "pitch": pitch,
        "pitch_range": pitch_range,
    }


def _some(pairs: Sequence[Pair], part: float, seed: int) -> Sequence[Pair]:
    """Choose a fraction of the pairs at random, at least one, in their order."""
    count = max(1, round(part * len(pairs)))
    chosen = np.random.default_rng([seed, _PAIR_KEY]).choice(len(pairs), count, replace=False)
    return [pairs[index] for index in np.sort(chosen)]


def _manner(rendition: _Rendition) -> tuple[str, Manner]:
    chance = np.random.default_rng([*rendition.seed, _MANNER_KEY])
    special = [name for name in MANNERS if name != PLAIN]
    name = str(chance.choice(special)) if chance.uniform() < rendition.manners else PLAIN
    return name, MANNERS[name]


def _whole(utterance: Utterance) -> Row:
    return {"midpoint_s": round((utterance.words[0].start_s + utterance.words[-1].end_s) / 2, 4)}


def _around_word(utterance: Utterance, word: str) -> Row:
    found = [spoken for spoken in utterance.words if spoken.text == word]
    if len(found) != 1:
        said_text = " ".join(spoken.text for spoken in utterance.words)
        raise CorpusError(f"espeak-ng says {word!r} {len(found)} times, not once, in {said_text!r}")
    (said,) = found
    midpoint_s = (said.start_s + said.end_s) / 2
    end_s = len(utterance.waveform) / utterance.sample_rate_hz
    times_s = {
        "midpoint_s": midpoint_s,
        "start_s": max(0.0, midpoint_s - PHRASE_CLIP_S / 2),
        "end_s": min(end_s, midpoint_s + PHRASE_CLIP_S / 2),
    }
    return {name: round(time_s, 4) for name, time_s in times_s.items()}
