"""The data module under the Trainer on several processes, which talk by gloo."""

import multiprocessing

import pytest
import pytorch_lightning as lightning
import torch
from torch import distributed as dist

from datamodules.data_module import AuditoryDataModule
from tests.helpers.ranks import become_rank, free_port

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch is built without gloo")
LIMIT_S = 120


class Noting(lightning.LightningModule):
    """Notes down by epoch which examples it hears."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.heard = {"train": [], "val": []}

    def note(self, what, batch):
        sums = batch["waveform"].double().square().sum(dim=1).tolist()
        rows = zip(sums, batch["targets"]["word"].tolist(), batch["snr_db"].tolist(), strict=True)
        self.heard[what] += [(self.current_epoch, *row) for row in rows]

    def training_step(self, batch, batch_idx):
        self.note("train", batch)
        return self.layer(batch["waveform"][:, :1]).mean()

    def validation_step(self, batch, batch_idx):
        self.note("val", batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


def fit(folder, num_ranks, settings):
    noting = Noting()
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=num_ranks,
        strategy="ddp" if num_ranks > 1 else "auto",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        num_sanity_val_steps=0,
        max_epochs=2,
    )
    trainer.fit(noting, AuditoryDataModule(**settings))
    return noting.heard


def on_rank(rank, num_ranks, port, folder, settings):
    become_rank(rank, num_ranks, port)
    torch.save(fit(folder, num_ranks, settings), folder / f"rank{rank}.pt")
    dist.destroy_process_group()


def fit_on(folder, num_ranks, settings):
    """Run each rank in a forked process; a process that hangs fails the test."""
    port = free_port()
    fork = multiprocessing.get_context("fork")
    ranks = [fork.Process(target=on_rank, args=(rank, num_ranks, port, folder, settings)) for rank in range(num_ranks)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(LIMIT_S)
    hanging = [process for process in ranks if process.exitcode is None]
    for process in hanging:
        process.kill()
    assert not hanging, "the ranks hang"
    assert [process.exitcode for process in ranks] == [0] * num_ranks
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(num_ranks)]


def settings_of(signal, noise, **changes):
    common = {"tasks": ["word"], "duration_s": 0.1, "sample_rate_hz": 4000, "num_workers": 0}
    return {"signal": str(signal), "noise": str(noise), **common, **changes}


def check(ranks, alone, batch_size):
    """23 clips in training, of which each rank hears equally many; 7 in validation, each once per epoch."""
    num_ranks = len(ranks)
    num_batches = 23 // (batch_size * num_ranks)
    assert {len(rank["train"]) for rank in ranks} == {2 * num_batches * batch_size}
    for what in ("train", "val"):
        together = sorted(row for rank in ranks for row in rank[what])
        assert len(set(together)) == len(together)
        assert together == sorted(alone[what])
    assert sum(len(rank["val"]) for rank in ranks) == 2 * 7


@pytest.mark.filterwarnings("ignore")
def test_two_processes_hear_what_one_hears(signal_folder, noise_folder, tmp_path):
    alone = fit(tmp_path, 1, settings_of(signal_folder, noise_folder, batch_size=10))
    ranks = fit_on(tmp_path, 2, settings_of(signal_folder, noise_folder, batch_size=5))
    check(ranks, alone, 5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize("num_ranks", [2, 3, 4])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_ranks_with_workers_hear_what_one_process_hears(
    signal_folder, noise_folder, tmp_path, num_ranks, num_workers, is_streamed
):
    folders = [f"pipe:cat {folder}/{{path}}" if is_streamed else folder for folder in (signal_folder, noise_folder)]
    alone = fit(tmp_path, 1, settings_of(*folders, batch_size=2 * num_ranks))
    settings = settings_of(*folders, batch_size=2, num_workers=num_workers, mix_on_device=False)
    check(fit_on(tmp_path, num_ranks, settings), alone, 2)
