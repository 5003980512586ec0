"""What is in a corpus, and what is suspicious, before it is built."""
