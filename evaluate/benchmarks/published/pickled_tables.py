"""Read tables that pandas pickled, without running code in the file.

The unit tables of the published data are pickles of pandas 1.1 (`df_roi_meta.pkl`). This module reads the layouts of
pandas 0.24 to 3, with columns of numbers, booleans and Python objects that are texts, numbers or missing.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluate.benchmarks.problems import BenchmarkError
from evaluate.benchmarks.published.pickle_records import Call, Global, read_records
from networks.files.lfs_pointers import IS_POINTER, is_pointer_file

if TYPE_CHECKING:
    import pandas as pd


_FRAME, _MANAGER, _BLOCK, _SLICE = "frame", "manager", "block", "slice"
_NEW_INDEX, _INDEX, _RANGE_INDEX = "new_index", "index", "range_index"
_ARRAY, _ARRAY_SHELL, _FROM_BUFFER, _DTYPE, _SCALAR = "array", "array_shell", "from_buffer", "dtype", "scalar"
_ENCODE, _EMPTY_BYTES = "encode", "bytes"

KNOWN_GLOBALS: dict[tuple[str, str], str] = {
    ("pandas.core.frame", "DataFrame"): _FRAME,
    ("pandas", "DataFrame"): _FRAME,
    ("pandas.core.internals.managers", "BlockManager"): _MANAGER,
    ("pandas.core.internals", "BlockManager"): _MANAGER,
    ("pandas._libs.internals", "_unpickle_block"): _BLOCK,
    ("pandas.core.indexes.base", "_new_Index"): _NEW_INDEX,
    ("pandas.core.indexes.base", "Index"): _INDEX,
    ("pandas", "Index"): _INDEX,
    ("pandas.core.indexes.numeric", "Int64Index"): _INDEX,
    ("pandas.core.indexes.numeric", "UInt64Index"): _INDEX,
    ("pandas.core.indexes.numeric", "Float64Index"): _INDEX,
    ("pandas.core.indexes.range", "RangeIndex"): _RANGE_INDEX,
    ("pandas", "RangeIndex"): _RANGE_INDEX,
    ("builtins", "slice"): _SLICE,
    ("__builtin__", "slice"): _SLICE,
    ("__builtin__", "bytes"): _EMPTY_BYTES,
    ("builtins", "bytes"): _EMPTY_BYTES,
    ("_codecs", "encode"): _ENCODE,
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _DTYPE,
} | {
    (f"numpy.{core}.{module}", name): kind
    for core in ("core", "_core")
    for module, name, kind in (
        ("multiarray", "_reconstruct", _ARRAY_SHELL),
        ("multiarray", "scalar", _SCALAR),
        ("numeric", "_frombuffer", _FROM_BUFFER),
    )
}
"""Classes and functions in a pickled table of plain columns; any others raise an error."""

_STATE_KEYS = ("_mgr", "_data")
"""Key of a frame's blocks: since pandas 1.1, and before."""

_LEGACY_STATE = "0.14.1"
"""Version of the manager's state written by pandas 0.14.1 to 1.2."""

_DTYPE_CODE = re.compile(r"b1|[iu][1248]|f[248]|O[48]?|[SU]\d{1,6}")

_MOST_ROWS = 2**31
"""Upper limit of the rows of a table; larger numbers in a file are damaged or malicious."""


def read_pickled_table(path: str | Path) -> pd.DataFrame:
    """Read a pickled DataFrame.

    Args:
        path: File written by `DataFrame.to_pickle` of any pandas, uncompressed, with protocol 2 or later.

    Returns:
        The table, with a new row index.

    Raises:
        BenchmarkError: The file is missing, truncated, not a table of plain columns, or would run code; the message
            names the file and the reason.
    """
    path = Path(path)
    if not path.is_file():
        raise BenchmarkError(f"{path} does not exist: expected a pickled pandas table")
    if is_pointer_file(path):
        raise BenchmarkError(f"{path}: {IS_POINTER}")
    try:
        return _frame(read_records(path.read_bytes(), str(path), KNOWN_GLOBALS))
    except _UnexpectedError as error:
        raise BenchmarkError(
            f"{path} is not a pickled pandas table of plain columns: {error}. If you trust its source, read it with "
            "pandas and save it again with columns of type object"
        ) from error


