"""The compiled code of the multirate envelopes against the same steps tensor by tensor."""

import os
import shutil
import subprocess
import sys
import warnings

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from networks import Cochleagram
from networks.front_ends.multirate import faster, fused
from tests.networks.front_ends.test_cochleagram import SMALL, SMALL_FRAMES

COMPILED = fused.library_path()
SETTINGS = {
    "published": {},
    "whole blocks": SMALL | SMALL_FRAMES,
    "one block": SMALL | SMALL_FRAMES | {"num_samples": 810},  # not a whole number of frames
    "odd length": SMALL | SMALL_FRAMES | {"num_samples": 803},
}


@pytest.fixture(scope="module", autouse=True)
def _needs_a_compiler():
    try:
        fused.load()  # a compiler that fails is a failure
    except fused.NoCompilerError as error:
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


@pytest.mark.parametrize(
    ("setting", "num_sounds"),
    [*((setting, number) for setting in SETTINGS for number in (1, 3)), ("whole blocks", 11), ("odd length", 11)],
)
def test_equals_the_tensors_and_their_gradient(setting, num_sounds, num_threads):
    fronts = [Cochleagram(**SETTINGS[setting], fused=value) for value in (False, True)]
    waveforms = 0.1 * torch.randn(num_sounds, fronts[0].num_samples, generator=torch.Generator().manual_seed(0))
    (expected, expected_gradient), (result, gradient) = (result_and_gradient(front, waveforms) for front in fronts)
    assert difference(result, expected) < 1e-6
    assert difference(gradient, expected_gradient) < 1e-5


@pytest.mark.parametrize("setting", ["published", "one block"])
def test_digital_silence_equals_the_tensors(setting):
    """Where the floor of the magnitude holds, before and after a sound."""
    fronts = [Cochleagram(**SETTINGS[setting], fused=value) for value in (False, True)]
    waveforms = torch.zeros(3, fronts[0].num_samples)
    waveforms[0, 300:340] = 0.1 * torch.randn(40, generator=torch.Generator().manual_seed(0))
    waveforms[1, 500] = 1
    expected, result = (front(waveforms) for front in fronts)
    assert difference(result, expected) < 1e-4  # envelopes of rounding noise differ
    assert difference(result[2], expected[2]) < 1e-6


def test_silence_has_a_gradient_of_zero():
    front_end = Cochleagram(**SMALL, **SMALL_FRAMES, fused=True)
    _, gradient = result_and_gradient(front_end, torch.zeros(2, 800))
    assert torch.equal(gradient, torch.zeros(2, 800))


def test_what_is_not_a_number_stays_so_and_spoils_no_other_sound():
    front_end = Cochleagram(**SMALL, **SMALL_FRAMES, fused=True)
    waveforms = 0.1 * torch.randn(9, 800, generator=torch.Generator().manual_seed(0))
    spoilt = waveforms.clone()
    spoilt[4, 100] = torch.nan
    (result, gradient), (expected, expected_gradient) = (result_and_gradient(front_end, w) for w in (spoilt, waveforms))
    others = [sound for sound in range(9) if sound != 4]
    assert result[4].isnan().all()
    assert torch.equal(result[others], expected[others])
    assert torch.equal(gradient[others], expected_gradient[others])


