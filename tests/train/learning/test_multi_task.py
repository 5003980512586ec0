"""Tasks weighed by uncertainty, their gradients, warm starts and frozen parts."""

from pathlib import Path

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch

from datamodules.tasks import Task
from networks import AuditoryNetwork, CheckpointError, CochCNN9, Cochleagram
from networks.weights.checkpoint import save_checkpoint
from tests.helpers.training_processes import start, wait_for
from tests.train.conftest import FRONT_END
from train.learning.module import AuditoryModule
from train.learning.warm_start import frozen_modules, warm_start
from train.learning.weighting import UncertaintyWeights

LABELS = ("<null>", "high", "low")
WORD = Task(name="word", kind="one_label", side="signal", labels=LABELS, null_label="<null>")
SPEAKER = Task(
    name="speaker", kind="one_label", side="signal", loss_weight=0.25, labels=("ann", "bob"), null_label=None
)


def make_module(tasks=(WORD, SPEAKER), **settings):
    torch.manual_seed(0)
    backbone = CochCNN9(width=0.05, initialization="kaiming")
    return AuditoryModule(backbone=backbone, tasks=list(tasks), front_end=Cochleagram(**FRONT_END), **settings)


def make_batch(num_examples=4):
    generator = torch.Generator().manual_seed(1)
    return {
        "waveform": 0.1 * torch.randn(num_examples, 800, generator=generator),
        "targets": {
            "word": torch.randint(3, (num_examples,), generator=generator),
            "speaker": torch.randint(2, (num_examples,), generator=generator),
        },
    }


def log_of(module):
    """What the module logs, and writes to loggers at once."""
    logged = {}
    module.log = lambda name, value, **_: logged.update({name: float(value)})
    module._write = lambda values, step: logged.update(values)
    module.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    return logged


def test_uncertainty_weights_are_those_of_the_paper():
    weights = UncertaintyWeights(["word", "speaker"])
    losses = {"word": torch.tensor(2.0), "speaker": torch.tensor(0.5)}
    fixed = {"word": 1.0, "speaker": 0.25}
    labelled = {"word": torch.tensor(4), "speaker": torch.tensor(1)}
    assert float(weights(losses, fixed, labelled)) == pytest.approx(2.0 + 0.25 * 0.5)
    with torch.no_grad():
        weights.log_variances["word"].fill_(0.6)
    expected = 2.0 * torch.tensor(-0.6).exp().item() + 0.3 + 0.25 * 0.5
    assert float(weights(losses, fixed, labelled)) == pytest.approx(expected)
    assert float(weights.deviations()["word"]) == pytest.approx(torch.tensor(0.3).exp().item())


def test_the_learnt_uncertainty_of_a_constant_loss_is_the_loss():
    """exp(-s) L + s / 2 is least at exp(s) = 2 L."""
    weights = UncertaintyWeights(["word"])
    optimizer = torch.optim.LBFGS(weights.parameters(), max_iter=100)

    def closure():
        optimizer.zero_grad()
        total = weights({"word": torch.tensor(1.7)}, {"word": 1.0}, {"word": torch.tensor(4)})
        total.backward()
        return total

    optimizer.step(closure)
    assert float(weights.deviations()["word"]) ** 2 == pytest.approx(2 * 1.7, rel=1e-3)


def test_batches_without_labels_leave_the_learnt_weight():
    """With labels in one batch of four, exp(-s) is 1 / (2 L) as with labels in each."""
    weights = UncertaintyWeights(["word", "speaker"])
    optimizer = torch.optim.SGD(weights.parameters(), lr=0.05)
    for step in range(2000):
        has_labels = step % 4 == 0
        losses = {"word": torch.tensor(2.0), "speaker": torch.tensor(2.0 * has_labels)}
        total = weights(
            losses, {"word": 1.0, "speaker": 1.0}, {"word": torch.tensor(4), "speaker": torch.tensor(has_labels)}
        )
        optimizer.zero_grad()
        total.backward()
        assert all(parameter.grad is not None for parameter in weights.parameters())
        optimizer.step()
    learnt = weights.effective({"word": 1.0, "speaker": 0.5})
    assert float(learnt["word"]) == pytest.approx(0.25, rel=1e-3)
    assert float(learnt["speaker"]) == pytest.approx(0.5 * 0.25, rel=1e-3)


def test_uncertainties_are_trained_and_logged():
    module = make_module(uncertainty_weighting=True)
    logged = log_of(module)
    with torch.no_grad():
        module.uncertainty.log_variances["word"].fill_(-6.0)
    module.training_step(make_batch(), 0).backward()
    assert logged["train/word/uncertainty"] == pytest.approx(torch.tensor(-3.0).exp().item())
    # The same sum as in validation, and beside it what is minimised.
    assert logged["train/loss"] == pytest.approx(logged["train/word/loss"] + 0.25 * logged["train/speaker/loss"])
    minimised = logged["train/word/loss"] * torch.tensor(6.0).exp().item() - 3 + 0.25 * logged["train/speaker/loss"]
    assert logged["train/uncertainty_loss"] == pytest.approx(minimised)
    gradients = {name: parameter.grad for name, parameter in module.uncertainty.log_variances.items()}
    assert all(gradient is not None for gradient in gradients.values())


