"""The lock files fit pyproject.toml, the images fit the lock files."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
WITH_TESTS = ("tests", "demo", "hdf5", "models", "recordings", "benchmarks")
EXTRAS = {"demo": ("demo",), "tests": WITH_TESTS, "oldest": WITH_TESTS}
IMAGES = (Path("Dockerfile"), Path("configs/slurm/apptainer.def"))


def text_of(lock):
    return (ROOT / "requirements" / f"{lock}.txt").read_text()


def pins(lock, python):
    """Name -> version, on Linux with a release of Python."""
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    environment |= {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}
    found = {}
    for line in text_of(lock).splitlines():
        if line and line[0] not in " #":
            requirement = Requirement(line.removesuffix("\\"))
            if requirement.marker is None or requirement.marker.evaluate(environment):
                (specifier,) = requirement.specifier
                assert specifier.operator == "==", line
                assert found.setdefault(canonicalize_name(requirement.name), Version(specifier.version)), line
    return found


def direct(lock):
    """What this project asks for itself."""
    texts = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["build"]]
    for extra in EXTRAS[lock]:
        texts += PROJECT["project"]["optional-dependencies"][extra]
    requirements = [Requirement(text) for text in texts]
    return [requirement for requirement in requirements if requirement.name != PROJECT["project"]["name"]]


@pytest.mark.parametrize(
    ("lock", "python"), [*((lock, at) for lock in ("demo", "tests") for at in PYTHONS), ("oldest", "3.11")]
)
def test_a_lock_file_fits_the_project(lock, python):
    """`make lock` renews one that does not."""
    locked = pins(lock, python)
    for requirement in direct(lock):
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in requirements/{lock}.txt: make lock"
        assert version in requirement.specifier, f"requirements/{lock}.txt has {version}, not {requirement}: make lock"


@pytest.mark.parametrize("lock", EXTRAS)
def test_every_version_has_hashes_and_no_source(lock):
    text = text_of(lock)
    blocks = re.split(r"\n(?=\S)", text)
    for block in blocks:
        if not block.startswith("#"):
            assert "--hash=sha256:" in block, block.splitlines()[0]
    assert "://" not in text
    assert "index" not in text.replace("wandb", "")


@pytest.mark.parametrize("python", PYTHONS)
def test_the_demo_needs_a_part_of_what_the_tests_need(python):
    demo, tests = pins("demo", python), pins("tests", python)
    assert demo.items() <= tests.items()
    assert not {"pytest", "mypy", "ruff", "transformers", "h5py"} & demo.keys()


def test_the_oldest_set_is_the_lower_end_of_every_range():
    locked = pins("oldest", "3.11")
    for requirement in direct("oldest"):
        (lowest,) = (Version(specifier.version) for specifier in requirement.specifier if specifier.operator == ">=")
        version = locked[canonicalize_name(requirement.name)]
        assert version.release[: len(lowest.release)] == lowest.release, (
            f"{requirement}: {version} is the lowest that resolves"
        )


def commands(path):
    """`pip install` lines without the name of the interpreter and the options that differ."""
    text = (ROOT / path).read_text().replace("$(1)", "demo")
    found = re.findall(r"-m pip install (.*(?:--require-hashes|--no-deps).*)", text)
    return [re.sub(r"--(quiet|no-cache-dir|editable) ", "", line) for line in found]


@pytest.mark.parametrize("image", IMAGES, ids=str)
def test_images_install_as_the_makefile_does(image):
    assert commands(image) == commands("Makefile") != []


@pytest.mark.parametrize("image", IMAGES, ids=str)
def test_images_hold_what_is_installed(image):
    text = (ROOT / image).read_text()
    if image.name == "Dockerfile":
        copied = {name for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for name in line.split()}
        let_in = set(re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
        assert {name.partition("/")[0] for name in copied} == let_in
    else:
        files = text.partition("%files\n")[2].partition("\n\n")[0]
        copied = {line.split()[0] for line in files.splitlines()}
        assert all(line.split()[1] == f"/opt/cochlearn/{line.split()[0]}" for line in files.splitlines())
    for name in copied:
        assert (ROOT / name).exists(), name
    setup = PROJECT["tool"]["setuptools"]
    packages = {pattern.removesuffix("*") for pattern in setup["packages"]["find"]["include"]}
    modules = {f"{name}.py" for name in setup["py-modules"]}
    assert packages | modules | {"pyproject.toml", "README.md", "LICENSE", "requirements/demo.txt"} == copied