class _UnexpectedError(Exception):
    """A record that is not expected in a table."""


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise _UnexpectedError(what)


def _is_call(record: Any, kind: str, num_arguments: int | None = None) -> bool:
    if not isinstance(record, Call) or record.function.kind != kind:
        return False
    return num_arguments is None or len(record.arguments) == num_arguments


def _frame(record: Any) -> pd.DataFrame:
    import pandas as pd

    _expect(_is_call(record, _FRAME) and isinstance(record.state, dict), "it holds no DataFrame")
    manager: Any = next((record.state[key] for key in _STATE_KEYS if key in record.state), None)
    _expect(_is_call(manager, _MANAGER), "the DataFrame holds no blocks")
    blocks, axes = _blocks_and_axes(manager)
    names, num_rows = _labels(axes[0]), len(_labels(axes[1]))
    _expect(all(isinstance(name, str) for name in names), f"columns are not named by texts: {names[:3]}")
    _expect(len(set(names)) == len(names), "two columns have the same name")
    columns: dict[int, np.ndarray] = {}
    for values_record, places_record in blocks:
        values = _array(values_record)
        places = _places(places_record, len(names))
        _expect(values.shape == (len(places), num_rows), f"a block has shape {values.shape}")
        columns.update(zip(places, values, strict=True))
    _expect(set(columns) == set(range(len(names))), "columns are missing")
    # Keep their types explicitly: by default, pandas 3 converts texts.
    series = {name: pd.Series(columns[place], dtype=columns[place].dtype) for place, name in enumerate(names)}
    return pd.DataFrame(series, index=range(num_rows))


def _blocks_and_axes(manager: Call) -> tuple[list[tuple[Any, Any]], list[Any]]:
    """Extract values and positions of each block and the two axes, in the layout of pandas 1.3 and later or before."""
    if len(manager.arguments) == 2 and manager.state is None:
        block_records, axes = manager.arguments
        _expect(isinstance(block_records, tuple), "blocks are no tuple")
        _expect(all(_is_call(block, _BLOCK, 3) for block in block_records), "a block is of an unknown layout")
        blocks = [block.arguments[:2] for block in block_records]
    else:
        state = manager.state
        is_legacy = isinstance(state, tuple) and len(state) >= 4 and isinstance(state[3], dict)
        _expect(is_legacy and isinstance(state[3].get(_LEGACY_STATE), dict), "blocks are of an unknown layout")
        kept = state[3][_LEGACY_STATE]
        axes, entries = kept.get("axes"), kept.get("blocks")
        _expect(isinstance(entries, list), "blocks are no list")
        _expect(all(isinstance(entry, dict) and {"values", "mgr_locs"} <= entry.keys() for entry in entries), "a block")
        blocks = [(entry["values"], entry["mgr_locs"]) for entry in entries]
    _expect(isinstance(axes, list) and len(axes) == 2, "it has not two axes")
    return blocks, axes


def _labels(record: Any) -> list[Any] | range:
    """Extract the labels of an axis."""
    _expect(_is_call(record, _NEW_INDEX, 2), "an index is of an unknown kind")
    index_class, content = record.arguments
    _expect(isinstance(index_class, Global) and isinstance(content, dict), "an index is of an unknown kind")
    if index_class.kind == _RANGE_INDEX:
        bounds = [content.get(key) for key in ("start", "stop", "step")]
        _expect(all(_is_int(b) and abs(b) < _MOST_ROWS for b in bounds) and bounds[2] != 0, f"a range has {bounds}")
        return range(*bounds)
    _expect(index_class.kind == _INDEX, f"an index is of the kind {index_class.name}")
    values = _array(content.get("data"))
    _expect(values.ndim == 1, f"an index has shape {values.shape}")
    return list(values.tolist())


