"""Manifests: reading, labelling, splitting and checking tables of clips."""
