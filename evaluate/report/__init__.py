"""The report of one or several runs: page, figures, comparisons, published values."""
