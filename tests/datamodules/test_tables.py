"""Tables as users have them. What pandas writes reads back the same, or is refused with file and row."""

import csv

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from datamodules.tables import TextTableError, is_missing, parse_number, read_text_table
from datamodules.text_files import TextFileError

CELLS = st.text(
    st.one_of(st.sampled_from("ab7é ,;|\t\"'\\\n\r#"), st.characters(exclude_characters="\0", codec="utf-8")),
    max_size=6,
)
QUOTING = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE)


@st.composite
def tables(draw):
    names = draw(st.lists(st.text("abcdé_", min_size=1, max_size=4), min_size=2, max_size=4, unique=True))
    num_rows = draw(st.integers(0, 4))
    return pd.DataFrame(
        {name: draw(st.lists(CELLS, min_size=num_rows, max_size=num_rows)) for name in names}, dtype=str
    )


@settings(max_examples=150, deadline=None)
@given(
    tables(),
    st.sampled_from(QUOTING),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]),
    st.sampled_from([",", "\t"]),
)
def test_what_pandas_writes_reads_back_or_is_refused(tmp_path_factory, table, quoting, line_end, encoding, separator):
    path = tmp_path_factory.mktemp("table") / ("t.csv" if separator == "," else "t.tsv")
    # Before Python 3.13, csv writes a line break that is not among the line ends without quotes: no reader can tell it.
    is_bare = quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE)
    assume(not is_bare or not table.map(lambda cell: bool(set(cell) & set("\n\r") - set(line_end))).any().any())
    form = {"sep": separator, "quoting": quoting, "lineterminator": line_end, "encoding": encoding}
    try:
        table.to_csv(path, index=False, **form)
    except csv.Error:
        assume(False)  # what has to be quoted cannot be written without quotes
    found = read_or_refusal(path)
    if encoding in {"utf-16-le", "utf-32"}:
        assert str(found).startswith(f"{path}: expected text in UTF-8")
    elif isinstance(found, str):
        # Before Python 3.13, csv leaves a line break without quotes that is not among the line ends of the table.
        # Without quoting, a cell that begins with a quote looks like one that is never closed.
        assert table.map(lambda cell: "\n" in cell or "\r" in cell or '"' in cell).any().any()
        assert found.startswith(f"{path}, row ")
    else:
        assert list(found.columns) == list(table.columns)
        assert found.to_dict("list") == table.to_dict("list")


def read_or_refusal(path):
    try:
        return read_text_table(path)
    except (TextTableError, TextFileError) as error:
        return str(error)


@settings(max_examples=60, deadline=None)
@given(tables(), st.data())
def test_a_row_of_another_length_is_refused_with_its_number(tmp_path_factory, table, data):
    assume(len(table))
    rows = table.to_numpy().tolist()
    row = data.draw(st.integers(1, len(rows)))
    rows[row - 1] = data.draw(st.sampled_from([[*rows[row - 1], "more"], rows[row - 1][:-1]]))
    path = tmp_path_factory.mktemp("table") / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([list(table.columns), *rows])
    with pytest.raises(TextTableError, match=rf"t\.csv, row {row}: has {len(rows[row - 1])} cells?,"):
        read_text_table(path)


def test_cells_stay_text():
    table = read_text_table(b'path,word\n007,null\n NA ,"a ""b"", c"\n')
    assert table.to_dict("list") == {"path": ["007", " NA "], "word": ["null", 'a "b", c']}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty, expected a line with the names"),
        (b"\xef\xbb\xbf\r\n\r\n", "empty, expected a line with the names"),
        (b"path,word\na,b\n\nc,d,e\n", r"row 2: has 3 cells, more than the 2 columns .*\['c', 'd', 'e'\]"),
        (b"path,word\na\n", "row 1: has 1 cell, fewer than the 2"),
        (b"path,word\na,b\nc\n", "row 2: has 1 cell, fewer"),
        (b"path,word,path\na,b,c\n", "the column 'path' occurs twice"),
        ("café,cafe\u0301\na,b\n".encode(), "the column 'café' occurs twice"),
        (b"path;word\na;b\n", r"no column 'path', 'word'.*separated by ';'"),
        (b"path\tword\na\tb\n", r"no column 'path', 'word'.*separated by '\\t'"),
        (b"path,speaker\na,b\n", r"no column 'word'; it has \['path', 'speaker'\]"),
        (b"path,word,\na,b,\nc,d,e\n", "row 2: column 3 has no name, but the value 'e'"),
        (b'path,word\na,"b\n', "row 1: wrong quotes"),
        (b'path,word\na,b\nc,"d"e\n', "row 2: wrong quotes"),
    ],
)
def test_tables_that_cannot_be_used_are_named(content, message):
    with pytest.raises(TextTableError, match=rf"^t\.csv.*{message}"):
        read_text_table(content, where="t.csv", required=("path", "word"))


def test_columns_without_names():
    """Spreadsheets append empty columns; pandas writes its index first."""
    assert list(read_text_table(b"path,word,,\na,b,,\n").columns) == ["path", "word"]
    assert list(read_text_table(b",path\n0,a\n").columns) == ["Unnamed: 0", "path"]
    assert list(read_text_table(b",Unnamed: 0,path\n0,0,a\n").columns) == ["Unnamed: 0.1", "Unnamed: 0", "path"]


def test_quotes_can_be_plain_characters():
    table = read_text_table(b'path\tsentence\na.mp3\t"Well\nb.mp3\tsay "so"\n', separator="\t", is_quoted=False)
    assert table["sentence"].tolist() == ['"Well', 'say "so"']


@pytest.mark.parametrize("mark", ["", " ", "NA", "NaN", "nan", "n/a", "N/A", "NULL", "None", "<NA>", "#N/A"])
def test_marks_of_missing_numbers(mark):
    assert parse_number(mark) is None
    assert is_missing(mark)


def test_numbers_and_what_is_none():
    assert parse_number(" 1e-3") == 1e-3
    for text in ("1,5", "one", "-"):
        with pytest.raises(ValueError, match="could not convert"):
            parse_number(text)
