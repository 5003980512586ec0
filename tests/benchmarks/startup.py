"""Seconds and memory until a command's help is shown, next to importing torch and Lightning.

Run `python -m tests.benchmarks.startup`. Every line is a new process; the lines are measured in turn, so that other
load on the machine slows all of them alike. Processor seconds mean more on such a machine. `--command` measures only
the commands named.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

PACKAGES = ("networks", "datamodules", "evaluate")
YARDSTICKS = {"import torch": "torch", "import pytorch_lightning": "pytorch_lightning"}
TRAINING = ("train --help", "train fit --help")
_BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024
"""Of the peak memory that the system reports."""


class Cost(NamedTuple):
    """What a process took: wall-clock and processor seconds, and its peak resident memory in MB."""

    wall_s: float
    processor_s: float
    memory_mb: float


def help_commands() -> list[str]:
    """All commands whose help is measured, without `python -m`."""
    found = []
    for package in PACKAGES:
        # In a process of its own: what is loaded here would count as memory of each process that is started from here.
        code = f"from {package}.__main__ import COMMANDS; print(*COMMANDS)"
        names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        found += [f"{package} --help", *(f"{package} {name} --help" for name in names)]
    return [*found, *TRAINING]


def measure(arguments: list[str]) -> Cost:
    """Run Python once."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    if status:
        raise SystemExit(f"python {' '.join(arguments)} failed: {process.stderr.read().decode()}")
    process.returncode = 0
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _BYTES_PER_UNIT / 1e6)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--command", action="append", help="as 'evaluate score --help'; again for more (default: all)")
    options = parser.parse_args()
    lines = {name: ["-c", f"import {module}"] for name, module in YARDSTICKS.items()}
    lines |= {command: ["-m", *command.split()] for command in options.command or help_commands()}
    costs: dict[str, list[Cost]] = {name: [] for name in lines}
    for arguments in lines.values():
        measure(arguments)  # files come from the disk and are compiled
    for _ in range(options.repetitions):
        for name, arguments in lines.items():
            costs[name].append(measure(arguments))
    medians = {name: Cost(*map(statistics.median, zip(*found, strict=True))) for name, found in costs.items()}
    print(f"medians of {options.repetitions} processes, Python {sys.version.split()[0]}; ratios of processor seconds\n")
    print(f"{'':<30}{'wall s':>8}{'processor s':>13}{'/ torch':>9}{'/ Lightning':>13}{'peak MB':>9}")
    for name, cost in medians.items():
        torch, lightning = (cost.processor_s / medians[yardstick].processor_s for yardstick in YARDSTICKS)
        print(
            f"{name:<30}{cost.wall_s:>8.2f}{cost.processor_s:>13.2f}{torch:>9.2f}{lightning:>13.2f}"
            f"{cost.memory_mb:>9.0f}"
        )


if __name__ == "__main__":
    main()
