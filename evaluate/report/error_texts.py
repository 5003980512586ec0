"""How the report writes errors: each with what it is over, and a remark if that is few participants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from evaluate.report.comparisons import Over, Summary, summarise
from evaluate.report.figures import selection as s
from evaluate.report.figures.series import Entry
from evaluate.report.significance import FEW_PARTICIPANTS, few_text
from evaluate.scoring import table as t

FEW = f"n < {FEW_PARTICIPANTS}"
FEW_NOTE = (
    f"{FEW}: so few participants say little about others, and no test over n participants can give p below 2⁻ⁿ, which "
    "is above 0.05 here."
)
PARTICIPANT_ERRORS = "Over participants: what to expect of other participants for the same sounds."
ITERATION_ERRORS = (
    "Over iterations: the published error of a component, over the ten iterations of stage selection. It says how much "
    "the score depends on which splits select the stage, and nothing about other sounds: all iterations share the same "
    "sounds, splits and fits, and it is about a tenth of the error over sounds."
)
SOUND_ERRORS = (
    "Over sounds: what to expect of other sounds for the same participants, from the ten splits, corrected for their "
    "overlap (Nadeau & Bengio 2003). Score ± 2.26 of these errors is an interval of about 95 %; in simulations, it "
    "holds the true score in 90 to 95 %."
)
_NOTES = {"participants": PARTICIPANT_ERRORS, "iterations": ITERATION_ERRORS, "sounds": SOUND_ERRORS}


def error_text(error: float, over: str, *, num_participants: int | None = None, num_digits: int = 3) -> str:
    """Write an error.

    Args:
        error: Standard error, or NaN.
        over: What it is over, such as "participants".
        num_participants: Their number, if it is over participants.
        num_digits: Digits after the decimal point.

    Returns:
        A text such as "± 0.012 participants, n = 3 < 5"; without an error, only a remark on few participants, or "".
    """
    text = "" if np.isnan(error) else f"± {error:.{num_digits}f} {over}"
    return ", ".join(filter(None, (text, few_text(num_participants or 0))))


def errors_of(summary: Summary, number: int, *, seed_error: float = float("nan")) -> tuple[str, str]:
    """Write the errors of a network: over participants or iterations, and over sounds and seeds; empty without one."""
    num_participants = int(summary.num_samples[number]) if summary.sample_kind == "participants" else None
    first = error_text(summary.errors[number], summary.sample_kind, num_participants=num_participants)
    others = error_text(summary.sound_errors[number], "sounds"), error_text(seed_error, "seeds")
    return first, ", ".join(filter(None, others))


def drawn_error_of(summary: Summary, number: int) -> str:
    """Write the error of a network that figures show, see `Summary.drawn`."""
    first, second = errors_of(summary, number)
    return second if summary.drawn == "sounds" else first


def error_notes(summaries: Sequence[Summary]) -> str:
    """Explain the errors in a table of scores."""
    kinds: dict[str, None] = {}
    for summary in summaries:
        if summary.sample_kind != "none" and not np.isnan(summary.errors).all():
            kinds[summary.sample_kind] = None
        if not np.isnan(summary.sound_errors).all():
            kinds["sounds"] = None
    few = any(few_text(int(number)) for each in summaries if each.num_participants for number in each.num_samples)
    return " ".join([*(_NOTES[kind] for kind in kinds), *([FEW_NOTE] if few else [])])


def band_note(
    entries: Sequence[Entry], metric: str, regions: Iterable[str], *, what: str = "Error bars", of_stages: bool = False
) -> str:
    """Explain the error bars or bands of a figure: what they are over, in which regions, and if these are few.

    Args:
        entries: Networks of the figure.
        metric: Metric of the scores.
        regions: Regions of the panels.
        what: "Error bars" or "Bands".
        of_stages: Whether the scores are those of stages, not of the best stage.

    Returns:
        A sentence such as "Error bars: ±1 standard error over participants (n = 3 < 5)."
    """
    by_kind: dict[Over, dict[str, None]] = {}
    few: set[int] = set()
    for region in regions:
        for entry in entries:
            summary = summarise([entry.rows], metric, region, stage=_a_stage(entry, metric) if of_stages else t.BEST)
            by_kind.setdefault(summary.drawn, {})[region] = None
            if summary.drawn == "participants" and few_text(int(summary.num_samples[0])):
                few.add(int(summary.num_samples[0]))
    by_kind.pop("nothing", None)
    if not by_kind and not any(entry.seeds for entry in entries):
        return f"{what}: none, as the tables hold one value of each score."
    texts = []
    for kind, names in by_kind.items():
        where = f" in {', '.join(names)}" if len(by_kind) > 1 else ""
        texts.append(f"over {kind}{f' ({few_text(min(few))})' if kind == 'participants' and few else ''}{where}")
    if any(entry.seeds for entry in entries):
        texts.append("over seeds for controls of several seeds")
    return f"{what}: ±1 standard error {'; '.join(texts)}."


def _a_stage(entry: Entry, metric: str) -> str:
    """A stage with scores: all have the same participants."""
    stages = s.stages_of(entry.rows[entry.rows[t.METRIC] == metric])
    return stages[0] if stages else t.BEST
