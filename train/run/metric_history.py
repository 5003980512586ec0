"""What a run has logged so far, from `metrics.csv`, including what it logged before it was resumed."""

from pathlib import Path
from typing import TYPE_CHECKING

from train.run.metrics_file import STEP
from train.run.run_directory import METRICS_FILE

if TYPE_CHECKING:
    import pandas as pd

EARLIER_FILES = f"csv/*/{METRICS_FILE}"
"""Of runs that an earlier release has started: a file for each time that the run was resumed."""

History = dict[str, "pd.Series"]
"""Name of a metric -> its values by optimiser step."""


def read_history(run_dir: str | Path) -> History:
    """Read the logged metrics of a run.

    Earlier releases wrote a file for each start of a run, whose rows begin at the step of the checkpoint that it
    resumed from. Later rows of earlier files were lost with the interruption, and are dropped.

    Args:
        run_dir: Run directory.

    Returns:
        Metrics with at least one value, each step once, in order of steps.
    """
    import pandas as pd

    earlier = Path(run_dir).glob(EARLIER_FILES)
    paths = sorted(earlier, key=lambda path: (_version(path.parent.name), path.parent.name))
    frames: list[pd.DataFrame] = []
    for path in [*paths, *Path(run_dir).glob(METRICS_FILE)]:
        try:
            rows = pd.read_csv(path)
        except pd.errors.EmptyDataError:
            continue
        if STEP not in rows or rows.empty:
            continue
        first = rows[STEP].min()
        frames = [frame[frame[STEP] < first] for frame in frames] + [rows]
    if not frames:
        return {}
    table = pd.concat(frames, ignore_index=True)
    history = {}
    for name in table.columns.drop(STEP):
        values = table[[STEP, name]].dropna().drop_duplicates(STEP, keep="last").sort_values(STEP)
        if len(values):
            history[str(name)] = values.set_index(STEP)[name]
    return history


def _version(name: str) -> int:
    """Number of a folder such as `version_12`."""
    digits = name.rpartition("_")[2]
    return int(digits) if digits.isdigit() else -1
