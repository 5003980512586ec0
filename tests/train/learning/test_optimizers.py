"""Where training goes on, an optimiser has the settings of the configuration and the momenta of the checkpoint."""

import pytest
import torch
from torch.optim.lr_scheduler import CyclicLR, OneCycleLR, StepLR

from train.errors import TrainingError
from train.learning.optimizers import keep_settings, set_by


def parameter():
    return torch.nn.Parameter(torch.tensor([1.0, -2.0]))


def take_steps(optimizer, num_steps=3, scheduler=None):
    (one,) = optimizer.param_groups[0]["params"]
    for _ in range(num_steps):
        optimizer.zero_grad()
        one.square().sum().backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return one.detach().clone()


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}, {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.3}),
        (torch.optim.AdamW, {"lr": 0.1}, {"lr": 0.01, "betas": (0.5, 0.9), "weight_decay": 0.3, "amsgrad": False}),
    ],
)
def test_settings_are_the_new_ones_and_momenta_the_old(kind, before, after):
    first, second = kind([parameter()], **before), kind([parameter()], **after)
    keep_settings(second)
    take_steps(first)
    saved = first.state_dict()
    second.load_state_dict(saved)
    group = second.param_groups[0]
    assert {name: group[name] for name in after} == after
    loaded = second.state_dict()["state"]
    for name, value in saved["state"][0].items():
        assert torch.equal(torch.as_tensor(loaded[0][name]), torch.as_tensor(value))


def test_what_an_optimiser_learns_in_its_groups_is_state():
    """As Prodigy does, and optimisers without a schedule."""

    class Counting(torch.optim.SGD):
        def __init__(self, params, lr=0.1):
            super().__init__(params, lr=lr)
            self.param_groups[0]["num_steps"] = 0

        def step(self, closure=None):
            self.param_groups[0]["num_steps"] += 1
            return super().step(closure)

    first, second = Counting([parameter()]), Counting([parameter()], lr=0.02)
    keep_settings(second)
    take_steps(first)
    second.load_state_dict(first.state_dict())
    assert second.param_groups[0]["num_steps"] == 3
    assert second.param_groups[0]["lr"] == 0.02


@pytest.mark.parametrize(
    "scheduler",
    [
        lambda optimizer: StepLR(optimizer, 2),
        # A momentum of its own that is the configured one, at the beginning of each.
        lambda optimizer: OneCycleLR(optimizer, 0.1, total_steps=8, max_momentum=0.9),
        lambda optimizer: CyclicLR(optimizer, 0.01, 0.1, step_size_up=2, max_momentum=0.9),
    ],
)
def test_what_a_scheduler_of_torch_changes_stays_with_it(scheduler):
    def make():
        optimizer = torch.optim.SGD([parameter()], lr=0.1, momentum=0.9)
        made = scheduler(optimizer)
        keep_settings(optimizer, but=set_by(made))
        return optimizer, made

    whole = take_steps(*_with_steps(make(), 7))
    optimizer, made = make()
    value = take_steps(optimizer, 3, made)
    resumed, resumed_scheduler = make()
    resumed.param_groups[0]["params"][0].data.copy_(value)
    resumed.load_state_dict(optimizer.state_dict())
    resumed_scheduler.load_state_dict(made.state_dict())
    assert torch.equal(take_steps(resumed, 4, resumed_scheduler), whole)


def _with_steps(made, num_steps):
    optimizer, scheduler = made
    return optimizer, num_steps, scheduler


def test_the_state_of_another_kind_of_optimiser_is_refused():
    adam, sgd = torch.optim.AdamW([parameter()]), torch.optim.SGD([parameter(), parameter()], lr=0.1)
    keep_settings(sgd)
    with pytest.raises(TrainingError, match=r"trains 1 parameter, this one 2: resume with the same `freeze`"):
        sgd.load_state_dict(adam.state_dict())
    keep_settings(adam)
    other = torch.optim.SGD([parameter()], lr=0.1)
    with pytest.raises(TrainingError, match=r"not of the kind of AdamW: it has \['dampening', .* not \['amsgrad', 'be"):
        adam.load_state_dict(other.state_dict())


def test_a_rate_that_is_lowered_where_a_run_goes_on_is_lowered(fit_here, config):
    trainer = config["trainer"]
    fit_here(config | {"trainer": trainer | {"max_epochs": 1}})
    settings = ("--model.optimizer.lr", "1e-5", "--model.optimizer.weight_decay", "0.5")
    run_dir = fit_here(config, "--resume", "true", *settings)
    state = torch.load(run_dir / "checkpoints/last.ckpt", weights_only=True)["optimizer_states"][0]
    (group,) = state["param_groups"]
    assert (group["lr"], group["weight_decay"]) == (1e-5, 0.5)
    assert state["state"][0]["step"] == 12
