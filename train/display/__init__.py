"""What a run shows: progress, loggers, the run page."""
