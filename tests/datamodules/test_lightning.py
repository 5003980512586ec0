"""The data module under Lightning's own loop: what training sees, interrupted or not."""

import multiprocessing

import pytest
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from datamodules.data_module import AuditoryDataModule


class Listener(lightning.LightningModule):
    """Notes down what it hears."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.heard = []
        self.validated = 0

    def training_step(self, batch, batch_idx):
        self.heard.append((self.current_epoch, batch_idx, batch["waveform"].sum(dim=1).tolist()))
        return self.layer(batch["waveform"][:, :1]).mean()

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        self.validated += len(batch["waveform"])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


class StopAfter(lightning.Callback):
    """Ends training after so many steps, and saves as ModelCheckpoint does."""

    def __init__(self, step, path):
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)
            raise InterruptedError


@pytest.fixture
def fit(signal_folder, noise_folder, tmp_path):
    def fit(*, num_workers=0, callbacks=(), ckpt_path=None, **settings):
        data = AuditoryDataModule(
            signal=str(signal_folder),
            noise=str(noise_folder),
            tasks=["word"],
            batch_size=4,
            num_workers=num_workers,
            duration_s=0.1,
            sample_rate_hz=4000,
            val_conditions={"mixed": None, "high": 10.0},
        )
        listener = Listener()
        trainer = lightning.Trainer(
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
            callbacks=list(callbacks),
            **{"max_epochs": 3, "enable_checkpointing": False, **settings},
        )
        trainer.fit(listener, data, ckpt_path=ckpt_path, weights_only=True if ckpt_path else None)
        return listener

    return fit


@pytest.mark.filterwarnings("ignore")
def test_training_hears_each_clip_once_per_epoch(fit):
    listener = fit(num_sanity_val_steps=0)
    assert [heard[:2] for heard in listener.heard] == [(epoch, i) for epoch in range(3) for i in range(5)]
    epochs = [sorted(x for epoch, _, sums in listener.heard if epoch == n for x in sums) for n in range(3)]
    assert len(set(map(tuple, epochs))) == 3
    assert listener.validated == 3 * 2 * 7


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("step", [1, 3, 4, 5, 6, 9, 10, 14])
def test_resuming_after_any_step_is_as_if_never_stopped(fit, tmp_path, step):
    whole = fit().heard
    path = tmp_path / "stopped.ckpt"
    with pytest.raises(InterruptedError):
        fit(callbacks=[StopAfter(step, path)])
    assert fit(ckpt_path=path).heard == whole[step:]


@pytest.mark.filterwarnings("ignore")
def test_resuming_with_limited_epochs_and_workers(fit, tmp_path):
    limits = {"limit_train_batches": 3, "num_workers": 1}
    whole = fit(**limits).heard
    assert [heard[:2] for heard in whole] == [(epoch, i) for epoch in range(3) for i in range(3)]
    for step in (2, 3):
        path = tmp_path / f"{step}.ckpt"
        with pytest.raises(InterruptedError):
            fit(callbacks=[StopAfter(step, path)], **limits)
        assert fit(ckpt_path=path, **limits).heard == whole[step:]
    assert multiprocessing.active_children() == []  # each fit has stopped its workers, the interrupted as well


@pytest.mark.filterwarnings("ignore")
def test_resuming_from_checkpoints_at_the_end_of_epochs(fit, tmp_path):
    saving = ModelCheckpoint(dirpath=tmp_path, save_top_k=-1, filename="{epoch}")
    whole = fit(callbacks=[saving], enable_checkpointing=True).heard
    for epoch in (0, 1):
        assert fit(ckpt_path=tmp_path / f"epoch={epoch}.ckpt").heard == whole[5 * (epoch + 1) :]


def test_overfit_batches_is_refused(fit):
    with pytest.raises(ValueError, match="use limit_train_batches"):
        fit(overfit_batches=1)
