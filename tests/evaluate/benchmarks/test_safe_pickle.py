import os
import pickle
import pickletools
import re
import struct

import numpy as np
import pandas as pd
import pytest

from evaluate.benchmarks import BenchmarkError
from evaluate.benchmarks.published.pickled_tables import read_pickled_table
from tests.helpers.release_layout import (
    BlockManager,
    DataFrame,
    Index,
    Reduced,
    made,
    new_index,
    old_dumps,
    old_table,
    plain,
    voxel_table,
)

COLUMNS = {
    "count": np.array([1, 2, -3]),
    "share": np.array([0.5, np.nan, np.inf]),
    "name": np.array(["x", "ü", "x"], dtype=object),
    "label": np.array([float("nan"), None, "y"], dtype=object),
    "again": np.array([7, 8, 9]),
    "last": np.array([1, 1, 0]),
    "flag": np.array([True, False, True]),
    "short": np.array([1, 2, 3], dtype=np.int16),
}


def write(tmp_path, content):
    path = tmp_path / "df_roi_meta.pkl"
    path.write_bytes(content)
    return path


def check_equal(found, columns):
    pd.testing.assert_frame_equal(found, plain(columns), check_column_type=False, check_index_type=False)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_current_pandas_writes(tmp_path, protocol):
    table = plain(COLUMNS)
    table.columns = pd.Index(list(COLUMNS), dtype=object)
    check_equal(read_pickled_table(write(tmp_path, pickle.dumps(table, protocol))), COLUMNS)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("version", ["1.0", "1.1", "1.3", "1.5"])
def test_layouts_of_old_pandas(tmp_path, version, protocol):
    path = write(tmp_path, old_table(COLUMNS, version=version, protocol=protocol))
    check_equal(read_pickled_table(path), COLUMNS)


def test_old_pickles_are_what_pandas_itself_reads(tmp_path):
    """The hand-made files are no invention: pandas, which still knows those layouts, reads the same."""
    for version in ("1.1", "1.3"):
        path = write(tmp_path, old_table(voxel_table(5), version=version))
        check_equal(pd.read_pickle(path), voxel_table(5))
        check_equal(read_pickled_table(path), voxel_table(5))


def test_numpy_scalars_and_fortran_order(tmp_path):
    columns = {"a": np.array([np.float64(0.5), np.int32(3), np.str_("t")], dtype=object)}
    assert read_pickled_table(write(tmp_path, old_table(columns)))["a"].tolist() == [0.5, 3, "t"]
    frame = pd.DataFrame(np.asfortranarray(np.arange(6.0).reshape(3, 2)), columns=pd.Index(["a", "b"], dtype=object))
    for protocol in (4, 5):
        found = read_pickled_table(write(tmp_path, pickle.dumps(frame, protocol)))
        np.testing.assert_array_equal(found, frame)


def test_empty_table(tmp_path):
    columns = {"a": np.array([], dtype=np.int64), "b": np.array([], dtype=object)}
    for protocol in (2, 4):
        assert read_pickled_table(write(tmp_path, old_table(columns, protocol=protocol))).shape == (0, 2)


