"""Sounds made by computation: textures in plain NumPy, and words by the formant synthesiser espeak-ng."""
