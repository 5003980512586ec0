"""Commands of other packages that need all of them."""
