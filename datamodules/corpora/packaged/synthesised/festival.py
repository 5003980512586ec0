"""Voices of the program festival, which packages `festvox-*` bring.

Voices of other languages read English words by the rules of their own, as people with an accent do.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

PROGRAM = "festival"
_VOICES = "/usr/share/festival/voices"

# Voices that read no Latin letters.
_LEFT_OUT = ("msu_ru", "hindi", "telugu", "marathi")


def voices() -> list[str]:
    """Names of the installed voices; none if the program is not installed."""
    if shutil.which(PROGRAM) is None:
        return []
    folders = (path for path in Path(_VOICES).glob("*/*") if (path / "festvox" / f"{path.name}.scm").is_file())
    return sorted(path.name for path in folders if not path.name.startswith(_LEFT_OUT))


def speak(words: Sequence[str], paths: Sequence[Path], *, voice: str, stretch: float) -> None:
    """Speak words, each into a WAV file; see `flite.speak`."""
    says = "\n".join(f'(say "{word}" "{path}")' for word, path in zip(words, paths, strict=True))
    script = (
        f"(voice_{voice})\n(Parameter.set 'Duration_Stretch {stretch:.3f})\n"
        # Voices of the HTS engine follow its own speed instead.
        '(if (equal? (format nil "%l" (Parameter.get \'Synth_Method)) "HTS")\n'
        f'  (set! hts_engine_params (append hts_engine_params \'(("-r" {1 / stretch:.3f})))))\n'
        "(define (say text path)\n"
        "  (utt.save.wave (utt.synth (eval (list 'Utterance 'Text text))) path 'riff))\n" + says
    )
    file = paths[0].with_suffix(".scm")
    file.write_text(script, encoding="utf-8")
    done = subprocess.run([PROGRAM, "-b", str(file)], capture_output=True, text=True, check=False)
    file.unlink()
    missing = [word for word, path in zip(words, paths, strict=True) if not path.is_file()]
    if missing:
        raise OSError(f"{PROGRAM} does not say {missing[0]!r} with the voice {voice}: {done.stderr.strip()}")
