"""The error of settings."""


class DataSettingsError(ValueError):
    """Settings of the data that are out of range, contradict each other, or do not fit the clips."""
