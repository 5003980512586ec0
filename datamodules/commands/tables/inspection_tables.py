"""What `python -m datamodules check` prints about a corpus that is not built yet."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from networks.commands.arguments import printable

if TYPE_CHECKING:
    from datamodules.inspection.findings import Finding
    from datamodules.inspection.inspecting import CorpusInspection

_MAX_CLASSES_NAMED = 8


def print_inspection(name: str, inspection: CorpusInspection, console: Console) -> None:
    """Print what is in a corpus, and what is suspicious; strings from users are never markup."""
    table = Table("", "", title=Text(name), show_header=False)
    for quantity, value in _contents(inspection):
        table.add_row(Text(quantity), Text(printable(value)))
    console.print(table)
    if inspection.num_heard < inspection.num_files:
        console.print(
            f"{inspection.num_heard} of {inspection.num_files} files were heard, chosen at random; copies in other "
            "formats and flaws of the rest are not known (--max_sounds, --max_duration_s)",
            markup=False,
        )
    for found in inspection.findings:
        print_finding(found, console)
    console.print(f"{name}: {'SUSPICIOUS' if inspection.findings else 'nothing suspicious'}", markup=False)


def print_finding(found: Finding, console: Console, *, style: str = "red") -> None:
    """Print a finding with some of its cases."""
    console.print(f"{printable(found.kind)}: {found.num_cases}", style=style, markup=False)
    for case in found.cases:
        console.print(f"  {printable(case)}", markup=False)
    if found.num_cases > len(found.cases):
        console.print(f"  and {found.num_cases - len(found.cases)} more", markup=False)


def _contents(inspection: CorpusInspection) -> list[tuple[str, str]]:
    sounds = list(inspection.measured.values())
    durations_s = [sound.duration_s for sound in sounds]
    lines = [("rows", str(len(inspection.rows))), ("sound files", str(inspection.num_files))]
    if durations_s:
        lines.append(
            (
                "durations",
                f"{min(durations_s):.2f} to {max(durations_s):.2f} s, median {median(durations_s):.2f} s, "
                f"{sum(durations_s) / 60:.1f} min in all that was heard",
            )
        )
        lines.append(("sample rates", _counted(Counter(f"{sound.sample_rate_hz} Hz" for sound in sounds))))
        lines.append(("channels", _counted(Counter(str(sound.num_channels) for sound in sounds))))
    lines.append(("splits", _counted(Counter(row.split for row in inspection.rows))))
    lines += [(f"{column} ({len(counts)})", _counted(counts)) for column, counts in inspection.label_counts().items()]
    return lines


def _counted(counts: Counter[str]) -> str:
    named = ", ".join(f"{name} ({num})" for name, num in counts.most_common(_MAX_CLASSES_NAMED))
    if len(counts) <= _MAX_CLASSES_NAMED:
        return named
    name, num = counts.most_common()[-1]
    return f"{named}, ..., {name} ({num})"
