"""The report on one or several runs: page, figures, comparisons, published values."""
