"""Layouts of published corpora of sounds, a module each: their folders, tables and lists as they are downloaded."""
