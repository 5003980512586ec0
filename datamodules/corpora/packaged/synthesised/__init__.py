"""Words that synthesisers speak, and music that sampled instruments play from generated scores."""
