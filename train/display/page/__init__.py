"""The run page: a page of curves, examples and scores that is written while a network trains."""
