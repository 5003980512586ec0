"""The arrows between the packages, and that ours are the ones that are found."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("train", "evaluate", "datamodules", "networks")
# evaluate reads and mixes sounds, writes files, synthesises textures and shows its progress with these, which stand on
# nothing but numpy, pandas, torch, soundfile, filelock and rich. networks.installation stands on the standard library
# alone.
MAY_IMPORT = {
    "networks": set(),
    "datamodules": {
        "networks.commands.arguments",
        "networks.commands.dispatch",
        "networks.commands.interruption",
        "networks.commands.program",
        "networks.installation",
        "networks.lazy",
        "networks.files.lfs_pointers",
        "networks.files.relative_paths",
        "networks.named_objects",
        "networks.text.natural_order",
        "networks.user_code",
        "networks.text.wording",
    },
    "evaluate": {
        "networks",
        "datamodules.audio",
        "datamodules.batches.mixing",
        "datamodules.folders.class_folders",
        "datamodules.demo",
        "datamodules.expansion",
        "datamodules.files",
        "datamodules.progress",
        "datamodules.folders.sound_folders",
        "datamodules.tables",
        "datamodules.text_files",
    },
    "train": {"networks", "datamodules", "evaluate"},
}
LIGHTNING_IN = {"evaluate/callback/callback.py", "datamodules/data_module.py"}


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_dependencies_point_downwards(package):
    for path in (ROOT / package).rglob("*.py"):
        for name in imports(path):
            top = name.partition(".")[0]
            if top in PACKAGES and top != package:
                allowed = any(f"{name}.".startswith(f"{other}.") for other in MAY_IMPORT[package])
                assert allowed, f"{path.relative_to(ROOT)} imports {name}"


def test_what_is_known_of_the_installation_stands_on_nothing():
    tree = ast.parse((ROOT / "networks" / "installation.py").read_text())
    names = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize("package", ["networks", "datamodules", "evaluate"])
def test_lightning_is_known_where_it_must_be_and_nowhere_else(package):
    for path in (ROOT / package).rglob("*.py"):
        if path.relative_to(ROOT).as_posix() not in LIGHTNING_IN:
            assert not any(name.startswith(("pytorch_lightning", "lightning")) for name in imports(path)), path


@pytest.mark.parametrize(
    "package", [pytest.param(name, marks=() if name == "evaluate" else pytest.mark.slow) for name in PACKAGES]
)
def test_our_packages_are_found_before_others_of_the_same_name(package, tmp_path):
    """The package index has an unrelated `evaluate`; run from the project, ours comes first."""
    other = tmp_path / package
    other.mkdir()
    (other / "__init__.py").write_text("raise ImportError('another package of this name')")
    command = [sys.executable, "-c", f"import {package}; print({package}.__file__)"]
    found = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()).parent == ROOT / package


def test_a_script_next_to_files_with_our_names_finds_our_packages(tmp_path):
    for package in PACKAGES:
        (tmp_path / f"{package}.py").write_text(f"raise ImportError('the {package} of the user')")
    script = tmp_path / "script.py"
    script.write_text("import cochlearn\nimport evaluate, networks\nprint(networks.__file__, evaluate.encode)")
    environment = {"PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    assert str(ROOT / "networks") in found.stdout


def test_importing_evaluate_finds_the_public_face():
    import evaluate

    for name in ("stage_activations", "published_splits", "encode", "best_stage", "rsa", "effective_dimensionality"):
        assert callable(getattr(evaluate, name)), name