class Canary:
    """Calls something that leaves a trace."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def raw_global(module, name, argument):
    """Call a global through the oldest instructions that protocol 2 has."""
    text = argument.encode()
    unicode = b"X" + struct.pack("<I", len(text)) + text
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + unicode + b"\x85R."


def trap_files(target):
    command = f"touch {target}"
    legal = {"_mgr": None, "_typ": "dataframe"}
    column = {"a": np.array([Canary(os.system, command), 1], dtype=object)}
    return {
        "system": (pickle.dumps(Canary(os.system, command)), r"posix\.system"),
        "system, old": (raw_global("os", "system", command), r"os\.system"),
        "eval": (pickle.dumps(Canary(eval, f"open({str(target)!r}, 'w')"), 2), r"__builtin__\.eval"),
        "exec": (raw_global("builtins", "exec", f"open({str(target)!r}, 'w')"), r"builtins\.exec"),
        "getattr": (pickle.dumps(Canary(getattr, "a", "upper")), r"builtins\.getattr"),
        "in a column": (old_table(column), r"posix\.system"),
        "in the state": (old_dumps(made(DataFrame, legal | {"attrs": Canary(os.system, command)})), r"posix\.system"),
        "dotted name": (b"\x80\x04\x8c\x06pandas\x8c\x0eDataFrame.eval\x93.", r"pandas\.DataFrame\.eval"),
        "real pandas function": (raw_global("pandas.io.pickle", "read_pickle", str(target)), r"read_pickle"),
        "numpy function": (raw_global("numpy", "fromfile", str(target)), r"numpy\.fromfile"),
        "call of a result": (b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00i8\x85R)R.", "calls a Call"),
        "call of a text": (b"\x80\x02X\x01\x00\x00\x00a)R.", "calls a str"),
        "state of a list": (b"\x80\x02]}b.", "sets the state of a list"),
        "state of a class": (b"\x80\x02cpandas\nDataFrame\n}b.", "sets the state of a Global"),
        "state twice": (b"\x80\x02cpandas\nDataFrame\n)\x81}b}b.", "sets the state of a Call"),
        "instance": (b"(X\x02\x00\x00\x00lsios\nsystem\n.", "instruction INST"),
        "object": (b"\x80\x02(cpandas\nDataFrame\no.", "instruction OBJ"),
        "with keywords": (b"\x80\x04cpandas\nDataFrame\n)}\x92.", "instruction NEWOBJ_EX"),
        "persistent": (b"\x80\x02X\x01\x00\x00\x00aQ.", "instruction BINPERSID"),
        "extension": (b"\x80\x02\x82\x01.", "instruction EXT1"),
        "out of band": (b"\x80\x05\x97.", "instruction NEXT_BUFFER"),
        "items of a call": (b"\x80\x02cpandas\nDataFrame\n)\x81K\x01K\x02s.", "sets items of a Call"),
        "append to a call": (b"\x80\x02cpandas\nDataFrame\n)\x81K\x01a.", "appends to a Call"),
    }


@pytest.mark.parametrize("name", trap_files("x"))
def test_nothing_is_run(tmp_path, name):
    target = tmp_path / "trace"
    content, message = trap_files(target)[name]
    path = write(tmp_path, content)
    with pytest.raises(BenchmarkError, match=message) as caught:
        read_pickled_table(path)
    assert str(path) in str(caught.value)
    assert "Nothing in it was run" in str(caught.value)
    assert not target.exists()


def test_the_traps_are_real(tmp_path):
    """Ordinary unpickling springs them."""
    target = tmp_path / "trace"
    pickle.loads(trap_files(target)["in a column"][0].replace(b"numpy.core", b"numpy.core"))
    assert target.exists()


@pytest.mark.skipif(int(pd.__version__.split(".")[0]) < 3, reason="pandas before 3 keeps strings as objects")
def test_string_columns_of_new_pandas_are_named(tmp_path):
    path = write(tmp_path, pickle.dumps(pd.DataFrame({"a": ["x"]})))
    with pytest.raises(BenchmarkError, match=r"asks for pandas\.arrays\.ArrowStringArray|pandas\.arrays\.StringArray"):
        read_pickled_table(path)


INDEX = Reduced(new_index, Index, {"data": np.array(["a"], dtype=object), "name": None})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut short or damaged"),
        (b"no pickle at all", "cut short or damaged"),
        (pickle.dumps([1, 2]), "holds no DataFrame"),
        (old_dumps(made(DataFrame, {"_mgr": 3})), "holds no blocks"),
        (old_dumps(made(DataFrame, {"_mgr": made(BlockManager, (1, 2))})), "unknown layout"),
        (old_dumps(made(DataFrame, {"_mgr": Reduced(BlockManager, (3,), [INDEX, INDEX])})), "a block is of"),
        (old_dumps(made(DataFrame, {"_mgr": Reduced(BlockManager, (), [INDEX, INDEX])})), "columns are missing"),
        (old_dumps(made(DataFrame, {"_mgr": Reduced(BlockManager, (), [INDEX])})), "two axes"),
        (old_table({"a": np.array([1, 2])}).replace(b"\x8c\x02i8", b"\x8c\x02M8"), "type 'M8'"),
        (old_table({"a": np.array([1, 2])}).replace(b"\x8c\x02i8", b"\x8c\x02i4"), "shorter or longer"),
        (old_table({"a": np.array([1 + 2j])}), "type 'c16'"),
        (old_table({"a": np.array([{1: 2}, 2], dtype=object)}), "a value is a dict"),
        (old_table({"a": np.array([slice(1), 2], dtype=object)}), "a value is a builtins.slice"),
        (b"\x80\x02K\x01K\x02.", "left over"),
        (b"\x80\x02t.", "a mark is missing"),
        (b"\x80\x02h\x05.", "cut short or damaged"),
        (b"\x80\x02(K\x01\x86.", "runs empty"),
    ],
)
def test_other_content(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(BenchmarkError, match=message) as caught:
        read_pickled_table(path)
    assert str(path) in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(BenchmarkError, match=r"nowhere\.pkl does not exist"):
        read_pickled_table(tmp_path / "nowhere.pkl")


def test_truncated_anywhere(tmp_path):
    content = old_table(voxel_table(5))
    for keep in range(0, len(content), 7):
        path = write(tmp_path, content[:keep])
        with pytest.raises(BenchmarkError, match=re.escape(str(path))):
            read_pickled_table(path)


def test_damaged_anywhere(tmp_path):
    """A changed byte gives a table or the one kind of error, never another."""
    content = old_table(voxel_table(5))
    generator = np.random.default_rng(0)
    num_errors = 0
    for _ in range(600):
        damaged = bytearray(content)
        for place in generator.integers(0, len(content), size=generator.integers(1, 4)):
            damaged[place] = generator.integers(0, 256)
        try:
            read_pickled_table(write(tmp_path, bytes(damaged)))
        except BenchmarkError:
            num_errors += 1
    assert num_errors > 100


def test_old_layout_uses_the_instructions_of_its_time():
    names = {opcode.name for opcode, _, _ in pickletools.genops(old_table(COLUMNS))}
    assert {"STACK_GLOBAL", "NEWOBJ", "BUILD", "REDUCE"} <= names
    assert b"numpy.core.multiarray" in old_table(COLUMNS)
