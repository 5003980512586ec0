"""What is installed of a Debian package: its version and its licence."""

import gzip
import re
from functools import cache
from pathlib import Path

UNKNOWN = "?"
NOT_MACHINE_READABLE = "see its copyright file"

_STATUS = "var/lib/dpkg/status"
_DOCUMENTS = "usr/share/doc"
_VERSION = re.compile(r"^\S+ \(([^)]+)\)")
_FIELD = re.compile(r"^License:[ \t]*(\S.*)$", re.MULTILINE)
_PARAGRAPHS = re.compile(r"\n\s*\n")
_OF_PACKAGING = re.compile(r"debian/\S*")


def version(root: Path, package: str) -> str:
    """Version of a package, from the table of installed packages or from the package's changelog.

    Args:
        root: Root of the file system.
        package: Name of the package.

    Returns:
        The version; "?" if it is not written anywhere.
    """
    if found := _versions(root).get(package):
        return found
    changelog = root / _DOCUMENTS / package / "changelog.Debian.gz"
    try:
        with gzip.open(changelog, "rt", encoding="utf-8", errors="replace") as lines:
            match = _VERSION.match(lines.readline())
    except OSError:
        return UNKNOWN
    return match[1] if match else UNKNOWN


def copyright_file(root: Path, package: str) -> Path:
    """Where a package states its licences."""
    return root / _DOCUMENTS / package / "copyright"


def licence(root: Path, package: str) -> str:
    """Licences of a package.

    Args:
        root: Root of the file system.
        package: Name of the package.

    Returns:
        The short names of the licences of all files but those of the packaging, if the copyright file has Debian's
        machine-readable format (`Files:` and `License:`); otherwise a note to read it.
    """
    try:
        text = copyright_file(root, package).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return UNKNOWN
    if not text.lstrip().startswith("Format:"):
        return NOT_MACHINE_READABLE
    names = [
        match[1].strip()
        for paragraph in _PARAGRAPHS.split(text)
        if (files := _files(paragraph)) and not all(map(_OF_PACKAGING.fullmatch, files))
        for match in [_FIELD.search(paragraph)]
        if match
    ]
    return ", ".join(dict.fromkeys(names)) or NOT_MACHINE_READABLE


def _files(paragraph: str) -> list[str]:
    match = re.search(r"^Files:(.*(?:\n[ \t].*)*)", paragraph, re.MULTILINE)
    return match[1].split() if match else []


@cache
def _versions(root: Path) -> dict[str, str]:
    try:
        text = (root / _STATUS).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    found = {}
    for paragraph in _PARAGRAPHS.split(text):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"[A-Z][A-Za-z-]*: ", line))
        if fields.get("Status", "").endswith(" installed"):
            found[fields.get("Package", "")] = fields.get("Version", "")
    return found
