"""What must hold of Lightning's and jsonargparse's private members: the contract of `train.run.lightning_internals`."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from pytorch_lightning.cli import LightningCLI
from torch.utils.data import DataLoader, TensorDataset

from train.run.lightning_internals import (
    OpenModelCheckpoint,
    actions_by_name,
    batches_completed,
    close_whole_pass,
    failed_parser,
    loss_scale,
    parent_of,
    passes_completed,
    subcommand_of,
    subcommand_parser,
)

BATCHES_PER_PASS = 3


class Line(pl.LightningModule):
    """A line through no points; each loss is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        loss = self.layer(batch[0]).square().mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Spy(pl.Callback):
    """Calls `look(trainer)` after each batch, and at the end of each epoch; keeps what it returns."""

    def __init__(self, look) -> None:
        self.look, self.after_batch, self.at_epoch_end = look, [], []

    def on_train_batch_end(self, trainer, *_):
        self.after_batch.append(self.look(trainer))

    def on_train_epoch_end(self, trainer, *_):
        self.at_epoch_end.append(self.look(trainer))


class AtStart(pl.Callback):
    def __init__(self, act) -> None:
        self.act = act

    def on_train_start(self, trainer, *_):
        self.act(trainer)


def fit(folder: Path, callbacks: list[pl.Callback], *, ckpt_path: Path | None = None, **settings) -> pl.Trainer:
    trainer = pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=callbacks,
        **{"enable_checkpointing": any(isinstance(each, OpenModelCheckpoint) for each in callbacks)} | settings,
    )
    loader = DataLoader(TensorDataset(torch.ones(2 * BATCHES_PER_PASS, 1)), batch_size=2)
    trainer.fit(Line(), loader, ckpt_path=ckpt_path, weights_only=True)
    return trainer


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.ckpt"))


def checkpoint(folder: Path, **settings) -> OpenModelCheckpoint:
    return OpenModelCheckpoint(
        dirpath=folder, filename="{step}", auto_insert_metric_name=False, save_on_train_epoch_end=True, **settings
    )


def test_a_batch_is_completed_after_its_hooks(tmp_path):
    spy = Spy(batches_completed)
    fit(tmp_path, [spy], max_epochs=2)
    assert spy.after_batch == [0, 1, 2, 0, 1, 2]
    assert spy.at_epoch_end == [3, 3]


def test_a_pass_is_completed_when_its_last_batch_is(tmp_path):
    spy = Spy(passes_completed)
    trainer = fit(tmp_path, [spy], max_epochs=2)
    assert spy.after_batch == [0, 0, 0, 1, 1, 1]
    assert spy.at_epoch_end == [1, 2]
    assert passes_completed(trainer) == 2


def test_a_pass_that_was_cut_short_is_not_completed(tmp_path):
    trainer = fit(tmp_path, [], max_steps=BATCHES_PER_PASS + 1)
    assert passes_completed(trainer) == 1


@pytest.mark.parametrize(
    ("num_steps", "saves"),
    [(BATCHES_PER_PASS, {"every_n_epochs": 1}), (BATCHES_PER_PASS + 1, {"every_n_train_steps": BATCHES_PER_PASS + 1})],
)
def test_a_run_with_max_steps_resumes_with_the_next_batch(tmp_path, num_steps, saves):
    """After a whole pass, and within a pass."""
    fit(tmp_path, [checkpoint(tmp_path, save_top_k=-1, **saves)], max_steps=2 * BATCHES_PER_PASS)
    (tmp_path / f"{num_steps}.ckpt").rename(tmp_path / "last.ckpt")
    spy = Spy(passes_completed)
    trainer = fit(
        tmp_path, [AtStart(close_whole_pass), spy], max_steps=3 * BATCHES_PER_PASS, ckpt_path=tmp_path / "last.ckpt"
    )
    assert trainer.global_step == 3 * BATCHES_PER_PASS
    assert spy.after_batch == [0, 0, 0, 1, 1, 1, 2, 2, 2][num_steps:]
    assert spy.at_epoch_end == [2, 3]
    assert passes_completed(trainer) == 3


