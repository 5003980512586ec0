"""A run: its directory, its checkpoints, continuing and stopping."""
