"""Shard sets: index, reader, writer, verification, streaming, and HDF5 files."""
