"""Which files of a run directory are checkpoints, and `score` on all of them."""

from evaluate import __main__ as command
from evaluate.run_folder import folder_of_checkpoints
from evaluate.watch.checkpoint_folder import in_training_order, list_checkpoints, read_content
from tests.helpers.watched import STAGES, save, scored


def test_all_checkpoints_of_a_run_directory_are_scored_in_order(run_dir, capsys):
    for step, name in ((100, "step-100.ckpt"), (20, "step-20.ckpt"), (0, "untrained.ckpt"), (100, "last.ckpt")):
        save(run_dir, step, name)
    assert command.main(["score", str(run_dir), "--benchmark", "tiny", "--stages", *STAGES]) == 0
    folder = run_dir / "checkpoints"
    expected = [(0, folder / "untrained.ckpt"), (20, folder / "step-20.ckpt"), (100, folder / "step-100.ckpt")]
    assert scored(run_dir) == [(step, str(path)) for step, path in expected]
    capsys.readouterr()
    (folder / "step-50.ckpt").write_bytes(b"rubbish")
    assert command.main(["score", str(folder), "--benchmark", "tiny", "--stages", "relufc"]) == 1
    assert f"error: {folder / 'step-50.ckpt'} is left out" in capsys.readouterr().err


def test_folders_that_cannot_be_scored(run_dir, tmp_path, capsys):
    path = save(run_dir, 20)
    assert command.main(["score", str(tmp_path), "--benchmark", "tiny"]) == 2
    assert f"there are no checkpoints (*.ckpt) in {tmp_path}" in " ".join(capsys.readouterr().err.split())
    for given in ([str(path)], [str(run_dir), str(run_dir)]):
        assert command.main(["score", *given, "--benchmark", "tiny"]) == 2
        assert "give a folder for the scores: --out DIR" in capsys.readouterr().err


def test_the_state_of_a_loss_that_was_not_finite_is_left_out_unless_named_alone(run_dir, capsys):
    good, diverged = save(run_dir, 20), save(run_dir, 30, "non_finite.ckpt")
    request = ["--benchmark", "tiny", "--stages", "relufc", "--out", str(run_dir)]
    for given in ([str(run_dir)], [str(good), str(diverged)]):
        assert command.main(["score", *given, *request]) == 0
        assert f"remark: {diverged} is left out" in capsys.readouterr().out
        assert scored(run_dir) == [(20, str(good))]
    assert command.main(["score", str(diverged), *request]) == 0
    assert scored(run_dir)[1:] == [(30, str(diverged))]


def test_the_folder_of_checkpoints_stands_for_its_run(run_dir):
    path = save(run_dir, 20)
    (run_dir / "config.yaml").touch()
    assert command.main(["score", str(run_dir / "checkpoints"), "--benchmark", "tiny", "--stages", "relufc"]) == 0
    assert scored(run_dir) == [(20, str(path))]
    assert list((run_dir / "checkpoints").iterdir()) == [path]


def test_content_is_what_scores_depend_on(run_dir):
    content = read_content(save(run_dir, 20))
    assert (content.run, content.step) == ("myrun", 20)
    assert read_content(save(run_dir, 40, seed=20)).key == content.key
    assert read_content(save(run_dir, 60)).key != content.key


def test_hidden_and_other_files_are_no_checkpoints(run_dir):
    paths = [save(run_dir, step) for step in (20, 40)]
    for name in (".step-0000060.ckpt.1234.part", ".hidden.ckpt", "notes.txt"):
        (run_dir / "checkpoints" / name).touch()
    (run_dir / "checkpoints" / "folder.ckpt").mkdir()
    assert [file.path for file in list_checkpoints(run_dir / "checkpoints")] == paths
    assert list_checkpoints(run_dir / "nowhere") == []
    assert in_training_order(paths[::-1]) == paths
    assert folder_of_checkpoints(run_dir / "checkpoints") == run_dir / "checkpoints"
