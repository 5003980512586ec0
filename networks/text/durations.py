"""Durations of sounds, for messages."""


def in_seconds(num_samples: int, sample_rate_hz: int) -> str:
    """Write a length in samples as a duration, such as "2 s at 20000 Hz"."""
    return f"{num_samples / sample_rate_hz:.3g} s at {sample_rate_hz} Hz"
