import sys

import numpy as np
import pytest

from datamodules.audio import PUBLISHED_SAMPLE_RATE_HZ, check_source_rate
from datamodules.demo import espeak
from datamodules.demo.manners import MANNERS
from datamodules.demo.phrases import phrase_around
from datamodules.demo.speech import TRACT_SCALES, WORDS_PER_MINUTE_RANGE, Synthesiser
from datamodules.demo.words import WORDS


@pytest.fixture(scope="module")
def synthesiser():
    pytest.importorskip("espeakng_loader", reason="synthesised speech needs the extra 'demo'")
    return Synthesiser()


def test_words_are_enough_and_distinct():
    assert len(WORDS) >= 80
    assert len(set(WORDS)) == len(WORDS)
    assert all(len(word) >= 4 and word.isalpha() and word.islower() for word in WORDS)


def test_about_two_hundred_voices_that_all_speak(synthesiser):
    voices = synthesiser.voices()
    assert len(voices) >= 180
    assert len(set(voices)) == len(voices)
    said = [synthesiser.speak("window", voice=voice) for voice in voices]
    assert len({utterance.waveform.tobytes() for utterance in said}) == len(voices)
    # All can be resampled to the rate of the shards.
    for rate_hz in {utterance.sample_rate_hz for utterance in said}:
        check_source_rate(rate_hz, PUBLISHED_SAMPLE_RATE_HZ, "speech")


def test_utterance(synthesiser):
    utterance = synthesiser.speak("the garden, window", voice="en-us+m3")
    assert utterance.sample_rate_hz == 22_050
    assert utterance.waveform.dtype == np.float32
    assert 0.05 < np.abs(utterance.waveform).max() <= 1
    assert [word.text for word in utterance.words] == ["the", "garden", "window"]
    starts, ends = zip(*((word.start_s, word.end_s) for word in utterance.words), strict=True)
    assert starts[0] == 0
    assert starts[1:] == ends[:-1]
    assert all(end > start for start, end in zip(starts, ends, strict=True))
    assert ends[-1] <= len(utterance.waveform) / utterance.sample_rate_hz


@pytest.mark.skipif(sys.platform != "linux", reason="other systems may keep the library and its state")
def test_same_call_same_bytes_whatever_came_before(synthesiser):
    # Reed and caleb breathe by C's rand, f2 and whisper by the library's own, all others flutter.
    voices = ("en-us+m3", "en-gb-x-rp+f2", "en-gb-x-rp+Reed", "en-us+caleb", "en-us+whisper", "en-us+klatt4")
    first = {voice: synthesiser.speak("river", voice=voice).waveform.tobytes() for voice in voices}
    synthesiser.speak("something else", voice="en-us+f3", pitch=80)
    for voice in reversed(voices):
        assert synthesiser.speak("river", voice=voice).waveform.tobytes() == first[voice], voice


def test_rate_and_pitch_do_what_they_say(synthesiser):
    slow, fast = (synthesiser.speak("elephant", voice="en-us+m3", words_per_minute=rate) for rate in (120, 240))
    assert len(slow.waveform) > 1.4 * len(fast.waveform)
    low, high = (_f0_hz(synthesiser.speak("aaaaaah", voice="en-us+m3", pitch=p)) for p in (20, 80))
    assert high > 1.3 * low


def test_another_vocal_tract_has_other_frequencies_at_the_same_speed(synthesiser):
    plain, shorter = (
        synthesiser.speak("the elephant and the window", voice=f"en-us+m3{scale}") for scale in ("", "@1.25")
    )
    assert shorter.sample_rate_hz == 27_550  # 1.25 times, in steps of 50 Hz
    assert [word.text for word in shorter.words] == [word.text for word in plain.words]
    assert shorter.words[-1].end_s == pytest.approx(plain.words[-1].end_s, rel=0.1)
    aah, higher_aah = (synthesiser.speak("aaaaaah", voice=f"en-us+m3{scale}") for scale in ("", "@1.25"))
    assert _f0_hz(higher_aah) == pytest.approx(1.25 * _f0_hz(aah), rel=0.05)
    with pytest.raises(ValueError, match=r"words_per_minute over the voice's factor 1\.25 must be in 80-450, got 72"):
        synthesiser.speak("river", voice="en-us+m3@1.25", words_per_minute=90)


@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS)
def test_all_voices_can_speak_as_slowly_and_as_fast_as_all_manners(manner):
    for words_per_minute in manner.words_per_minute:
        for scale in TRACT_SCALES:
            assert WORDS_PER_MINUTE_RANGE[0] <= round(words_per_minute / scale) <= WORDS_PER_MINUTE_RANGE[1]


def test_foreign_voices_say_each_word_once_in_phrases(synthesiser):
    rng = np.random.default_rng(0)
    for voice in synthesiser.voices()[-30:]:
        word = str(rng.choice(WORDS))
        said = [spoken.text for spoken in synthesiser.speak(phrase_around(word, rng), voice=voice).words]
        assert said.count(word) == 1, (voice, word, said)


def _f0_hz(utterance):
    frame = utterance.waveform[6000:10_000] - utterance.waveform[6000:10_000].mean()
    correlation = np.fft.irfft(np.abs(np.fft.rfft(frame, 8192)) ** 2)
    return utterance.sample_rate_hz / (60 + correlation[60:400].argmax())


def test_errors_name_what_is_wrong(synthesiser):
    with pytest.raises(ValueError, match="no voice variant 'nobody'"):
        synthesiser.speak("river", voice="en-us+nobody")
    with pytest.raises(espeak.SpeechError, match="no voice 'xx-yy'"):
        synthesiser.speak("river", voice="xx-yy")
    for scale in ("3", "fast", ""):
        with pytest.raises(ValueError, match=rf"after @ comes a factor of its frequencies in 0.5-2, got '{scale}'"):
            synthesiser.speak("river", voice=f"en-us+m3@{scale}")
    with pytest.raises(ValueError, match="text is empty"):
        synthesiser.speak("  ", voice="en-us+m3")
    with pytest.raises(ValueError, match="pitch must be in 0-99, got 100"):
        synthesiser.speak("river", voice="en-us+m3", pitch=100)
    with pytest.raises(ValueError, match="words_per_minute must be in 80-450, got 10"):
        synthesiser.speak("river", voice="en-us+m3", words_per_minute=10)
    with pytest.raises(espeak.SpeechError, match=r"no sound for '\.'"):
        synthesiser.speak(".", voice="en-us+m3")


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ImportError, match=r"pip install 'cochlearn\[demo\]'"):
        Synthesiser()
