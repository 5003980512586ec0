"""Benchmarks and metrics of a user's own functions, scored while a network trains."""

import shutil

import pandas as pd
import pytest

from tests.helpers import own_objects


@pytest.fixture
def own(tmp_path, monkeypatch, config):
    """A file of a user in the working directory, which a short training uses."""
    shutil.copy(own_objects.__file__, tmp_path / "own_objects.py")
    monkeypatch.chdir(tmp_path)
    config["brain"] |= {"benchmarks": ["own_objects.py:tones"], "metrics": ["own_objects.py:metric"], "at_start": False}
    config["trainer"] |= {"max_steps": 1, "limit_val_batches": 0}
    return config


def test_functions_of_a_user_are_scored_during_training(own, fit_here):
    rows = pd.read_csv(fit_here(own) / "scores.csv")
    assert set(rows["benchmark"]) == {"tones"}
    assert set(rows["metric"]) == {"mean"}


@pytest.mark.parametrize(
    ("setting", "name", "message"),
    [
        ("benchmarks", "nowhere.py:tones", "benchmark 'nowhere.py:tones': nowhere.py: no such file"),
        ("benchmarks", "own_objects.py:raises", "benchmark 'own_objects.py:raises': calling it raised TypeError"),
        ("metrics", "own_objects.py:tones", "metric 'own_objects.py:tones': expected an evaluate.Metric or a function"),
    ],
)
def test_what_is_wrong_with_a_function_is_one_line(own, fit_here, capsys, setting, name, message):
    own["brain"][setting] = [name]
    with pytest.raises(SystemExit):
        fit_here(own)
    error = capsys.readouterr().err
    assert message in " ".join(error.split())
    assert "Traceback" not in error
