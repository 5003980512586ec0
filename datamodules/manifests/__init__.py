"""Manifests: reading, labelling and splitting tables of clips."""
