"""Encoding models of responses in time."""
