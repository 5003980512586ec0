"""Compiled and eager, bfloat16 and float32: the same networks within stated bounds."""

import time

import pytest
import torch

from networks import AuditoryNetwork, CochCNN9, Cochleagram, CochResNet, MelSpectrogram
from tests.networks.backbones.test_cochcnn9 import SMALL_FRONT_END
from tests.networks.front_ends.test_mel import SMALL as SMALL_MEL

# Relative L2 difference of a stage's activations. bfloat16 has 8 bits: a rounding is 2 ** -9 relative, layers add up.
BOUND_COMPILED = 1e-5
BOUND_BFLOAT16 = 3e-2
NETWORKS = {
    "CochCNN9": lambda: AuditoryNetwork(CochCNN9(width=0.1), {"word": 5}, Cochleagram(**SMALL_FRONT_END)),
    "CochResNet18": lambda: AuditoryNetwork(
        CochResNet(depth=18, width=0.125), {"word": 5}, MelSpectrogram(**SMALL_MEL)
    ),
}


def make(name: str) -> AuditoryNetwork:
    torch.manual_seed(0)
    return NETWORKS[name]().eval()


def sounds() -> torch.Tensor:
    return 0.1 * torch.randn(4, 800, generator=torch.Generator().manual_seed(1))


def stages_and_logits(network: AuditoryNetwork, waveform: torch.Tensor) -> dict[str, torch.Tensor]:
    """Every stage's activation and the logits, with hooks that are there before anything is compiled."""
    found = {}

    def keep(stage):
        return lambda module, args, out: found.__setitem__(stage, out.detach().clone())

    handles = [module.register_forward_hook(keep(stage)) for stage, module in network.stage_modules().items()]
    with torch.no_grad():
        found |= network(waveform)
    for handle in handles:
        handle.remove()
    return found


def assert_close(one: dict, other: dict, bound: float) -> None:
    assert list(one) == list(other)
    for stage, values in one.items():
        difference = (other[stage].float() - values.float()).norm() / values.float().norm()
        assert difference <= bound, (stage, difference)


@pytest.mark.parametrize("name", NETWORKS)
def test_bfloat16_equals_float32_within_its_rounding(name):
    network = make(name)
    exact = stages_and_logits(network, sounds())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = stages_and_logits(network, sounds())
        assert network.front_end(sounds()).dtype == torch.float32
    assert rounded[network.stages[0]].dtype == torch.bfloat16
    assert_close(exact, rounded, BOUND_BFLOAT16)


def compiled_equals_eager(name: str, backend: str) -> None:
    network, compiled = make(name), make(name)
    names = list(network.state_dict())
    torch.compiler.reset()
    compiled.backbone.compile(backend=backend)
    try:
        assert list(compiled.state_dict()) == names
        assert_close(stages_and_logits(network, sounds()), stages_and_logits(compiled, sounds()), BOUND_COMPILED)
        assert list(compiled.state_dict()) == names
        assert compiled.description() == network.description()
        network.load_state_dict(compiled.state_dict())
    finally:
        torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_traced_equals_eager(name):
    compiled_equals_eager(name, "aot_eager")


@pytest.mark.slow  # a C++ compiler makes the code: half a minute
@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_equals_eager(name):
    start = time.perf_counter()
    compiled_equals_eager(name, "inductor")
    print(f"{name}: {time.perf_counter() - start:.1f} s")
