"""YAML that does not mean what it looks like: one line that names file, line and what to write."""

import codecs
import math

import pytest

from networks.files.strict_yaml import StrictYamlError, check_yaml, parse_yaml, read_yaml

ACCEPTED = {
    "quoted keys": (
        "{'on': 0, \"no\": 1, '1e-3': 2, '12:30': 3, '7': 4}",
        {"on": 0, "no": 1, "1e-3": 2, "12:30": 3, "7": 4},
    ),
    "numbers": ("[1e-3, 1E5, .5, 2., -3, 0x10, 1_000, .inf]", [1e-3, 1e5, 0.5, 2.0, -3, 16, 1000, math.inf]),
    "truth values": ("a: off\nb: yes", {"a": False, "b": True}),
    "dates are text": ("version: 2024-01-02", {"version": "2024-01-02"}),
    "anchors": ("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}", {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}),
    "an anchor's value replaced": ("a: &x {b: 1}\nd: {<<: *x, b: 2}", {"a": {"b": 1}, "d": {"b": 2}}),
    "keys of arguments": ("init_args: {widths: {0: 64, 1.5: 2}}", {"init_args": {"widths": {0: 64, 1.5: 2}}}),
    "same keys in two mappings": ("- {a: 1}\n- {a: 2}", [{"a": 1}, {"a": 2}]),
    "nothing": ("", None),
    "one value": ("12:30", 750),
    "times in text": ("a: at 12:30\nb: '12:30'\nc: 00:99", {"a": "at 12:30", "b": "12:30", "c": "00:99"}),
    "standard tags": ("a: !!str 3", {"a": "3"}),
}
REFUSED = {
    "on": ("a: 1\nconditions: {on: 0, off: 10}", "file.yaml, line 2: .*the key 'on' as a truth value.*'on'"),
    "No": ("No: 0", "the key 'No' as a truth value"),
    "yes in arguments": ("init_args:\n  yes: 1", "line 2: .*'yes' as a truth value"),
    "null": ("{null: 0}", "the key 'null' as nothing"),
    "empty": ("? \n: 1", "the key '' as nothing"),
    "int": ("conditions:\n  10: 0", "line 2: YAML reads the key '10' as a number"),
    "octal": ("007: bond", "the key '007' as a number"),
    "float": ("{1e-3: 0}", "the key '1e-3' as a number"),
    "base 60": ("{12:30: a}", "the key '12:30' as a number"),
    "base 60 value": ("max_time: 12:30:00", "the value 12:30:00 as a number to base 60"),
    "base 60 in a list": ("a: [1, 4:05]", "the value 4:05 "),
    "base 60 fraction": ("a: 1:30.5", "the value 1:30.5 "),
    "octal value": (
        "a: 1\nseed: 010",
        "line 2: YAML reads the value 010 as an octal number: write it in quotes, '010'",
    ),
    "octal in a list": ("a: [1, -007]", "the value -007 "),
    "twice": ("a: 1\nb: 2\na: 3", "line 3: the key 'a' occurs twice, first in line 1"),
    "twice in one line": ("x: {a: 1, 'a': 2}", "the key 'a' occurs twice"),
    "twice below a list": ("- b:\n    c: 1\n    c: 2", "the key 'c' occurs twice"),
    "list as a key": ("? [a, b]\n: 1", "expected text as a key"),
    "tab": ("a:\n\tb: 1", r"line 2, column 1 \(indent with spaces"),
    "open": ("a: [1", "expected YAML"),
    "two documents": ("a: 1\n---\nb: 2", "expected YAML"),
    "code": ("a: !!python/object/apply:os.system ['touch pwned']", "the tag !!python/object/apply:os.system"),
    "code as a key": ("? !!python/name:os.system x\n: 1", "key 'x' as"),
    "name": ("a: [!!python/name:os.system '']", "the tag !!python/name:os.system"),
    "tag of its own": ("a: !mine 3", "the tag !mine"),
    "loop": ("a: &a [*a]", "contains itself"),
    "loop of two": ("a: &a {b: &b [*a]}", "contains itself"),
    "deep": ("a: " + 100_000 * "[", "nested too deeply"),
    "many": (
        "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [{', '.join(9 * [f'*a{i - 1}'])}]\n" for i in range(1, 30)),
        "more than 100000 values",
    ),
}


@pytest.mark.parametrize(("text", "expected"), ACCEPTED.values(), ids=ACCEPTED)
def test_what_it_looks_like_is_read(text, expected):
    assert parse_yaml(text, "file.yaml") == expected


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_it_does_not_look_like_is_refused(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StrictYamlError, match=message) as found:
        parse_yaml(text, "file.yaml")
    assert str(found.value).startswith("file.yaml")
    assert "\n" not in str(found.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["{10: 0}", "[{1.5: a}]"])
def test_numbers_are_accepted_as_keys_where_asked_for(text):
    check_yaml(text, "file.yaml", has_any_keys=True)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: text.replace("\n", "\r\n").encode(),
    ],
)
def test_all_usual_encodings_are_read(tmp_path, encode):
    (tmp_path / "file.yaml").write_bytes(encode("größe: 1\nname: é\n"))
    assert read_yaml(tmp_path / "file.yaml") == {"größe": 1, "name": "é"}


@pytest.mark.parametrize(
    "content", ["größe: 1".encode("latin-1"), b"\xff\xfea: 12", bytes(range(128, 200)), b"a: \x00"]
)
def test_other_encodings_are_named(tmp_path, content):
    (tmp_path / "file.yaml").write_bytes(content)
    with pytest.raises(StrictYamlError, match=r"file\.yaml: expected") as found:
        read_yaml(tmp_path / "file.yaml")
    assert "\n" not in str(found.value)
