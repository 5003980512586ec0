"""Scores of the published networks: trained, permuted and untrained ones in one command."""

import numpy as np
import pandas as pd
import pytest

from evaluate.__main__ import main
from networks.external import metricgan
from networks.external.known import EXTERNAL_NETWORKS
from tests.helpers.published_files import SAVE
from tests.networks.external.published.test_golden_stages import SIZES, small

QUICK = ("VGGish", "VQVAE", "DCASE2020", "MetricGAN")  # those that take less than a tenth of a second a sound


def small_metricgan(weights=None, **settings):
    return metricgan(weights, **SIZES["MetricGAN"] | settings)


def scores(names, shared_dir, out) -> pd.DataFrame:
    benchmark = str(shared_dir / "data" / "natsound165")
    assert main(["score", *names, "--benchmark", benchmark, "--out", str(out), "--device", "cpu"]) == 0
    return pd.read_csv(out / "scores.csv")


def test_a_file_and_its_controls_are_scored_in_one_command(shared_dir, tmp_path, monkeypatch):
    monkeypatch.setitem(EXTERNAL_NETWORKS, "MetricGAN", f"{__name__}:small_metricgan")
    file = f"MetricGAN:{SAVE['MetricGAN'](small('MetricGAN').module.state_dict(), tmp_path)}"
    names = [file, f"permuted:{file}", "untrained:MetricGAN", "permuted:untrained:MetricGAN:0:1"]
    rows = scores(names, shared_dir, tmp_path / "scores")
    assert list(rows.drop_duplicates("checkpoint")["kind"]) == ["external", "permuted", "untrained", "permuted"]
    assert set(small("MetricGAN").stages) <= set(rows["stage"])
    assert np.isfinite(rows.loc[rows["stage"] != "best", "value"]).all()
    # Untrained networks follow the sounds too. The weights are those of the file.
    best = rows.groupby("checkpoint")["value"].max()
    assert (best > 0.1).all()
    assert best[file] == pytest.approx(best["untrained:MetricGAN:0"])


@pytest.mark.slow
def test_all_quick_ones_are_scored_untrained_and_permuted(shared_dir, tmp_path):
    names = [f"{form}{name}" for name in QUICK for form in ("untrained:", "permuted:untrained:")]
    rows = scores(names, shared_dir, tmp_path / "scores")
    assert rows["checkpoint"].nunique() == len(names)
    assert np.isfinite(rows.loc[rows["stage"] != "best", "value"]).all()
