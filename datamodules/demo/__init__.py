"""Synthesised sounds: textures in NumPy, words by the formant synthesiser espeak-ng, and the demo's corpus of both."""
