import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import evaluate
from evaluate import __main__ as command
from evaluate.benchmarks import BENCHMARKS
from evaluate.scoring import table as t
from networks import AuditoryNetwork, CochCNN9, Cochleagram, NetworkIdentity
from networks.commands.dispatch import EXIT_USER_ERROR, load_command
from networks.weights.checkpoint import NETWORK_KEY, describe_network

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def network():
    torch.manual_seed(0)
    return AuditoryNetwork(CochCNN9(width=0.0625), {"word": 3}, Cochleagram(num_samples=4000))


@pytest.fixture
def save(tmp_path, network):
    """Writes a checkpoint as training does."""

    def write(step, run="run1", **changes):
        path = tmp_path / f"{run}-{step}.ckpt"
        content = {
            "state_dict": {f"network.{name}": value for name, value in network.state_dict().items()},
            "global_step": step,
            "epoch": step,
            NETWORK_KEY: describe_network(network, run=run, epoch=step // 10, tasks=[]),
        }
        torch.save(content | changes, path)
        return str(path)

    return write


@pytest.fixture(autouse=True)
def tiny(make_benchmark, monkeypatch):
    def sounds(sample_rate_hz, num_samples):
        noise = np.random.default_rng(0).standard_normal((24, num_samples))
        return (0.1 * noise).astype(np.float32)

    monkeypatch.setitem(BENCHMARKS, "tiny", lambda: make_benchmark(waveforms=sounds))


def test_our_package_is_found_and_does_not_import_lightning():
    """There is another package of this name on the package index."""
    code = (
        "import sys, evaluate; print(evaluate.__file__, evaluate.stage_activations, 'pytorch_lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert str(PROJECT / "evaluate") in done.stdout
    assert done.stdout.split()[-1] == "False"


def test_public_face():
    for name in (
        *("stage_activations", "published_splits", "encode", "best_stage", "rsa", "effective_dimensionality"),
        *evaluate.__all__,
    ):
        assert callable(getattr(evaluate, name))


def test_score_writes_table_and_pictures(save, network, tmp_path, capsys):
    out = tmp_path / "out"
    paths = [save(0), save(20)]
    assert command.main(["score", *paths, "--benchmark", "tiny", "--out", str(out), "--device", "cpu"]) == 0
    table = t.read_table(out / t.SCORES_FILE)
    assert set(table[t.STAGE]) == {*network.stages, t.BEST, "all"}  # numbers of sounds are of all stages
    assert set(table[t.CHECKPOINT]) == set(paths)
    assert table.groupby(t.CHECKPOINT)[[t.STEP, t.EPOCH]].first().to_numpy().tolist() == [[0, 0], [20, 2]]
    assert set(table[t.RUN]) == {"run1"}
    names = {path.name for path in (out / "figures").iterdir()}
    assert names == {"tiny_training.png", "tiny_stages.png", "tiny_heatmap.png"}
    shown = capsys.readouterr().out
    assert "R² at the best stage" in shown
    assert "scores.csv" in shown
    alone = evaluate.score_network(network, BENCHMARKS["tiny"]())
    at_step = table[table[t.STEP] == 20].reset_index(drop=True)
    np.testing.assert_array_equal(at_step[t.VALUE], alone[t.VALUE])


@pytest.mark.slow
def test_score_again_replaces(save, tmp_path):
    arguments = ["score", save(0), "--benchmark", "tiny", "--out", str(tmp_path), "--stages", "relufc", "relu0"]
    assert command.main(arguments) == 0
    before = (tmp_path / t.SCORES_FILE).read_bytes()
    assert command.main(arguments) == 0
    assert (tmp_path / t.SCORES_FILE).read_bytes() == before
    assert set(t.read_table(tmp_path / t.SCORES_FILE)[t.STAGE]) == {"relu0", "relufc", t.BEST, "all"}


def test_failed_evaluations_are_told(tmp_path, capsys):
    t.append_rows(tmp_path / t.SCORES_FILE, t.failed_row("tiny", NetworkIdentity(run="r", step=3)))
    assert command.main(["report", str(tmp_path)]) == 0
    assert "scoring tiny at step 3 of run 'r' failed" in capsys.readouterr().out


def test_a_folder_of_runs_is_reported_as_its_runs(tmp_path, capsys):
    for name in ("b", "a"):
        t.append_rows(tmp_path / name / t.SCORES_FILE, t.failed_row("tiny", NetworkIdentity(run=name, step=3)))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "config.yaml").write_text("")  # of a run without scores
    (tmp_path / "notes").mkdir()
    assert command.main(["report", str(tmp_path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"{tmp_path / 'c'} is left out: it holds no scores" in shown
    assert shown.index("run 'a' failed") < shown.index("run 'b' failed")
    assert (tmp_path / "report.html").is_file()


def check_error(arguments, message, capsys, code=EXIT_USER_ERROR):
    """One line on the error stream, no traceback."""
    assert command.main(arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert len(error.strip().splitlines()) == 1


def test_bad_requests(save, tmp_path, capsys):
    good = save(0)
    out = ["--out", str(tmp_path / "out")]
    tiny = ["--benchmark", "tiny", *out]
    check_error(["score", "nowhere.ckpt", *tiny], "'nowhere.ckpt': there is no such file", capsys)
    check_error(["score", good, str(tmp_path / "no.ckpt"), *tiny], "no.ckpt", capsys)
    check_error(["score", "permuted:no.ckpt", *tiny], "permuted:CHECKPOINT", capsys)
    check_error(["score", good, "--benchmark", "NH2016", *out], "unknown benchmark 'NH2016'", capsys)
    check_error(["score", good, *tiny, "--device", "abacus"], "unknown device 'abacus'", capsys)
    check_error(["score", good, *tiny, "--device", "cuda:77"], "no device 'cuda:77'", capsys)
    check_error(["score", good, *tiny, "--device", "meta"], "cannot compute on 'meta'", capsys)
    check_error(["score", good, *tiny, "--batch_size", "0"], "--batch_size", capsys)
    check_error(["score", good, *tiny, "--memory_gib", "0"], "--memory_gib", capsys)
    check_error(["score", good, *tiny, "--cache_gib", "-1"], "--cache_gib", capsys)
    check_error(["score", good, "--benchmark", "tiny", "--out", good], "is not a folder", capsys)
    below = f"{good}/out"  # told before anything is computed
    check_error(["score", good, "--benchmark", "tiny", "--out", below], "is not a folder", capsys)
    check_error(["report", str(tmp_path / "elsewhere")], "there is no score table", capsys)
    assert not (tmp_path / "out").exists()


def test_benchmarks_of_one_name(save, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(BENCHMARKS, "again", BENCHMARKS["tiny"])
    words = ["score", save(0), "--benchmark", "tiny", "--benchmark", "again", "--out", str(tmp_path / "out")]
    check_error(words, "two benchmarks are named 'tiny'", capsys)


def test_checkpoints_that_cannot_be_used(save, tmp_path, capsys):
    """Alone they are an error of the user's; among others they are left out."""
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes(b"no checkpoint")
    other = AuditoryNetwork(CochCNN9(width=0.125), {"word": 3}, Cochleagram(num_samples=4000))
    mismatched = save(5, **{NETWORK_KEY: describe_network(other, run="", epoch=0, tasks=[])})
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(Path(save(6)).read_bytes()[:5000])
    tiny = ["--benchmark", "tiny", "--out", str(tmp_path / "out")]
    check_error(["score", str(broken), *tiny], "broken.ckpt", capsys)
    check_error(["score", str(cut), *tiny], "cut.ckpt", capsys)
    check_error(["score", mismatched, *tiny], mismatched, capsys)
    check_error(
        ["score", save(0), *tiny, "--stages", "conv3"], "'conv3': expected stages of this network, relu0", capsys
    )
    assert not (tmp_path / "out").exists()
    words = ["score", str(broken), save(0), *tiny, "--stages", "relufc"]
    check_error(words, "broken.ckpt is left out: ", capsys, code=1)
    assert set(t.read_table(tmp_path / "out" / t.SCORES_FILE)[t.STEP]) == {0}


@pytest.mark.slow
def test_controls_beside_their_network(save, tmp_path, capsys):
    path = save(7)
    names = [path, f"permuted:{path}", f"permuted:{path}:0", f"untrained:{path}:3"]
    words = ["score", *names, "--benchmark", "tiny", "--out", str(tmp_path), "--stages", "relu0", "relufc"]
    assert command.main(words) == 0
    table = t.read_table(tmp_path / t.SCORES_FILE)
    networks = table[[t.RUN, t.CHECKPOINT, t.STEP]].drop_duplicates().to_numpy().tolist()
    assert networks == [
        ["run1", path, 7],
        ["run1/run1-7 (permuted, seed 0)", f"permuted:{path}:0", 7],
        ["run1/run1-7 (untrained, seed 3)", f"untrained:{path}:3", 0],
    ]
    assert table.groupby(t.CHECKPOINT)[t.VALUE].sum().nunique() == 3
    shown = " ".join(capsys.readouterr().out.split())
    assert " run1/run1-7.ckpt 7 " in shown
    assert " run1/run1-7 (untrained, seed 3) 0 " in shown


@pytest.mark.parametrize("name", ["score", "probe"])
def test_help_has_every_form_of_network(name, capsys):
    with pytest.raises(SystemExit):
        command.main([name, "--help"])
    shown = "".join(capsys.readouterr().out.split())  # argparse breaks lines also after hyphens
    for form in ("publishedweights(.pt)", "published:PATH", "package.module:FACTORY", "file.py:FACTORY", "NAME:PATH"):
        assert form in shown
    assert shown.index("pathofacheckpoint") < shown.index("permuted:CHECKPOINT") < shown.index("FACTORY")


def test_a_run_that_is_not_there_is_told_before_where_scores_go(capsys):
    check_error(["score", "runs/two", "--benchmark", "tiny"], "'runs/two': there is no such file or folder", capsys)


@pytest.mark.parametrize("arguments", [["--help"], ["score", "--help"], ["report", "--help"]])
def test_help(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: cochlearn" in shown
    assert all(name in shown for name in (command.COMMANDS if len(arguments) == 1 else arguments[:1]))


def test_every_command_is_there():
    for target in command.COMMANDS.values():
        assert callable(load_command(target).run)


@pytest.mark.parametrize("arguments", [[], ["score"], ["score", "a.ckpt", "--batch", "4"]])
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == EXIT_USER_ERROR
    assert "usage: cochlearn" in capsys.readouterr().err


def test_a_value_of_a_wrong_type_is_one_line(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["score", "a.ckpt", "--benchmark", "tiny", "--batch_size", "ten"])
    assert stop.value.code == EXIT_USER_ERROR
    *tip, line = capsys.readouterr().err.splitlines()
    assert line == "error: batch_size: expected an integer, got 'ten'"
    assert len(tip) == 1


def test_a_mistyped_command(capsys):
    assert command.main(["scores"]) == EXIT_USER_ERROR
    assert "there is no command 'scores' (did you mean score?)" in capsys.readouterr().err


def test_interrupted(monkeypatch, save, tmp_path, capsys):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setitem(BENCHMARKS, "tiny", interrupt)
    assert command.main(["score", save(0), "--benchmark", "tiny", "--out", str(tmp_path)]) == 130
    assert "interrupted: nothing is kept yet, so that the same command starts again" in capsys.readouterr().err


def test_interrupted_after_a_stage_by_sigterm(monkeypatch, save, tmp_path, capsys):
    """What is there is named, and nothing else."""
    from evaluate.scoring.parts import Parts

    kept = Parts.save

    def stop(self, *args, **options):
        kept(self, *args, **options)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Parts, "save", stop)
    before = signal.getsignal(signal.SIGTERM)
    assert command.main(["score", save(0), "--benchmark", "tiny", "--out", str(tmp_path / "out")]) == 143
    shown = " ".join(capsys.readouterr().err.split())
    assert "error: stopped by SIGTERM: finished stages are in" in shown
    assert f"activations are in {tmp_path / 'out' / 'cache'}; the same command resumes" in shown
    assert "scored so far" not in shown
    assert signal.getsignal(signal.SIGTERM) == before
