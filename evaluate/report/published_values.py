"""Published scores to compare with.

Tuckute, Feather, Boebinger & McDermott 2023, PLoS Biology 21(12): e3002366, doi:10.1371/journal.pbio.3002366. The
values are read from the figures: NH2015, B2021 and RSA to about 0.003, components to about 0.006.
"""

import re
from typing import Literal, NamedTuple

COMPONENTS = ("lowfreq", "highfreq", "envsounds", "pitch", "speech", "music")
"""Names of the six components as in the data file, in the order of the numbers below."""

BASELINE_MODEL = "SpectroTemporal"
"""Model of spectrotemporal modulation filters without training, to which networks are compared."""

PUBLISHED = "published"
"""Starts the labels of published values, so that none is taken for a network that was scored here."""


ModelKind = Literal["in-house", "external", "baseline"]
"""A network trained by the authors, a network of others, or the baseline without training."""


class PublishedModel(NamedTuple):
    """One row of the published results.

    Attributes:
        kind: Kind of model.
        nh2015: Median noise-corrected R^2 at the best stage, NH2015.
        nh2015_permuted: The same of the network with permuted weights, None if it has no weights.
        b2021: Median noise-corrected R^2 at the best stage, B2021.
        b2021_permuted: The same of the network with permuted weights.
        rsa_nh2015: Representational similarity at the best stage (Spearman), NH2015.
        rsa_b2021: The same, B2021.
        components: Raw R^2 at the best stage of the six components, in the order of `COMPONENTS`.
    """

    kind: ModelKind
    nh2015: float
    nh2015_permuted: float | None
    b2021: float
    b2021_permuted: float | None
    rsa_nh2015: float
    rsa_b2021: float
    components: tuple[float, float, float, float, float, float]


def _row(
    kind: ModelKind, nh: float, nh_perm: float | None, b: float, b_perm: float | None, *rest: float
) -> PublishedModel:
    rsa_nh, rsa_b, low, high, env, pitch, speech, music = rest
    return PublishedModel(kind, nh, nh_perm, b, b_perm, rsa_nh, rsa_b, (low, high, env, pitch, speech, music))


# fmt: off
PUBLISHED_MODELS: dict[str, PublishedModel] = {
    "CochResNet50-MultiTask": _row("in-house", .729, .125, .749, .118, .507, .462, .88, .83, .61, .87, .87, .73),
    "CochResNet50-AudioSet": _row("in-house", .714, .223, .733, .216, .489, .442, .885, .793, .582, .877, .827, .745),
    "CochResNet50-Word": _row("in-house", .694, .192, .718, .169, .489, .459, .884, .803, .536, .810, .834, .706),
    "CochResNet50-Speaker": _row("in-house", .686, .267, .702, .274, .479, .455, .863, .769, .490, .793, .862, .675),
    "CochResNet50-Genre": _row("in-house", .627, .200, .623, .196, .438, .394, .834, .752, .378, .784, .783, .711),
    "CochCNN9-MultiTask": _row("in-house", .711, .376, .722, .376, .435, .401, .875, .802, .550, .855, .851, .760),
    "CochCNN9-Speaker": _row("in-house", .671, .427, .671, .416, .421, .387, .856, .765, .539, .821, .830, .664),
    "CochCNN9-Word": _row("in-house", .667, .400, .686, .408, .445, .421, .828, .759, .521, .813, .825, .622),
    "CochCNN9-AudioSet": _row("in-house", .659, .357, .659, .349, .398, .357, .813, .768, .501, .841, .691, .741),
    "CochCNN9-Genre": _row("in-house", .635, .369, .631, .373, .445, .398, .824, .745, .477, .763, .735, .648),
    "AST": _row("external", .725, .110, .745, .114, .442, .421, .818, .755, .609, .833, .835, .769),
    "VGGish": _row("external", .714, .165, .710, .141, .489, .438, .840, .772, .512, .869, .867, .760),
    "S2T": _row("external", .623, .333, .608, .357, .413, .394, .439, .578, .551, .774, .828, .495),
    "Wav2Vec2": _row("external", .600, .090, .627, .078, .377, .347, .711, .677, .544, .658, .854, .403),
    "SepFormer": _row("external", .565, .208, .541, .204, .418, .364, .716, .650, .451, .667, .767, .425),
    "SpectroTemporal": _row("baseline", .527, None, .526, None, .413, .376, .71, .55, .45, .53, .66, .34),
    "DeepSpeech2": _row("external", .514, .239, .518, .227, .326, .309, .726, .631, .507, .665, .687, .316),
    "VQ-VAE (ZeroSpeech)": _row("external", .353, .137, .310, .125, .394, .336, .600, .638, .442, .624, .367, .364),
    "DCASE2020": _row("external", .310, .227, .345, .231, .282, .255, .633, .522, .551, .274, .422, .216),
    "MetricGAN": _row("external", .263, .122, .251, .125, .234, .183, .575, .539, .371, .286, .306, .090),
}
# fmt: on