def test_gradient_norms_are_of_each_weighted_task_and_change_nothing():
    batch = make_batch()
    plain = make_module()
    log_of(plain)
    plain.training_step(batch, 0).backward()
    module = make_module(gradient_norms_every_n_steps=1)
    logged = log_of(module)
    module.training_step(batch, 0).backward()
    for one, other in zip(plain.parameters(), module.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    alone = make_module()
    log_of(alone)
    _, losses = alone._logits_and_losses(alone._heard(batch), alone.objectives)
    (0.25 * losses.by_task["speaker"]).backward()
    squares = [parameter.grad.square().sum() for parameter in alone.network.backbone.parameters()]
    expected = float(torch.stack(squares).sum().sqrt())
    assert logged["train/speaker/gradient_norm"] == pytest.approx(expected, rel=1e-5)
    learnt = make_module(gradient_norms_every_n_steps=1, uncertainty_weighting=True)
    logged = log_of(learnt)
    with torch.no_grad():
        learnt.uncertainty.log_variances["speaker"].fill_(1.0)
    learnt.training_step(batch, 0)
    assert logged["train/speaker/gradient_norm"] == pytest.approx(expected * torch.tensor(-1.0).exp().item(), rel=1e-5)


def test_an_example_without_a_label_does_not_count():
    module = make_module()
    logged = log_of(module)
    batch = make_batch()
    batch["targets"]["speaker"][1:] = -1
    module.eval()  # batch normalisation would mix the examples
    logits, losses = module._logits_and_losses(module._heard(batch), module.objectives)
    alone = torch.nn.functional.cross_entropy(logits["speaker"][:1], batch["targets"]["speaker"][:1])
    assert float(losses.by_task["speaker"]) == pytest.approx(float(alone))
    assert {name: int(number) for name, number in losses.num_labelled.items()} == {"word": 4, "speaker": 1}
    batch["targets"]["speaker"][:] = -1
    module.training_step(batch, 0).backward()
    assert logged["train/speaker/loss"] == 0.0
    assert not module.network.heads["speaker"].weight.grad.any()


def test_a_warm_start_takes_what_fits(tmp_path):
    trained = make_module().network
    path = tmp_path / "trained.ckpt"
    tasks = [{"name": "word", "labels": list(LABELS)}, {"name": "speaker", "labels": ["ann", "eve"]}]
    save_checkpoint(trained, path, run="before", tasks=tasks)
    torch.manual_seed(5)
    network = AuditoryNetwork(
        CochCNN9(width=0.05, initialization="kaiming"), {"word": 3, "speaker": 2}, Cochleagram(**FRONT_END)
    )
    fresh = network.heads["speaker"].weight.clone()
    assert warm_start(network, path, [WORD, SPEAKER]) == (("word",), ("speaker",))
    assert torch.equal(network.heads["word"].weight, trained.heads["word"].weight)
    assert torch.equal(network.backbone.conv1.weight, trained.backbone.conv1.weight)
    assert torch.equal(network.heads["speaker"].weight, fresh)
    wider = AuditoryNetwork(CochCNN9(width=0.1, initialization="kaiming"), {"word": 3}, Cochleagram(**FRONT_END))
    with pytest.raises(CheckpointError, match="its backbone is"):
        warm_start(wider, path, [WORD])


def test_unknown_parts_to_freeze_are_named():
    with pytest.raises(ValueError, match=r"no module matches 'backbone\.nothing'; available modules include front_end"):
        frozen_modules(make_module().network, ["backbone.nothing"])


def run(config, *arguments):
    assert wait_for(start(config, *arguments)) == 0
    return torch.load(str(Path(config["run_dir"]) / "checkpoints" / "last.ckpt"), weights_only=True)["state_dict"]


def test_a_frozen_backbone_stays_and_a_new_head_learns(config, tmp_path):
    trainer = config["trainer"] | {"max_epochs": 1}
    first = config | {"run_dir": str(tmp_path / "first"), "trainer": trainer}
    first["data"] = config["data"] | {"tasks": ["word"]}
    before = run(first)
    model = config["model"] | {"init_from": str(tmp_path / "first/checkpoints/last.ckpt"), "freeze": ["backbone"]}
    after = run(config | {"model": model, "trainer": trainer})
    backbone = [name for name in before if name.startswith("network.backbone")]
    assert [name for name in backbone if not torch.equal(before[name], after[name])] == []
    untrained = torch.load(str(Path(config["run_dir"]) / "checkpoints/untrained.ckpt"), weights_only=True)["state_dict"]
    assert not torch.equal(untrained["network.heads.speaker.weight"], after["network.heads.speaker.weight"])


@pytest.mark.parametrize("above", [None, 0.01])
def test_a_loss_that_is_no_number_stops_the_run(config, above, capfd):
    """At step 4: NaN weights; or from the start a loss above the limit."""

    def poison():
        step = AuditoryModule.training_step

        def training_step(self, batch, batch_idx):
            loss = step(self, batch, batch_idx)
            return loss * float("nan") if self.global_step == 4 and above is None else loss

        AuditoryModule.training_step = training_step

    config = config | {"non_finite": {"above": above}}
    assert wait_for(start(config, prepare=poison)) != 0
    run_dir = Path(config["run_dir"])
    message = capfd.readouterr().err
    assert ("the loss is nan at step 4" in message) if above is None else ("at step 0 of epoch 0" in message)
    state = torch.load(str(run_dir / "checkpoints" / "non_finite.ckpt"), weights_only=True)
    assert state["global_step"] == (4 if above is None else 0)
    assert all(torch.isfinite(value).all() for value in state["state_dict"].values() if value.is_floating_point())
    batch = torch.load(str(run_dir / "non_finite_batch.rank0.pt"), weights_only=True)
    assert batch["waveform"].shape == (6, 800)
    assert pd.notna(float(batch["waveform"].sum()))