def test_only_float16_scales_the_loss(tmp_path):
    assert loss_scale(fit(tmp_path, [], max_steps=1)) == 1.0
    scaler = SimpleNamespace(get_scale=lambda: 8.0)
    assert loss_scale(SimpleNamespace(precision_plugin=SimpleNamespace(scaler=scaler))) == 8.0  # type: ignore[arg-type]


def test_a_subcommand_has_a_parser_that_writes_its_configuration(monkeypatch):
    monkeypatch.setattr("sys.argv", ["train", "fit", "--trainer.max_steps", "7"])
    monkeypatch.setattr(LightningCLI, "subcommands", staticmethod(lambda: {"fit": {"model", "train_dataloaders"}}))
    monkeypatch.setattr(LightningCLI, "instantiate_classes", lambda self: None)
    monkeypatch.setattr(LightningCLI, "_run_subcommand", lambda self, subcommand: None)
    cli = LightningCLI(Line, save_config_callback=None)
    assert "max_steps: 7" in subcommand_parser(cli, "fit").dump(cli.config.fit)


def test_a_parser_knows_its_subcommand_and_its_options():
    whole, fit = ArgumentParser(), ArgumentParser()
    fit.add_argument("-r", "--rate", type=float, default=0.5, help="a number")
    whole.add_subcommands().add_subcommand("fit", fit)
    whole.parse_args(["fit"])
    assert (parent_of(whole), subcommand_of(whole)) == (None, None)
    assert (parent_of(fit), subcommand_of(fit)) == (whole, "fit")
    action = actions_by_name(fit)["rate"]
    assert (action.help, action.default) == ("a number", 0.5)


def test_an_error_names_the_parser_of_its_subcommand():
    class Failing(ArgumentParser):
        def error(self, message, ex=None):
            raise LookupError(failed_parser(ex, self).prog)

    parser, sub = Failing(prog="main"), Failing(prog="sub", exit_on_error=False)
    sub.add_argument("--a")
    parser.add_subcommands().add_subcommand("go", sub)
    with pytest.raises(LookupError, match="main"):
        parser.parse_args(["--b", "1"])
    with pytest.raises(LookupError, match=r"go$"):
        parser.parse_args(["go", "--b", "1"])


def test_checkpoints_are_saved_after_steps_and_epochs_together(tmp_path):
    saves = checkpoint(tmp_path, save_top_k=-1, every_n_train_steps=2, every_n_epochs=1)
    assert (saves.every_n_train_steps, saves.every_n_epochs) == (2, 1)
    fit(tmp_path, [saves], max_epochs=2)
    assert names(tmp_path) == ["2.ckpt", "3.ckpt", "4.ckpt", "6.ckpt"]


def test_a_save_can_be_rejected(tmp_path):
    class Picky(OpenModelCheckpoint):
        def is_new_value(self, trainer):
            return trainer.global_step == 2

    saves = Picky(dirpath=tmp_path, filename="{step}", auto_insert_metric_name=False, every_n_train_steps=1)
    saves.save_top_k = -1
    fit(tmp_path, [saves], max_epochs=1)
    assert names(tmp_path) == ["2.ckpt"]


def test_a_checkpoint_is_saved_when_asked_and_once_per_step(tmp_path):
    class Asked(OpenModelCheckpoint):
        def on_train_batch_end(self, trainer, *_):
            assert self.can_save(trainer)
            self.save_if_best(trainer)
            self.save_last_too(trainer)
            assert not self.can_save(trainer)

    asked = Asked(dirpath=tmp_path, filename="{step}", auto_insert_metric_name=False, save_top_k=-1, save_last=True)
    fit(tmp_path, [asked], max_steps=2)
    assert names(tmp_path) == ["1.ckpt", "2.ckpt", "last.ckpt"]


def test_a_replaced_checkpoint_is_removed_even_if_training_resumed_from_it(tmp_path):
    settings = {"monitor": "loss", "mode": "min", "save_top_k": 1, "every_n_epochs": 1}
    fit(tmp_path, [checkpoint(tmp_path, **settings)], max_epochs=1)
    assert names(tmp_path) == ["3.ckpt"]
    fit(tmp_path, [checkpoint(tmp_path, **settings)], max_epochs=2, ckpt_path=tmp_path / "3.ckpt")
    assert names(tmp_path) == ["6.ckpt"]
