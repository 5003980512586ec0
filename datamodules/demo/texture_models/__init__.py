"""Stochastic models of kinds of sound, from which the labelled textures are drawn.

A model takes a random generator, a number of samples and a sample rate. It draws its own parameters (rates, centre
frequencies, decays) and then the events. Levels do not matter: they are set afterwards.
"""

from collections.abc import Callable

import numpy as np

from datamodules.demo.texture_models import everyday, music, nature, people

TextureModel = Callable[[np.random.Generator, int, int], np.ndarray]
"""(random generator, T, sample rate in Hz) -> (T,) float64."""

TEXTURE_MODELS: dict[str, TextureModel] = {
    "applause": everyday.applause,
    "barks": nature.barks,
    "bells": music.bells,
    "birds": nature.birds,
    "breathing": people.breathing,
    "chopping": people.chopping,
    "chords": music.chords,
    "crying": people.crying,
    "dialling": everyday.dialling,
    "drill": everyday.drill,
    "drums": music.drums,
    "engine": everyday.engine,
    "fire": nature.fire,
    "footsteps": everyday.footsteps,
    "glass": everyday.glass,
    "insects": nature.insects,
    "knocking": everyday.knocking,
    "laughing": people.laughing,
    "melody": music.melody,
    "noise": everyday.noise,
    "purring": nature.purring,
    "rain": nature.rain,
    "ringing": everyday.ringing,
    "siren": everyday.siren,
    "stream": nature.stream,
    "strings": music.strings,
    "surf": nature.surf,
    "typing": people.typing,
    "wind": nature.wind,
    "winds": music.winds,
    "writing": people.writing,
}
"""Models by label, in alphabetical order."""
