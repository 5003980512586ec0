"""Text files as users have them: byte order marks, other encodings, and names in both Unicode forms."""

import bz2
import gzip
import json
import unicodedata

import pytest

from datamodules.folders.sound_folders import find_file
from datamodules.text_files import (
    TextFileError,
    nfc,
    parse_json,
    read_json,
    read_text,
    text_lines,
)

TEXT = "café\r\nÜbung\nλόγος\n"
NFC, NFD = (unicodedata.normalize(form, "Björk – café") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_utf8_and_utf16_are_read_with_their_marks_and_line_ends(tmp_path, encoding):
    path = tmp_path / "text.txt"
    path.write_bytes(TEXT.encode(encoding))
    assert read_text(path) == TEXT
    path.write_bytes(b"\xfe\xff" + TEXT.encode("utf-16-be"))
    assert read_text(path) == TEXT


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("one\ncafé\n".encode("cp1252"), "byte 0xe9 in line 2"),
        ("Übung\n".encode("latin-1"), "byte 0xdc in line 1"),
        ("слово\n".encode("cp1251"), "byte 0xf1 in line 1"),
        ("word\n".encode("utf-16-le"), "a zero byte in line 1"),
        ("word\n".encode("utf-32"), "a zero byte in line 1"),
        (b"one\ntwo\0\n", "a zero byte in line 2"),
        (b"\xff\xfeo", "got byte"),
    ],
)
def test_other_encodings_are_named_in_one_line(tmp_path, content, found):
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(
        TextFileError,
        match=rf"list\.txt: expected text in UTF-8 .*{found}.*save it as UTF-8, such as with `iconv -f ITS-ENCODING ",
    ) as raised:
        read_text(path)
    assert "\n" not in str(raised.value)


def test_lines_end_where_files_say_so():
    assert text_lines("a\rb\r\nc\n") == ["a", "b", "c", ""]
    assert text_lines("one\u2028still one\x0b\x85") == ["one\u2028still one\x0b\x85"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_with_a_mark(tmp_path, encoding):
    (tmp_path / "a.json").write_bytes(json.dumps({"é": 1}, ensure_ascii=False).encode(encoding))
    assert read_json(tmp_path / "a.json") == {"é": 1}


def test_broken_json_is_named():
    for text in ("{", "[" * 100_000, ""):
        with pytest.raises(TextFileError, match=r"a\.json: not valid JSON"):
            parse_json(text, "a.json")


@pytest.mark.parametrize(("on_disk", "asked"), [(NFC, NFD), (NFD, NFC), (NFC, NFC), (NFD, NFD)])
def test_files_are_found_in_either_form(tmp_path, on_disk, asked):
    folder = tmp_path / on_disk
    folder.mkdir()
    (folder / f"{on_disk}.wav").touch()
    if (tmp_path / asked / f"{asked}.wav").exists() != (on_disk == asked):
        pytest.skip("this file system does not distinguish the forms")
    assert find_file(tmp_path / asked / f"{asked}.wav") == folder / f"{on_disk}.wav"
    assert find_file(tmp_path / asked / f"{on_disk}.wav") == folder / f"{on_disk}.wav"
    absent = tmp_path / asked / "é.flac"
    assert find_file(absent) == absent


def test_labels_that_look_the_same_are_the_same():
    assert nfc(NFD) == nfc(NFC) == NFC


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04\x14\0\x06\0" + bytes(range(128, 160)), "a workbook of Excel; save the table as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook of Excel or another Office file"),
        (gzip.compress(b"path,word\n", mtime=0), "compressed by gzip; unpack it"),
        (bz2.compress(b"path,word\n"), "compressed by bzip2; unpack it"),
        (b"PAR1\x15\0\x15\x1c", "a Parquet file"),
    ],
    ids=["xlsx", "xls", "gzip", "bzip2", "parquet"],
)
def test_what_is_no_text_is_called_what_it_is(tmp_path, content, kind):
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(TextFileError, match=rf"table\.csv: expected text, but it is .*{kind}"):
        read_text(tmp_path / "table.csv")


def test_text_may_begin_like_another_kind(tmp_path):
    (tmp_path / "list.txt").write_text("PAR1\nBZh\n")
    assert read_text(tmp_path / "list.txt") == "PAR1\nBZh\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_marks_of_files_that_were_joined_are_no_text(tmp_path, encoding):
    (tmp_path / "list.txt").write_bytes("\ufeff\ufeffone\r\n\ufefftwo\rthree \ufeff\n".encode(encoding))
    assert read_text(tmp_path / "list.txt") == "one\r\ntwo\rthree \ufeff\n"
