"""Training and validation steps on a pretend GPU: all on the device, and nothing waits for it."""

import pytest
import torch

from datamodules.batches.batch_mixing import mixed
from datamodules.tasks import Task
from networks import CochCNN9, Cochleagram, CochResNet
from tests.helpers.device_costs import costs
from tests.helpers.pretend_device import DEVICE, NoTransfers, TransferError, move_to, pretend_gpu
from train.learning.module import AuditoryModule
from train.learning.weighting import gradient_norm

BATCH_SIZE = 8
WORD = Task("word", "one_label", "signal", labels=("<null>", *"abcdefgh"))
TAGS = Task("tags", "many_labels", "noise", labels=("<null>", *"xyz"), loss_weight=2.0)
OPTIMIZERS = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=1e-4),
    "AdamW": lambda parameters: torch.optim.AdamW(parameters, lr=0.001),
}


def make_module(backbone: str = "CochCNN9", *, method: str = "direct", **settings) -> AuditoryModule:
    backbones = {"CochCNN9": lambda: CochCNN9(width=0.1), "CochResNet18": lambda: CochResNet(depth=18, width=0.1)}
    front_end = Cochleagram(method=method)
    return AuditoryModule(backbone=backbones[backbone](), tasks=[WORD, TAGS], front_end=front_end, **settings)


def make_batch() -> dict:
    """A batch on the device, one example without labels among it (which one, nobody can know there)."""
    return {
        "waveform": torch.randn(BATCH_SIZE, 40_000, device=DEVICE),
        "targets": {
            "word": torch.zeros(BATCH_SIZE, dtype=torch.long, device=DEVICE),
            "tags": torch.zeros(BATCH_SIZE, TAGS.num_classes, device=DEVICE),
        },
    }


def train_step(module: AuditoryModule, optimizer: torch.optim.Optimizer, batch: dict, *, bfloat16: bool) -> None:
    """What Lightning does in a step with `precision: bf16-mixed` and a limit of the gradient's norm."""
    with torch.autocast(DEVICE, torch.bfloat16, enabled=bfloat16):
        loss = module.training_step(batch, 0)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    optimizer.step()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("backbone", "settings", "bfloat16"),
    [
        ("CochCNN9", {}, False),
        ("CochCNN9", {"method": "multirate"}, False),
        ("CochCNN9", {"method": "multirate", "channels_last": True}, True),
        ("CochResNet18", {"channels_last": True, "uncertainty_weighting": True}, True),
    ],
    ids=["float32", "fast front end", "bfloat16, channels last", "residual network, learnt weights"],
)
def test_a_training_step_stays_on_the_device_and_never_waits(backbone, settings, bfloat16, optimizer):
    module, logged = make_module(backbone, **settings), {}
    module.log = lambda name, value, **_: logged.__setitem__(name, value)
    with pretend_gpu() as gpu:
        move_to(gpu, module)
        update = OPTIMIZERS[optimizer]([each for each in module.parameters() if each.requires_grad])
        train_step(module, update, make_batch(), bfloat16=bfloat16)  # optimisers make their states
        with NoTransfers():
            train_step(module, update, make_batch(), bfloat16=bfloat16)
        tensors = [*module.parameters(), *(each.grad for each in module.parameters()), *logged.values()]
        tensors += [value for state in update.state.values() for name, value in state.items() if name != "step"]
        assert {tensor.device.type for tensor in tensors} == {DEVICE}
        assert {"train/loss", "train/word/loss", "train/tags/loss"} <= set(logged)


def test_autocast_takes_hold_of_the_backbone_and_not_of_the_front_end():
    module, dtypes = make_module(), []
    for part in (module.network.front_end, module.network.backbone.conv0):
        part.register_forward_hook(lambda module, args, output: dtypes.append(output.dtype))
    with pretend_gpu() as gpu:
        move_to(gpu, module)
        with torch.autocast(DEVICE, torch.bfloat16):
            module(make_batch()["waveform"])
    assert dtypes == [torch.float32, torch.bfloat16]