PERMUTED_COMPONENTS: dict[str, dict[str, float]] = {
    "CochCNN9-Word": dict(zip(COMPONENTS, (0.69, 0.72, 0.40, 0.52, 0.44, 0.31), strict=True)),
    "CochResNet50-Word": dict(zip(COMPONENTS, (0.63, 0.58, 0.36, 0.36, 0.08, 0.24), strict=True)),
}
"""Raw R^2 of each component by networks with permuted weights."""

REGION_STAGE_POSITIONS: dict[str, dict[str, float]] = {
    "CochCNN9-MultiTask": {"Primary": 0.44, "Anterior": 0.55, "Lateral": 0.60, "Posterior": 0.58},
    "CochResNet50-MultiTask": {"Primary": 0.58, "Anterior": 0.69, "Lateral": 0.67, "Posterior": 0.65},
}
"""Relative position of the best stage by region, NH2015."""


_OTHER_NAMES = {"speech2text": "S2T", "vqvae": "VQ-VAE (ZeroSpeech)"}


def published_model(name: str) -> str | None:
    """Find the published model that a name stands for.

    Args:
        name: Name of a run, a file of weights or an external network, such as "cochcnn9_word" or "VGGish:FILE".

    Returns:
        Name in `PUBLISHED_MODELS`; None if it is none of these.
    """
    known = _OTHER_NAMES | {_letters(model): model for model in PUBLISHED_MODELS}
    return known.get(_letters(name.partition(":")[0]))


def _letters(name: str) -> str:
    """Letters and digits of a name in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def published_positions(benchmark: str) -> dict[str, dict[str, float]]:
    """Look up published relative positions of the best stage, by model and region; empty if there are none."""
    return REGION_STAGE_POSITIONS if benchmark == "NH2015" else {}


def published_label(model: str = BASELINE_MODEL, *, in_lines: bool = False) -> str:
    """Label of the published values of a model, such as "published: CochCNN9-Word"; in two lines for legends."""
    between = "\n" if in_lines else " "
    return f"{PUBLISHED}:{between}{model}"


def published_value(benchmark: str, region: str, model: str = BASELINE_MODEL) -> float | None:
    """Look up the published score for a panel of a figure.

    Args:
        benchmark: Name of the benchmark, such as "NH2015comp" or "NH2015".
        region: Component name, or "all" for all components or voxels.
        model: Name in `PUBLISHED_MODELS`.

    Returns:
        The score at the model's best stage, or None if none was published.
    """
    row = PUBLISHED_MODELS[model]
    if benchmark == "NH2015comp":
        by_component = dict(zip(COMPONENTS, row.components, strict=True))
        by_component["all"] = sum(row.components) / len(row.components)
        return by_component.get(region)
    return {"NH2015": row.nh2015, "B2021": row.b2021}.get(benchmark) if region == "all" else None
