"""The command `python -m evaluate fetch`: download and unpack the public release of brain responses."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from datamodules.progress import BYTES, Progress
from evaluate.benchmarks import load_benchmark
from evaluate.benchmarks.problems import BenchmarkError
from evaluate.benchmarks.published.download import DEFAULT_MAX_BYTES
from evaluate.benchmarks.published.release_download import RELEASE_URL, fetch_release
from networks.commands.dispatch import EXIT_IN_PART, CommandError, text_console
from networks.commands.interruption import NOTHING_IS_KEPT, has_content, stopped_by_sigterm
from networks.text.wording import counted

NUM_SHA256_DIGITS = 64


@dataclass(kw_only=True)
class Fetch:
    """Download the data published with Tuckute, Feather et al. 2023 and unpack them to DESTINATION/data.

    The release contains NH2015, B2021, NH2015comp and the 165 sounds. After an interruption, run the command again to
    resume. Exit code: 0; 1 if a data set of the release has problems, which are listed; 2 if the download failed.

    Attributes:
        destination: Folder for the data.
        url: Another address of the archive.
        sha256: Expected checksum of the archive, in hexadecimal digits (none is published).
        keep_archive: Whether to keep the archive next to the unpacked data.
        max_gb: Most to download in gigabytes (10^9 bytes); at most ten times as much is unpacked. The release has 0.18.
    """

    destination: Path
    url: str = RELEASE_URL
    sha256: str | None = None
    keep_archive: bool = False
    max_gb: float = DEFAULT_MAX_BYTES / 1e9
    positionals: ClassVar[tuple[str, ...]] = ("destination",)

    @property
    def when_interrupted(self) -> str:
        """What a Ctrl-C leaves."""
        if not has_content(self.destination):
            return NOTHING_IS_KEPT
        return f"what is downloaded so far is kept in {self.destination}; the same command resumes"

    def run(self) -> int:
        """Download the release.

        Returns:
            Exit code, see the description of the command.

        Raises:
            CommandError: `sha256` is not a checksum, or `max_gb` no size.
            BenchmarkError: The archive cannot be downloaded or is not the release.
        """
        console = text_console(soft_wrap=True, highlight=False)
        digits = (self.sha256 or "").lower()
        if self.sha256 is not None and (len(digits) != NUM_SHA256_DIGITS or set(digits) - set("0123456789abcdef")):
            raise CommandError(f"--sha256 must have {NUM_SHA256_DIGITS} hexadecimal digits, got {self.sha256!r}")
        if not 0 < self.max_gb < math.inf:
            raise CommandError(f"--max_gb must be above 0, got {self.max_gb:g}")
        with stopped_by_sigterm(), Progress(f"fetching {self.url}") as display:

            def report(what: str, num_done: int, num_total: int | None) -> None:
                display.report(what, num_done, num_total, unit="files" if what == "unpacking" else BYTES)

            display.report("connecting")
            release = fetch_release(
                self.destination,
                url=self.url,
                sha256=self.sha256,
                keep_archive=self.keep_archive,
                max_bytes=round(1e9 * self.max_gb),
                progress=report,
            )
        if release.sha256 is None:
            console.print(f"{release.folder} exists already")
        else:
            console.print(f"unpacked to {release.folder}; the archive's SHA-256 is {release.sha256}")
        has_problems = False
        for name in release.names:
            try:
                benchmark = load_benchmark(name)
            except BenchmarkError as error:
                has_problems = True
                for problem in error.problems:
                    console.print(f"{name}: {problem}", style="red")
            else:
                console.print(
                    f"{name}: {counted(benchmark.num_stimuli, 'sound')}, {counted(benchmark.num_units, 'unit')}"
                )
        return EXIT_IN_PART if has_problems else 0
