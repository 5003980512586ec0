"""The run page: what is on it, that training does not feel it, and that its failures are warnings."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sklearn.metrics import confusion_matrix

from datamodules.tasks import UNLABELLED, Task
from evaluate.metrics.metric import share_of
from evaluate.report.page import Cell, Paragraph, Picture, ValueTable
from evaluate.scoring import table as t
from tests.helpers.score_tables import STAGES, identified_table, row
from train.__main__ import main
from train.display.last_validation import LastValidation
from train.display.pace import Pace
from train.display.page import run_page, run_sections
from train.display.page.page_parts import PageHead, Section, render_run_page
from train.display.page.run_figures import MAX_POINTS, curves_figure
from train.display.page.run_page import RunPage
from train.learning.validation_sample import NUM_MIXTURES, ValidationSample, confusion
from train.run.metric_history import read_history
from train.run.run_directory import PAGE_STATE_FILE

WORD = Task("word", "one_label", "signal", labels=("<null>", *"abc"))
TAGS = Task("tags", "many_labels", "noise", labels=("<null>", "hiss", "hum"))


def fit(config: dict, folder: Path, monkeypatch: pytest.MonkeyPatch, **more: object) -> Path:
    folder.mkdir()
    settings = config | {"run_dir": str(folder / "run")} | more
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(folder / "config.yaml")])
    main()
    return folder / "run"


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return torch.load(str(run_dir / "checkpoints" / "last.ckpt"), weights_only=True)["state_dict"]


@pytest.fixture
def pages(monkeypatch):
    """Every page that is written."""
    written = []
    original = run_page.write_text

    def write(path, content):
        written.append(content)
        original(path, content)

    monkeypatch.setattr(run_page, "write_text", write)
    return written


def sections_of(page: str) -> dict[str, str]:
    """Title -> the section's content."""
    parts = re.split(r"<h2>(.*?)</h2>\n", page.rpartition("</main>")[0])
    return dict(zip(parts[1::2], map(str.strip, parts[2::2]), strict=True))


@pytest.mark.slow
def test_training_is_bitwise_unchanged_also_when_drawing_fails(config, tmp_path, monkeypatch, pages, caplog):
    monkeypatch.setattr(run_page.RunPage.__init__, "__kwdefaults__", {"max_share": 1.0})
    without = weights(fit(config, tmp_path / "without", monkeypatch, run_page=False))
    assert not pages
    drawn = fit(config, tmp_path / "with", monkeypatch, run_page=True)
    assert len(pages) == 3  # after each of two epochs, and at the end

    def fail(*args: object, **kwargs: object) -> None:
        torch.rand(3)
        np.random.rand(3)  # noqa: NPY002 - the global state is what must be kept
        raise RuntimeError("no page today")

    monkeypatch.setattr(run_sections, "curves_figure", fail)
    failed_section = fit(config, tmp_path / "section", monkeypatch, run_page=True)
    assert "This could not be drawn (RuntimeError)" in pages[-1]
    assert "Mixtures" in pages[-1]
    monkeypatch.setattr(run_page, "make_sections", fail)
    failed = fit(config, tmp_path / "failed", monkeypatch, run_page=True)
    assert "writing the run page failed; training continues" in caplog.text
    assert not (failed / "index.html").exists()
    for run_dir in (drawn, failed_section, failed):
        other = weights(run_dir)
        assert [name for name in without if not torch.equal(without[name], other[name])] == []


def test_what_is_on_the_page(config, tmp_path, monkeypatch, pages):
    (tmp_path / "run" / "run").mkdir(parents=True)
    rows = [
        {
            **{t.RUN: "run", t.CHECKPOINT: "", t.STEP: step, t.EPOCH: 0, t.KIND: "trained", t.PARENT: "", t.SEED: ""},
            **{t.BENCHMARK: "tiny", t.METRIC: metric},
            **{t.STAGE: stage, t.REGION: "all", t.SUBJECT: "all", t.VALUE: 0.1 + step / 20},
        }
        for step in (0, 6)
        for metric, stage in ((t.ENCODING_R2, "relu0"), (t.ENCODING_R2, "relu1"), (t.BEST_STAGE_R2, t.BEST))
    ]
    t.append_rows(tmp_path / "run" / "run" / t.SCORES_FILE, t.make_table(rows))
    (tmp_path / "run").rename(tmp_path / "kept")
    run_dir = fit(config, tmp_path / "run", monkeypatch, run_page=True, run_dir=str(tmp_path / "kept" / "run"))
    assert not run_dir.exists()
    page = (tmp_path / "kept" / "run" / "index.html").read_text()
    assert page == pages[-1]
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "Held-out examples",
        "Curves",
        "Brain scores",
        "Confusions",
        "Mixtures",
    ]
    assert page.count("data:image/svg+xml") == 1 + 2 + 1 + 1
    for text in ("<h1>run</h1>", "Finished", "2 of 2", "speaker (accuracy)", "condition “mixed”"):
        assert text in page, text
    assert 'http-equiv="refresh"' in pages[0]
    assert "Training" in pages[0]
    assert 'http-equiv="refresh"' not in page
    assert "http://" not in re.sub(r"base64,[^\"]*", "", page)


