"""Packages for a machine that has PyTorch and Python 3.12 and no network: `python -m tests.gpu.packages` packs them.

One archive without tests, headers and parts that the GPU check does not import, small enough to travel with the working
tree. `tests.gpu.check` unpacks it where packages are missing, and puts them behind those that the machine has.
"""

import argparse
import hashlib
import importlib.util
import lzma
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "gpu"
"""Ignored by git."""
ARCHIVE = FOLDER / "packages.tar.xz"
MOST_MIB = 64
PYTHON = "3.12"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
# Those of pyproject.toml in its ranges; the others are what they need. What comes with PyTorch is left out, and so are
# matplotlib, scikit-learn and the loggers: figures and probes are no matter of a GPU.
OURS = "numpy scipy pandas pyarrow soundfile pytorch-lightning jsonargparse torchmetrics webdataset rich pyyaml pytest"
NEEDED = (
    "lightning-utilities docstring-parser typeshed-client importlib-resources markdown-it-py mdurl pygments "
    "braceexpand cffi pycparser python-dateutil six pytz tzdata tqdm packaging pluggy iniconfig"
)
LEFT_OUT_FOLDERS = {"tests", "include", "bin", "__pycache__"}
# Of pyarrow, what its other libraries do not link to.
LEFT_OUT_NAMES = ("libarrow_flight", "libarrow_s3", "_flight.", "_s3fs.", "_orc.", "_gcsfs.", "_azurefs.", "_hdfs.")
LEFT_OUT_SUFFIXES = {".pyx", ".pxd", ".pyi", ".pxi", ".h", ".hpp", ".c", ".cpp"}
FILTERS = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 6}]


def use_packages() -> None:
    """Put the archive's packages on the path where some are missing here, for child processes too."""
    modules = ("numpy", "pandas", "pyarrow", "pytorch_lightning", "soundfile", "rich", "pytest")
    if all(importlib.util.find_spec(module) for module in modules) or not ARCHIVE.exists():
        return
    unpacked = FOLDER / "packages"
    if not unpacked.exists():
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder, tarfile.open(ARCHIVE) as archive:
            archive.extractall(folder, filter="data")
            os.rename(folder, unpacked)
            os.mkdir(folder)  # the context removes it
    sys.path.append(str(unpacked))
    # Before the packages of the machine there, as the path has no place behind them: they have the same versions or
    # are missing.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(unpacked))))


def is_left_out(path: Path) -> bool:
    """Whether a file, by its path below the packages, is not needed."""
    return (
        bool(LEFT_OUT_FOLDERS & set(path.parts[:-1]))
        or path.suffix in LEFT_OUT_SUFFIXES
        or path.name.startswith(LEFT_OUT_NAMES)
    )


def requirements() -> list[str]:
    """Names with the ranges of pyproject.toml."""
    ranges = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    by_name = {requirement.partition(">")[0].partition("[")[0].partition("=")[0]: requirement for requirement in ranges}
    return [by_name.get(name, name) for name in (*OURS.split(), *NEEDED.split())]


def pack(archive: Path) -> float:
    """Download and pack; MiB of the archive."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        platforms = [f"--platform={platform}" for platform in PLATFORMS]
        where = ["--target", name, f"--python-version={PYTHON}", *platforms, "--only-binary=:all:", "--no-deps"]
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *where, *requirements()], check=True)
        with lzma.open(archive, "w", filters=FILTERS) as file, tarfile.open(fileobj=file, mode="w") as tar:
            seen: dict[bytes, str] = {}
            for path in sorted(Path(name).rglob("*")):
                inside = path.relative_to(name)
                if not path.is_file() or is_left_out(inside):
                    continue
                entry = tar.gettarinfo(path, arcname=inside.as_posix())
                content = hashlib.sha256(path.read_bytes()).digest()
                if entry.size and content in seen:  # libraries lie there under several names
                    entry.type, entry.linkname, entry.size = tarfile.LNKTYPE, seen[content], 0
                    tar.addfile(entry)
                    continue
                seen[content] = entry.name
                with path.open("rb") as opened:
                    tar.addfile(entry, opened)
    return archive.stat().st_size / 2**20


def main() -> int:
    """Pack, and say how large it came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ARCHIVE)
    arguments = parser.parse_args()
    size_mib = pack(arguments.out)
    print(f"{arguments.out}: {size_mib:.0f} MiB (at most {MOST_MIB})")
    return int(size_mib > MOST_MIB)


if __name__ == "__main__":
    sys.exit(main())