@pytest.mark.parametrize("bfloat16", [False, True], ids=["float32", "bfloat16"])
def test_a_validation_step_stays_on_the_device_and_never_waits(bfloat16):
    module = make_module(val_conditions=("mixed", "quiet")).eval()
    with pretend_gpu() as gpu, torch.no_grad():
        move_to(gpu, module)
        module.on_validation_epoch_start()
        with NoTransfers(), torch.autocast(DEVICE, torch.bfloat16, enabled=bfloat16):
            for condition in (0, 1, 1):
                logits = module.validation_step(make_batch(), 0, condition)
        assert {values.device.type for values in logits.values()} == {DEVICE}
        accuracy = module.conditions[1].metrics["word"]["top5"].compute()
        assert accuracy.device.type == DEVICE


def test_norms_of_the_tasks_gradients_are_taken_on_the_device():
    module = make_module()
    with pretend_gpu() as gpu:
        move_to(gpu, module)
        _, losses = module._logits_and_losses(module._heard(make_batch()), module.objectives)
        with NoTransfers():
            norm = gradient_norm(losses.by_task["word"], list(module.network.backbone.parameters()))
        assert norm.device.type == DEVICE
        losses.total.backward()


def test_mixing_stays_on_the_device_and_never_waits():
    with pretend_gpu(), NoTransfers():
        sides = {name: torch.randn(BATCH_SIZE, 40_000, device=DEVICE) for name in ("signal", "noise")}
        batch = mixed({**sides, "snr_db": torch.zeros(BATCH_SIZE, device=DEVICE), "targets": {}})
        assert batch["waveform"].device.type == DEVICE
        assert batch["waveform"].dtype == torch.float32


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(lambda values: values + torch.zeros(3), id="a tensor made on the CPU"),
        pytest.param(lambda values: values.sum().item(), id="a value that is read"),
        pytest.param(lambda values: values[values > 0], id="a shape that depends on values"),
        pytest.param(lambda values: values.cpu(), id="a copy to the CPU"),
        pytest.param(lambda values: torch.zeros(3).to(DEVICE), id="a copy from the CPU"),
        pytest.param(lambda values: values.numpy(), id="an array"),
    ],
)
def test_the_pretend_gpu_refuses_what_a_step_must_not_do(mistake):
    with pretend_gpu():
        values = torch.ones(3, device=DEVICE)
        with NoTransfers(), pytest.raises((RuntimeError, TransferError)):
            mistake(values)


def test_gradients_of_the_pretend_gpus_backward_pass_are_those_of_pytorch():
    from tests.helpers import pretend_device

    torch.manual_seed(0)
    module = make_module("CochResNet18", method="multirate", uncertainty_weighting=True)
    module.log = lambda *args, **kwargs: None
    batch = {"waveform": torch.randn(2, 40_000), "targets": {"word": torch.tensor([1, -1]), "tags": torch.eye(2, 4)}}
    gradients = []
    for backward in (torch.autograd.backward, pretend_device.backward):
        module.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = module.training_step(batch, 0)
        backward(loss)
        gradients.append([parameter.grad.clone() for parameter in module.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


def test_counted_costs_are_those_of_the_operators():
    with pretend_gpu():
        one, other = torch.ones(10, 4, device=DEVICE), torch.ones(4, device=DEVICE)
        found = costs(lambda: one.T.contiguous().add_(other[:, None]))
    assert found.kernels == 2
    assert found.bytes == 4 * ((40 + 40) + (40 + 4 + 40))
    assert found.operators["aten.add_.Tensor"].bytes == 4 * 84


def test_counted_costs_of_the_direct_front_end():
    with pretend_gpu(), torch.no_grad():
        front_end = Cochleagram(method="direct").to(DEVICE)
        found = costs(front_end, torch.randn(16, 40_000, device=DEVICE))
    # Ten passes over 211 bands of 40 000 complex values, and what comes before and after.
    assert 400e6 < found.bytes / 16 < 500e6
    assert found.kernels < 100