def test_a_finished_run_that_is_started_again_keeps_its_page_or_rebuilds_it(config, tmp_path, monkeypatch, pages):
    """Runs of earlier releases have the page alone, without its state."""
    config |= {"trainer": config["trainer"] | {"max_epochs": 1}, "run_page": True}
    run_dir = fit(config, tmp_path / "first", monkeypatch)
    before = sections_of(pages[-1])
    assert list(before) == ["Held-out examples", "Curves", "Confusions", "Mixtures"]
    again = config | {"resume": True, "run_dir": str(run_dir)}
    fit(again, tmp_path / "again", monkeypatch, run_dir=str(run_dir))
    assert sections_of(pages[-1]) == before
    assert "Finished" in pages[-1]
    (run_dir / PAGE_STATE_FILE).unlink()
    fit(again, tmp_path / "without", monkeypatch, run_dir=str(run_dir))
    assert sections_of(pages[-1]) == before
    fit(again, tmp_path / "more", monkeypatch, run_dir=str(run_dir), trainer=config["trainer"] | {"max_epochs": 2})
    assert list(sections_of(pages[-1])) == ["Held-out examples", "Curves", "Confusions", "Mixtures"]


@pytest.mark.parametrize("left", [None, "", "{", "[]", '{"values": [["val/mixed/loss", "x"]], "pictures": {}}'])
def test_a_state_that_cannot_be_read_is_empty(tmp_path, left):
    if left is not None:
        (tmp_path / PAGE_STATE_FILE).write_text(left)
    assert LastValidation.read(tmp_path) == LastValidation()


def test_the_last_validation_is_kept_as_plain_values(tmp_path):
    last = LastValidation({"val/<i>/loss": 0.5, "val/<i>/nan": float("nan")}, {"Mixtures": [Picture("<svg/>", "“a”")]})
    last.write(tmp_path)
    read = LastValidation.read(tmp_path)
    assert read.pictures == last.pictures
    assert read.values.keys() == last.values.keys()
    assert read.values["val/<i>/loss"] == 0.5
    assert json.loads((tmp_path / PAGE_STATE_FILE).read_text())["pictures"]["Mixtures"][0]["caption"] == "“a”"


def test_text_is_never_markup():
    script = "<script>alert('x')</script>\"&"
    head = PageHead(script, script, None, script, {script: script})
    parts = [Paragraph(script), Picture("<svg/>", script), ValueTable([script], [[Cell(script, script)]])]
    page = render_run_page(head, [Section(script, parts)])
    assert "<script" not in page
    assert "alert('x')" not in page
    assert page.count("&lt;script&gt;") == 13
    assert '"' not in re.findall(r'alt="(.*?)" src=', page)[0]


def test_names_of_runs_tasks_and_conditions_are_never_markup(config, tmp_path, monkeypatch, pages):
    conditions = {"<script>mixed</script>": None}
    config["data"] |= {"val_conditions": conditions}
    config |= {"trainer": config["trainer"] | {"max_epochs": 1}}
    fit(config, tmp_path / "first", monkeypatch, run_page=True, run_dir=str(tmp_path / "<script>run<"))
    assert "<script" not in pages[-1]
    assert "&lt;script&gt;run&lt;" in pages[-1]


def test_a_pass_that_is_broken_off_is_not_counted(config, tmp_path, monkeypatch, pages):
    trainer = {name: value for name, value in config["trainer"].items() if name != "max_epochs"}
    config |= {"trainer": trainer | {"max_steps": 8}}
    fit(config, tmp_path / "first", monkeypatch, run_page=True)
    assert re.findall(r"<th\b[^>]*>(.*?)</th>", pages[-1])[:2] == ["epochs completed", "optimiser steps"]
    assert re.findall(r"<td[^>]*>(.*?)</td>", pages[-1])[:2] == ["1", "8"]


