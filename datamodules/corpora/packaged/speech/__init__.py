"""Recorded voices in packages: a function from the root of the file system to the recordings of each package."""
