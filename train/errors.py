"""The error of settings and run directories that cannot be trained."""


class TrainingError(ValueError):
    """Something that cannot be trained, or not from where a run would resume; the message says what to do."""