@pytest.mark.slow
def test_the_last_validation_is_shown_until_there_is_a_newer_one(config, tmp_path, monkeypatch, pages):
    run_dir = fit(config, tmp_path / "first", monkeypatch, run_page=True)
    before = sections_of(pages[-1])
    trainer = config["trainer"] | {"max_epochs": 3, "check_val_every_n_epoch": 4}
    more = config | {"resume": True, "trainer": trainer}
    fit(more, tmp_path / "more", monkeypatch, run_page=True, run_dir=str(run_dir))
    assert "3 of 3" in pages[-1]
    after = sections_of(pages[-1])
    assert [name for name in before if after[name] != before[name]] == ["Curves"]


def test_it_is_written_seldom_where_drawing_takes_long(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(run_page.time, "monotonic", lambda: now[0])
    page = RunPage(Pace(clock=lambda: 0.0), max_share=0.1)
    assert page._is_due()
    page.drawing_s += [2.0, 2.0]
    page._last_end_s = 2.0
    for seconds, is_due in ((3.0, False), (19.9, False), (20.0, True)):
        now[0] = seconds
        assert page._is_due() == is_due


@pytest.mark.slow
def test_an_exception_is_told_on_the_page(config, tmp_path, monkeypatch, pages):
    def stop(*args: object) -> None:
        raise RuntimeError("out of <disk>")

    monkeypatch.setattr("train.display.run_summary.RunSummary.on_train_epoch_end", stop, raising=False)
    with pytest.raises(RuntimeError, match="out of"):
        fit(config, tmp_path / "run", monkeypatch, run_page=True)
    assert "Ended by runtimeerror" not in pages[-1]
    assert "Ended by RuntimeError: out of &lt;disk&gt;" in pages[-1]
    assert 'http-equiv="refresh"' not in pages[-1]


def test_a_run_that_cannot_start_leaves_the_page_of_the_last_one():
    trainer = SimpleNamespace(is_global_zero=True)
    RunPage(Pace()).on_exception(trainer, None, RuntimeError("never started"))


def test_history_of_a_resumed_run(tmp_path):
    def write(version: int, rows: list[dict]) -> None:
        folder = tmp_path / "csv" / f"version_{version}"
        folder.mkdir(parents=True)
        pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False)

    assert read_history(tmp_path) == {}
    write(9, [{"step": step, "train/loss": 1.0 * step} for step in (10, 20, 30, 40)])
    write(10, [{"step": step, "train/loss": -1.0 * step} for step in (30, 40)] + [{"step": 40, "val/mixed/loss": 3.0}])
    history = read_history(tmp_path)
    assert list(history["train/loss"].index) == [10, 20, 30, 40]
    assert list(history["train/loss"]) == [10, 20, -30, -40]
    assert history["val/mixed/loss"].to_dict() == {40: 3.0}
    (tmp_path / "csv" / "version_11").mkdir()
    (tmp_path / "csv" / "version_11" / "metrics.csv").touch()
    assert list(read_history(tmp_path)["train/loss"]) == [10, 20, -30, -40]
    # Resumed by this release, which has one table.
    pd.DataFrame([{"step": step, "train/loss": 7.0} for step in (40, 50)]).to_csv(tmp_path / "metrics.csv", index=False)
    assert list(read_history(tmp_path)["train/loss"]) == [10, 20, -30, 7, 7]


def test_long_curves_are_thinned():
    losses = pd.Series(np.linspace(5, 1, 10_000), index=range(10_000))
    figure = curves_figure({"train/loss": losses}, ["word"], ["mixed"])
    drawn = figure.axes[0].lines[0].get_ydata()
    assert len(drawn) <= MAX_POINTS
    assert np.mean(drawn) == pytest.approx(3, abs=0.01)


def test_confusion_of_the_commonest_classes():
    rng = np.random.default_rng(0)
    targets, answers = rng.choice(6, 300, p=[0.02, 0.3, 0.2, 0.08, 0.25, 0.15]), rng.integers(0, 6, 300)
    found = confusion(targets, answers, "nabcde", most=3)
    assert found.labels == ("d", "a", "e")
    expected = confusion_matrix(targets, answers, labels=range(6), normalize="true")[[4, 1, 5]]
    np.testing.assert_allclose(found.shares[:, :3], expected[:, [4, 1, 5]])
    np.testing.assert_allclose(found.shares.sum(axis=1), 1)
    assert found.has_other
    assert found.num_examples == 300
    assert not confusion(np.array([0, 1]), np.array([1, 0]), "ab").has_other


