"""Spoken words and played scores, with programs that are replaced here."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from datamodules.corpora.packaged.synthesised import festival, flite, sampled_music, spoken_words
from datamodules.corpora.packaged.synthesised.instruments import DRUMS, INSTRUMENTS
from datamodules.corpora.packaged.synthesised.midi import DRUM_CHANNEL, Note, midi_file
from datamodules.corpora.packaged.synthesised.scores import STYLES, drum_phrase, phrase, piece


def events(midi):
    """Times in ticks and bytes of the events of a MIDI file, read back."""
    (length,) = struct.unpack(">I", midi[18:22])
    track, place, now = midi[22 : 22 + length], 0, 0
    found = []
    while place < length:
        step = 0
        while True:
            octet, place = track[place], place + 1
            step = step << 7 | octet & 0x7F
            if not octet & 0x80:
                break
        now += step
        size = 3 + track[place + 2] if track[place] == 0xFF else 2 if track[place] >> 4 == 0xC else 3
        found.append((now, track[place : place + size]))
        place += size
    return found


def test_midi_files_hold_the_notes():
    midi = midi_file([Note(0.5, 1.0, 60, 100), Note(1.5, 0.25, 62, 90, DRUM_CHANNEL)], [(0.5, 0, 40)])
    assert midi[:14] == b"MThd\0\0\0\6\0\0\0\1\x01\xe0"
    assert [event for event in events(midi) if event[1][0] != 0xFF] == [
        (480, b"\xc0\x28"),
        (480, b"\x90\x3c\x64"),
        (1440, b"\x80\x3c\0"),
        (1440, b"\x99\x3e\x5a"),
        (1680, b"\x89\x3e\0"),
    ]


def test_scores_are_playable_and_repeatable():
    draw = np.random.default_rng
    scores = [phrase(draw(1), found, name=name, duration_s=2.5) for name, found in INSTRUMENTS.items()]
    for score, instrument in zip(scores, INSTRUMENTS.values(), strict=True):
        assert all(instrument.keys[0] <= note.key < instrument.keys[1] for note in score.notes)
        assert set(score.programs.values()) <= set(instrument.programs)
    scores += [drum_phrase(draw(1), keys, duration_s=2.5) for keys in DRUMS.values()]
    scores += [piece(draw(1), style, duration_s=7.5) for style in STYLES.values()]
    for score in scores:
        assert score.notes
        assert all(0 <= note.key < 128 and 0 < note.velocity < 128 and note.duration_s > 0 for note in score.notes)
        assert all(note.start_s < 7.5 for note in score.notes)
    style = STYLES["jazz"]
    assert piece(draw(1), style, duration_s=7.5) == piece(draw(1), style, duration_s=7.5)
    assert piece(draw(1), style, duration_s=7.5) != piece(draw(2), style, duration_s=7.5)


def test_played_clips_have_classes_and_splits(tmp_path, monkeypatch):
    played = []
    monkeypatch.setattr(sampled_music, "_play", lambda font, midi, path: played.append((path.name, midi)))
    font = Path("small.sf2")
    clips = sampled_music.sampled_music(tmp_path, soundfont=font, clips_per_class=6, seed=0, num_workers=1)
    by_class = {(clip.kind, clip.sound) for clip in clips}
    assert len(by_class) == len(INSTRUMENTS) + len(DRUMS) + len(STYLES)
    violins = [clip for clip in clips if clip.sound == "violin"]
    assert [clip.split for clip in violins] == ["train"] * 6 + ["val"]
    assert violins[1].start_s == 4.0
    assert len({midi for _, midi in played}) == len(played)
    before = list(played)
    sampled_music.sampled_music(tmp_path, soundfont=font, clips_per_class=6, seed=0, num_workers=1)
    assert played == before * 2


def speak(words, paths, *, voice, stretch):
    for word, path in zip(words, paths, strict=True):
        tone = np.sin(np.arange(round(stretch * 4000)) * (0.1 + 0.01 * len(word)))
        soundfile.write(path, tone, 16_000)


def test_spoken_words_in_all_voices_and_tracts(tmp_path, monkeypatch):
    monkeypatch.setitem(spoken_words.SYNTHESISERS, "flite", (lambda: ["slt"], speak))
    settings = {"program": "flite", "num_renditions": 1, "rooms": 0.5, "seed": 0, "num_workers": 1}
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        clips = spoken_words.spoken_words(folder, ["river", "window"], **settings)
    assert {clip.speaker for clip in clips} == {"flite slt", "flite slt@0.87", "flite slt@1.16"}
    assert len(clips) == 2 * 3 * 2
    assert sum(clip.split == "val" for clip in clips) == 6
    contents = [[path.read_bytes() for path in sorted(folder.iterdir())] for folder in folders]
    assert contents[0] == contents[1]
    rates = {soundfile.info(clip.path).samplerate for clip in clips}
    assert rates == {16_000, 13_900, 18_550}


def test_programs_that_are_missing_have_no_voices(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert flite.voices() == festival.voices() == []
    assert not sampled_music.is_installed()


@pytest.mark.slow
@pytest.mark.parametrize("program", ["flite", "festival"])
def test_real_voices_speak_and_repeat_themselves(program, tmp_path):
    voices, say = spoken_words.SYNTHESISERS[program]
    if not voices():
        pytest.skip(f"{program} is not installed, or has no voices: apt-get install {program}")
    for number, voice in enumerate(voices()):
        paths = [tmp_path / f"{number}_{turn}.wav" for turn in range(3)]
        for path, stretch in zip(paths, (1.0, 1.0, 1.3), strict=True):
            say(["window"], [path], voice=voice, stretch=stretch)
        assert paths[0].read_bytes() == paths[1].read_bytes(), voice
        lengths = [soundfile.info(path).frames for path in paths]
        assert lengths[2] > 1.1 * lengths[0], voice


@pytest.mark.slow
def test_a_real_soundfont_plays_and_repeats_itself(tmp_path):
    from datamodules.corpora.packaged.parts import soundfonts

    if not soundfonts(Path("/")):
        pytest.skip("fluidsynth or a soundfont is missing: apt-get install fluidsynth fluid-soundfont-gm")
    font = soundfonts(Path("/"))[0]
    midi = midi_file(phrase(np.random.default_rng(0), INSTRUMENTS["piano"], name="piano", duration_s=1.0).notes, [])
    paths = [tmp_path / name for name in ("a.wav", "b.wav")]
    for path in paths:
        sampled_music._play(font, midi, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert np.abs(soundfile.read(paths[0])[0]).max() > 0.01
