"""The packages that the corpus is made from, and how each is read."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from datamodules.corpora.packaged.packages import copyright_file
from datamodules.corpora.packaged.recording import MUSIC, Recording
from datamodules.corpora.packaged.sounds.music import music
from datamodules.corpora.packaged.sounds.named_sounds import drum_kits, named_sounds, stamps
from datamodules.corpora.packaged.speech import asterisk, children, games, readings
from datamodules.corpora.packaged.synthesised import festival, flite, sampled_music
from datamodules.tasks import Side

Read = Callable[[Path], Iterable[Recording]]

_CORE = ("en_US_f_Allison", "es_MX_f_Allison", "fr_CA_f_June", "it_IT_m_Carlo", "ru_RU_f_IvrvoiceRU")
_FFMPEG = "ffmpeg"
_SOUNDS = "usr/share/sounds"
_GAMES = "usr/share/games"
_WESNOTH = f"{_GAMES}/wesnoth/*"
SOUNDFONTS = f"{_SOUNDS}/sf2"


@dataclass(frozen=True)
class Part:
    """Recordings in a package.

    Args:
        package: Name of the package.
        side: Which side of a mixture they are for.
        what: What they are.
        read: Function from the root of the file system to the recordings.
        program: Program that is needed to decode them; its package has the same name.
        instead: A package that has the same sounds in a better form: if it can be used, this one is not.
        other_names: Names of the package in other releases of Debian.
        says_phrases: Whether the words are phrases written together, which no synthesiser would say.
    """

    package: str
    side: Side
    what: str
    read: Read
    program: str = ""
    instead: str = ""
    other_names: tuple[str, ...] = ()
    says_phrases: bool = False

    @property
    def name(self) -> str:
        """Name of the part."""
        return f"{self.package} ({self.what})"


class Maker(NamedTuple):
    """A program that makes sounds, and what it needs.

    Args:
        packages: Packages: the program first, then voices or instruments.
        side: Which side of a mixture its sounds are for.
        what: What they are.
        sources: Function that finds the installed voices or soundfonts; none if the program is missing.
    """

    packages: tuple[str, ...]
    side: Side
    what: str
    sources: Callable[[Path], Sequence[str]]


SYSTEM = Path("/")
"""Programs, and the voices that they find by themselves, are those of the system."""


def _core_sounds(voice: str) -> list[Part]:
    language = voice[:2]
    package = f"asterisk-core-sounds-{language}"
    read = partial(asterisk.prompts, voice=voice, language=language)
    what = f"telephone prompts, {language}"
    wide = Part(f"{package}-g722", "signal", what, partial(read, ending=".g722"), program=_FFMPEG)
    return [wide, Part(f"{package}-wav", "signal", what, partial(read, ending=".wav"), instead=wide.package)]


def _effects(
    package: str,
    *folders: str,
    kind: str = "effect",
    without: Sequence[str] = ("drum",),
    passed_over: Sequence[str] = (),
    by_folder: bool = False,
    other_names: tuple[str, ...] = (),
) -> Part:
    read = partial(
        named_sounds, folders=folders, kind=kind, without=without, passed_over=passed_over, by_folder=by_folder
    )
    return Part(package, "noise", "sounds", read, other_names=other_names)


def _music(package: str, name: str, *folders: str, other_names: tuple[str, ...] = ()) -> Part:
    return Part(package, "noise", MUSIC, partial(music, folders=folders, name=name), other_names=other_names)


SPEECH = (
    *(part for voice in _CORE for part in _core_sounds(voice)),
    Part(
        "asterisk-prompt-es-co", "signal", "telephone prompts, es", partial(asterisk.prompts, voice="es", language="es")
    ),
    Part(
        "asterisk-prompt-fr-armelle",
        "signal",
        "telephone prompts, fr",
        partial(asterisk.prompts, voice="fr", language="fr"),
    ),
    Part(
        "asterisk-prompt-it-menardi-wav",
        "signal",
        "telephone prompts, it",
        partial(asterisk.prompts, voice="it_IT_f_Menardi", language="it"),
    ),
    Part("saytime", "signal", "talking clock, en", asterisk.saytime),
    Part("klettres-data", "signal", "letters and syllables, 20 languages", children.klettres),
    Part("ktuberling-data", "signal", "names of things, 26 languages", children.ktuberling),
    Part("tuxpaint-stamps-default", "signal", "names of things, 13 languages", children.tuxpaint_names),
    Part("hedgewars-data", "signal", "exclamations, 15 voices", games.hedgewars, says_phrases=True),
    Part("fillets-ng-data-cs", "signal", "dialogues, cs", partial(games.fillets, language="cs")),
    Part("fillets-ng-data-nl", "signal", "dialogues, nl", partial(games.fillets, language="nl")),
    Part("gcin-voice", "signal", "syllables, zh", readings.gcin),
    Part("festvox-ru", "signal", "read sentences, ru", readings.festvox_ru),
)
"""Recorded speech."""

SOUNDS = (
    Part("tuxpaint-stamps-default", "noise", "animals and machines", stamps),
    _effects("scratch", "usr/share/scratch/Media/Sounds", without=(), by_folder=True),
    Part("hydrogen-drumkits", "noise", "drums", partial(drum_kits, folder="usr/share/hydrogen/data/drumkits")),
    _effects("sonic-pi-samples", "usr/share/sonic-pi/samples", without=()),
    _effects("lmms-common", "usr/share/lmms/samples", without=(), by_folder=True, passed_over=("shapes", "waveforms")),
    _effects(
        "wesnoth-1.16-data",
        f"{_WESNOTH}/sounds",
        f"{_WESNOTH}/data/core/sounds",
        other_names=("wesnoth-1.18-data",),
    ),
    _effects("supertux-data", f"{_GAMES}/supertux2/sounds"),
    _effects("hedgewars-data", f"{_GAMES}/hedgewars/Data/Sounds", passed_over=("voices",)),
    _effects("pingus-data", f"{_GAMES}/pingus/data/sounds"),
    _effects("frozen-bubble-data", f"{_GAMES}/frozen-bubble/snd"),
    _effects("extremetuxracer-data", f"{_GAMES}/etr/sounds"),
    _effects("sound-theme-freedesktop", f"{_SOUNDS}/freedesktop", kind="interface", passed_over=("audio-channel",)),
    _effects("oxygen-sounds", f"{_SOUNDS}/Oxygen*", kind="interface"),
    _effects("yaru-theme-sound", f"{_SOUNDS}/Yaru", kind="interface"),
    _effects("deepin-sound-theme", f"{_SOUNDS}/deepin", kind="interface"),
    _effects("lomiri-sounds", f"{_SOUNDS}/lomiri", kind="interface"),
    _effects("gnome-audio", f"{_SOUNDS}/*.wav", f"{_SOUNDS}/gtk-events", f"{_SOUNDS}/panel", kind="interface"),
    _effects("sound-icons", f"{_SOUNDS}/sound-icons", kind="interface", without=()),
    _effects("psi-plus-sounds", "usr/share/psi-plus/sound", kind="interface"),
)
"""Recorded sounds."""

MUSICS = (
    _music("wesnoth-1.16-music", "wesnoth", f"{_WESNOTH}/data/core/music", other_names=("wesnoth-1.18-music",)),
    _music("supertux-data", "supertux", f"{_GAMES}/supertux2/music"),
    _music("hedgewars-data", "hedgewars", f"{_GAMES}/hedgewars/Data/Music"),
    _music("colobot-common-sounds", "colobot", f"{_GAMES}/colobot/music"),
    _music("hyperrogue-music", "hyperrogue", "usr/share/hyperrogue/music"),
    _music("singularity-music", "singularity", f"{_GAMES}/singularity/music"),
    _music("fillets-ng-data", "fillets", f"{_GAMES}/fillets-ng/music"),
    _music("openclonk-data", "openclonk", f"{_GAMES}/openclonk/Music.ocg"),
    _music("trackballs-data", "trackballs", f"{_GAMES}/trackballs/music"),
    _music("extremetuxracer-data", "extreme tux racer", f"{_GAMES}/etr/music"),
    Part(
        "asterisk-moh-opsound-g722",
        "noise",
        MUSIC,
        partial(music, folders=["usr/share/asterisk/moh"], name="opsound", ending=".g722"),
        program=_FFMPEG,
    ),
)
"""Recorded music."""

PARTS: tuple[Part, ...] = (*SPEECH, *SOUNDS, *MUSICS)
"""All parts that are recorded, in the order of use: of two files that are the same, the first is kept."""

FLITE = Maker(("flite",), "signal", "spoken words", lambda _: flite.voices())
FESTIVAL = Maker(
    (
        "festival",
        "festlex-cmu",
        "festvox-kallpc16k",
        "festvox-kdlpc16k",
        "festvox-us-slt-hts",
        "festvox-italp16k",
        "festvox-itapc16k",
        "festvox-czech-ph",
        "festvox-suopuhe-lj",
        "festvox-suopuhe-mv",
        "festvox-ca-ona-hts",
    ),
    "signal",
    "spoken words",
    lambda _: festival.voices(),
)
FLUIDSYNTH = Maker(
    ("fluidsynth", "fluid-soundfont-gm"), "noise", "played scores", lambda root: list(map(str, soundfonts(root)))
)

MAKERS = {flite.PROGRAM: FLITE, festival.PROGRAM: FESTIVAL, sampled_music.PROGRAM: FLUIDSYNTH}
"""Programs that make sounds, by name."""


class Found(NamedTuple):
    """A part with its recordings."""

    part: Part
    recordings: tuple[Recording, ...]


class NotFound(NamedTuple):
    """A package that is left out, and why."""

    package: str
    what: str
    reason: str


def soundfonts(root: Path) -> list[Path]:
    """Soundfonts of General MIDI that fluidsynth can play; none without fluidsynth."""
    if not sampled_music.is_installed():
        return []
    found = {path.name: path for base in (SYSTEM, root) for path in (base / SOUNDFONTS).glob("*.sf2")}
    return [path for _, path in sorted(found.items()) if not path.is_symlink()]


@cache
def find_parts(root: Path, *, has_ffmpeg: bool) -> tuple[tuple[Found, ...], tuple[NotFound, ...]]:
    """Look for all parts.

    Args:
        root: Root of the file system.
        has_ffmpeg: Whether the program ffmpeg is there.

    Returns:
        The parts that are there with their recordings, and those that are not.
    """
    found: list[Found] = []
    missing: list[NotFound] = []
    for part in PARTS:
        if any(part.instead == other.part.package for other in found):
            continue
        recordings = tuple(part.read(root))
        if recordings and (has_ffmpeg or not part.program):
            found.append(Found(part, recordings))
        elif recordings:
            missing.append(NotFound(part.program, part.what, f"needed to decode {part.package}"))
        elif not part.instead:
            missing.append(NotFound(part.package, part.what, "not installed"))
    return tuple(found), tuple(missing)


def find_makers(root: Path) -> tuple[dict[str, Sequence[str]], tuple[NotFound, ...]]:
    """Look for the programs that make sounds, each with its voices or soundfonts, and for those that are missing."""
    sources = {program: maker.sources(root) for program, maker in MAKERS.items()}
    missing = tuple(
        NotFound(package, MAKERS[program].what, "not installed")
        for program, found in sources.items()
        for package in MAKERS[program].packages
        if not (found and any(copyright_file(base, package).exists() for base in (SYSTEM, root)))
    )
    return {program: found for program, found in sources.items() if found}, missing


def all_packages() -> list[str]:
    """Names of all packages that the corpus can be made from, sorted."""
    recorded = {part.package for part in PARTS if not part.instead}
    made = {package for maker in MAKERS.values() for package in maker.packages}
    return sorted({*recorded, *made, _FFMPEG, "asterisk-core-sounds-en"})


def install_line(packages: Iterable[str]) -> str:
    """The command that installs packages."""
    return f"apt-get install --no-install-recommends {' '.join(dict.fromkeys(packages))}"
