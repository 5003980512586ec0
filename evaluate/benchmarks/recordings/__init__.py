"""Benchmarks from a user's own recordings."""
