"""Networks that Tuckute, Feather et al. 2023 scored (PLoS Biol 21(12): e3002366), written here from their description.

Layers have the names of the published files, so that these load as they are, and stages have the names and the order
of the paper. Each file holds one network and its input.
"""
