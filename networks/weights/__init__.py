"""Weights: checkpoints, published weights, control networks, and naming a network on a command line."""
