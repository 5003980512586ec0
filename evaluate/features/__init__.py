"""Stage activations, and where they are kept."""
