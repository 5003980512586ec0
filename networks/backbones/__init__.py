"""Convolutional backbones, from a front end's output to features."""
