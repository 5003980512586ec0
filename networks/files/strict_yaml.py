"""YAML without its surprises: what it would change or drop in silence is an error of one line.

PyYAML reads the keys `on`, `off`, `yes` and `no` as truth values and `12:30` as 750, keeps the last of two equal keys,
and reads `1e-3` as text. Here keys are text, numbers are those of YAML 1.2, and nothing is executed: a tag such as
`!!python/object` is an error, and so are aliases that expand to more values than memory has room for.
"""

import codecs
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from networks.files.lfs_pointers import IS_POINTER, is_pointer

if TYPE_CHECKING:
    import yaml

MAX_VALUES = 100_000
"""Largest number of values in a file, with those that aliases repeat."""

_STANDARD = "tag:yaml.org,2002:"
_KINDS = {"null": "nothing", "bool": "a truth value", "int": "a number", "float": "a number", "timestamp": "a date"}
_TAGS = {_STANDARD + name for name in (*_KINDS, "str", "seq", "map", "merge", "value", "binary", "set", "omap")}
_ANY_KEYS_IN = "init_args"  # arguments of a class, which may be a dictionary with numbers as keys
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class StrictYamlError(ValueError):
    """A file that is no YAML, or whose YAML does not mean what it looks like; the message names file and line."""


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file; see `parse_yaml`."""
    return parse_yaml(Path(path).read_bytes(), str(path))


def parse_yaml(content: str | bytes, where: str) -> Any:
    """Parse YAML.

    Args:
        content: Text, or the bytes of a file in UTF-8, or in UTF-16 with a byte order mark.
        where: The file, for messages.

    Returns:
        Plain values; None if there are none.

    Raises:
        StrictYamlError: See `check_yaml`.
    """
    import yaml

    text = decode(content, where) if isinstance(content, bytes) else content
    check_yaml(text, where)
    try:
        return yaml.load(text, Loader=_loader())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise StrictYamlError(f"{where}: expected YAML: {_one_line(error)}") from error


def decode(content: bytes, where: str) -> str:
    """Decode UTF-8, with or without a byte order mark, and UTF-16 with one.

    Raises:
        StrictYamlError: It is neither, or a pointer of Git LFS.
    """
    if is_pointer(content):
        raise StrictYamlError(f"{where}: {IS_POINTER}")
    encoding = next((name for mark, name in _ENCODINGS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise StrictYamlError(
            f"{where}: expected text in UTF-8, but byte {error.start} is not: save the file as UTF-8"
        ) from error


def check_yaml(text: str, where: str, *, has_any_keys: bool = False) -> None:
    """Check that YAML means what it looks like. A single value, outside of lists and mappings, is always accepted.

    Args:
        text: YAML.
        where: The file, for messages.
        has_any_keys: Accept numbers as keys, as everywhere under `init_args`.

    Raises:
        StrictYamlError: It cannot be parsed; a key is not text or occurs twice; a value such as `12:30` is a number to
            base 60, or one such as `010` an octal number; there are tags, or too many values.
    """
    import yaml

    try:
        node = yaml.compose(text, Loader=_loader())
    except yaml.YAMLError as error:
        raise StrictYamlError(f"{where}: expected YAML: {_one_line(error)}") from error
    except RecursionError as error:
        raise StrictYamlError(f"{where}: its values are nested too deeply") from error
    if isinstance(node, yaml.CollectionNode):
        _check_size(node, where)
        _check_node(node, where, has_any_keys=has_any_keys, seen=set())


def _check_size(node: "yaml.Node", where: str) -> None:
    """Count values before anything copies them; each alias repeats what it names."""
    sizes: dict[int, int] = {}

    def size(node: "yaml.Node") -> int:
        if not isinstance(node.value, list):
            return 1
        if id(node) not in sizes:
            sizes[id(node)] = MAX_VALUES + 1  # if it contains itself
            sizes[id(node)] = 1 + sum(size(item) for item in _items(node))
        return min(sizes[id(node)], MAX_VALUES + 1)

    if size(node) > MAX_VALUES:
        raise StrictYamlError(f"{where}: more than {MAX_VALUES} values, or an alias that contains itself")


def _items(node: "yaml.Node") -> "list[yaml.Node]":
    return [item for entry in node.value for item in (entry if isinstance(entry, tuple) else (entry,))]


def _check_node(node: "yaml.Node", where: str, *, has_any_keys: bool, seen: set[tuple[int, bool]]) -> None:
    import yaml

    if (id(node), has_any_keys) in seen:
        return
    seen.add((id(node), has_any_keys))
    place = f"{where}, line {node.start_mark.line + 1}"
    if node.tag not in _TAGS:
        raise StrictYamlError(
            f"{place}: the tag {node.tag.replace(_STANDARD, '!!')} is not accepted: write plain values"
        )
    if isinstance(node, yaml.MappingNode):
        _check_keys(node, where, has_any_keys=has_any_keys)
        for key, value in node.value:
            _check_node(value, where, has_any_keys=has_any_keys or key.value == _ANY_KEYS_IN, seen=seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_node(item, where, has_any_keys=has_any_keys, seen=seen)
    elif isinstance(node, yaml.ScalarNode) and node.style is None and _BASE_60.fullmatch(node.value):
        raise StrictYamlError(
            f"{place}: YAML reads the value {node.value} as a number to base 60: write it in quotes, '{node.value}'"
        )
    elif isinstance(node, yaml.ScalarNode) and node.style is None and _OCTAL.fullmatch(node.value):
        raise StrictYamlError(
            f"{place}: YAML reads the value {node.value} as an octal number: write it in quotes, '{node.value}', or "
            "without the zero"
        )


def _check_keys(node: "yaml.MappingNode", where: str, *, has_any_keys: bool) -> None:
    import yaml

    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise StrictYamlError(f"{where}, line {line}: expected text as a key, got a list or a mapping")
        kind = key.tag.removeprefix(_STANDARD)
        if kind == "merge":
            continue
        if key.style is None and _BASE_60.fullmatch(key.value):
            kind = "int"
        elif has_any_keys and kind in ("int", "float"):
            kind = "str"
        if kind != "str":
            read = _KINDS.get(kind, kind)
            raise StrictYamlError(
                f"{where}, line {line}: YAML reads the key {key.value!r} as {read}, not as text: write it in quotes, "
                f"'{key.value}'"
            )
        if key.value in lines:
            raise StrictYamlError(
                f"{where}, line {line}: the key {key.value!r} occurs twice, first in line {lines[key.value]}"
            )
        lines[key.value] = line


@functools.cache
def _loader() -> "type[yaml.SafeLoader]":
    """PyYAML's safe loader with the numbers of YAML 1.2 and without dates."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    changed = {f"{_STANDARD}{name}" for name in ("float", "timestamp")}
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in changed]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    # After that of integers, which fit this pattern, too.
    Loader.add_implicit_resolver(f"{_STANDARD}float", re.compile(rf"^(?:{_FLOAT.pattern})$"), list("-+0123456789."))
    return Loader


def _one_line(error: Exception) -> str:
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem is None or mark is None:
        return " ".join(str(error).split())
    hint = " (indent with spaces, not with tabs)" if "\\t" in problem else ""
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}{hint}"
