"""Reading the tables and lists that corpora come with."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from datamodules.corpora.sounds import CorpusError
from datamodules.text_files import nfc


def read_rows(path: Path, columns: Sequence[str], *, separator: str = ",") -> list[dict[str, str]]:
    """Read a table with a header.

    Args:
        path: UTF-8 text file, with or without a byte order mark.
        columns: Columns that it must have.
        separator: What separates cells.

    Returns:
        The cells of each row by their columns.

    Raises:
        CorpusError: The file is missing or not UTF-8, lacks a column, or a row has the wrong number of cells.
    """
    header, *rows = list(csv.reader(io.StringIO(_text(path), newline=""), delimiter=separator)) or [[]]
    lacking = [column for column in columns if column not in header]
    if lacking:
        raise CorpusError(f"{path}: expected the columns {', '.join(columns)}, got {', '.join(header) or 'none'}")
    for number, row in enumerate(rows, start=1):
        if row and len(row) != len(header):
            raise CorpusError(f"{path}, row {number}: expected {len(header)} cells, got {len(row)}")
    return [dict(zip(header, row, strict=True)) for row in rows if row]


def read_lines(path: Path) -> list[str]:
    """Read a list with one entry per line, without empty lines.

    Raises:
        CorpusError: The file is missing or not UTF-8.
    """
    return [line.strip() for line in _text(path).splitlines() if line.strip()]


def _text(path: Path) -> str:
    try:
        return nfc(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror}; expected the corpus as it is downloaded") from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: not UTF-8 ({error})") from error
