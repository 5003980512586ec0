"""From corpora to shards, and from shards to batches of labelled mixtures.

Corpora (`corpora`) become manifests (`manifests`), whose sounds are cut and written as shard sets (`build`,
`python -m datamodules build`). Shards (`shards`), or the published HDF5 files as they are (`sources`), are read at any
place, put in order (`order`), mixed (`mixing`, `examples`) and handed to Lightning (`word_speaker_noise`).
"""
