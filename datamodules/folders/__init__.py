"""Folders of sounds as users have them: walked in one way, with links, hidden files, classes and splits."""
