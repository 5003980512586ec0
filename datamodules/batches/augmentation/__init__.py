"""Random changes of sounds, cochleagrams and batches in training: each a function of (seed, epoch, position).

`AuditoryDataModule(augmentation=[...])` takes any of these, in the order in which they are applied, and your own
subclasses of `SoundAugmentation` and `CochleagramAugmentation`.
"""

AUGMENTATIONS = {
    "Reverberation": "datamodules.batches.augmentation.reverberation:Reverberation",
    "Equalization": "datamodules.batches.augmentation.equalization:Equalization",
    "BandLimit": "datamodules.batches.augmentation.band_limit:BandLimit",
    "Gain": "datamodules.batches.augmentation.gain:Gain",
    "Speed": "datamodules.batches.augmentation.speed:Speed",
    "Pitch": "datamodules.batches.augmentation.pitch:Pitch",
    "MoreNoises": "datamodules.batches.augmentation.more_noises:MoreNoises",
    "Mixup": "datamodules.batches.augmentation.mixup:Mixup",
    "TimeMask": "datamodules.batches.augmentation.masks:TimeMask",
    "FrequencyMask": "datamodules.batches.augmentation.masks:FrequencyMask",
}
"""Built-in augmentations, by class. Your own are named by `class_path` as `package.module:Name`."""
