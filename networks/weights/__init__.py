"""Weights: checkpoints, published weights, control networks, and names of networks on a command line."""
