"""Decoders of sounds: libsndfile, ffmpeg and torchcodec, and how much of a file is there."""
