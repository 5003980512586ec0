"""All that a GPU can show about this project, in one run of at most eight minutes: `python -m tests.gpu.check`.

Tests that need a device, costs and errors of the front ends, training, loading and brain scores with the numbers that
are asked for; a table at the end, and a JSON file. Each section runs in a process and within a time of its own; what
fails is recorded and the others still run. Without a GPU it rehearses: tiny sizes on the CPU, and pretend devices.
`tests/gpu/README.md` says what the machine needs.
"""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

# Asking whether there is a GPU must not start CUDA, which would not survive the fork.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")

from tests.gpu.packages import use_packages

use_packages()

import torch  # noqa: E402
from rich.console import Console  # noqa: E402

from tests.gpu.report import Recorder, Section, as_json, as_table, machine, read_numbers  # noqa: E402
from tests.gpu.sections import REHEARSAL, ROOT, SECTIONS, Size, full_size  # noqa: E402

MOST_SECONDS = 8 * 60
SECONDS_OF_A_REHEARSAL = 60 * 60
"""A rehearsal takes two minutes; but it is no failure where others use the machine as well."""
SECONDS_FOR_THE_REPORT = 10
CONSOLE_WIDTH = 160


def main() -> int:
    """Run the sections, print the table, write the JSON file; the exit status says whether all came to their end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes on the CPU and pretend devices")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "gpu-check.json", help="JSON file")
    arguments = parser.parse_args()
    console = Console(width=CONSOLE_WIDTH)
    rehearses = arguments.rehearse or not torch.cuda.is_available()
    if rehearses and not arguments.rehearse:
        console.print("No CUDA device is available: this is a rehearsal, its numbers mean nothing.")
    start = time.monotonic()
    sections, numbers = {}, []
    preload()
    with tempfile.TemporaryDirectory() as folder:
        for index, name in enumerate(arguments.sections):
            remaining = MOST_SECONDS - SECONDS_FOR_THE_REPORT - (time.monotonic() - start)
            limit = SECONDS_OF_A_REHEARSAL if rehearses else max(1.0, min(SECTIONS[name][1], remaining))
            console.print(f"{time.monotonic() - start:4.0f} s  {name}", highlight=False)
            file = Path(folder) / f"{index}.jsonl"
            sections[name] = run_section(name, REHEARSAL if rehearses else full_size(), file, limit)
            numbers += read_numbers(file)
            if sections[name].status != "done":
                console.print(f"  {sections[name].status}: {sections[name].error}", markup=False, highlight=False)
    about = machine()
    seconds = time.monotonic() - start
    kind = "rehearsal" if rehearses else "measurement"
    title = "Rehearsal on the CPU: numbers mean nothing" if rehearses else f"{about['card']}, torch {torch.__version__}"
    console.print(as_table(kind, title, sections, numbers))
    about |= {"date": datetime.now(UTC).isoformat(timespec="seconds"), "seconds": seconds, "cuda": torch.version.cuda}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(as_json(kind, about, sections, numbers), indent=1) + "\n")
    console.print(f"{seconds:.0f} s; {arguments.out}")
    return int(any(section.status != "done" for section in sections.values()))


def preload() -> None:
    """Import what most sections need, once for all of them; what is missing is reported by the sections."""
    try:
        import evaluate.scoring.engine  # noqa: F401
        import tests.benchmarks.training  # noqa: F401
    except ImportError as error:
        Console().print(f"{error}: sections that need it will fail")


def run_section(name: str, size: Size, file: Path, limit_s: float) -> Section:
    """Run a section in a process of its own, for so many seconds at most."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(name, size, file, sending))
    start = time.monotonic()
    process.start()
    sending.close()
    process.join(limit_s)
    seconds = time.monotonic() - start
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)  # type: ignore[arg-type]  # with its loaders and tests
        process.join()
        return Section("stopped", seconds, f"stopped after {limit_s:.0f} s")
    try:
        error = receiving.recv()
    except EOFError:
        error = f"the process ended with status {process.exitcode}"
    return Section("failed" if error else "done", seconds, error)


def _work(name: str, size: Size, file: Path, sending: "multiprocessing.connection.Connection") -> None:
    os.setpgrp()
    try:
        SECTIONS[name][0](size, Recorder(name, file, Console(width=CONSOLE_WIDTH)))
    except BaseException:
        sending.send(traceback.format_exc())
    else:
        sending.send("")


if __name__ == "__main__":
    sys.exit(main())
