"""The distribution as an installed wheel, from any folder, and next to Hugging Face's package `evaluate`."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email.parser import Parser
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("configs", "datamodules", "evaluate", "networks", "train")
DATA = ("**/*.py", "**/py.typed", "**/*.yaml", "**/*.json", "**/*.html", "**/*.css", "**/*.c", "**/*.cpp", "**/*.h")
# A virtual environment may take packages from another one.
DEPENDENCIES = dict.fromkeys(
    [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(Path(numpy.__file__).parents[1])]
)
# What Hugging Face's distribution puts where ours has a file too, and one of its own.
THEIRS = {"__init__.py": "from .loading import load\n", "commands/__init__.py": "", "loading.py": "load = print\n"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source, out = (tmp_path_factory.mktemp(name) for name in ("source", "wheel"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "cochlearn.py"):
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", out, source], check=True, capture_output=True, text=True)
    (file,) = out.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    """Where the wheel is installed, with the script `bin/cochlearn`."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile", "--target", folder]
    # By its name, as from a package index.
    subprocess.run([*command, "--find-links", wheel.parent, "cochlearn"], check=True, capture_output=True, text=True)
    return folder


@pytest.fixture
def installed(unpacked, tmp_path):
    """A folder of its own for tests that change it."""
    return shutil.copytree(unpacked, tmp_path / "site")


def run(site, folder, *command, before=()):
    """Run Python where the wheel is installed and nothing else is known of this project.

    `-S` leaves out the .pth files, by which an editable installation is found; the dependencies come by their folder.
    Folders in `before` come first on the path.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, [*before, site, *DEPENDENCIES]))
    return subprocess.run(
        [sys.executable, "-S", *map(str, command)], cwd=folder, env=environment, capture_output=True, text=True
    )


def error_of(finished):
    """The only line that a command wrote to its error stream."""
    (line,) = finished.stderr.strip().splitlines()
    return line


def test_the_wheel_holds_every_file_that_is_used(wheel):
    expected = {
        path.relative_to(ROOT).as_posix() for name in PACKAGES for data in DATA for path in (ROOT / name).glob(data)
    }
    held = set(zipfile.ZipFile(wheel).namelist())
    assert sorted(expected - held) == []
    assert {f"{name}/py.typed" for name in PACKAGES if name != "configs"} <= held
    assert not any(name.startswith("tests/") for name in held)


def test_the_wheel_says_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"version: {metadata['Version']}\n" in citation
    assert f"## {metadata['Version']}" in (ROOT / "CHANGELOG.md").read_text()
    assert set(metadata["Requires-Python"].split(",")) == {">=3.11", "<3.15"}


@pytest.mark.parametrize("package", ["networks", "datamodules", "evaluate"])
def test_commands_run_from_any_folder(package, unpacked, tmp_path):
    finished = run(unpacked, tmp_path, "-m", package, "--help")
    assert finished.returncode == 0, finished.stderr
    assert f"python -m {package}" in finished.stdout


@pytest.fixture
def shadowed(tmp_path):
    """A working directory with modules of the names of our packages, and a network of the user."""
    folder = tmp_path / "mine"
    for name in ("evaluate", "networks", "datamodules", "configs"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise RuntimeError('the {name} of the user')")
    (folder / "train.py").write_text("raise RuntimeError('the train.py of the user')")
    (folder / "my_models.py").write_text("import networks\n\n\nclass Mine(networks.CochCNN9): ...\n")
    return folder


@pytest.mark.parametrize("on_path", [False, True], ids=["working directory", "PYTHONPATH"])
def test_the_command_works_next_to_modules_of_the_same_names(unpacked, shadowed, on_path):
    before = [shadowed] if on_path else []
    finished = run(unpacked, shadowed, unpacked / "bin" / "cochlearn", "--help", before=before)
    assert finished.returncode == 0, finished.stderr
    assert "fit      " in finished.stdout
    assert "evaluate check      " in finished.stdout


def test_the_command_finds_modules_of_the_working_directory(unpacked, shadowed):
    finished = run(unpacked, shadowed, unpacked / "bin" / "cochlearn", "summary", "my_models:Mine")
    assert "relu0" in finished.stdout, finished.stderr


def test_the_command_as_a_module(unpacked, shadowed):
    """As torchrun starts it."""
    finished = run(unpacked, shadowed, "-m", "cochlearn", "show", "--help")
    assert finished.returncode == 0, finished.stderr
    assert "usage: cochlearn show" in finished.stdout
    assert error_of(run(unpacked, shadowed, "-m", "cochlearn", "report", "nowhere")).endswith("`cochlearn score`")


SPAWNS = """
import importlib.util, multiprocessing, sys
from cochlearn import PACKAGES, main
if __name__ == "__main__":
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print([pool.apply(importlib.util.find_spec, [name]).origin for name in PACKAGES])
"""


BUILDS = """
import os
from cochlearn import PACKAGES
if __name__ == "__main__":
    from datamodules.corpora.sounds import run_jobs
    print(run_jobs(os.path.basename, ["a/b", "c/d"], num_workers=2, description="sounds"))
