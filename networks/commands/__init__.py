"""Commands of `python -m networks`."""
