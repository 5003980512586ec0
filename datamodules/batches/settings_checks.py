"""Checks of the settings of the data, before anything is opened."""

import math
from collections.abc import Mapping, Sequence

from datamodules.batches.augmentation.augmentation import Augmentation
from datamodules.batches.augmentation.more_noises import MoreNoises
from datamodules.batches.examples import MixtureSettings
from datamodules.batches.sampling.sampling import Sampling
from datamodules.batches.settings_error import DataSettingsError


def check_settings(settings: MixtureSettings) -> None:
    """Refuse numbers that are out of their range."""
    low_db, high_db = settings.snr_db
    if not (math.isfinite(low_db) and math.isfinite(high_db) and low_db <= high_db):
        raise DataSettingsError(f"snr_db must be [lowest, highest] in dB, both finite, got {settings.snr_db}")
    fractions = settings.signal_only_fraction, settings.noise_only_fraction
    if not (min(fractions) >= 0 and sum(fractions) <= 1):
        raise DataSettingsError(
            f"signal_only_fraction and noise_only_fraction must be at least 0 and sum to at most 1, got {fractions}"
        )
    if settings.num_samples < 1 or settings.jitter_s < 0:
        raise DataSettingsError(
            f"duration_s must be above 0 and jitter_s at least 0, got {settings.num_samples} samples and "
            f"{settings.jitter_s} s"
        )


def check_quiet(settings: MixtureSettings, conditions: Mapping[str, float | None] | None) -> None:
    """Refuse settings that need noise, all of them at once."""
    fractions = {name: getattr(settings, name) for name in ("signal_only_fraction", "noise_only_fraction")}
    mends = [f"set {name} to 0 (it is {value:g})" for name, value in fractions.items() if value]
    noisy = {name: snr_db for name, snr_db in (conditions or {}).items() if snr_db not in (None, math.inf)}
    if noisy:
        mends.append(f"leave out the val_conditions {noisy}, which need noise (val_conditions null is the default)")
    if mends:
        raise DataSettingsError(
            f"`data.noise` is null, which is quiet: {', and '.join(mends)}; or give the folder of the noises"
        )


def check_no_noise_needed(sampling: Sampling | None, augmentation: Sequence[Augmentation]) -> None:
    """Refuse settings that need noise if `data.noise` is null."""
    names = [
        one.name for one in augmentation if isinstance(one, MoreNoises) or getattr(one, "applies_to", "") == "noise"
    ]
    if sampling is not None:
        names.append("noise_sampling")
    if names:
        raise DataSettingsError(f"`data.noise` is null, which is quiet: leave out {', '.join(names)}, which need noise")


def checked_conditions(conditions: Mapping[str, float | None] | None, *, has_noise: bool) -> dict[str, float | None]:
    """The validation conditions, by default one; refuses none at all, and ratios that are not numbers."""
    if conditions is not None and not conditions:
        raise DataSettingsError("val_conditions needs at least one condition, or null for the default")
    if conditions is None:
        return {"mixed": None} if has_noise else {"quiet": math.inf}
    for name, snr_db in conditions.items():
        if snr_db is not None and math.isnan(snr_db):
            raise DataSettingsError(f"val_conditions: the ratio of {name!r} is not a number")
    return dict(conditions)