"""


def test_workers_that_build_find_our_packages(unpacked, shadowed):
    (shadowed / "script").write_text(BUILDS)
    finished = run(unpacked, shadowed, "script")
    assert finished.stdout == "['b', 'd']\n", finished.stderr


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_the_command_starts_find_our_packages(unpacked, shadowed, method):
    (shadowed / "script").write_text(SPAWNS)
    finished = run(unpacked, shadowed, "script", method, before=[shadowed])
    assert finished.stdout.count(str(unpacked)) == len(PACKAGES), finished.stderr


def test_installed_recipes_are_found_by_name(unpacked, shadowed):
    (shadowed / "mine.yaml").write_text("config: cochcnn9_word.yaml\nmodel:\n  backbone: my_models:Mine\n")
    printed = {}
    for name in ("cochcnn9_word.yaml", "mine.yaml"):
        command = (unpacked / "bin" / "cochlearn", "fit", "--config", name, "--print_config")
        finished = run(unpacked, shadowed, *command)
        assert finished.returncode == 0, finished.stderr
        printed[name] = finished.stdout
    assert "networks.CochCNN9" in printed["cochcnn9_word.yaml"]
    assert "my_models.Mine" in printed["mine.yaml"]
    assert "global_batch_size: 128" in printed["mine.yaml"]


def test_a_file_comes_before_an_installed_recipe(tmp_path, monkeypatch):
    from train.cli.recipe_files import RECIPES
    from train.cli.recipes import find_recipe

    monkeypatch.chdir(tmp_path)
    assert find_recipe("demo.yaml") == str(RECIPES / "demo.yaml")
    assert find_recipe("configs/demo.yaml") == str(RECIPES / "demo.yaml")
    assert find_recipe("configs/base/cochcnn9.yaml") == str(RECIPES / "base" / "cochcnn9.yaml")
    for name in ("nothing.yaml", "other/demo.yaml", "demo", "../demo.yaml", "seed_everything: 3"):
        assert find_recipe(name) == name
    (tmp_path / "demo.yaml").write_text("seed_everything: 1")
    assert find_recipe("demo.yaml") == "demo.yaml"


@pytest.mark.slow
def test_a_first_run_in_a_folder_with_a_train_py(unpacked, shadowed):
    """Demo data, training in one process and in two, scores and a report."""
    program = unpacked / "bin" / "cochlearn"
    short = ["--model.backbone.init_args.width", "0.05", "--data.batch_size", "8", "--data.num_workers", "1"]
    for name, value in {"max_epochs": 1, "limit_train_batches": 2, "limit_val_batches": 1, "devices": 1}.items():
        short += [f"--trainer.{name}", str(value)]
    short += ["--trainer.accelerator", "cpu", "--trainer.check_val_every_n_epoch", "1", "--brain.benchmarks", "[]"]
    two = ["--run_dir", "runs/two", "--model.backbone", "my_models:Mine", *short, "--trainer.devices", "2"]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    for command in (
        [program, "demo", "data/demo", "--num_words", "3", "--num_voices", "2"],
        [program, "fit", "--config", "demo.yaml", *short],
        [*torchrun, "-m", "cochlearn", "fit", "--config", "demo.yaml", *two],
        [program, "score", "runs/demo", "--benchmark", "simulated", "--stages", "relu0", "--out", "scores"],
        [program, "report", "scores"],
    ):
        finished = run(unpacked, shadowed, *command)
        assert finished.returncode == 0, f"{command}: {finished.stdout[-2000:]}{finished.stderr[-2000:]}"
    for name in ("runs/demo/summary.csv", "runs/two/checkpoints/last.ckpt", "scores/scores.csv", "scores/report.html"):
        assert (shadowed / name).is_file(), name
    assert len(list(shadowed.glob("runs/two/csv/*"))) == 1


def install_theirs(site):
    for name, text in THEIRS.items():
        (site / "evaluate" / name).parent.mkdir(exist_ok=True, parents=True)
        (site / "evaluate" / name).write_text(text)
    information = site / "evaluate-0.4.6.dist-info"
    information.mkdir(exist_ok=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: evaluate\nVersion: 0.4.6\n")


COMMANDS = [
    ("train", "fit", "--help"),
    ("evaluate", "--help"),
    ("evaluate", "report", "x"),
    ("train", "show", "x"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_theirs_installed_after_ours(command, installed, tmp_path):
    install_theirs(installed)
    finished = run(installed, tmp_path, "-m", *command)
    assert finished.returncode != 0
    line = error_of(finished)
    assert "hidden by another or damaged" in line
    assert "`pip uninstall --yes evaluate && pip install --force-reinstall --no-deps cochlearn`" in line


def test_ours_installed_after_theirs(unpacked, tmp_path):
    site = tmp_path / "site"
    install_theirs(site)
    shutil.copytree(unpacked, site, dirs_exist_ok=True)
    finished = run(site, tmp_path, "-m", "evaluate", "--help")
    assert finished.returncode == 0, finished.stderr  # ours works, as the later one does
    # And after theirs is removed with the files that both had.
    for name in THEIRS:
        (site / "evaluate" / name).unlink()
    shutil.rmtree(site / "evaluate-0.4.6.dist-info")
    for command in COMMANDS:
        line = error_of(run(site, tmp_path, "-m", *command))
        assert "`pip install --force-reinstall --no-deps cochlearn`" in line
        assert "uninstall" not in line


def test_theirs_before_ours_on_the_path(installed, unpacked, tmp_path):
    """As where ours is installed editable: what lies in site-packages is found first."""
    shutil.rmtree(installed / "evaluate")
    install_theirs(installed)
    site = os.pathsep.join([str(installed), str(unpacked)])
    for name in ("train", "networks", "datamodules"):
        shutil.rmtree(installed / name)
    line = error_of(run(site, tmp_path, "-m", "train", "fit", "--help"))
    assert "`pip uninstall --yes evaluate`" in line


def test_a_folder_of_this_name(unpacked, tmp_path):
    (tmp_path / "evaluate").mkdir()
    (tmp_path / "evaluate" / "__init__.py").write_text("")
    line = error_of(run(unpacked, tmp_path, "-m", "train", "fit", "--help"))
    assert f"rename {tmp_path / 'evaluate'}, or start from another folder" in line
    assert "use the command `cochlearn`" in line


def test_what_needs_no_evaluate_works_next_to_theirs(installed, tmp_path):
    install_theirs(installed)
    for package in ("networks", "datamodules"):
        assert run(installed, tmp_path, "-m", package, "--help").returncode == 0
