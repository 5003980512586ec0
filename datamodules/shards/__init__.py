"""Shard sets on disk and elsewhere: index, reader, writer, verification, streaming, HDF5 files."""
