"""The compiled code of the multirate envelopes against the same steps tensor by tensor."""

import os
import subprocess
import sys
import warnings

import pytest
import torch

from networks import Cochleagram
from networks.multirate import fused
from tests.networks.test_cochleagram import SMALL, SMALL_FRAMES

SETTINGS = {
    "published": {},
    "whole blocks": SMALL | SMALL_FRAMES,
    "one block": SMALL | SMALL_FRAMES | {"num_samples": 810},  # not a whole number of frames
    "odd length": SMALL | SMALL_FRAMES | {"num_samples": 803},
}


@pytest.fixture(scope="module", autouse=True)
def _needs_a_compiler():
    try:
        fused.load()
    except fused.CompilingError as error:
        pytest.skip(str(error))


@pytest.fixture(params=[1, 2])
def num_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def result_and_gradient(front_end: Cochleagram, waveforms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    leaf = waveforms.clone().requires_grad_()
    result = front_end(leaf)
    weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(1))
    (result * weights).sum().backward()
    return result.detach(), leaf.grad


def difference(value: torch.Tensor, expected: torch.Tensor) -> float:
    return float((value - expected).norm() / expected.norm())


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("num_sounds", [1, 11])
def test_equals_the_tensors_and_their_gradient(setting, num_sounds, num_threads):
    fronts = [Cochleagram(**SETTINGS[setting], method="multirate", fused=value) for value in (False, True)]
    waveforms = 0.1 * torch.randn(num_sounds, fronts[0].num_samples, generator=torch.Generator().manual_seed(0))
    (expected, expected_gradient), (result, gradient) = (result_and_gradient(front, waveforms) for front in fronts)
    assert difference(result, expected) < 1e-6
    assert difference(gradient, expected_gradient) < 1e-5


def test_silence_has_a_gradient_of_zero():
    front_end = Cochleagram(**SMALL, **SMALL_FRAMES, method="multirate", fused=True)
    _, gradient = result_and_gradient(front_end, torch.zeros(2, 800))
    assert torch.equal(gradient, torch.zeros(2, 800))


def test_what_is_not_a_number_stays_so_and_spoils_no_other_sound():
    front_end = Cochleagram(**SMALL, **SMALL_FRAMES, method="multirate", fused=True)
    waveforms = 0.1 * torch.randn(9, 800, generator=torch.Generator().manual_seed(0))
    spoilt = waveforms.clone()
    spoilt[4, 100] = torch.nan
    (result, gradient), (expected, expected_gradient) = (result_and_gradient(front_end, w) for w in (spoilt, waveforms))
    others = [sound for sound in range(9) if sound != 4]
    assert result[4].isnan().all()
    assert torch.equal(result[others], expected[others])
    assert torch.equal(gradient[others], expected_gradient[others])


def test_a_sound_does_not_depend_on_those_beside_it():
    front_end = Cochleagram(method="multirate", fused=True)
    waveforms = 0.1 * torch.randn(10, 40_000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together, alone = front_end(waveforms), front_end(waveforms[7:8])
    assert difference(together[7:8], alone) < 1e-6


def test_double_precision_does_without():
    front_end = Cochleagram(**SMALL, **SMALL_FRAMES, method="multirate", fused=True).double()
    waveforms = 0.1 * torch.randn(2, 800, dtype=torch.float64)
    plain = Cochleagram(**SMALL, **SMALL_FRAMES, method="multirate").double()
    assert torch.equal(front_end(waveforms), plain(waveforms))


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    fused._is_loaded.cache_clear()
    yield tmp_path / "cochlearn"
    fused._is_loaded.cache_clear()


def test_without_a_compiler_the_front_end_goes_on_and_says_so_once(empty_cache, monkeypatch):
    monkeypatch.setattr(fused.shutil, "which", lambda name: None)
    front_end = Cochleagram(**SMALL, **SMALL_FRAMES, method="multirate", fused=True)
    waveforms = 0.1 * torch.randn(2, 800)
    with pytest.warns(UserWarning, match=r"goes on without .* needs a C\+\+ compiler; none of c\+\+, g\+\+"):
        result = front_end(waveforms)
    with warnings.catch_warnings(action="error"):
        front_end(waveforms)
    assert torch.equal(result, Cochleagram(**SMALL, **SMALL_FRAMES, method="multirate")(waveforms))


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler"])
def test_a_compiler_that_fails_is_named_and_leaves_nothing(empty_cache, monkeypatch, compiler):
    monkeypatch.setenv("CXX", compiler)
    with pytest.raises(fused.CompilingError, match=rf"{compiler} could not compile .*fused\.cpp"):
        fused.load()
    assert list(empty_cache.iterdir()) == []


def test_openmp_is_that_of_torch():
    """Two OpenMP libraries in a process would start threads within threads."""
    maps = "from networks.multirate import fused; fused.load(); print(open('/proc/self/maps').read())"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run([sys.executable, "-c", maps], capture_output=True, text=True, check=True, env=environment)
    assert len({line.split()[-1] for line in told.stdout.splitlines() if "libgomp" in line}) == 1
