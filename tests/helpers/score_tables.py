"""Tables of scores with known means.

What their networks are follows from runs and checkpoints, as in tables of earlier versions.
"""

import numpy as np

from evaluate.report.figures.series import entries_of, series_of
from evaluate.report.published_values import BASELINE_MODEL, COMPONENTS, PERMUTED_COMPONENTS, PUBLISHED_MODELS
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


def component_table(run="demo", value=0.5, iterations=0, splits=()):
    rows = []
    for region in ("all", *COMPONENTS):
        rows.append(row(run, 10, t.ENCODING_R2, "relu0", region, "all", value, benchmark="NH2015comp"))
        rows.append(row(run, 10, t.BEST_STAGE_R2, t.BEST, region, "all", value, benchmark="NH2015comp"))
        for number in range(iterations):
            name, one = f"{t.ITERATION}{number}", value + 0.01 * (number - (iterations - 1) / 2)
            rows.append(row(run, 10, t.BEST_STAGE_R2, t.BEST, region, name, one, benchmark="NH2015comp"))
        for number, one in enumerate(splits):
            name = f"{t.SPLIT}{number}"
            rows.append(row(run, 10, t.BEST_STAGE_R2, t.BEST, region, name, one, benchmark="NH2015comp"))
    if len(splits):
        for metric, number in ((t.NUM_TRAIN_SOUNDS, 83), (t.NUM_TEST_SOUNDS, 82)):
            rows.append(row(run, 10, metric, "all", "all", "all", number, benchmark="NH2015comp"))
    return identified_table(rows)


def merged(*tables):
    return identified_table(merged_as_they_are(*tables))


def merged_as_they_are(*tables):
    """Without inferring again what the networks are."""
    whole = tables[0]
    for table in tables[1:]:
        whole = t.merge_rows(whole, table)
    return whole


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


PAPER_NAMES = {"S2T": "Speech2Text", "VQ-VAE (ZeroSpeech)": "VQVAE"}
PAPER_REGIONS = ("Primary", "Anterior", "Lateral", "Posterior")


def paper_table(benchmark="NH2015comp", models=tuple(PUBLISHED_MODELS), *, permuted=True, seed=0):
    """The paper's 20 models near their published scores, and permuted controls of all but the baseline.

    Components have ten splits, voxels eight participants, whose scores share a part; positions in the networks are
    higher outside of primary cortex.
    """
    rng = np.random.default_rng(seed)
    shared = 0.05 * rng.standard_normal(10)
    rows = []
    for model in models:
        published = PUBLISHED_MODELS[model]
        identity = _paper_identity(model)
        rows += _paper_rows(identity, benchmark, _paper_means(model, benchmark), shared, rng)
        if permuted and model != BASELINE_MODEL:
            control = {t.RUN: f"{identity[t.RUN]} (permuted, seed 0)", t.PARENT: identity[t.RUN], t.SEED: "0"}
            control |= {t.KIND: "permuted", t.CHECKPOINT: f"permuted:{identity[t.CHECKPOINT]}:0"}
            ratio = published.nh2015_permuted / published.nh2015
            means = {region: ratio * value for region, value in _paper_means(model, benchmark).items()}
            if benchmark == "NH2015comp":
                means |= PERMUTED_COMPONENTS.get(model, {})
            rows += _paper_rows(identity | control, benchmark, means, shared, rng)
    return t.make_table(rows)


def _paper_identity(model):
    kind = PUBLISHED_MODELS[model].kind
    name = {"external": f"{PAPER_NAMES.get(model, model)}:weights.pt", "baseline": model}.get(
        kind, model.lower().replace("-", "_")
    )
    checkpoint = f"runs/{name}/last.ckpt" if kind == "in-house" else name
    step = 100_000 if kind == "in-house" else 0
    kind = "trained" if kind == "in-house" else kind
    return {t.RUN: name, t.CHECKPOINT: checkpoint, t.STEP: step, t.EPOCH: 0, t.KIND: kind, t.PARENT: "", t.SEED: ""}


def _paper_means(model, benchmark):
    published = PUBLISHED_MODELS[model]
    if benchmark == "NH2015comp":
        return dict(zip(COMPONENTS, published.components, strict=True))
    level = published.nh2015 if benchmark == "NH2015" else published.b2021
    return {region: level + 0.02 * number for number, region in enumerate(PAPER_REGIONS)}


def _paper_rows(identity, benchmark, means, shared, rng):
    """Rows of one network: curves over four stages, the best stage with its samples, and positions of regions."""
    of_components = benchmark == "NH2015comp"
    curve, best = (t.ENCODING_R2, t.BEST_STAGE_R2) if of_components else ENCODING
    samples = [f"{t.SPLIT}{number}" for number in range(10)] if of_components else [f"s{i}" for i in range(8)]
    num_stages = 1 if identity[t.KIND] == "baseline" else 5
    rows, by_region = [], {}

    def add(metric, stage, region, subject, value):
        cells = (benchmark, metric, stage, region, subject, value)
        names = (t.BENCHMARK, t.METRIC, t.STAGE, t.REGION, t.SUBJECT, t.VALUE)
        rows.append(identity | dict(zip(names, cells, strict=True)))

    for region, mean in means.items():
        noise = 0.02 * rng.standard_normal(len(samples))
        by_region[region] = mean + shared[: len(samples)] - shared[: len(samples)].mean() + noise
    by_region = {"all": np.mean(list(by_region.values()), axis=0)} | by_region
    for number, (region, values) in enumerate(by_region.items()):
        for stage in range(num_stages):
            add(curve, f"stage{stage}", region, "all", values.mean() * (1 - 0.03 * (stage - 3) ** 2))
        for subject, value in zip(("all", *samples), (values.mean(), *values), strict=True):
            add(best, t.BEST, region, subject, value)
        if of_components:
            for iteration in range(10):
                value = values.mean() + 0.002 * rng.standard_normal()
                add(best, t.BEST, region, f"{t.ITERATION}{iteration}", value)
        elif num_stages > 1:
            positions = np.clip(0.4 + 0.1 * min(number, 2) + 0.12 * rng.standard_normal(len(samples)), 0, 1)
            for subject, value in zip(("all", *samples), (positions.mean(), *positions), strict=True):
                add(t.REGION_STAGE_POSITION, t.BEST, region, subject, value)
    for metric, number in ((t.NUM_TRAIN_SOUNDS, 83), (t.NUM_TEST_SOUNDS, 82)) if of_components else ():
        add(metric, "all", "all", "all", number)
    return rows
