"""Claims of Tuckute, Feather et al. 2023 about networks that are trained on tasks, each as effects on given networks.

An effect is a difference between two sets of networks, averaged over all pairs (with the seeds of a recipe, over their
pairs too). Its interval is over what the claim should generalise to: participants or, for components, sounds, with the
correction for the overlap of the splits (`evaluate.metrics.standard_errors`). Positions of stages of components have
neither: their interval is over networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from evaluate.benchmarks.benchmark import ALL
from evaluate.metrics.metric import ScoreKind
from evaluate.metrics.standard_errors import sound_error, standard_error
from evaluate.options import SEED_PATTERN
from evaluate.report.comparisons import seed_errors, summarise
from evaluate.report.figures.series import Entry
from evaluate.report.findings.finding import Finding, Untested, mean_effect
from evaluate.report.findings.training import Training
from evaluate.report.seed_groups import group_name
from evaluate.scoring import table as t

LOW_LEVEL_COMPONENTS = ("lowfreq", "highfreq", "envsounds", "pitch")
"""Components of Norman-Haignere et al. 2015 that acoustics explain best; the others are speech and music."""
HIGH_LEVEL_COMPONENTS = ("speech", "music")
PRIMARY = "Primary"

Pair = tuple[Entry, Entry]


@dataclass(frozen=True)
class Compared:
    """The networks of a report on one benchmark.

    Attributes:
        entries: See `evaluate.report.figures.series.entries_of`.
        trainings: What they were trained for, by name of the series.
        kind: Kind of score.
        regions: Regions or components of the benchmark, and "all".
        seed_pattern: Pattern to remove from names of runs, to find those that differ only in their seed.
    """

    entries: Sequence[Entry]
    trainings: Mapping[str, Training]
    kind: ScoreKind
    regions: Sequence[str]
    seed_pattern: str = SEED_PATTERN

    @property
    def trained(self) -> list[Entry]:
        """The trained networks."""
        return [entry for entry in self.entries if entry.state == "trained"]

    @property
    def by_training(self) -> dict[Training, list[Entry]]:
        """Trained networks of known training; of recipes with the same tasks, all networks."""
        found: dict[Training, list[Entry]] = {}
        for entry in self.trained:
            if training := self.trainings.get(entry.series.name):
                found.setdefault(training, []).append(entry)
        return found


Claim = Callable[[Compared], Iterator[Finding | Untested]]


def findings_of(compared: Compared) -> list[Finding | Untested]:
    """Test all claims.

    Args:
        compared: Networks of a report.

    Returns:
        Effects, and the claims that these networks cannot test, in the order of `CLAIMS`.
    """
    return [found for claim in CLAIMS for found in claim(compared)]


def above_controls(compared: Compared) -> Iterator[Finding | Untested]:
    """Training improves predictions: networks are above themselves untrained, and with permuted weights."""
    controls: dict[str, Callable[[Entry, Entry], bool]] = {
        "untrained": lambda control, own: control.state == "untrained" and control.series.owner == own.series.owner,
        "permuted": lambda control, own: control.is_permutation_of(own),
    }
    for state, belongs in controls.items():
        claim = f"Trained networks predict better than {state} ones"
        pairs = [(own, control) for own in compared.trained for control in compared.entries if belongs(control, own)]
        yield from _scores(
            claim, f"trained − {state}", pairs, compared, missing=f"{state} controls of trained networks"
        )


def above_baseline(compared: Compared) -> Iterator[Finding | Untested]:
    """Networks predict better than the spectrotemporal filter bank."""
    baselines = [entry for entry in compared.entries if entry.state == "baseline"]
    yield from _scores(
        "Trained networks predict better than the baseline",
        f"trained − {baselines[0].label if baselines else 'baseline'}",
        list(product(compared.trained, baselines[:1])),
        compared,
        missing="the baseline: score SpectroTemporal too",
    )


def best_tasks(compared: Compared) -> Iterator[Finding | Untested]:
    """Speech responses are predicted best after speech tasks, and music responses after tasks of other sounds."""
    groups = compared.by_training
    speech = [entry for training, found in groups.items() if training.is_for_speech for entry in found]
    sounds = [entry for training, found in groups.items() if training.is_for_sounds for entry in found]
    for region, better, worse, what in (
        ("speech", speech, sounds, "speech tasks − other tasks"),
        ("music", sounds, speech, "other tasks − speech tasks"),
    ):
        claim = f"The tasks that suit {region} predict the {region} component best"
        missing = "networks trained for speech alone and networks trained for other sounds alone"
        if region not in compared.regions:
            yield Untested(claim, f"a component {region!r}")
        else:
            yield from _scores(claim, what, list(product(better, worse)), compared, missing=missing, regions=[region])


def best_single_task(compared: Compared) -> Iterator[Finding | Untested]:
    """Each region or component has a task that predicts it better than the next best one."""
    claim = "Each region is predicted best after a certain task"
    single = {training: found for training, found in compared.by_training.items() if len(training.tasks) == 1}
    if len(single) < 2:
        yield Untested(claim, "networks of at least two single tasks")
        return
    for region in [region for region in compared.regions if region != ALL] or [ALL]:
        means = {
            training: np.nanmean(mean) if not np.isnan(mean := _means(found, compared, region)).all() else -np.inf
            for training, found in single.items()
        }
        best, second = sorted(means, key=lambda training: means[training], reverse=True)[:2]
        pairs = list(product(single[best], single[second]))
        yield from _scores(claim, f"{best.name} − {second.name}", pairs, compared, missing="scores", regions=[region])


def multi_task(compared: Compared) -> Iterator[Finding | Untested]:
    """A network of several tasks predicts better than those of each single task."""
    claim = "Several tasks together predict better than each alone"
    groups = compared.by_training
    several = max((each for each in groups if len(each.tasks) > 1), key=lambda each: len(each.tasks), default=None)
    single = [each for each in groups if len(each.tasks) == 1 and several and each.is_in_quiet == several.is_in_quiet]
    if several is None or not single:
        yield Untested(claim, "networks of several tasks and of single tasks, all in noise or all in quiet")
        return
    for one in single:
        pairs = list(product(groups[several], groups[one]))
        yield from _scores(claim, f"{several.name} − {one.name}", pairs, compared, missing="", regions=[ALL])


def noise(compared: Compared) -> Iterator[Finding | Untested]:
    """Training in noise improves predictions."""
    claim = "Networks trained in noise predict better than those trained in quiet"
    groups = compared.by_training
    found = False
    for training, in_noise in groups.items():
        in_quiet = groups.get(Training(training.tasks, is_in_quiet=True), [])
        if not training.is_in_quiet and in_quiet:
            found = True
            what = f"{training.name}: in noise − in quiet"
            yield from _scores(claim, what, list(product(in_noise, in_quiet)), compared, missing="")
    if not found:
        yield Untested(claim, "networks of the same tasks trained in noise and in quiet")


def region_order(compared: Compared) -> Iterator[Finding | Untested]:
    """Primary auditory cortex is predicted by earlier stages than other regions."""
    claim = "Primary regions are predicted best by earlier stages than the others"
    others = [region for region in compared.regions if region not in (PRIMARY, ALL)]
    frames = [entry.rows for entry in compared.trained]
    if PRIMARY not in compared.regions or not others or not frames:
        yield Untested(claim, f"trained networks, and units with a region {PRIMARY!r} and others")
        return
    primary = summarise(frames, t.REGION_STAGE_POSITION, PRIMARY)
    for region in others:
        other = summarise(frames, t.REGION_STAGE_POSITION, region)
        both = primary.samples.columns.intersection(other.samples.columns)
        differences = (other.samples[both] - primary.samples[both]).to_numpy(dtype=np.float64)
        samples = mean_effect(differences)
        if np.isnan(samples).all():
            yield Untested(claim, f"positions of the best stages of {region}")
            continue
        yield Finding(
            claim,
            f"position − that of {PRIMARY}",
            region,
            *_over(samples, standard_error(samples)),
            "participants",
            *_agreement(differences),
        )


def component_order(compared: Compared) -> Iterator[Finding | Untested]:
    """Low-level components are predicted by earlier stages than those of speech and music."""
    claim = "Low-level components are predicted best by earlier stages than speech and music"
    low = [region for region in LOW_LEVEL_COMPONENTS if region in compared.regions]
    high = [region for region in HIGH_LEVEL_COMPONENTS if region in compared.regions]
    frames = [entry.rows for entry in compared.trained]
    if not low or not high or not frames:
        yield Untested(claim, f"trained networks on the components {', '.join(HIGH_LEVEL_COMPONENTS)} and others")
        return
    means = [
        mean_effect(np.array([summarise(frames, t.BEST_STAGE_POSITION, region).means for region in regions]))
        for regions in (high, low)
    ]
    differences = means[0] - means[1]  # (networks,)
    if np.isnan(differences).all():
        yield Untested(claim, "positions of the best stages")
        return
    yield Finding(
        claim,
        "position of speech and music − others",
        ALL,
        *_over(differences, standard_error(differences)),
        "networks",
        *_agreement(differences[:, None]),
    )


def seeds(compared: Compared) -> Iterator[Finding | Untested]:
    """Recipes differ by more than their seeds: the spread of recipes, less that of seeds."""
    claim = "Recipes differ by more than seeds do"
    by_recipe: dict[str, list[Entry]] = {}
    for entry in compared.trained:
        by_recipe.setdefault(group_name(entry.series.owner, compared.seed_pattern), []).append(entry)
    scores = [_means(found, compared, ALL) for found in by_recipe.values() if len(found) > 1]
    if len(scores) < 2:
        yield Untested(claim, "two recipes with two seeds each, named alike but for the seed")
        return
    within = float(np.sqrt(np.mean([np.var(each, ddof=1) for each in scores])))
    pairs = [
        (abs(float(first.mean() - second.mean())), within * np.sqrt(1 / len(first) + 1 / len(second)))
        for number, first in enumerate(scores)
        for second in scores[number + 1 :]
    ]
    differences, errors = np.array(pairs).T
    middle = int(np.argsort(differences)[len(differences) // 2])
    num_degrees = sum(len(each) - 1 for each in scores)
    yield Finding(
        claim,
        f"median difference of two recipes; standard deviation over seeds {within:.3f}",
        ALL,
        float(differences[middle]),
        float(errors[middle]),
        num_degrees + 1,
        "seeds",
        int((differences > 2 * errors).sum()),
        len(differences),
    )


CLAIMS: tuple[Claim, ...] = (
    above_controls,
    above_baseline,
    best_tasks,
    best_single_task,
    multi_task,
    noise,
    region_order,
    component_order,
    seeds,
)
"""All claims, in the order of the paper."""


def _scores(
    claim: str,
    what: str,
    pairs: Sequence[Pair],
    compared: Compared,
    *,
    missing: str,
    regions: Sequence[str] | None = None,
) -> Iterator[Finding | Untested]:
    """Compare scores at the best stage of pairs of networks, in every region."""
    found = [
        _difference(claim, what, pairs, compared.kind.best_metric, region) for region in regions or compared.regions
    ]
    effects = [each for each in found if each is not None]
    if effects:
        yield from effects
    else:
        yield Untested(claim, missing)


def _means(entries: Sequence[Entry], compared: Compared, region: str) -> np.ndarray:
    return summarise([entry.rows for entry in entries], compared.kind.best_metric, region).means


def _difference(claim: str, what: str, pairs: Sequence[Pair], metric: str, region: str) -> Finding | None:
    """Average the differences of pairs of networks; None if no pair has scores."""
    if not pairs:
        return None
    summary = summarise([entry.rows for pair in pairs for entry in pair], metric, region)
    by_pair = summary.means[0::2] - summary.means[1::2]
    if np.isnan(by_pair).all():
        return None
    effect, agreement = float(np.nanmean(by_pair)), _agreement(by_pair[:, None])
    splits, over_seeds = summary.splits, _seed_error(pairs, metric, region)
    if summary.drawn == "sounds" and splits is not None:
        samples = mean_effect(splits.scores[0::2] - splits.scores[1::2])
        error = sound_error(samples, num_train=splits.num_train, num_test=splits.num_test)
    elif summary.drawn == "participants":
        samples = mean_effect(summary.values[0::2] - summary.values[1::2])
        error = standard_error(samples)
    else:
        return Finding(
            claim, what, region, effect, float("nan"), 0, "nothing", *agreement, _seed_error(pairs, metric, region)
        )
    num_samples = int((~np.isnan(samples)).sum())
    over_seeds = _seed_error(pairs, metric, region)
    return Finding(claim, what, region, effect, float(error), num_samples, summary.drawn, *agreement, over_seeds)


def _seed_error(pairs: Sequence[Pair], metric: str, region: str) -> float:
    """Standard error of the mean over pairs, over the seeds of their second networks, which are independent."""
    errors = seed_errors([second for _, second in pairs], metric, region)
    return float(np.sqrt(np.square(errors).sum()) / len(errors))


def _over(samples: np.ndarray, error: np.ndarray) -> tuple[float, float, int]:
    """Mean, standard error and number of samples that are defined."""
    is_defined = ~np.isnan(samples)
    effect = float(samples[is_defined].mean()) if is_defined.any() else float("nan")
    return effect, float(error), int(is_defined.sum())


def _agreement(differences: np.ndarray) -> tuple[int, int]:
    """Count the pairs of networks (pairs, n) whose mean difference is above 0, and those that have one."""
    means = mean_effect(differences.T)
    return int((means > 0).sum()), int((~np.isnan(means)).sum())
