"""Recorded sounds and music in packages, and the classes that their names tell."""
