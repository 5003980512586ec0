"""Texts for users: counts with their nouns, numbers in few digits, names in their natural order."""
