"""What only a GPU can show: the same results as on the CPU, and no wait within a training step."""

from itertools import repeat

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from datamodules.batches.batch_mixing import mix_batch
from datamodules.tasks import Task
from evaluate import encode, partition, published_splits, stage_activations, temporal_encode
from networks import AuditoryNetwork, CochCNN9, Cochleagram
from tests.gpu.sections import FRONT_ENDS
from train.learning.module import AuditoryModule

pytestmark = pytest.mark.gpu

WORD = Task("word", "one_label", "signal", labels=("<null>", *"abcdefgh"))
TAGS = Task("tags", "many_labels", "noise", labels=("<null>", *"xyz"))


def sounds(number: int = 4) -> torch.Tensor:
    return 0.1 * torch.randn(number, 40_000, generator=torch.Generator().manual_seed(0))


def relative_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.cpu() - other.cpu()).norm() / other.cpu().norm())


def make_module(**settings) -> AuditoryModule:
    torch.manual_seed(0)
    return AuditoryModule(backbone=CochCNN9(width=0.25), tasks=[WORD, TAGS], **settings)


def batch_on(device: str, number: int = 8) -> dict:
    generator = torch.Generator().manual_seed(1)
    targets = {
        "word": torch.randint(-1, 9, (number,), generator=generator).to(device),
        "tags": torch.rand(number, 4, generator=generator).round().to(device),
    }
    return {"waveform": sounds(number).to(device), "targets": targets}


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_front_ends_and_their_gradients_are_those_of_the_cpu(name):
    results = []
    for device in ("cpu", "cuda"):
        front_end = Cochleagram(**FRONT_ENDS[name]).to(device)
        waveforms = sounds(2).to(device).requires_grad_()
        cochleagrams = front_end(waveforms)
        cochleagrams.sum().backward()
        results.append((cochleagrams.detach(), waveforms.grad))
    assert relative_difference(results[1][0], results[0][0]) < 1e-4
    assert relative_difference(results[1][1], results[0][1]) < 1e-3


def test_the_fast_front_end_is_within_its_tolerance_on_the_gpu():
    fast, direct = (Cochleagram(**FRONT_ENDS[name]).cuda() for name in ("fast", "direct"))
    with torch.no_grad():
        assert relative_difference(fast(sounds().cuda()), direct(sounds().cuda())) < 4e-4


@pytest.mark.parametrize("bfloat16", [False, True], ids=["float32", "bfloat16"])
def test_a_training_step_never_waits_for_the_gpu(bfloat16):
    module = make_module(channels_last=bfloat16).cuda()
    module.log = lambda *args, **kwargs: None
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
    batch = batch_on("cuda")

    def step() -> torch.Tensor:
        with torch.autocast("cuda", torch.bfloat16, enabled=bfloat16):
            loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        return loss

    first = step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(10):
            last = step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert float(last) < float(first)


@pytest.mark.parametrize(
    ("settings", "bound"),
    [({}, 1e-2), ({"channels_last": True}, 1e-2), ({"channels_last": True, "compile_backbone": True}, 1e-2)],
    ids=["as it is", "channels last", "compiled"],
)
def test_bfloat16_losses_are_those_of_float32_on_the_cpu(settings, bound):
    on_cpu = make_module().eval()
    expected = on_cpu._logits_and_losses(on_cpu._heard(batch_on("cpu")), on_cpu.objectives)[1].total
    module = make_module(**settings).eval().cuda()
    with torch.autocast("cuda", torch.bfloat16):
        found = module._logits_and_losses(module._heard(batch_on("cuda")), module.objectives)[1].total
    assert float(found) == pytest.approx(float(expected), rel=bound)


def test_mixtures_are_those_of_the_cpu():
    signal, noise, snr_db = sounds(), sounds().flip(0), torch.tensor([0.0, 10.0, torch.inf, -torch.inf])
    expected = mix_batch(signal, noise, snr_db)
    found = mix_batch(signal.cuda(), noise.cuda(), snr_db.cuda())
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-6, atol=1e-7)


def test_stage_activations_are_those_of_the_cpu():
    torch.manual_seed(0)
    net = AuditoryNetwork(CochCNN9(width=0.25), {"word": 9})
    expected = stage_activations(net, sounds().numpy())
    found = stage_activations(net.cuda(), sounds().numpy())
    for stage, values in expected.items():
        np.testing.assert_allclose(found[stage], values, rtol=1e-3, atol=1e-4 * np.abs(values).max(), err_msg=stage)


def test_encoding_is_that_of_the_cpu():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((165, 300)).astype(np.float32)
    responses = (features[:, :10] @ rng.standard_normal((10, 40)))[:, :, None] + 4 * rng.standard_normal((165, 40, 3))
    splits = published_splits(165)
    expected, found = (encode(features, responses, splits, device=device) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(found.r2_test_corrected, expected.r2_test_corrected, rtol=1e-6, atol=1e-8)


def test_encoding_in_time_and_partition_are_those_of_the_cpu():
    rng = np.random.default_rng(0)
    features = (rng.standard_normal((60, 700, 40)) * 0.99 ** np.arange(700)[:, None]).astype(np.float32)
    responses = features[:, :3].mean(axis=2)[:, :, None, None] + rng.standard_normal((60, 3, 3, 30))
    splits = published_splits(60, num_splits=2)
    expected, found = (
        temporal_encode(features, responses, splits, rate_hz=15.0, device=each) for each in ("cpu", "cuda")
    )
    np.testing.assert_allclose(found.r_test, expected.r_test, atol=1e-6)
    spaces, mean = (features[:, :300].mean(axis=2), features[:, 200:].mean(axis=2)), responses.mean(axis=3)
    expected, found = (partition(*spaces, mean, splits, device=each) for each in ("cpu", "cuda"))
    np.testing.assert_allclose(found.r_ab, expected.r_ab, atol=1e-6)


def test_the_trainer_trains_on_the_gpu(tmp_path):
    module = make_module(channels_last=True)
    batches = torch.utils.data.DataLoader(list(repeat(batch_on("cpu", 4), 3)), batch_size=None)
    trainer = pl.Trainer(
        accelerator="gpu",
        devices=1,
        precision="bf16-mixed",
        max_epochs=1,
        default_root_dir=tmp_path,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, batches, batches)
    assert trainer.global_step == 3
    assert torch.isfinite(trainer.callback_metrics["val/mixed/loss"])
