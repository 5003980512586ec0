"""Which checkpoints a run writes, keeps and calls its best, and what is in them."""
