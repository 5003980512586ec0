"""The claims of Tuckute, Feather et al. 2023, tested on the networks of a report."""
