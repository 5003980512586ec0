"""A simulated auditory cortex, whose true drives are known."""
