"""Instruments of General MIDI Level 1: classes of programs, and the keys of percussion instruments."""

from typing import NamedTuple


class Instrument(NamedTuple):
    """A class of instruments: its programs, counted from 0, and the range of the keys that it plays."""

    programs: tuple[int, ...]
    keys: tuple[int, int]


# Programs that sound much alike are one class; ranges are those of the instruments, roughly.
INSTRUMENTS = {
    "piano": Instrument((0, 1, 2, 3), (33, 91)),
    "electric piano": Instrument((4, 5), (36, 88)),
    "harpsichord": Instrument((6, 7), (36, 84)),
    "mallets": Instrument((9, 10, 11, 12, 13), (53, 91)),
    "bell": Instrument((8, 14), (55, 91)),
    "organ": Instrument((16, 17, 18, 19), (36, 88)),
    "accordion": Instrument((20, 21, 22, 23), (48, 86)),
    "guitar": Instrument((24, 25, 26, 27, 28), (40, 79)),
    "distorted guitar": Instrument((29, 30), (40, 76)),
    "bass": Instrument((32, 33, 34, 35, 36, 37), (28, 55)),
    "synthesiser bass": Instrument((38, 39), (28, 55)),
    "violin": Instrument((40, 41), (55, 93)),
    "cello": Instrument((42, 43), (33, 69)),
    "string orchestra": Instrument((44, 48, 49, 50, 51), (40, 88)),
    "plucked strings": Instrument((45,), (40, 84)),
    "harp": Instrument((46,), (36, 91)),
    "timpani": Instrument((47,), (36, 57)),
    "choir": Instrument((52, 53, 54), (43, 81)),
    "trumpet": Instrument((56, 59), (54, 84)),
    "trombone": Instrument((57, 58), (36, 70)),
    "horn": Instrument((60,), (41, 77)),
    "brass section": Instrument((61, 62, 63), (45, 80)),
    "saxophone": Instrument((64, 65, 66, 67), (44, 80)),
    "oboe": Instrument((68, 69, 70), (45, 86)),
    "clarinet": Instrument((71,), (50, 88)),
    "flute": Instrument((72, 73, 74), (60, 95)),
    "pan flute": Instrument((75, 76, 77, 78, 79), (55, 88)),
    "synthesiser": Instrument((80, 81, 82, 83, 84, 87), (43, 84)),
    "synthesiser pad": Instrument((88, 89, 90, 91, 92, 93, 94, 95), (40, 79)),
    "sitar": Instrument((104,), (48, 79)),
    "banjo": Instrument((105,), (50, 84)),
    "koto": Instrument((106, 107), (48, 84)),
    "kalimba": Instrument((108,), (55, 84)),
    "bagpipe": Instrument((109, 111), (55, 79)),
    "fiddle": Instrument((110,), (55, 90)),
    "steel drum": Instrument((114,), (52, 84)),
}
"""Classes of melodic instruments."""

DRUMS = {
    "kick drum": (35, 36),
    "snare drum": (37, 38, 40),
    "clapping": (39,),
    "tom": (41, 43, 45, 47, 48, 50),
    "hi-hat": (42, 44, 46),
    "cymbal": (49, 51, 52, 55, 57, 59),
    "cowbell": (56, 67, 68),
    "hand drum": (60, 61, 62, 63, 64),
    "shaker": (54, 69, 70, 73, 74, 82),
    "wood block": (75, 76, 77),
    "triangle": (80, 81),
}
"""Keys of percussion instruments on the drum channel, by class."""
