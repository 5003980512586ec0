"""A user's own recordings as benchmarks."""
