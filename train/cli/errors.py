"""What a run can be asked for and cannot do."""


class TrainingError(ValueError):
    """A configuration that cannot be trained, or not from where a run is to go on."""