def _places(record: Any, num_columns: int) -> list[int]:
    """Extract the positions of the columns in a block."""
    if _is_call(record, _SLICE, 3):
        _expect(all(bound is None or _is_int(bound) for bound in record.arguments), "a slice is not of integers")
        _expect(record.arguments[2] != 0, "a slice has step 0")
        return list(range(num_columns))[slice(*record.arguments)]
    values = _array(record)
    _expect(values.ndim == 1 and values.dtype.kind in "iu", "the positions of a block are not integers")
    return [int(value) for value in values]


def _array(record: Any) -> np.ndarray:
    """Build an array of numbers, or of Python objects that are plain values."""
    if _is_call(record, _ARRAY_SHELL, 3):
        _expect(isinstance(record.state, tuple) and len(record.state) == 5, "an array has no content")
        _, shape, dtype_record, is_fortran, content = record.state
        order = "F" if is_fortran else "C"
    else:
        _expect(_is_call(record, _FROM_BUFFER, 4), f"a column is a {_describe(record)}, not a plain array")
        content, dtype_record, shape, order = record.arguments
        _expect(order in ("C", "F"), f"an array has order {order!r}")
    _expect(isinstance(shape, tuple) and all(_is_int(n) and n >= 0 for n in shape), f"an array has shape {shape!r}")
    dtype = _dtype(dtype_record)
    num_values = math.prod(shape)
    if dtype.kind == "O":
        _expect(isinstance(content, list) and len(content) == num_values, "an array is shorter or longer than it says")
        flat = np.empty(num_values, dtype=object)
        flat[:] = [_plain(value) for value in content]
    else:
        data = _bytes(content)
        _expect(len(data) == num_values * dtype.itemsize, "an array is shorter or longer than it says")
        flat = np.frombuffer(data, dtype).copy() if num_values else np.empty(0, dtype)
    return flat.reshape(shape, order=order)  # type: ignore[call-overload]


def _dtype(record: Any) -> np.dtype:
    code: Any = record.arguments[0] if _is_call(record, _DTYPE, 3) else None
    _expect(isinstance(code, str) and _DTYPE_CODE.fullmatch(code) is not None, f"a column is of type {code!r}")
    state = record.state
    _expect(isinstance(state, tuple) and len(state) >= 5 and state[1] in ("<", ">", "|", "="), "a type has no state")
    _expect(state[2:5] == (None, None, None), f"a column is of type {code!r} with fields")
    return np.dtype("O") if code.startswith("O") else np.dtype(f"{state[1]}{code}")


def _plain(value: Any) -> Any:
    """Build an element of an array of objects."""
    if value is None or isinstance(value, str | int | float | bytes):
        return value
    _expect(_is_call(value, _SCALAR, 2), f"a value is a {_describe(value)}")
    dtype, data = _dtype(value.arguments[0]), _bytes(value.arguments[1])
    _expect(dtype.kind != "O" and dtype.itemsize == len(data) > 0, "a number is not of its length")
    return np.frombuffer(data, dtype)[0].item()


def _bytes(record: Any) -> bytes:
    """Extract bytes; protocol 2 writes them as text and a call that encodes it."""
    if _is_call(record, _ENCODE, 2):
        text, encoding = record.arguments
        _expect(isinstance(text, str) and encoding == "latin1", f"bytes are encoded as {encoding!r}")
        try:
            return bytes(text.encode("latin1"))
        except UnicodeEncodeError as error:
            raise _UnexpectedError(f"bytes hold other text: {error}") from error
    if _is_call(record, _EMPTY_BYTES, 0):
        return b""
    _expect(isinstance(record, bytes | bytearray), f"numbers are a {_describe(record)}")
    return bytes(record)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _describe(record: Any) -> str:
    return record.function.name if isinstance(record, Call) else type(record).__name__
