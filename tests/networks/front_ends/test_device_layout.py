"""The layout of the multirate envelopes for a GPU: what it costs on a pretend one, and its kernels, interpreted."""

import os
import subprocess
import sys

import pytest
import torch

from networks import Cochleagram
from tests.helpers.device_costs import Costs, costs
from tests.helpers.pretend_device import move_to, pretend_gpu

NUM_SOUNDS = 128
MOST_KERNELS, MOST_BYTES_A_SOUND = 100, 20e6  # forward; three times as many with the gradient


def cost(*, gradient: bool) -> Costs:
    front_end = Cochleagram()
    with pretend_gpu() as gpu:
        move_to(gpu, front_end)
        waveforms = torch.randn(NUM_SOUNDS, 40_000, device="cuda", requires_grad=gradient)

        def run() -> None:
            result = front_end(waveforms)
            assert result.shape == (NUM_SOUNDS, 211, 390)
            assert result.device.type == "cuda"
            if gradient:
                result.sum().backward()

        return costs(run)


@pytest.mark.parametrize(("gradient", "times"), [(False, 1), (True, 3)])
def test_few_kernels_and_little_traffic(gradient, times):
    pytest.importorskip("triton", reason="Triton is not installed: no kernels for a GPU")
    counted = cost(gradient=gradient)
    assert counted.kernels <= times * MOST_KERNELS
    assert counted.bytes / NUM_SOUNDS <= times * MOST_BYTES_A_SOUND


INTERPRETED = """
import torch
from networks import Cochleagram

fixed = dict(sample_rate_hz=2000, num_filters=2, sample_factor=1, high_hz=1000.0, frame_rate_hz=50.0, num_taps=81)
for num_samples in (800, 640):  # the latter with a band of full length
    front_end = Cochleagram(**fixed, num_samples=num_samples)
    envelopes = front_end.envelopes
    assert envelopes.has_kernels
    waveform = 0.1 * torch.randn(2, front_end.num_samples, generator=torch.Generator().manual_seed(0))
    waveform[1, :300] = 0
    values = []
    for way in (envelopes._on_device, envelopes._tensors):
        leaf = waveform.clone().requires_grad_()
        result = way(leaf)
        weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(1))
        (result * weights).sum().backward()
        values.append((result.detach(), leaf.grad))
    for value, expected in zip(*values):
        print(float((value - expected).norm() / expected.norm()))
"""


def test_kernels_equal_the_tensors_and_their_gradient():
    """As Triton's interpreter computes them, which takes seconds for what a GPU does in microseconds."""
    pytest.importorskip("triton", reason="Triton is not installed: no kernels for a GPU")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", INTERPRETED]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    differences = list(map(float, run.stdout.split()))
    assert len(differences) == 2 * 2
    assert max(differences[::2]) < 1e-6
    assert max(differences[1::2]) < 1e-5  # of the gradients
