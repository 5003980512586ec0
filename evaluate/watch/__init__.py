"""Scoring checkpoints as they appear in a folder."""
