"""What importing the packages and showing help may load: heavy modules are imported where they are used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import evaluate
import networks
from networks.backbones.backbone import Backbone
from networks.external.known import EXTERNAL_NETWORKS
from networks.weights.published import architectures
from networks.weights.source_names import BACKBONES, PUBLISHED_ARCHITECTURES

ROOT = Path(__file__).resolve().parents[1]
HEAVIER_THAN_LIGHTNING = set(
    ["datasets", "h5py", "IPython", "pandas", "pyarrow", "sklearn", "tensorboard", "torchaudio", "wandb", "webdataset"]
)
HEAVY = HEAVIER_THAN_LIGHTNING | set(
    ["lightning", "matplotlib", "pytorch_lightning", "scipy", "torch", "torchmetrics", "transformers"]
)
LAZY_PACKAGES = (
    "datamodules",
    "evaluate",
    "evaluate.benchmarks",
    "evaluate.callback",
    "evaluate.report.figures",
    "networks",
    "networks.external",
    "train",
)

SHOW_HELP = """
import contextlib, io, sys
from {package}.__main__ import COMMANDS, main
for arguments in ([], *([name] for name in COMMANDS)):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        main([*arguments, "--help"])
    assert "usage: " in shown.getvalue(), arguments
"""
SHOW_LIGHT_TRAINING_HELP = """
import contextlib, io, sys
from train.__main__ import main
for arguments in (["--help"], ["show", "--help"]):
    sys.argv = ["train", *arguments]
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        main()
    assert "usage: " in shown.getvalue(), arguments
"""
SHOW_ALL_COMMANDS = """
import contextlib, io, sys
from train.cli.all_commands import run
with contextlib.redirect_stdout(io.StringIO()):
    assert run(["--help"]) == 0
"""
SHOW_TRAINING_HELP = """
import contextlib, io, sys
sys.argv = ["train", "fit", "--help-all"]
from train.__main__ import main
shown = io.StringIO()
with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
    main()
# With "float, int", 1 (batch) would become 1.0 (of all): `typing` keeps the order of whoever makes this union first.
assert "--trainer.limit_train_batches" in shown.getvalue()
assert "Union[float, int" not in shown.getvalue() and "float | int" not in shown.getvalue()
"""


MAKE_REPORT = """
import sys
from evaluate.__main__ import main
from evaluate.scoring import table as t
shared = dict.fromkeys(t.COLUMNS, "") | {{"run": "mine", "step": 4, "epoch": 1, "kind": "trained", "benchmark": "tiny"}}
values = {{("r2", "relu0"): 0.1, ("r2", "relu1"): 0.3, ("best_stage_r2", "best"): 0.3}}
rows = [
    shared | {{"metric": metric, "stage": stage, "region": "all", "subject": subject, "value": value}}
    for (metric, stage), value in values.items()
    for subject in ("1", "2", "all")
]
t.append_rows("{folder}/scores.csv", t.make_table(rows))
sys.stdout, stdout = sys.stderr, sys.stdout
assert main(["report", "{folder}"]) == 0
sys.stdout = stdout
"""


def modules_after(code: str) -> set[str]:
    """Top-level modules that a new process has loaded after some code."""
    command = [sys.executable, "-c", f"{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("package", ["networks", "datamodules", "evaluate"])
def test_help_of_every_command_imports_nothing_heavy(package):
    assert not modules_after(SHOW_HELP.format(package=package)) & HEAVY


def test_help_of_other_training_commands_imports_nothing_heavy():
    assert not modules_after(SHOW_LIGHT_TRAINING_HELP) & HEAVY


def test_the_list_of_all_commands_imports_nothing_heavy():
    assert not modules_after(SHOW_ALL_COMMANDS) & HEAVY


def test_help_of_training_imports_little_more_than_lightning():
    # Some releases of Lightning and of what it imports load some of these themselves.
    by_lightning = modules_after("import sys, pytorch_lightning.cli")
    assert not (modules_after(SHOW_TRAINING_HELP) & HEAVIER_THAN_LIGHTNING) - by_lightning


def test_a_report_imports_pandas_and_matplotlib_alone(tmp_path):
    loaded = modules_after(MAKE_REPORT.format(folder=tmp_path)) & HEAVY
    assert loaded <= {"matplotlib", "pandas", "pyarrow", "scipy"}
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize("name", LAZY_PACKAGES)
def test_public_names_are_found_wherever_they_live(name):
    package = importlib.import_module(name)
    assert set(package._HOMES) <= set(package.__all__) <= set(dir(package))
    blocks = [node for node in ast.parse(Path(package.__file__).read_text()).body if isinstance(node, ast.If)]
    for_type_checkers = {alias.name: node.module for block in blocks for node in block.body for alias in node.names}
    assert for_type_checkers == package._HOMES
    for public, home in package._HOMES.items():
        assert getattr(package, public) is getattr(importlib.import_module(home), public)
        # The import system would put such a module in the place of the name.
        assert importlib.util.find_spec(f"{name}.{public}") is None
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        _ = package.nothing


def test_a_public_name_stays_itself_when_its_module_was_imported_before():
    assert callable(evaluate.rsa)
    assert callable(evaluate.encode)


def test_names_that_help_lists_are_those_that_work():
    assert architectures() == PUBLISHED_ARCHITECTURES
    builders = {target.partition(":")[2] for target in EXTERNAL_NETWORKS.values()}
    assert builders == set(importlib.import_module("networks.external").__all__)
    backbones = [getattr(networks, name) for name in networks.__all__]
    backbones = [each.__name__ for each in backbones if isinstance(each, type) and issubclass(each, Backbone)]
    assert set(BACKBONES) == set(backbones) - {"Backbone"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "untrained:CochCNN10", "--benchmark", "simulated", "--out", "s"),
        ("score", "SpectroTemporal", "--benchmark", "simulatd", "--out", "s"),
        ("score", "SpectroTemporal", "--benchmark", "simulated", "--metric", "encodin", "--out", "s"),
        ("watch", "run", "--benchmark", "simulatd"),
        ("summary", "CochCNN10"),
        ("probe", "CochCNN10", "--sounds", "sounds", "--out", "o"),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_a_misspelt_name_is_reported_without_importing_torch(arguments, tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    code = (
        f"import sys\nfrom train.cli.all_commands import run\nsys.argv = {['cochlearn', *arguments]!r}\n"
        "assert run() == 2\nassert 'torch' not in sys.modules"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert "error: unknown " in ended.stderr
