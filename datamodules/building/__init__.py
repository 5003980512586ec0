"""Building shard sets from manifests."""
