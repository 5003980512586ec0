"""Whether a folder can be written, before any work."""

import pytest

from evaluate.folders import check_writable


def test_nothing_is_made(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["", "out", "out/more"])
def test_what_is_in_the_way_is_named(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as told:
        check_writable(tmp_path / "file" / below)
    assert told.value.filename == str(tmp_path / "file")
    assert told.value.strerror == "Not a directory"
