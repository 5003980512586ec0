"""Settings of an optimiser when training resumes: those of the configuration, not those of the checkpoint."""

import inspect
from collections.abc import Collection
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from networks.text.wording import counted
from train.errors import TrainingError


def keep_settings(optimizer: Optimizer, *, but: Collection[str] = ()) -> None:
    """Let an optimiser that loads a saved state (momenta, ...) keep its current settings (rate, decay, ...).

    Settings are the named arguments of its constructor; everything else in its parameter groups is state.

    Args:
        optimizer: Optimizer, changed in place.
        but: Settings to take from the state, see `set_by`.

    Raises:
        TrainingError: Later, from `load_state_dict`, if the state is from a different kind of optimizer, or has
            a different number of parameters.
    """
    names = set(inspect.signature(type(optimizer)).parameters) - {"params", *but}
    settings = [{name: group[name] for name in names & group.keys()} for group in optimizer.param_groups]

    def take_up(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        saved = state["param_groups"]
        _check(optimizer, saved, names)
        return state | {"param_groups": [old | new for old, new in zip(saved, settings, strict=True)]}

    optimizer.register_load_state_dict_pre_hook(take_up)


def set_by(scheduler: LRScheduler) -> set[str]:
    """Settings of an optimiser that a scheduler of torch changes: the rate, and momentum if it cycles that."""
    return {"lr", "momentum", "betas"} if getattr(scheduler, "cycle_momentum", False) else {"lr"}


def _check(optimizer: Optimizer, saved: list[dict[str, Any]], names: set[str]) -> None:
    """Raise unless saved groups are those of such an optimiser with as many parameters."""
    groups = optimizer.param_groups
    numbers = [[len(group["params"]) for group in part] for part in (saved, groups)]
    if numbers[0] != numbers[1] and sum(numbers[0]) == sum(numbers[1]):
        raise TrainingError(
            f"the checkpoint's optimiser has parameters in groups of {numbers[0]}, this one of {numbers[1]}: resume "
            "with the same `decay_norms_and_biases`, `layer_rate_decay` and `rate_factors`, or start a new run from "
            "these weights, with `--model.init_from` and another run_dir"
        )
    if numbers[0] != numbers[1]:
        raise TrainingError(
            f"the checkpoint's optimiser trains {counted(sum(numbers[0]), 'parameter')}, this one {sum(numbers[1])}: "
            "resume with "
            "the same `freeze`, or start a new run from these weights, with `--model.init_from` and another run_dir"
        )
    for old, new in zip(saved, groups, strict=True):
        # Both ways: a newer release of an optimiser may have one more setting.
        lacking, unknown = sorted(names & new.keys() - old.keys()), sorted(old.keys() - new.keys())
        if lacking and unknown:
            raise TrainingError(
                f"the checkpoint's optimizer is not of the kind of {type(optimizer).__name__}: it has {unknown}, not "
                f"{lacking}. Resume with the same class, or start a new run from these weights, with "
                "`--model.init_from` and another run_dir"
            )
