"""Commands of `python -m evaluate`, one module each."""
