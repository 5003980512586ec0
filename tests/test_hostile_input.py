"""What no file of ours may do with a file of others: unpickle it, evaluate it, or unpack it without a filter."""

import ast

import pytest

from tests.test_architecture import PACKAGES, ROOT

FORBIDDEN = {"eval", "exec", "pickle.load", "pickle.loads", "yaml.unsafe_load", "yaml.full_load", "os.system"}
NEEDED = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "np.lib.format.read_array": ("allow_pickle", False),
    "members.extract": ("filter", "data"),
}


def calls():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", ast.unparse(node.func), node


def test_nothing_is_unpickled_or_evaluated():
    assert [place for place, name, _ in calls() if name in FORBIDDEN] == []
    assert [place for place, name, _ in calls() if name.endswith((".extractall", "pd.read_pickle"))] == []


@pytest.mark.parametrize("function", NEEDED)
def test_readers_are_called_safely(function):
    option, value = NEEDED[function]
    found = [(place, node) for place, name, node in calls() if name == function]
    assert found
    for place, node in found:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        assert given.get(option) == repr(value), place


def test_yaml_is_read_by_safe_loaders():
    names = {name for _, name, _ in calls() if name.startswith("yaml.") and "load" in name}
    loads = [ast.unparse(node) for _, name, node in calls() if name == "yaml.load"]
    assert names <= {"yaml.load", "yaml.safe_load"}
    assert all("Loader=_loader()" in call for call in loads)  # a subclass of SafeLoader
