"""Classes of sounds by the names of their files: the first class whose word a name holds."""

import re
from collections.abc import Collection
from functools import cache
from typing import NamedTuple


class SoundClass(NamedTuple):
    """A class of sounds and its kind."""

    sound: str
    kind: str


# Words of names, by kind and class; chosen from the names in the packages. Of two classes that fit, the first is taken,
# so that what makes the sound comes before what happens to it.
# fmt: off
_WORDS: dict[str, dict[str, str]] = {
    "animal": {
        "dog": "dog dog1 dog2 puppy bark",
        "wolf": "wolf wolfhowl howl howling fox",
        "cat": "cat kitten meow blackcat",
        "horse": "horse horsegallop gallop canter zebra donkey",
        "cattle": "cow bull bison moo",
        "sheep": "sheep lamb ram goat mountaingoat",
        "pig": "pig boar tusker",
        "deer": "deer doe caribou camel dromedary",
        "chicken": "hen rooster chicken turkey gallo",
        "duck": "duck goose gander",
        "crow": "crow raven vulture",
        "owl": "owl",
        "song bird": "bird blackbird cuckoo lark canary quetzal seagull birdy birds",
        "frog": "frog toad",
        "insect": "bee cricket crickets mosquito hornet grasshopper cockchafer wasp fly",
        "whale": "whale dolphin orca",
        "seal": "sealion sea_lion sea-lion",
        "big cat": "lion tiger bear",
        "ape": "chimp gorilla monkey monkeys",
        "elephant": "elephant",
        "bat": "bat bats",
        "monster": "troll ogre orc yeti drake dragon naga lich skeleton zombie ghoul gryphon goblin monster",
    },
    "human": {
        "laugh": "laugh laughing laughter hahaha",
        "cough": "cough sneeze",
        "scream": "scream shriek yell",
        "cry": "babycry cry wail sob",
        "footsteps": "footsteps footstep steps step walk foley_foot",
        "clapping": "clap applause handclap claps clapping",
        "crowd": "crowd partynoise cheer crowds",
        "breath": "breath slurp kiss snore gulp",
        "groan": "groan grunt grunts ooff ouch hurt ugh pain die human elf dwarf",
        "beatbox": "beatbox humanbeatbox",
        "finger snap": "fingersnap snap snaph",
    },
    "nature": {
        "rain": "rain",
        "thunder": "thunder lightning lightningbolt",
        "wind": "wind storm",
        "water": "water waterrunning waterdrop splash splashes drip dripdrop droplet bubbles bubble plunge ripples"
                 " plop underwater waterfall",
        "fire": "fire flame flames torch burn burning molotov blowtorch flamethrower fizz sizzle lava",
    },
    "machine": {
        "engine": "engine motor car carpassing motorcycle motorcyclepassing truck tank rcplane plane jet jetpackboost",
        "alarm": "alarm siren warning",
        "telephone": "phone telephone ringtone",
        "camera": "camera camera_click shutter shutterclick camera_focus",
        "keyboard": "typing keyboard typewriter",
        "clock": "clock ticking tick minetick metronome timer",
        "household machine": "vacuum_cleaner vacuum washing-machine washing sewingmachine kettle toilet",
        "drill": "drill drillgun saw pickhammer hammer mallet_metal",
        "door": "door doorclose doorcreak gate lock locked unlock turnkey",
    },
    "weapon": {
        "explosion": "explosion explode exploding explo boom bomb blast mortar fireworks firecracker missile cannon",
        "gun": "gun shot shotgun shotgunfire minigun rifle shoot pistol sniper shotty thunderstick machinegun",
        "blade": "sword dagger knife axe hatchet blade spear katana slash saber",
        "bow": "bow arrow crossbow sling dart",
        "whip": "whip whipcrack whiplash",
        "laser": "laser beam zap",
        "club": "mace staff flail club baseballbat morningstar",
        "magic": "magic spell magicmissile wose heal fairydust",
    },
    "drum": {
        "kick drum": "kick bassdrum bd kick_long bass-drum kickdrum bdrum",
        "snare drum": "snare snares sn rimshot rim sidestick side-stick stick snr",
        "hi-hat": "hihat hat hh hi-hat hatclosed hatopen hatpedal hatsemiopen highhat ohh chh",
        "tom": "tom toms tom1 tom2 tom3 tomfloor floortom floor",
        "cymbal": "cymbal crash ride cymbalcrash ridecymbal china cym cymbaly",
        "gong": "gong",
        "cowbell": "cowbell agogo",
        "shaker": "shaker maracas cabasa tambourine tamb rattle shake guiro",
        "hand drum": "conga bongo tabla djembe darbuka cajon bongos congas",
        "wood block": "clav clave claves wood woodblock castanets block",
        "triangle": "triangle",
        "drum loop": "drum drumkit drumset1 drumset2 drummachine drumbuzz beat loop_amen loop_breakbeat break hiphop"
                     " amen breakbeat techno jungle",
    },
    "instrument": {
        "piano": "piano rhodes electric-piano epiano e_piano",
        "organ": "organ church_organ accordion",
        "harpsichord": "harpsichord cembalo klavichord clavinet",
        "guitar": "guitar guit guitarstrum guitarchords1 guitarchords2 steel_guitar banjo tambura koto harp mandolin"
                  " mangoré stringpluck afrostring ukulele guitarstrums strum fsharp csharp dsharp gsharp asharp",
        "bass": "bass bassslap synthbass",
        "violin": "violin viola strings string stringaccent spookystring orchestra",
        "cello": "cello violoncello contrabass",
        "trumpet": "trumpet trumpet1 trumpet2 trombone brass tuba cornet horn horns",
        "flute": "flute recorder pipe whistle piccolo ocarina",
        "reed": "clarinet oboe bassoon sax saxophone",
        "mallets": "xylo xylofon xylophone xylo1 xylo2 xylo3 xylo4 marimba mallet vibes vibraphone kalimba mbira"
                   " glockenspiel karinding",
        "bell": "bell bells chime chimes belltoll wind_chimes bell-toll",
        "didgeridoo": "dijjeridoo didgeridoo",
        "choir": "choir voice singer singer1 singer2 vocals hey-yay-hey sing-me-a-song oooo-badada doy-doy-doy chant",
        "synthesiser": "synth saw pad acid moog drone buzz wobble glitch sweep elec ambi ambient arp",
    },
    "impact": {
        "glass": "glass bottle icecrash shatter crystallo ice iceblock crack cracking",
        "metal": "metal chain chink coin coins coin2 gold anvil clank metalish ting",
        "punch": "punch fist hit kick-hit impact bump thud knock stomp hammer-hit body kicked",
        "pop": "pop plunk cork balloonscratch",
        "creak": "creak squeak screech scratch skid rubberduck",
        "whoosh": "swoosh whoosh woosh throw swish miss swing warp jump fall flip",
        "cards": "card shuffle paper scissors scissors_small_open",
    },
    "interface": {
        "beep": "beep beeps computerbeeps1 computerbeeps2 blip ping bleep bip elec_beep beep2",
        "message": "message msg im notification notify mail receive chat contact",
        "error": "error denied critical fail failure negative wrong",
        "log in": "login logon startup desktop-login log-in gamestart start ready",
        "log out": "logout logoff shutdown desktop-logout log-out stop",
        "device": "device added removed power plug unplug battery lowbattery",
        "click": "click button toggled clicked checkbox select slider switch activate window",
    },
}
# fmt: on

