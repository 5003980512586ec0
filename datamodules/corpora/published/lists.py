"""Reading the tables and lists that corpora come with."""

from collections.abc import Sequence
from pathlib import Path

from datamodules.corpora.sounds import CorpusError
from datamodules.tables import TextTableError, read_text_table
from datamodules.text_files import TextFileError, nfc, read_text, text_lines


def read_rows(path: Path, columns: Sequence[str], *, separator: str = ",") -> list[dict[str, str]]:
    """Read a table with a header, see `datamodules.tables.read_text_table`.

    Args:
        path: The table.
        columns: Columns that it must have.
        separator: What separates cells.

    Returns:
        The cells of each row by their columns, in Unicode's form NFC.

    Raises:
        CorpusError: The file is missing or has an unsupported encoding, lacks a column, or a row has the wrong number
            of cells.
    """
    try:
        table = read_text_table(path, required=columns, separator=separator)
    except OSError as error:
        raise _missing(path, error) from error
    except (TextTableError, TextFileError) as error:
        raise CorpusError(str(error)) from error
    return [{str(name): nfc(value) for name, value in row.items()} for row in table.to_dict("records")]


def read_lines(path: Path) -> list[str]:
    """Read a list with one entry per line, without empty lines, in Unicode's form NFC.

    Raises:
        CorpusError: The file is missing or has an unsupported encoding.
    """
    try:
        lines = text_lines(nfc(read_text(path)))
    except OSError as error:
        raise _missing(path, error) from error
    except TextFileError as error:
        raise CorpusError(str(error)) from error
    return [line.strip() for line in lines if line.strip()]


def _missing(path: Path, error: OSError) -> CorpusError:
    return CorpusError(f"{path}: {error.strerror}; expected the corpus as it is downloaded")
