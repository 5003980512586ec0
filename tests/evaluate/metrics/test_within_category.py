"""R^2 within categories of sounds."""

import numpy as np
import pytest

from evaluate.metrics.within_category import BROAD_CATEGORIES, within_category_r2


def test_within_category_r2():
    rng = np.random.default_rng(7)
    categories = ["Music"] * 8 + ["Song"] * 2 + ["Nature"] * 8
    measured = rng.standard_normal((18, 2))
    predicted = measured + 0.5 * rng.standard_normal((18, 2))
    predicted[10:, 0] = -measured[10:, 0]
    predicted[0, 1] = np.nan
    found = within_category_r2(predicted, measured, categories)
    assert list(found) == ["Music", "Song", "Nature"]
    assert found["Music"][0] == pytest.approx(np.corrcoef(predicted[:8, 0], measured[:8, 0])[0, 1] ** 2)
    assert found["Music"][1] == pytest.approx(np.corrcoef(predicted[1:8, 1], measured[1:8, 1])[0, 1] ** 2)
    assert found["Nature"][0] == 0
    assert np.isnan(found["Song"]).all()
    broad = within_category_r2(predicted, measured, [BROAD_CATEGORIES[name] for name in categories])
    assert list(broad) == ["music", "non-vocal"]
    with pytest.raises(ValueError, match="with S categories"):
        within_category_r2(predicted, measured, categories[:3])


def test_broad_categories_cover_the_published_ones(shared_dir):
    scipy_io = pytest.importorskip("scipy.io")
    file = scipy_io.loadmat(shared_dir / "data" / "natsound165" / "components.mat")
    assert {str(name[0]) for name in file["category_labels"].ravel()} == set(BROAD_CATEGORIES)
