"""From corpora to shards, and from shards to batches of labelled mixtures.

Sounds and labels come in as a manifest (`manifests`), are cut and written as shard sets (`build`,
`python -m datamodules build`), read at any place (`shards`), put in order (`order`), mixed (`mixing`, `examples`)
and handed to Lightning (`word_speaker_noise`).
"""
