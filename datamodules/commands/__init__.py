"""Commands of `python -m datamodules`, one module each."""
