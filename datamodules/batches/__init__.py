"""From clips to batches: order, mixing, loading."""
