"""Reading text files of users: UTF-8 or UTF-16, with or without a byte order mark, and labels in one Unicode form.

Every table, list, alignment, JSON and YAML file that a user gives is read here. Stands on the standard library alone.
"""

import codecs
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

from networks.files.lfs_pointers import IS_POINTER, is_pointer

_MARK = "\ufeff"
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_MARKS_OF_PARTS = re.compile("(?:\\A|(?<=[\r\n]))\ufeff+")  # at the start of files that were joined to one

_NO_TEXT = {
    b"PK\x03\x04": "a ZIP archive, such as a workbook of Excel; save the table as CSV, or unpack the archive",
    b"\xd0\xcf\x11\xe0": "a workbook of Excel or another Office file; save the table as CSV",
    b"\x1f\x8b": "compressed by gzip; unpack it",
    b"BZh": "compressed by bzip2; unpack it",
    b"\xfd7zXZ": "compressed by xz; unpack it",
    b"(\xb5/\xfd": "compressed by zstd; unpack it",
    b"PAR1": "a Parquet file; its name must end in .parquet",
    b"\x89HDF": "an HDF5 file, not text",
    b"%PDF": "a PDF file, not text",
    b"SQLite format 3": "a database of SQLite, not text",
}
"""What a file is that begins with these bytes."""


class TextFileError(ValueError):
    """A text file that cannot be read; the message names the file, and says what to do."""


def read_text(path: str | Path) -> str:
    """Read a text file in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Args:
        path: The file.

    Returns:
        Its text without the mark, line ends as they are in the file.

    Raises:
        OSError: The file is missing or cannot be opened.
        TextFileError: The file has an unsupported encoding.
    """
    return decode_text(Path(path).read_bytes(), str(path))


def decode_text(content: bytes, where: str) -> str:
    """Decode the content of a text file, see `read_text`.

    Args:
        content: The bytes of the file.
        where: The file, for messages.

    Returns:
        The text.

    Raises:
        TextFileError: The content has an unsupported encoding, is compressed or binary, or is a pointer of Git LFS.
    """
    if is_pointer(content):
        raise TextFileError(f"{where}: {IS_POINTER}")
    encoding = "utf-16" if content.startswith(_UTF16_MARKS) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x} in line {line}"
        raise TextFileError(_no_text(content, where, found)) from error
    if "\0" in text:  # UTF-16 without a mark decodes as UTF-8, with a zero next to each letter
        found = f"a zero byte in line {text.count(chr(10), 0, text.index(chr(0))) + 1}"
        raise TextFileError(_no_text(content, where, found))
    return _MARKS_OF_PARTS.sub("", text) if _MARK in text else text


def _no_text(content: bytes, where: str, found: str) -> str:
    kind = next((kind for start, kind in _NO_TEXT.items() if content.startswith(start)), None)
    if kind is not None:
        return f"{where}: expected text, but it is {kind}"
    return (
        f"{where}: expected text in UTF-8 (or UTF-16 with a byte order mark), got {found}; save it as "
        "UTF-8, such as with `iconv -f ITS-ENCODING -t UTF-8`"
    )


def text_lines(text: str) -> list[str]:
    r"""Split a string at `\n`, `\r\n` and `\r` only, and not at the other line ends of `str.splitlines`."""
    return _LINE_END.split(text)


def read_json(path: str | Path) -> Any:
    """Read a JSON file, see `parse_json`; raises `OSError` if it cannot be opened."""
    return parse_json(read_text(path), str(path))


def parse_json(text: str, where: str) -> Any:
    """Parse JSON.

    Args:
        text: The text.
        where: The file, for messages.

    Returns:
        Plain values.

    Raises:
        TextFileError: The text is not JSON; names the line.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TextFileError(f"{where}: not valid JSON: {error}") from error


def nfc(text: str) -> str:
    """Normalise a string, so that labels that look the same are the same: é is one character, not e and an accent."""
    return unicodedata.normalize("NFC", text)
