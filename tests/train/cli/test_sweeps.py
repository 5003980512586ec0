"""Several seeds, or a grid: the commands of docs/how_to/sweeps.md, the script for SLURM, and what becomes of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from evaluate.__main__ import main as evaluate
from tests.docs.blocks import blocks_of
from train.__main__ import main

ROOT = Path(__file__).resolve().parents[3]
BLOCKS = [block for block in blocks_of(ROOT / "docs" / "how_to" / "sweeps.md") if block.language == "bash"]
SCRIPT = ROOT / "configs" / "slurm" / "sweep.sbatch"
RUNS = [
    f"--run_dir runs/sweep/lr_{lr}_seed_{seed} --model.optimizer.lr {lr} --seed_everything {seed}"
    for lr in ("0.001", "0.003")
    for seed in (0, 1)
]


@pytest.fixture
def bash(tmp_path):
    """Run bash where the commands only write down what they are given; `srun` runs its command."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, does in {
        "cochlearn": f'echo "$CUDA_VISIBLE_DEVICES> $*" >> {tmp_path}/started; exit ${{STATUS:-0}}',
        "srun": '"$@"',
        "scontrol": f'echo "$*" >> {tmp_path}/requeued',
    }.items():
        (programs / name).write_text(f"#!/bin/bash\n{does}\n")
        (programs / name).chmod(0o755)
    activate = tmp_path / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.write_text("")

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{programs}:{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": "", **variables}
        return subprocess.run(["bash", *command], cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


def started(folder: Path) -> list[str]:
    return sorted((folder / "started").read_text().splitlines())


def test_each_line_is_a_run(bash, tmp_path):
    make, one_by_one, on_gpus = (block.code for block in BLOCKS[:3])
    bash("-c", make)
    assert (tmp_path / "sweep.txt").read_text().splitlines() == RUNS
    bash("-c", one_by_one)
    assert started(tmp_path) == sorted(f"> fit --config demo.yaml --resume true {run}" for run in RUNS)
    (tmp_path / "started").unlink()
    bash("-c", on_gpus)
    on_each = [f"{number % 4}> fit --config demo.yaml --resume true {run}" for number, run in enumerate(RUNS, 1)]
    assert started(tmp_path) == sorted(on_each)


def test_an_agent_names_the_folder_after_the_values(bash, tmp_path):
    (script,) = (block.code for block in BLOCKS if block.title)
    (tmp_path / "sweep_run.sh").write_text(script)
    bash("sweep_run.sh", "--model.init_from=a/b.ckpt", "--seed_everything=1")
    name = "model.init_from=a_b.ckpt_seed_everything=1"
    assert f"--run_dir runs/sweep/{name} --resume true" in started(tmp_path)[0]
    assert started(tmp_path)[0].endswith("--model.init_from=a/b.ckpt --seed_everything=1")


def test_a_task_of_an_array_trains_its_line(bash, tmp_path):
    task = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}
    (tmp_path / "sweep.txt").write_text("--run_dir a\n--run_dir b --brain.stages '[relu0, relu1]'\n")
    assert bash(str(SCRIPT), "demo.yaml", "sweep.txt", **task).returncode == 0
    (line,) = started(tmp_path)
    assert line.startswith("> fit --config demo.yaml --resume true ")
    assert line.endswith("--run_dir b --brain.stages [relu0, relu1]")
    assert not (tmp_path / "requeued").exists()
    assert bash(str(SCRIPT), "demo.yaml", "sweep.txt", **task, STATUS="75").returncode == 75
    assert (tmp_path / "requeued").read_text() == "requeue 7_2\n"
    beyond = bash(str(SCRIPT), "demo.yaml", "sweep.txt", **task | {"SLURM_ARRAY_TASK_ID": "3"})
    assert (beyond.returncode, beyond.stderr) == (2, "error: sweep.txt has no line 3\n")


@pytest.mark.slow
def test_seeds_are_reported_as_one_and_resume(config, tiny_benchmark, tmp_path, monkeypatch, capsys):
    config |= {"brain": {"benchmarks": ["tiny"], "stages": ["relu0"], "figures": False}, "run_page": False}
    del config["run_dir"], config["seed_everything"]
    config["trainer"]["max_epochs"] = 1
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    sweep = tmp_path / "sweep"

    def train(seed: int) -> Path:
        run_dir = sweep / f"lr_1_seed_{seed}"
        options = ("--run_dir", str(run_dir), "--seed_everything", str(seed), "--resume", "true")
        monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(tmp_path / "config.yaml"), *options])
        main()
        return run_dir

    first, second = train(0), train(1)
    weights = [torch.load(str(each / "checkpoints/untrained.ckpt"))["state_dict"] for each in (first, second)]
    assert not torch.equal(weights[0]["network.backbone.conv0.weight"], weights[1]["network.backbone.conv0.weight"])
    assert [yaml.safe_load((each / "config.yaml").read_text())["data"]["seed"] for each in (first, second)] == [0, 1]
    before = (first / "checkpoints/last.ckpt").read_bytes()
    capsys.readouterr()
    train(0)
    assert "nothing is left to train" in " ".join(capsys.readouterr().out.split())
    assert (first / "checkpoints/last.ckpt").read_bytes() == before

    (sweep / "lr_1_seed_2").mkdir()
    (sweep / "lr_1_seed_2" / "config.yaml").write_text("")  # a run that is not scored yet
    assert evaluate(["report", str(sweep)]) == 0
    assert "lr_1_seed_2 is left out: it holds no scores" in " ".join(capsys.readouterr().out.split())
    page = (sweep / "report.html").read_text()
    assert "lr_1_seed_0" in page
    assert ">lr_1<" in page