# Parts of names of samples in drum kits, the first that fits; and short names, which stand at the beginning.
_DRUM_PARTS = {
    **dict.fromkeys(("cowbell", "agogo"), "cowbell"),
    **dict.fromkeys(("hihat", "hat", "hhclosed", "hhopen", "hhpedal"), "hi-hat"),
    **dict.fromkeys(("snare", "rimshot", "sidestick", "rim"), "snare drum"),
    **dict.fromkeys(("kick", "bassdrum", "bdrum"), "kick drum"),
    **dict.fromkeys(("crash", "ride", "cymbal", "splash", "china"), "cymbal"),
    **dict.fromkeys(("clap",), "clapping"),
    **dict.fromkeys(("conga", "bongo", "tabla", "djembe", "cajon", "timbale"), "hand drum"),
    **dict.fromkeys(("maraca", "shaker", "cabasa", "tambourine", "guiro"), "shaker"),
    **dict.fromkeys(("clave", "woodblock", "castanet"), "wood block"),
    **dict.fromkeys(("triangle",), "triangle"),
    **dict.fromkeys(("tom",), "tom"),
}
_DRUM_STARTS = {
    **dict.fromkeys(("hh", "ho_", "chh", "ohh"), "hi-hat"),
    **dict.fromkeys(("sd_", "sn_", "sr_", "rs_"), "snare drum"),
    **dict.fromkeys(("bd", "kd_"), "kick drum"),
    **dict.fromkeys(("cra_", "cc_", "rc_"), "cymbal"),
    **dict.fromkeys(("ft_", "t1_", "t2_", "t3_"), "tom"),
}

_SPLIT = re.compile(r"[^a-z0-9]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NUMBER = re.compile(r"\d+$")


def classify(name: str, *, without: Collection[str] = ()) -> SoundClass | None:
    """Class of a sound.

    Args:
        name: Name of its file without ending, or of a folder.
        without: Kinds that are not meant, such as "drum" where a kick is one of a foot.

    Returns:
        The class, or None if no word of the name is known.
    """
    words = _words_of(name)
    for word, sound_class in _known().items():
        if word in words and sound_class.kind not in without:
            return sound_class
    return None


def classify_drum(name: str) -> SoundClass | None:
    """Class of a sample of a drum kit, whose name may be short or run together, such as "hhclosed" and "jsnare"."""
    plain = _SPLIT.sub("", name.casefold())
    found = next((drum for part, drum in _DRUM_PARTS.items() if part in plain), None)
    found = found or next((drum for start, drum in _DRUM_STARTS.items() if name.casefold().startswith(start)), None)
    return SoundClass(found, "drum") if found else classify(name)


def _words_of(name: str) -> set[str]:
    """Words of a name: as a whole, at its separators and at its humps, with and without numbers at the end."""
    pieces = {name.casefold(), *_SPLIT.split(name.casefold()), *_SPLIT.split(_HUMP.sub("-", name).casefold())}
    return pieces | {_NUMBER.sub("", piece).strip("-_ ") for piece in pieces}


@cache
def _known() -> dict[str, SoundClass]:
    known: dict[str, SoundClass] = {}
    for kind, classes in _WORDS.items():
        for sound, words in classes.items():
            for word in words.split():
                known.setdefault(word, SoundClass(sound, kind))
    return known
