"""Losses and metrics against plain versions."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score
from torchmetrics.classification import MulticlassAccuracy

from datamodules.tasks import Task
from train.display.run_summary import held_out_rows
from train.learning.losses import task_loss, weighted_losses
from train.learning.task_metrics import ManyLabelRanking, accuracy, task_metrics

WORD = Task("word", "one_label", "signal", labels=("<null>", *"abcdef"))
TAGS = Task("tags", "many_labels", "noise", loss_weight=300.0, labels=("<null>", *"abcd"))


def examples(num_examples: int = 40, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(num_examples, 5, generator=generator)
    targets = (torch.rand(num_examples, 5, generator=generator) < 0.3).long()
    targets[:, 3], targets[:, 4] = 0, 1  # a class without positives, one without negatives
    return logits, targets


def test_losses_are_weighted_means():
    generator = torch.Generator().manual_seed(0)
    logits = {"word": torch.randn(6, 7, generator=generator), "tags": torch.randn(6, 5, generator=generator)}
    targets = {
        "word": torch.tensor([0, 1, 2, 3, 4, 5]),
        "tags": (torch.rand(6, 5, generator=generator) < 0.5).float(),
    }
    losses = weighted_losses(logits, targets, [WORD, TAGS])
    word = -torch.log_softmax(logits["word"], 1)[range(6), targets["word"]].mean()
    p = torch.sigmoid(logits["tags"])
    tags = -(targets["tags"] * p.log() + (1 - targets["tags"]) * (1 - p).log()).mean()
    torch.testing.assert_close(losses.by_task["word"], word)
    torch.testing.assert_close(losses.by_task["tags"], tags)
    torch.testing.assert_close(losses.total, word + 300 * tags)
    with pytest.raises(KeyError, match="'tags'"):
        weighted_losses(logits, {"word": targets["word"]}, [WORD, TAGS])


def test_smoothed_labels_are_mixed_with_all_classes():
    generator = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(6, 7, generator=generator), torch.tensor([0, 1, 2, -1, 4, 5])
    smooth = torch.full((6, 7), 0.2 / 7).scatter_add(1, targets.clamp(min=0)[:, None], torch.full((6, 1), 0.8))
    expected = -(smooth * torch.log_softmax(logits, 1)).sum(dim=1)[targets >= 0].mean()
    torch.testing.assert_close(task_loss(logits, targets, WORD, label_smoothing=0.2), expected)
    tags = torch.tensor([[0.0, 1.0, 1.0, 0.0, 0.0], [torch.nan] * 5])
    p = torch.sigmoid(logits[:1, :5])
    expected = -(tags[:1] * 0.8 + 0.1).mul(p.log()).add((0.9 - tags[:1] * 0.8) * (1 - p).log()).mean()
    torch.testing.assert_close(task_loss(logits[:2, :5], tags, TAGS, label_smoothing=0.2), expected)


def test_loss_is_in_float32_whatever_the_logits():
    logits = torch.randn(4, 7).bfloat16()
    assert task_loss(logits, torch.zeros(4, dtype=torch.long), WORD).dtype == torch.float32


def test_ranking_metrics_leave_out_classes_that_cannot_be_ranked():
    logits, targets = examples()
    metric = ManyLabelRanking(5)
    for part in range(0, 40, 7):
        metric.update(logits[part : part + 7], targets[part : part + 7])
    result = metric.compute()
    scores = torch.sigmoid(logits).numpy()
    auroc = [roc_auc_score(targets[:, c], scores[:, c]) for c in range(3)]
    precision = [average_precision_score(targets[:, c], scores[:, c]) for c in range(3)]
    assert result["ranked_classes"] == 3
    assert result["auroc"].item() == pytest.approx(np.mean(auroc), abs=1e-6)
    assert result["average_precision"].item() == pytest.approx(np.mean(precision), abs=1e-6)
    assert result["dprime"].item() == pytest.approx(np.mean(2**0.5 * norm.ppf(auroc)), abs=1e-5)
    assert result["chance"].item() == pytest.approx(targets[:, :3].float().mean().item())


@pytest.mark.parametrize("num_examples", [0, 5])
def test_nothing_to_rank_is_nan_and_counted(num_examples):
    metric = ManyLabelRanking(5)
    metric.update(torch.randn(num_examples, 5), torch.zeros(num_examples, 5))
    result = metric.compute()
    assert result["ranked_classes"] == 0
    assert all(torch.isnan(result[name]) for name in ("average_precision", "auroc", "dprime", "chance"))


def test_accuracies_and_their_chance_level():
    metrics = task_metrics(WORD)
    logits = torch.tensor([[9.0, 8, 7, 6, 5, 4, 3]]).repeat(4, 1)
    metrics.update(logits, torch.tensor([0, 4, 4, 6]))
    result = metrics.compute()
    assert result["top1"] == 0.25
    assert result["top5"] == 0.75
    assert result["chance"] == 0.5
    few = Task("w", "one_label", "signal", labels=("<null>", "a"))
    assert set(task_metrics(few)) == {"top1", "chance"}


def test_chance_of_a_condition_with_one_class_is_that_of_guessing():
    """As of a task about the noise in quiet, where every answer should be the null class."""
    metrics = task_metrics(WORD)
    assert torch.isnan(metrics["chance"].compute())
    logits = torch.tensor([[9.0, 8, 7, 6, 5, 4, 3]]).repeat(4, 1)
    metrics.update(logits, torch.tensor([0, 0, 0, 0]))
    result = metrics.compute()
    assert (result["top1"], result["chance"]) == (1, pytest.approx(1 / 7))


def test_metrics_that_agree_on_the_first_batch_stay_apart():
    metrics = task_metrics(WORD)
    logits = torch.tensor([[9.0, 8, 7, 6, 5, 4, 3]]).repeat(4, 1)
    metrics.update(logits, torch.tensor([6, 6, 5, 5]))  # neither first nor among the first five
    metrics.update(logits, torch.tensor([4, 4, 4, -1]))  # one without a label
    result = metrics.compute()
    assert result["top1"] == 0
    assert result["top5"] == pytest.approx(3 / 7)
    assert result["chance"] == pytest.approx(3 / 7)


@pytest.mark.parametrize("top_k", [1, 5])
def test_accuracy_is_that_of_torchmetrics(top_k):
    ours, theirs = accuracy(WORD, top_k=top_k), MulticlassAccuracy(7, top_k=top_k, average="micro", ignore_index=-1)
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        logits = torch.randn(20, 7, generator=generator)
        targets = torch.randint(-1, 7, (20,), generator=generator)
        ours.update(logits, targets)
        theirs.update(logits, targets)
    assert ours.compute() == theirs.compute()


def test_values_of_classes_without_positives_or_negatives_are_nan_and_counted():
    logits, targets = examples()
    metric = ManyLabelRanking(5)
    metric.update(logits, targets.float())
    result, by_class = metric.compute(), metric.by_class
    assert by_class.auroc.isnan().tolist() == by_class.average_precision.isnan().tolist() == [False] * 3 + [True] * 2
    assert by_class.positives.tolist() == targets.sum(dim=0).tolist()
    assert result["ranked_classes"] == 3
    auroc = [roc_auc_score(targets[:, place], logits[:, place]) for place in range(3)]
    np.testing.assert_allclose(by_class.auroc[:3], auroc, rtol=1e-5)
    assert float(result["dprime_of_auroc"]) == pytest.approx(2**0.5 * norm.ppf(np.mean(auroc)), rel=1e-4)
    assert float(result["dprime"]) == pytest.approx(2**0.5 * np.mean(norm.ppf(auroc)), rel=1e-4)


def test_values_of_classes_are_written(fit_here, config):
    config["data"]["tasks"] = ["word", {"name": "tags", "kind": "many_labels", "side": "noise"}]
    config["trainer"] |= {"max_epochs": 1}
    table = pd.read_csv(fit_here(config) / "class_scores.csv")
    assert table.columns.tolist() == [
        *("condition", "task", "label", "average_precision", "auroc", "dprime", "positives")
    ]
    assert set(table["condition"]) == {"mixed", "quiet"}
    assert {"hiss", "hum", "steady"} < set(table["label"])
    assert table[table["positives"] == 0]["auroc"].isna().all()


def test_examples_without_labels_are_left_out_of_the_ranking():
    generator = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(30, 5, generator=generator), torch.rand(30, 5, generator=generator).round()
    unlabelled = targets.clone()
    unlabelled[20:] = torch.nan
    some, all_labelled = ManyLabelRanking(5), ManyLabelRanking(5)
    some.update(logits, unlabelled)
    all_labelled.update(logits[:20], targets[:20])
    assert some.compute() == all_labelled.compute()


def test_summary_has_a_row_for_each_task_and_condition():
    rows = held_out_rows(
        {
            "val/quiet/word/top1": 0.9,
            "val/quiet/word/chance": 0.1,
            "val/quiet/word/top5": 1.0,
            "val/mixed/tags/average_precision": 0.4,
            "val/mixed/loss": 2.0,
            "train/loss": 1.0,
        }
    )
    assert list(rows["task"]) == ["word", "tags"]
    assert rows["chance"][0] == 0.1
    assert np.isnan(rows["chance"][1])
