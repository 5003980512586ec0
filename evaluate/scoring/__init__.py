"""From networks and benchmarks to the table of scores."""
