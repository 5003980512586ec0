"""A small file system as packages lay it out, with sounds that are made here."""

import gzip

import numpy as np
import pytest
import soundfile

RATE_HZ = 8000
LETTERS = "abcdef"
DIGITS = {"0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five"}


def burst(seed, duration_s=0.25):
    """Noise between two stretches of silence."""
    rng = np.random.default_rng(seed)
    quiet = np.zeros(RATE_HZ // 10, np.float32)
    return np.concatenate([quiet, rng.uniform(-0.5, 0.5, round(duration_s * RATE_HZ)).astype(np.float32), quiet])


class Tree:
    """Writes sounds below a root, each with another seed."""

    def __init__(self, root):
        self.root, self.number = root, 0

    def sound(self, path, duration_s=0.25, **settings):
        self.number += 1
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(full, burst(self.number, duration_s), RATE_HZ, **settings)

    def text(self, path, text):
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        if full.suffix == ".gz":
            full.write_bytes(gzip.compress(text.encode()))
        else:
            full.write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def packages_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("packages")
    tree = Tree(root)
    english = "usr/share/asterisk/sounds/en_US_f_Allison"
    for digit in DIGITS:
        tree.sound(f"{english}/digits/{digit}.wav")
        tree.sound(f"usr/share/saytime/{digit}.au", format="RAW", subtype="ULAW")
        for voice in ("it_IT_m_Carlo", "it_IT_f_Menardi"):
            tree.sound(f"usr/share/asterisk/sounds/{voice}/digits/{digit}.wav")
        tree.sound(f"usr/share/asterisk/sounds/fr/digits/{digit}.gsm", format="RAW", subtype="GSM610")
        tree.sound(f"usr/share/tuxpaint/stamps/symbols/math/{digit}_de.ogg")
    for number in range(3):
        tree.sound(f"{english}/vm-sentence{number}.wav", 6.0)
    tree.sound(f"{english}/hello.wav")
    tree.sound(f"{english}/beep.wav")
    tree.text(
        "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz",
        "; Sounds\n\nhello: Hello.\nvm-sentence0: Please call again.\ndigits/0: zero\n",
    )
    for letter in LETTERS:
        tree.sound(f"usr/share/klettres/en/alpha/{letter.upper()}.ogg")
        tree.sound(f"usr/share/klettres/fr/alpha/a-{LETTERS.index(letter)}.ogg")
    for language in ("en", "fr"):
        tree.sound(f"usr/share/ktuberling/sounds/{language}/x_nez.wav")
        tree.text(
            f"usr/share/ktuberling/sounds/{language}.soundtheme",
            f'<language code="{language}">\n <sound name="nose"   file="{language}/x_nez.wav" />\n'
            f' <sound name="moon_star" file="{language}/missing.ogg" />\n</language>\n',
        )
    stamps = "usr/share/tuxpaint/stamps/animals/dogs"
    tree.text(f"{stamps}/dog.txt", "A dog.\nfr.utf8=Un chien.\n")
    tree.sound(f"{stamps}/dog_desc.ogg")
    tree.sound(f"{stamps}/dog_desc_fr.ogg")
    tree.sound(f"{stamps}/dog.ogg")
    for pack in ("Default", "British", "Default_es"):
        tree.sound(f"usr/share/games/hedgewars/Data/Sounds/voices/{pack}/Comeonthen.ogg")
        tree.sound(f"usr/share/games/hedgewars/Data/Sounds/voices/{pack}/Ooff1.ogg")
    tree.sound("usr/share/games/hedgewars/Data/Sounds/explosion.ogg")
    for number in range(5):
        tree.sound(f"usr/share/games/hedgewars/Data/Music/piece{number}.ogg", 8.0)
    tree.sound("usr/share/games/fillets-ng/sound/elk/cs/deu-m-valka.ogg")
    tree.sound("usr/share/games/fillets-ng/sound/elk/nl/deu-v-losa.ogg")
    for voice in "35":
        tree.sound(f"usr/share/gcin-voice/ogg/ㄅㄚ1/{voice}.ogg")
    for name in ("Animal/Dog1", "Animal/Dog2", "Animal/Puppy", "Animal/Bark", "Human/Laugh-male1", "Vocals/Ya"):
        tree.sound(f"usr/share/scratch/Media/Sounds/{name}.wav")
    soundfile.write(root / "usr/share/scratch/Media/Sounds/Animal/Silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    (root / "usr/share/scratch/Media/Sounds/Animal/Broken.wav").write_bytes(b"no sound")
    (root / "usr/share/scratch/Media/Sounds/Animal/Copy.wav").write_bytes(
        (root / "usr/share/scratch/Media/Sounds/Animal/Dog1.wav").read_bytes()
    )
    for name in ("jsnare_01", "hhclosed_02", "Kick-Hard", "x"):
        tree.sound(f"usr/share/hydrogen/data/drumkits/kit/{name}.flac")
    tree.text(
        "var/lib/dpkg/status",
        "Package: scratch\nStatus: install ok installed\nVersion: 1.4-6\nDescription: x\n Version: 9\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 2\n",
    )
    tree.text("usr/share/doc/klettres-data/changelog.Debian.gz", "kdeedu (4:22.12) unstable; urgency=low\n")
    tree.text(
        "usr/share/doc/scratch/copyright",
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
        "Files: *\nCopyright: a\nLicense: GPL-2\n text\n\nFiles: Media/*\n  Other/*\nLicense: CC-BY-SA-3.0\n\n"
        "Files: debian/*\nLicense: ISC\n\nLicense: GPL-2\n text\n",
    )
    tree.text("usr/share/doc/klettres-data/copyright", "It is free.\n")
    return root
