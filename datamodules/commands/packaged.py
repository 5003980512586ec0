"""The command `python -m datamodules packaged`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from datamodules.commands.signal_and_noise import SOUNDS_FOLDER, SignalAndNoise
from datamodules.commands.tables.package_tables import print_missing, print_summary, read_summary
from datamodules.corpora import fsdd
from datamodules.corpora.packaged import corpus, summary
from datamodules.corpora.packaged.parts import all_packages, find_makers, install_line
from datamodules.corpora.packaged.recording import NOISE_LABELS, SIGNAL_LABELS, Recording
from datamodules.corpora.sounds import CorpusError, write_manifest
from datamodules.folders.sound_folders import PassedOver
from networks.commands.dispatch import text_console
from networks.commands.interruption import NOTHING_IS_KEPT, has_content

if TYPE_CHECKING:
    from datamodules.corpora.packaged.parts import NotFound
    from datamodules.corpora.sounds import Row
    from datamodules.tasks import Side


@dataclass(kw_only=True)
class Packaged(SignalAndNoise):
    r"""Build shard sets from sounds that Debian's package manager brings.

    The signal is speech (labels word, speaker and language): recorded prompts, letters, names of things, dialogues, and
    words that synthesisers speak. The noise is everything else (labels sound and kind): animals, machines, drums,
    effects, recorded music, music that sampled instruments play from generated scores, and synthesised textures. A
    clip may lack some of its labels. Of each class, files are held out for validation. A command that was stopped
    resumes. OUT/packages.csv lists packages, versions, licences, clips, minutes and labels.

    Each package is optional, and what is missing is named. For speech, as root:

    apt-get install --no-install-recommends ffmpeg asterisk-core-sounds-en asterisk-core-sounds-en-g722 \
    asterisk-core-sounds-es-g722 asterisk-core-sounds-fr-g722 asterisk-core-sounds-it-g722 \
    asterisk-core-sounds-ru-g722 asterisk-prompt-es-co asterisk-prompt-fr-armelle asterisk-prompt-it-menardi-wav \
    saytime klettres-data ktuberling-data tuxpaint-stamps-default hedgewars-data fillets-ng-data-cs \
    fillets-ng-data-nl gcin-voice festvox-ru flite festival festlex-cmu festvox-kallpc16k festvox-kdlpc16k \
    festvox-us-slt-hts festvox-italp16k festvox-itapc16k festvox-czech-ph festvox-suopuhe-lj festvox-suopuhe-mv \
    festvox-ca-ona-hts

    For sounds:

    apt-get install --no-install-recommends scratch hydrogen-drumkits sonic-pi-samples lmms-common wesnoth-1.16-data \
    supertux-data pingus-data frozen-bubble-data extremetuxracer-data sound-theme-freedesktop oxygen-sounds \
    yaru-theme-sound deepin-sound-theme lomiri-sounds gnome-audio sound-icons psi-plus-sounds

    For music:

    apt-get install --no-install-recommends fluidsynth fluid-soundfont-gm wesnoth-1.16-music colobot-common-sounds \
    hyperrogue-music singularity-music fillets-ng-data openclonk-data trackballs-data asterisk-moh-opsound-g722

    Without root, `apt-get download PACKAGE` and `dpkg -x PACKAGE.deb FOLDER` unpack recordings for `--root FOLDER`.
    More voices: pip install 'cochlearn[demo]'.

    Attributes:
        root: Root of the file system that the packages are in.
        num_words: Number of English words that synthesisers speak: first those that people have recorded.
        num_voices: Number of voices of espeak-ng, at most 200; 0 for none.
        num_renditions: Training clips of each word in each synthesised voice.
        phrases: Fraction of espeak-ng's clips that say the word in the middle of running speech, 0 to 1.
        manners: Fraction of espeak-ng's clips that are whispered, shouted or sung rather than spoken plainly, 0 to 1.
        clips_per_class: Training clips of each texture, of each instrument and drum, and of each style of music.
        least_clips: Labels with fewer training clips are left out.
        digits: Recordings of the Free Spoken Digit Dataset, as further words and speakers.
    """

    root: Path = Path("/")
    num_words: int = 150
    num_voices: int = 40
    num_renditions: int = 1
    phrases: float = 0.3
    manners: float = 0.1
    clips_per_class: int = 40
    least_clips: int = 4
    digits: Path | None = None
    positionals: ClassVar[tuple[str, ...]] = ("out",)
    signal_columns: ClassVar[tuple[str, ...]] = SIGNAL_LABELS
    noise_columns: ClassVar[tuple[str, ...]] = NOISE_LABELS
    may_be_unlabelled: ClassVar[bool] = True
    is_resumable: ClassVar[bool] = True
    other_files: ClassVar[tuple[str, ...]] = (summary.SUMMARY_FILE,)

    @property
    def when_interrupted(self) -> str:
        """What a Ctrl-C leaves."""
        sounds = self.out / SOUNDS_FOLDER
        if not has_content(sounds):
            return NOTHING_IS_KEPT
        return f"what was cut, spoken and played so far is kept in {sounds}; the same command resumes"

    def origin(self) -> tuple[str, str]:
        """The recipe, and a digest of what is installed."""
        found, _ = corpus.find(self.root)
        makers, _ = find_makers(self.root)
        if not found and not makers:
            raise CorpusError(
                f"no package with sounds is installed in {self.root}. Install any of these:\n"
                f"  {install_line(all_packages())}\n"
                "A corpus that needs none is made by the command `demo`"
            )
        if not makers.keys() - {"fluidsynth"} and not any(each.part.side == "signal" for each in found):
            raise CorpusError(
                f"no package with speech is installed in {self.root}. Install some, such as\n"
                f"  {install_line(['flite', 'klettres-data', 'ktuberling-data', 'asterisk-prompt-fr-armelle'])}"
            )
        sizes = [(part.package, part.side, [each.path.stat().st_size for each in files]) for part, files in found]
        digits = fsdd.fingerprint(self.digits) if self.digits else ""
        installed = repr((sizes, sorted(makers.items()), digits, self._has_espeak()))
        return corpus.RECIPE, hashlib.sha256(installed.encode()).hexdigest()

    def passed_over(self) -> tuple[PassedOver, ...]:
        """What the folder of digits holds in addition to the recordings."""
        return fsdd.in_addition(self.digits) if self.digits else ()

    def make_signals(self, sounds: Path) -> Path:
        """Cut the recorded speech, let synthesisers speak, and add the recorded digits."""
        clips, left_out = corpus.recorded_clips("signal", sounds, self._wanted(), show_progress=True)
        clips += corpus.spoken_clips(sounds, self._wanted(), show_progress=True)
        if self.num_voices and self._has_espeak():
            clips += self._espeak_clips(sounds)
        if self.digits:
            clips += corpus.digit_clips(self.digits)
        return self._write("signal", sounds, clips, left_out)

    def make_noises(self, sounds: Path) -> Path:
        """Cut the recorded sounds and music, play scores, and add the textures."""
        clips, left_out = corpus.recorded_clips("noise", sounds, self._wanted(), show_progress=True)
        clips += corpus.played_clips(sounds, self._wanted(), show_progress=True)
        textures = super().make_noises(sounds)
        clips += corpus.listed_clips(textures, package=corpus.TEXTURES, sound="texture", kind="=texture")
        return self._write("noise", sounds, clips, left_out)

    def finished(self, *, is_new: bool) -> None:
        """Print the table of packages, and what is missing."""
        print_summary(read_summary(self.out), self.out, text_console())
        print_missing(self._missing(), text_console())

    def _wanted(self) -> corpus.Wanted:
        return corpus.Wanted(
            root=self.root,
            num_words=self.num_words,
            num_renditions=self.num_renditions,
            clips_per_class=self.clips_per_class,
            least_clips=self.least_clips,
            rooms=self.rooms,
            seed=self.seed,
            num_workers=self.num_processes,
        )

    def _espeak_clips(self, sounds: Path) -> list[Recording]:
        from datamodules.demo.corpus import make_words

        words = make_words(
            sounds,
            words=corpus.words_to_speak(corpus.find(self.root)[0], self.num_words),
            num_voices=self.num_voices,
            num_renditions=self.num_renditions,
            val_part=0.2,
            phrases=self.phrases,
            manners=self.manners,
            rooms=self.rooms,
            seed=self.seed,
            num_workers=self.num_processes,
            show_progress=True,
        )
        return corpus.listed_clips(words, package=corpus.ESPEAK, word="word", speaker="speaker", language="=en")

    def _write(self, side: Side, sounds: Path, clips: Sequence[Recording], left_out: dict[str, int]) -> Path:
        path = sounds / f"{side}.csv"
        used = corpus.write_side(path, clips, side=side, least_clips=self.least_clips)
        rows: list[Row] = summary.summary(self.root, used, side)
        if side == "noise":
            rows = [*read_summary(self.out), *rows]
        write_manifest(self.out / summary.SUMMARY_FILE, rows)
        named = ", ".join(f"{number} {reason}" for reason, number in left_out.items())
        if named:
            text_console().print(f"{side}: recordings left out: {named}", markup=False, highlight=False, soft_wrap=True)
        return path

    def _missing(self) -> list[NotFound]:
        _, recorded = corpus.find(self.root)
        _, made = find_makers(self.root)
        return [*recorded, *made]

    @staticmethod
    def _has_espeak() -> bool:
        from datamodules.demo.speech import Synthesiser

        try:
            Synthesiser()
        except ImportError:
            return False
        return True
