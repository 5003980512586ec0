"""The multirate envelopes in compiled code, for CPUs: :mod:`networks.multirate.envelopes` in a quarter of its time.

Tensor by tensor, the steps for a group of bands write and read megabytes; `fused.cpp` does them for as many sounds and
bands as a vector of the processor has room for, in a core's cache. It is compiled when it is first asked for, for this
processor and release of torch, and kept in the user's cache folder.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from networks.multirate.spectrum import rfft_adjoint
from networks.multirate.tables import POINTS_TOGETHER

SOURCES = tuple(Path(__file__).with_name(name) for name in ("fused.cpp", "lanes.h", "lanes_fft.h"))
INSTRUCTIONS = {
    "AVX2": ("-mavx2", "-mfma"),
    "AVX512": ("-mavx2", "-mfma", "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl"),
}
"""By torch's name of what the processor can do; for others nothing is said to the compiler."""

COMPILERS = ("c++", "g++", "clang++")
COMPILING_TIMEOUT_S = 600


class CompilingError(RuntimeError):
    """The compiled code cannot be had here; the message says why and what to do."""


class GroupArguments(tuple[Any, ...]):
    """What the compiled code is told of a group: the arguments of its operators that describe one."""


def envelopes(waveform: Tensor, groups: list[GroupArguments], shape: tuple[int, int]) -> Tensor:
    """Band envelopes at the frame rate, differentiable.

    Args:
        waveform: (B, T) float32 on the CPU.
        groups: all of them.
        shape: (F, N), bands and frames.

    Returns:
        (B, F, N).
    """
    result: Tensor = _Fused.apply(waveform, groups, shape)
    return result


def runs_on(waveform: Tensor) -> bool:
    """Whether the compiled code takes these waveforms, float32 on a CPU, and can be had: warns once if it cannot."""
    return waveform.device.type == "cpu" and waveform.dtype == torch.float32 and _is_loaded()


@functools.cache
def _is_loaded() -> bool:
    try:
        load()
    except CompilingError as error:
        warnings.warn(f"the front end goes on without compiled code, at a quarter of the speed: {error}", stacklevel=2)
        return False
    return True


def load() -> None:
    """Make the operators known to torch, compiling them first where that was not done before: about half a minute.

    Raises:
        CompilingError: there is no C++ compiler, or it failed.
    """
    library = _library()
    if not library.is_file():
        _compile(library)
    torch.ops.load_library(library)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, waveform: Tensor, groups: list[GroupArguments], shape: tuple[int, int]) -> Tensor:
        spectrum = torch.fft.rfft(waveform)
        result = waveform.new_empty(len(waveform), *shape)
        for group in groups:
            torch.ops.cochlearn_multirate.forward(spectrum, *group, result)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(spectrum)
            ctx.groups, ctx.num_samples = groups, waveform.shape[1]
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (spectrum,) = ctx.saved_tensors
        result = torch.zeros_like(spectrum)
        for group in ctx.groups:
            torch.ops.cochlearn_multirate.backward(spectrum, *group, grads[0].contiguous(), result)
        return rfft_adjoint(result, ctx.num_samples), None, None


def _library() -> Path:
    capability = torch.backends.cpu.get_cpu_capability()
    made_of = b"".join(path.read_bytes() for path in (*SOURCES, Path(__file__)))
    key = hashlib.sha256(f"{torch.__version__} {capability} {POINTS_TOGETHER}".encode() + made_of).hexdigest()[:16]
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "cochlearn" / f"multirate-{key}.so"


def _compile(library: Path) -> None:
    """Compile to a temporary file and rename it: several processes may do so at once, and each may be killed."""
    from torch.utils.cpp_extension import include_paths, library_paths

    asked = os.environ.get("CXX")
    compiler = asked or next((name for name in COMPILERS if shutil.which(name)), None)
    if compiler is None:
        raise CompilingError(
            f"fused=True needs a C++ compiler; none of {', '.join(COMPILERS)} is here: install one, or name one in the "
            "environment variable CXX"
        )
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made, compiled = Path(folder) / library.name, Path(folder) / "fused.o"
        compiling = [
            *(compiler, "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"),
            *("-fopenmp", "-std=c++17", "-fPIC", f"-DPOINTS_TOGETHER={POINTS_TOGETHER}"),
            *INSTRUCTIONS.get(torch.backends.cpu.get_cpu_capability(), ()),
            f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
            *(f"-I{path}" for path in include_paths()),
            *("-c", str(SOURCES[0]), "-o", str(compiled)),
        ]
        # Linked without -fopenmp: OpenMP then is that of torch, and there is one set of threads, not two.
        linking = [compiler, "-shared", str(compiled), "-o", str(made), *(f"-L{path}" for path in library_paths())]
        for command in (compiling, [*linking, "-ltorch", "-ltorch_cpu", "-lc10"]):
            _run(command)
        made.replace(library)


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILING_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        message = f"{command[0]} could not compile {SOURCES[0]}: {told[-2000:]}"
        raise CompilingError(message) from error