def test_a_sound_does_not_depend_on_the_others_in_the_batch():
    front_end = Cochleagram(fused=True)
    waveforms = 0.1 * torch.randn(10, 40_000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together, alone = front_end(waveforms), front_end(waveforms[7:8])
    assert difference(together[7:8], alone) < 1e-6


def test_double_precision_does_without():
    front_end = Cochleagram(**SMALL, **SMALL_FRAMES, fused=True).double()
    waveforms = 0.1 * torch.randn(2, 800, dtype=torch.float64)
    plain = Cochleagram(**SMALL, **SMALL_FRAMES, fused=False).double()
    assert torch.equal(front_end(waveforms), plain(waveforms))


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(faster, "_KNOWN", {})
    fused.load.cache_clear()
    yield tmp_path / "cochlearn"
    fused.load.cache_clear()


@pytest.fixture
def only_compiled(empty_cache):
    """A cache folder with the compiled code and nothing else; compiling again would take seconds."""
    library = fused.library_path()
    empty_cache.mkdir()
    shutil.copy(COMPILED, library)
    return empty_cache


def test_without_a_compiler_the_front_end_works_and_says_so_once(empty_cache, monkeypatch):
    monkeypatch.setattr(fused.shutil, "which", lambda name: None)
    front_end = Cochleagram(**SMALL, **SMALL_FRAMES)
    waveforms = 0.1 * torch.randn(2, 800)
    with pytest.warns(UserWarning, match=r"without code of its own.*no C\+\+ compiler \(c\+\+, g\+\+"):
        result = front_end(waveforms)
    with warnings.catch_warnings(action="error"):
        front_end(waveforms)
    assert torch.equal(result, Cochleagram(**SMALL, **SMALL_FRAMES, fused=False)(waveforms))


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler"])
def test_a_compiler_that_fails_is_named_and_leaves_nothing(empty_cache, monkeypatch, compiler):
    monkeypatch.setenv("CXX", compiler)
    with pytest.raises(fused.CompilingError, match=rf"{compiler} could not compile .*fused\.cpp"):
        fused.load()
    assert list(empty_cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(empty_cache):
    empty_cache.write_text("a file where the folder should be")
    with pytest.raises(fused.CompilingError, match="another folder in XDG_CACHE_HOME"):
        fused.load()


@pytest.fixture
def measured(only_compiled, monkeypatch):
    """Seconds of the two ways, by which the measurement is replaced."""
    seconds: dict[object, float] = {}
    monkeypatch.setattr(faster, "_seconds", lambda way, sounds: seconds[way])
    return seconds


def own(waveform):
    return 2 * waveform


def tensors(waveform):
    return waveform + waveform


def asked(identity: str) -> bool:
    return faster.is_faster(own, tensors, torch.zeros(1, 8), identity=identity)


@pytest.mark.parametrize("is_faster", [True, False])
def test_the_faster_way_is_measured_once_and_kept(measured, is_faster):
    measured |= {own: 1.0, tensors: 2.0} if is_faster else {own: 2.0, tensors: 1.0}
    assert asked("a") is is_faster
    faster._KNOWN.clear()  # as in a new process
    measured.clear()
    assert asked("a") is is_faster
    with pytest.warns(UserWarning, match="without code of its own"):
        assert asked("another front end") is False  # measured again, for which there are no seconds


def test_the_first_of_several_processes_decides(measured, monkeypatch):
    """They measure at once, and compute alike."""
    write = faster.write_once

    def write_second(file, text):
        write(file, '{"own": 2, "tensors": 1}')  # by the first
        write(file, text)

    measured |= {own: 1.0, tensors: 2.0}
    monkeypatch.setattr(faster, "write_once", write_second)
    assert asked("a") is False


def test_a_way_that_gives_something_else_is_not_used(only_compiled):
    with pytest.warns(UserWarning, match=r"its results differ .* by 5.0e-01"):
        assert faster.is_faster(lambda waveform: waveform, tensors, torch.zeros(1, 8), identity="wrong") is False


def test_the_first_use_may_be_in_inference_mode(only_compiled):
    front_end = Cochleagram(**SMALL, **SMALL_FRAMES)
    with torch.inference_mode(), warnings.catch_warnings(action="error"):
        front_end(0.1 * torch.randn(2, 800))
    assert len(list(only_compiled.glob("faster-*.json"))) == 1


def test_the_measurement_is_outside_of_modes_that_change_or_count_operations(only_compiled, monkeypatch):
    seen = set()

    def way(waveform):
        seen.add((waveform.dtype, (waveform @ waveform.T).dtype, torch.is_grad_enabled()))
        return 2 * waveform

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16), counter:
        faster.is_faster(way, way, torch.zeros(1, 8), identity="modes")
    assert seen == {(torch.float32, torch.float32, True)}
    assert counter.get_total_flops() == 0


def test_by_default_the_front_end_asks_which_way_is_faster(monkeypatch):
    waveforms = 0.1 * torch.randn(2, 800, generator=torch.Generator().manual_seed(0))
    for answer in (True, False):
        monkeypatch.setattr("networks.front_ends.multirate.envelopes.is_faster", lambda *_, answer=answer, **__: answer)
        result = Cochleagram(**SMALL, **SMALL_FRAMES)(waveforms)
        assert torch.equal(result, Cochleagram(**SMALL, **SMALL_FRAMES, fused=answer)(waveforms))


@pytest.mark.parametrize("capability", ["default", pytest.param("avx2", marks=pytest.mark.slow)])
def test_narrower_instruction_sets_compute_the_same(capability, tmp_path):
    """Those that this processor has besides its widest."""
    script = """
import sys, torch
from networks import Cochleagram
from networks.front_ends.multirate import faster, fused
waveform = 0.1 * torch.randn(3, 40_000, generator=torch.Generator().manual_seed(0))
values = []
for compiled in (False, True):
    leaf = waveform.clone().requires_grad_()
    result = Cochleagram(fused=compiled)(leaf)
    weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(1))
    (result * weights).sum().backward()
    values.append((result.detach(), leaf.grad))
for value, expected in zip(*reversed(values)):
    print(float((value - expected).norm() / expected.norm()))
print(fused.instruction_set())
"""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "ATEN_CPU_CAPABILITY": capability,
        "XDG_CACHE_HOME": str(tmp_path),
    }
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    values, gradients, instructions = run.stdout.splitlines()
    if capability == "avx2" and "AVX2" not in instructions:
        pytest.skip(f"this processor ({instructions}) has no AVX2")
    assert float(values) < 1e-6
    assert float(gradients) < 1e-5
