"""Layouts of corpora: each module makes manifests, which the commands build shards from."""
