"""Stage activations, and their cache on disk."""