def batch(size: int, seed: int) -> tuple[dict, dict]:
    generator = torch.Generator().manual_seed(seed)
    logits = {"word": torch.randn(size, 4, generator=generator), "tags": torch.randn(size, 3, generator=generator)}
    targets = {
        "word": torch.randint(-1, 4, (size,), generator=generator),
        "tags": (torch.rand(size, 3, generator=generator) < 0.5).float(),
    }
    return {
        "waveform": torch.randn(size, 20, generator=generator),
        "targets": targets,
        "snr_db": torch.zeros(size),
    }, logits


def test_a_sample_gathers_answers_and_the_first_mixtures():
    sample = ValidationSample([WORD, TAGS])
    batches = [batch(6, seed) for seed in range(3)]
    for one, logits in batches:
        sample.add(one, logits)
    targets = torch.cat([one["targets"]["word"] for one, _ in batches]).numpy()
    answers = torch.cat([logits["word"].argmax(1) for _, logits in batches]).numpy()
    labelled = targets != UNLABELLED
    assert 0 < labelled.sum() < len(targets)
    found = sample.confusions()
    assert list(found) == ["word"]
    expected = confusion(targets[labelled], answers[labelled], WORD.labels)
    np.testing.assert_array_equal(found["word"].shares, expected.shares)

    mixtures = sample.mixtures
    first, logits = batches[0]
    assert torch.equal(mixtures.waveforms, first["waveform"][:NUM_MIXTURES])
    label, answer, probability, is_right = mixtures.answers(WORD, 1)
    target = int(first["targets"]["word"][1])
    assert label == (WORD.labels[target] if target >= 0 else "no label")
    assert answer == WORD.labels[int(logits["word"][1].argmax())]
    assert probability == pytest.approx(float(torch.softmax(logits["word"][1], 0).max()), abs=1e-6)
    assert is_right == (label == answer)
    _, answer, probability, is_right = mixtures.answers(TAGS, 0)
    best = int(logits["tags"][0].argmax())
    assert answer == TAGS.labels[best]
    assert probability == pytest.approx(float(torch.sigmoid(logits["tags"][0, best])), abs=1e-6)
    assert is_right == bool(first["targets"]["tags"][0, best])


def test_every_kind_of_score_has_figures_and_the_name_of_its_best_stage():
    rows = []
    for step in (0, 10):
        for number, stage in enumerate(STAGES):
            rows.append(row("demo", step, t.EFFECTIVE_DIMENSIONALITY, stage, "all", "all", 4.0 + number))
            for name in ("speech", "music"):
                metric = f"{t.WITHIN_CATEGORY_R2}/{name}"
                share = f"{share_of(t.BEST_STAGE_WITHIN_CATEGORY_R2)}/{name}"
                rows.append(row("demo", step, metric, stage, "all", "all", 0.1 * number))
                rows.append(row("demo", step, share, stage, "all", "all", number / 3))
        for name in ("speech", "music"):
            metric = f"{t.BEST_STAGE_WITHIN_CATEGORY_R2}/{name}"
            rows.append(row("demo", step, metric, t.BEST, "all", "all", 0.2))
    parts = list(run_sections.brain_section(identified_table(rows), "demo"))
    assert [type(part) for part in parts] == [Picture, ValueTable, Picture, Picture]
    assert parts[1].columns == ["network", "step", "speech", "music"]
    assert [cell.text for cell in parts[1].rows[0][2:]] == [STAGES[-1]] * 2


def test_the_page_says_when_no_step_is_above_the_untrained_network():
    rows = []
    for step, score in ((0, 0.5), (10, 0.4), (20, 0.3)):
        rows += [row("demo", step, t.ENCODING_R2, stage, "all", "all", 0.1) for stage in STAGES]
        rows.append(row("demo", step, t.BEST_STAGE_R2, t.BEST, "all", "all", score))
    table = identified_table(rows)
    parts = list(run_sections.brain_section(table, "demo"))
    course = next(part for part in parts if isinstance(part, ValueTable) and "before training" in part.columns)
    assert [[cell.text for cell in cells] for cells in course.rows] == [["demo", "0.500", "0.300", "0.400", "10"]]
    warnings = [part.text for part in parts if isinstance(part, Paragraph) and part.style == "warning"]
    assert len(warnings) == 1
    assert warnings[0].startswith("demo: no scored step is above the network before training (0.500); the best of ")
    assert warnings[0].endswith(" is 0.400, at step 10.")
    risen = table.assign(value=-table[t.VALUE])
    assert not [part for part in run_sections.brain_section(risen, "demo") if isinstance(part, Paragraph)]
