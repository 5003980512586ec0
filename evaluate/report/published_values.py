"""Published scores to compare with.

Tuckute, Feather, Boebinger & McDermott 2023, PLoS Biology 21(12): e3002366, doi:10.1371/journal.pbio.3002366. The
values are read from the figures: NH2015, B2021 and RSA to about 0.003, components to about 0.006.
"""

from typing import NamedTuple

COMPONENTS = ("lowfreq", "highfreq", "envsounds", "pitch", "speech", "music")
"""Names of the six components as in the data file, in the order of the numbers below."""

BASELINE_MODEL = "SpectroTemporal"
"""Model of spectrotemporal modulation filters without training, to which networks are compared."""


class PublishedModel(NamedTuple):
    """One row of the published results.

    Attributes:
        nh2015: Median noise-corrected R^2 at the best stage, NH2015.
        nh2015_permuted: The same of the network with permuted weights, None if it has no weights.
        b2021: Median noise-corrected R^2 at the best stage, B2021.
        b2021_permuted: The same of the network with permuted weights.
        rsa_nh2015: Representational similarity at the best stage (Spearman), NH2015.
        rsa_b2021: The same, B2021.
        components: Raw R^2 at the best stage of the six components, in the order of `COMPONENTS`.
    """

    nh2015: float
    nh2015_permuted: float | None
    b2021: float
    b2021_permuted: float | None
    rsa_nh2015: float
    rsa_b2021: float
    components: tuple[float, float, float, float, float, float]


def _row(nh: float, nh_perm: float | None, b: float, b_perm: float | None, *rest: float) -> PublishedModel:
    rsa_nh, rsa_b, low, high, env, pitch, speech, music = rest
    return PublishedModel(nh, nh_perm, b, b_perm, rsa_nh, rsa_b, (low, high, env, pitch, speech, music))


# fmt: off
PUBLISHED_MODELS: dict[str, PublishedModel] = {
    "CochResNet50-MultiTask": _row(.729, .125, .749, .118, .507, .462, .88, .83, .61, .87, .87, .73),
    "CochResNet50-AudioSet": _row(.714, .223, .733, .216, .489, .442, .885, .793, .582, .877, .827, .745),
    "CochResNet50-Word": _row(.694, .192, .718, .169, .489, .459, .884, .803, .536, .810, .834, .706),
    "CochResNet50-Speaker": _row(.686, .267, .702, .274, .479, .455, .863, .769, .490, .793, .862, .675),
    "CochResNet50-Genre": _row(.627, .200, .623, .196, .438, .394, .834, .752, .378, .784, .783, .711),
    "CochCNN9-MultiTask": _row(.711, .376, .722, .376, .435, .401, .875, .802, .550, .855, .851, .760),
    "CochCNN9-Speaker": _row(.671, .427, .671, .416, .421, .387, .856, .765, .539, .821, .830, .664),
    "CochCNN9-Word": _row(.667, .400, .686, .408, .445, .421, .828, .759, .521, .813, .825, .622),
    "CochCNN9-AudioSet": _row(.659, .357, .659, .349, .398, .357, .813, .768, .501, .841, .691, .741),
    "CochCNN9-Genre": _row(.635, .369, .631, .373, .445, .398, .824, .745, .477, .763, .735, .648),
    "AST": _row(.725, .110, .745, .114, .442, .421, .818, .755, .609, .833, .835, .769),
    "VGGish": _row(.714, .165, .710, .141, .489, .438, .840, .772, .512, .869, .867, .760),
    "S2T": _row(.623, .333, .608, .357, .413, .394, .439, .578, .551, .774, .828, .495),
    "Wav2Vec2": _row(.600, .090, .627, .078, .377, .347, .711, .677, .544, .658, .854, .403),
    "SepFormer": _row(.565, .208, .541, .204, .418, .364, .716, .650, .451, .667, .767, .425),
    "SpectroTemporal": _row(.527, None, .526, None, .413, .376, .71, .55, .45, .53, .66, .34),
    "DeepSpeech2": _row(.514, .239, .518, .227, .326, .309, .726, .631, .507, .665, .687, .316),
    "VQ-VAE (ZeroSpeech)": _row(.353, .137, .310, .125, .394, .336, .600, .638, .442, .624, .367, .364),
    "DCASE2020": _row(.310, .227, .345, .231, .282, .255, .633, .522, .551, .274, .422, .216),
    "MetricGAN": _row(.263, .122, .251, .125, .234, .183, .575, .539, .371, .286, .306, .090),
}
# fmt: on

PERMUTED_COMPONENTS: dict[str, tuple[float, ...]] = {
    "CochCNN9-Word": (0.69, 0.72, 0.40, 0.52, 0.44, 0.31),
    "CochResNet50-Word": (0.63, 0.58, 0.36, 0.36, 0.08, 0.24),
}
"""Raw R^2 of the components by networks with permuted weights, in the order of `COMPONENTS`."""

REGION_STAGE_POSITIONS: dict[str, dict[str, float]] = {
    "CochCNN9-MultiTask": {"Primary": 0.44, "Anterior": 0.55, "Lateral": 0.60, "Posterior": 0.58},
    "CochResNet50-MultiTask": {"Primary": 0.58, "Anterior": 0.69, "Lateral": 0.67, "Posterior": 0.65},
}
"""Relative position of the best stage by region, NH2015."""


def published_positions(benchmark: str) -> dict[str, dict[str, float]]:
    """Look up published relative positions of the best stage, by model and region; empty if there are none."""
    return REGION_STAGE_POSITIONS if benchmark == "NH2015" else {}


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
