"""A run: its directory, its checkpoints, resuming and stopping."""
