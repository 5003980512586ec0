"""The multirate envelopes in compiled code, for CPUs: several times faster than with PyTorch's operators.

Operator by operator, the steps for a group of bands write and read megabytes. `fused.cpp` runs all steps in the cache
of a core, for as many sounds and bands as fit into a vector register. It is compiled on first use, in a few seconds,
for this machine's instruction set, and kept in the user's cache folder. Its interface is plain C with raw pointers and
does not depend on the release of torch.
"""

import ctypes
import functools
import hashlib
import itertools
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from networks.front_ends.multirate.band_groups import rfft_adjoint
from networks.front_ends.multirate.cache_folder import cache_folder
from networks.front_ends.multirate.fused_tables import POINTS_TOGETHER

SOURCES = tuple(Path(__file__).with_name(name) for name in ("fused.cpp", "lanes.h", "lanes_fft.h"))
INSTRUCTIONS = {
    "AVX2": ("-mavx2", "-mfma"),
    "AVX512": ("-mavx2", "-mfma", "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl"),
}
"""Compiler flags by torch's name of the instruction set. Others need none: NEON and SSE2 follow from the target."""

COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-std=c++17", "-fPIC", "-shared")
COMPILING_TIMEOUT_S = 600


class CompilingError(RuntimeError):
    """The code could not be compiled. The message says why and what to do."""


class NoCompilerError(CompilingError):
    """This machine has no C++ compiler."""


class GroupArguments(NamedTuple):
    """Arguments of `fused.cpp` for a group of bands.

    Attributes:
        tables: Tensors in the order of the pointers in `Group`.
        numbers: Integers in the order of those in `Group`.
    """

    tables: Sequence[Tensor]
    numbers: Sequence[int]


POINTERS = (
    *("bands", "lows", "widths", "gains", "roots"),
    *("low_pass_rows", "low_pass_weights", "interpolation_rows", "interpolation_weights"),
)
NUMBERS = (
    *("num_bands", "length", "num_points", "size", "half_taps"),
    *("count", "frames", "lead", "width", "blocks_at_once"),
)


class _Group(ctypes.Structure):
    """The structure `Group` of `fused.cpp`."""

    _fields_ = [(name, ctypes.c_void_p) for name in POINTERS] + [(name, ctypes.c_int64) for name in NUMBERS]


def envelopes(waveform: Tensor, groups: Sequence[GroupArguments], shape: tuple[int, int]) -> Tensor:
    """Compute band envelopes at the frame rate. Differentiable.

    Args:
        waveform: (B, T) float32 on the CPU.
        groups: Arguments of all groups.
        shape: (F, N), bands and frames.

    Returns:
        (B, F, N).
    """
    result: Tensor = _Fused.apply(waveform, groups, shape)
    return result


def can_run_compiled(waveform: Tensor) -> bool:
    """Check for real (not fake) float32 tensors on the CPU."""
    is_real = type(waveform) in (Tensor, torch.nn.Parameter)
    return is_real and waveform.device.type == "cpu" and waveform.dtype == torch.float32


@functools.cache
def load() -> ctypes.CDLL:
    """Load the library; compile it first if necessary.

    Raises:
        NoCompilerError: This machine has no C++ compiler.
        CompilingError: The compiler failed, or the cache folder cannot be written.
    """
    library = library_path()
    if not library.is_file():
        _compile(library)
    loaded = ctypes.CDLL(str(library))
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    loaded.multirate_forward.argtypes = [*(pointer, number, pointer, number, number), *(pointer, number, number)]
    loaded.multirate_backward.argtypes = [*loaded.multirate_forward.argtypes, pointer]
    loaded.multirate_forward.restype = loaded.multirate_backward.restype = None
    return loaded


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, waveform: Tensor, groups: Sequence[GroupArguments], shape: tuple[int, int]) -> Tensor:
        spectrum = torch.fft.rfft(waveform)
        result = waveform.new_empty(len(waveform), *shape)
        structures, library = _structures(groups), load()

        def of_sounds(sounds: slice) -> None:
            part = spectrum[sounds]
            library.multirate_forward(
                *(structures, len(structures), part.data_ptr(), *part.shape), result[sounds].data_ptr(), *shape
            )

        _in_threads(of_sounds, len(waveform))
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(spectrum)
            ctx.groups, ctx.num_samples = groups, waveform.shape[1]
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (spectrum,) = ctx.saved_tensors
        frames, result = grads[0].contiguous(), torch.zeros_like(spectrum)
        structures, library = _structures(ctx.groups), load()

        def of_sounds(sounds: slice) -> None:
            part, of_frames = spectrum[sounds], frames[sounds]
            library.multirate_backward(
                *(structures, len(structures), part.data_ptr(), *part.shape),
                *(of_frames.data_ptr(), *of_frames.shape[1:], result[sounds].data_ptr()),
            )

        _in_threads(of_sounds, len(frames))
        return rfft_adjoint(result, ctx.num_samples), None, None


def _structures(groups: Sequence[GroupArguments]) -> "ctypes.Array[_Group]":
    pointers = [[table.data_ptr() for table in group.tables] for group in groups]
    missing = [None] * len(POINTERS)  # a group without interpolation lacks its tables
    return (_Group * len(groups))(
        *(
            _Group(*(own + missing)[: len(POINTERS)], *group.numbers)
            for own, group in zip(pointers, groups, strict=True)
        )
    )


def _in_threads(work: Callable[[slice], None], num_sounds: int) -> None:
    """Split sounds among as many threads as torch uses. The compiled code runs without the GIL."""
    num_threads = max(1, min(torch.get_num_threads(), num_sounds))
    edges = [num_sounds * thread // num_threads for thread in range(num_threads + 1)]
    parts = [slice(*edge) for edge in itertools.pairwise(edges)]
    if num_threads == 1:
        work(parts[0])
        return
    with ThreadPoolExecutor(num_threads) as pool:  # a new pool every time: threads do not survive a fork
        list(pool.map(work, parts))


def instruction_set() -> str:
    """Name this machine's processor and its instruction set, as torch does."""
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def library_path() -> Path:
    """Path of the compiled library for this source, instruction set and system."""
    made_of = b"".join(path.read_bytes() for path in (*SOURCES, Path(__file__)))
    system = f"{platform.system()} {instruction_set()} {POINTS_TOGETHER}"
    key = hashlib.sha256(system.encode() + made_of).hexdigest()[:16]
    return cache_folder() / f"multirate-{key}.so"


def _compile(library: Path) -> None:
    """Compile to a temporary file and rename it: several processes may compile at once, and any may be killed."""
    asked = os.environ.get("CXX")
    compiler = asked or next((name for name in COMPILERS if shutil.which(name)), None)
    if compiler is None:
        raise NoCompilerError(
            f"there is no C++ compiler ({', '.join(COMPILERS)}): install one, or name one in the environment variable "
            "CXX"
        )
    flags = (*FLAGS, *INSTRUCTIONS.get(torch.backends.cpu.get_cpu_capability(), ()))
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            made = Path(folder) / library.name
            _run([compiler, *flags, f"-DPOINTS_TOGETHER={POINTS_TOGETHER}", str(SOURCES[0]), "-o", str(made)])
            made.replace(library)
    except OSError as error:
        message = f"cannot write to {library.parent} ({error}): name another folder in XDG_CACHE_HOME"
        raise CompilingError(message) from error


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILING_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        raise CompilingError(f"{command[0]} could not compile {SOURCES[0]}: {reason[-2000:]}") from error
