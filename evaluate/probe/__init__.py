"""Linear classification of labelled sounds from stage activations."""
