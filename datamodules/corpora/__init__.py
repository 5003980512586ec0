"""Corpora that the project knows: each module makes manifests, and gives a command that builds shards."""
