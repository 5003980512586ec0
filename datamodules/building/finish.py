"""The end of a build: index and report are made from the records of its tar files, and the folder is put in place."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from datamodules.building.build_report import PICTURE_FILE, BuildError, NothingLeftError, write_build_report
from datamodules.building.jobs import ShardJob
from datamodules.building.nothing_left import reasons
from datamodules.building.records import JobOutcome, Problem, read_outcome
from datamodules.building.working_folder import PLAN_FILE, final_folder, publish, record_path, working_folder
from datamodules.files import write_json
from datamodules.folders.sound_folders import PassedOver
from datamodules.shards.writer import write_index
from datamodules.tasks import LabelSet

_NUM_NAMED = 5


def write_plan(
    working: Path, jobs: Sequence[ShardJob], problems: Sequence[Problem], passed_over: Sequence[PassedOver] = ()
) -> None:
    """Write which tar files a build consists of, for the process that finishes it.

    Args:
        working: The working folder.
        jobs: All jobs of the build.
        problems: The rows that were left out before any job.
        passed_over: Files of the corpus that the manifest does not name.
    """
    content = {
        "jobs": [[job.split, job.file] for job in jobs],
        "problems": [astuple(problem) for problem in problems],
        "passed_over": passed_over,
    }
    write_json(working / PLAN_FILE, content)


def finish_build(working: Path, out: Path, request: Mapping[str, Any]) -> None:
    """Write the index of each split and the report, and put the folder in place.

    Args:
        working: The working folder.
        out: The output.
        request: The request.

    Raises:
        BuildError: Tar files are missing.
        NothingLeftError: A split has no clip.
    """
    planned = json.loads((working / PLAN_FILE).read_text(encoding="utf-8"))
    outcomes, missing = _outcomes(working, planned["jobs"])
    if missing:
        more = f" and {len(missing) - _NUM_NAMED} more" if len(missing) > _NUM_NAMED else ""
        raise BuildError(
            f"{working}: {len(missing)} of {len(planned['jobs'])} tar files are missing: "
            f"{', '.join(missing[:_NUM_NAMED])}{more}; build the missing parts"
        )
    problems = [Problem(*values) for values in planned["problems"]]
    problems += [problem for jobs in outcomes.values() for job in jobs for problem in job.problems]
    problems.sort(key=lambda problem: problem.row)
    label_sets = {
        name: LabelSet(value["kind"], tuple(value["labels"]), value["null_label"])
        for name, value in request["label_sets"]
    }
    for split, jobs in outcomes.items():
        records = [job.record for job in jobs if job.record is not None]
        if not records:
            of_split = [problem for problem in problems if problem.split == split]
            raise NothingLeftError(f"{out}: no clip of split {split!r} can be used: {reasons(of_split)}")
        write_index(
            final_folder(working) / split, records, label_sets=label_sets, sample_rate_hz=request["sample_rate_hz"]
        )
    passed_over = [PassedOver(*values) for values in planned.get("passed_over", ())]
    write_build_report(final_folder(working), request, outcomes, problems, label_sets, passed_over=passed_over)
    if request["picture"]:
        from datamodules.building.picture import draw_report

        draw_report(final_folder(working) / PICTURE_FILE, outcomes, problems, label_sets, request["sample_rate_hz"])
    publish(working, out)


def unfinished(out: Path) -> str:
    """Describe a build that has not finished, and how to go about it.

    Args:
        out: Its output.
    """
    working = working_folder(out)
    again = "run the same `build` command again: it resumes"
    try:
        planned = json.loads((working / PLAN_FILE).read_text(encoding="utf-8"))["jobs"]
    except FileNotFoundError:
        return f"{out}: its build has not finished, and has written nothing. Unless it is running, {again}"
    missing = _outcomes(working, planned)[1]
    merge = f"`cochlearn merge {out}`"
    if not missing:
        return f"{out}: its build has not finished: all {len(planned)} tar files are written. Complete it: {merge}"
    return (
        f"{out}: its build has not finished: {len(planned) - len(missing)} of {len(planned)} tar files are written. "
        f"Unless it is running, {again}. If it is built in parts, build the missing ones, then {merge}"
    )


def _outcomes(working: Path, planned: Sequence[tuple[str, str]]) -> tuple[dict[str, list[JobOutcome]], list[str]]:
    """Read the outcomes of all jobs by split, and list the tar files that are missing."""
    outcomes: dict[str, list[JobOutcome]] = defaultdict(list)
    missing = []
    for split, file in planned:
        outcome = read_outcome(record_path(working, split, file), final_folder(working) / split / file)
        if outcome is None:
            missing.append(f"{split}/{file}")
        else:
            outcomes[split].append(outcome)
    return dict(outcomes), missing
