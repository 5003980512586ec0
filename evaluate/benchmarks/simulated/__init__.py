"""A simulated auditory cortex with known drives."""
