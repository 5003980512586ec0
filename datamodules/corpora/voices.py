"""Who says the words of an alignment: the speakers of a recording, and the channels or tiers of its alignment."""

from collections.abc import Sequence
from typing import NamedTuple

from datamodules.corpora.alignments import AlignedWord, Alignment
from datamodules.corpora.recordings import RECORDINGS_TABLE, Recording
from datamodules.corpora.sounds import CorpusError

_LETTERS = "ABCDEFGH"


class SpeakerVoice(NamedTuple):
    """What a speaker says in a recording.

    Args:
        recording: The recording and the speaker.
        words: The words.
        sound_channel: Channel of the sound that the speaker is on, counted from 1; None is all channels.
    """

    recording: Recording
    words: list[AlignedWord]
    sound_channel: int | None


def voices_of(listed: Sequence[Recording], alignment: Alignment) -> list[SpeakerVoice]:
    """Match the speakers of a recording with the voices of its alignment.

    One speaker and one voice belong together. Otherwise the tiers of a TextGrid are named after the speakers, and the
    channels of a CTM file are in the column `channel` of the table of recordings.

    Args:
        listed: The recording, once for each of its speakers.
        alignment: Its alignment.

    Returns:
        The speakers that say something, with their words.

    Raises:
        CorpusError: It is not clear who says which words; says what to write.
    """
    voices = {name: words for name, words in alignment.voices.items() if words}
    if not voices:
        return []
    is_one = len(voices) == 1 and len(listed) == 1
    if is_one and not (alignment.is_by_channel and listed[0].channel):
        (words,) = voices.values()
        return [SpeakerVoice(listed[0], words, _channel_number(listed[0].channel))]
    kind = _channel_key if alignment.is_by_channel else str
    found = {kind(each.channel if alignment.is_by_channel else each.speaker): each for each in listed}
    keys = {kind(name) for name in voices}
    if len(found) < len(listed) or len(keys) < len(voices) or "" in keys or not keys <= set(found):
        raise _unclear(listed, alignment, voices)
    matched = [(found[kind(name)], words) for name, words in voices.items()]
    return [SpeakerVoice(recording, words, _channel_number(recording.channel)) for recording, words in matched]


def _channel_key(channel: str) -> str:
    """The same for `1` and `A`."""
    letter = channel.strip().upper()
    return str(_LETTERS.index(letter) + 1) if letter and letter in _LETTERS else letter


def _channel_number(channel: str) -> int | None:
    """Number of a channel, counted from 1; None without a channel."""
    key = _channel_key(channel)
    if not key:
        return None
    if not (key.isascii() and key.isdigit() and int(key) > 0):
        raise CorpusError(f"{RECORDINGS_TABLE}: a channel is a number from 1 or a letter from A, got {channel!r}")
    return int(key)


def _unclear(listed: Sequence[Recording], alignment: Alignment, voices: dict[str, list[AlignedWord]]) -> CorpusError:
    path = listed[0].path.name
    if alignment.is_by_channel:
        what, columns = "channels", "path,channel,speaker"
        rows = [f"{path},{name},SPEAKER" for name in voices]
        given = [f"{each.speaker} (channel {each.channel or 'not given'})" for each in listed]
    else:
        what, columns = "tiers of the speakers", "path,speaker"
        rows = [f"{path},{name or 'SPEAKER'}" for name in voices]
        given = [each.speaker for each in listed]
    return CorpusError(
        f"{alignment.where}: has words in the {what} {list(voices)}, but the recording is listed with the speakers "
        f"{given}, so it is not clear who says what. With --layout table, {RECORDINGS_TABLE} needs a row for each, "
        f"with the columns {columns}: {'; '.join(rows)}"
    )
