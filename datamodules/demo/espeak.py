"""The part of espeak-ng's C interface that is needed to speak words.

Declarations follow `speak_lib.h` and `espeak_ng.h` of espeak-ng 1.52. The library keeps the phases of its oscillators
and of its flutter between utterances, and only loading it again resets them. So it is loaded, used for one utterance
and unloaded, which takes about 5 ms. Its breath noise comes from its own random numbers, seeded by the clock, and that
of the Klatt voices from C's `rand`: both are seeded here. This makes an utterance a function of its arguments.
"""

import _ctypes
import ctypes
import sys
import threading
from typing import Any, NamedTuple

import numpy as np

_INSTALL_HINT = "pip install 'cochlearn[demo]'"

# Constants of speak_lib.h.
_OUTPUT_SYNCHRONOUS = 2
_RATE, _PITCH, _RANGE = 1, 3, 4
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 1
_EVENT_LIST_TERMINATED, _EVENT_WORD, _EVENT_END = 0, 1, 5
_OK = 0
_BUFFER_MS = 1000
_SEED = 1

# There is one library per process, and it is not thread-safe.
_LOCK = threading.Lock()


class SpeechError(RuntimeError):
    """Speech that could not be synthesised; the message names the text or voice and the reason."""


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class WordEvent(NamedTuple):
    """Place of a word in the text, and the sample at which it begins."""

    first_character: int
    num_characters: int
    first_sample: int


class RawSpeech(NamedTuple):
    """Output of the library: (T,) int16 samples, their rate, the words, and the sample where speech ends."""

    samples: np.ndarray
    sample_rate_hz: int
    words: list[WordEvent]
    end_sample: int


def library_paths() -> tuple[str, str]:
    """Paths of espeak-ng's shared library and of its data folder.

    Raises:
        ImportError: The package that contains them is not installed.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise ImportError(f"synthesised speech needs the package espeakng-loader (GPL): {_INSTALL_HINT}") from error
    return str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path())


def speak_once(text: str, voice: str, words_per_minute: int, pitch: int, pitch_range: int) -> RawSpeech:
    """Load the library, speak a string, and unload the library.

    Args:
        text: Plain text.
        voice: Name of a voice, with or without "+variant".
        words_per_minute: Speed, 80-450.
        pitch: Pitch, 0-99.
        pitch_range: Range of the pitch, 0 (monotone) to 99.

    Raises:
        ImportError: The package that contains the library is not installed.
        SpeechError: The library does not start, has no such voice, or makes no sound.
    """
    library_path, data_path = library_paths()
    with _LOCK:
        library = ctypes.CDLL(library_path)
        try:
            sample_rate_hz = library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, _BUFFER_MS, data_path.encode(), 0)
            if sample_rate_hz <= 0:
                raise SpeechError(f"espeak-ng does not start with the data in {data_path}")
            _seed_breath(library)
            if library.espeak_SetVoiceByName(voice.encode()) != _OK:
                raise SpeechError(f"espeak-ng has no voice {voice!r}; see Synthesiser().voices()")
            for parameter, value in ((_RATE, words_per_minute), (_PITCH, pitch), (_RANGE, pitch_range)):
                library.espeak_SetParameter(parameter, value, 0)
            return _collect(library, text, sample_rate_hz)
        finally:
            library.espeak_Terminate()
            _unload(library)


def _collect(library: ctypes.CDLL, text: str, sample_rate_hz: int) -> RawSpeech:
    blocks: list[np.ndarray] = []
    words: list[WordEvent] = []
    ends: list[int] = []

    def receive(samples: Any, num_samples: int, events: Any) -> int:
        if samples and num_samples > 0:
            blocks.append(np.ctypeslib.as_array(samples, (num_samples,)).copy())
        position = 0
        while events[position].type != _EVENT_LIST_TERMINATED:
            event = events[position]
            if event.type == _EVENT_WORD:
                words.append(WordEvent(event.text_position - 1, event.length, event.sample))
            elif event.type == _EVENT_END:
                ends.append(event.sample)
            position += 1
        return 0

    callback = _Callback(receive)  # kept alive while the library may call it
    library.espeak_SetSynthCallback(callback)
    data = text.encode() + b"\0"
    status = library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None)
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
    if status != _OK or not samples.any():
        raise SpeechError(f"espeak-ng made no sound for {text!r} (status {status})")
    return RawSpeech(samples, sample_rate_hz, words, min([*ends[-1:], len(samples)]))


def _seed_breath(library: ctypes.CDLL) -> None:
    """Seed the two sources of breath noise."""
    library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
    c_library = ctypes.CDLL("msvcrt") if sys.platform == "win32" else ctypes.CDLL(None)
    c_library.srand(_SEED)


def _unload(library: ctypes.CDLL) -> None:
    """Unload the library and its state from the process; systems that keep the library keep the state, too."""
    if sys.platform == "win32":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)
