"""Tables of scores with known means.

What their networks are follows from runs and checkpoints, as in tables of earlier versions.
"""

import numpy as np

from evaluate.report.figures.series import entries_of, series_of
from evaluate.report.published_values import COMPONENTS
from evaluate.scoring import table as t
from evaluate.scoring.old_tables import OLD_COLUMNS, with_identities

STAGES = ("relu0", "pool0", "relufc")
SUBJECTS = ("s1", "s2", "s3", "s4")
NO_IDENTITY = dict.fromkeys((t.KIND, t.PARENT, t.SEED), "")
ENCODING = (t.ENCODING_R2_CORRECTED, t.BEST_STAGE_R2_CORRECTED)


def row(run, step, metric, stage, region, subject, value, *, benchmark="NH2015", checkpoint=""):
    values = (run, checkpoint, step, 0, benchmark, metric, stage, region, subject, value)
    return dict(zip(OLD_COLUMNS, values, strict=True)) | NO_IDENTITY


def identified_table(rows):
    return t.make_table(with_identities(t.make_table(rows)))


def voxel_table(run="demo", steps=(0, 10), level=0.3, regions=("Primary", "Lateral"), **origin):
    """Scores with known means: participants lie symmetrically about level + step / 100."""
    rows = []
    offsets = np.array([-0.03, -0.01, 0.01, 0.03])
    for step in steps:
        for region in ("all", *regions):
            for number, stage in enumerate((*STAGES, t.BEST)):
                metric = ENCODING[1] if stage == t.BEST else ENCODING[0]
                values = level + step / 100 + 0.02 * number + offsets
                for subject, value in zip(("all", *SUBJECTS), (values.mean(), *values), strict=True):
                    rows.append(row(run, step, metric, stage, region, subject, value, **origin))
            for subject in ("all", *SUBJECTS):
                rows.append(row(run, step, t.REGION_STAGE_POSITION, t.BEST, region, subject, 0.5, **origin))
        for stage in STAGES:
            rows.append(row(run, step, t.NUM_UNDEFINED, stage, "all", "all", 2, **origin))
            rows.append(row(run, step, t.NUM_TIES, stage, "all", "all", 5, **origin))
    return identified_table(rows)


def component_table(run="demo", value=0.5, iterations=0):
    rows = []
    for region in ("all", *COMPONENTS):
        rows.append(row(run, 10, t.ENCODING_R2, "relu0", region, "all", value, benchmark="NH2015comp"))
        rows.append(row(run, 10, t.BEST_STAGE_R2, t.BEST, region, "all", value, benchmark="NH2015comp"))
        for number in range(iterations):
            name, one = f"{t.ITERATION}{number}", value + 0.01 * (number - (iterations - 1) / 2)
            rows.append(row(run, 10, t.BEST_STAGE_R2, t.BEST, region, name, one, benchmark="NH2015comp"))
    return identified_table(rows)


def merged(*tables):
    whole = tables[0]
    for table in tables[1:]:
        whole = t.merge_rows(whole, table)
    return identified_table(whole)


def entries(*tables, metrics=ENCODING, benchmark="NH2015"):
    return entries_of(series_of({str(number): table for number, table in enumerate(tables)}), benchmark, metrics)


def seeds_tables():
    """Two seeds of one recipe 0.1 apart, one run of another, the baseline."""
    only = {"regions": ("Lateral",)}
    return {
        "a": merged(voxel_table("words_seed0", level=0.3, **only), voxel_table("words_seed1", level=0.4, **only)),
        "b": voxel_table("quiet-seed7", level=0.2, **only),
        "c": voxel_table("SpectroTemporal", steps=(0,), checkpoint="SpectroTemporal", **only),
    }


def probe_table(run="demo", steps=(0, 10), stages=STAGES, level=0.3, **origin):
    """Probes of five folds, whose accuracies lie symmetrically about level + step / 100 + 0.1 per stage."""
    rows = []
    offsets = np.array([-0.04, -0.02, 0.0, 0.02, 0.04])
    for step in steps:
        for number, stage in enumerate(stages):
            values = level + step / 100 + 0.1 * number + offsets
            error = values.std(ddof=1) / len(values) ** 0.5
            cells = [(t.PROBE_ACCURACY, f"fold {fold}", value) for fold, value in enumerate(values, start=1)]
            cells += [(t.PROBE_ACCURACY, "all", values.mean()), (t.PROBE_STANDARD_ERROR, "all", error)]
            cells += [(t.PROBE_CHANCE, "all", 0.1)]
            rows += [row(run, step, m, stage, "all", who, v, benchmark="ESC-50", **origin) for m, who, v in cells]
    return identified_table(rows)
