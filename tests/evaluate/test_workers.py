"""Threads that each compute on one core."""

import threading

import numpy as np
import pytest
import torch

from evaluate.metrics.encoding.encoding import encode
from evaluate.metrics.splits import published_splits
from evaluate.workers import Workers


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_each_worker_uses_one_core_and_results_keep_their_order(three_threads):
    with Workers(torch.device("cpu")) as workers:
        found = list(workers.map(lambda item: (item, torch.get_num_threads()), range(20)))
    assert found == [(item, 1) for item in range(20)]


def test_number_of_threads_is_left_as_it_was(three_threads):
    with Workers(torch.device("cpu")):
        pass
    assert torch.get_num_threads() == 3
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [3]


def test_errors_of_the_work_come_out(three_threads):
    def fail(item):
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"), Workers(torch.device("cpu")) as workers:
        list(workers.map(fail, range(5)))


def test_encoding_does_not_depend_on_the_number_of_threads(three_threads):
    rng = np.random.default_rng(0)
    features, responses = rng.standard_normal((40, 90)), rng.standard_normal((40, 2000, 3))
    responses += (features @ rng.standard_normal((90, 2000)) / 9)[:, :, None]
    splits = published_splits(40, num_splits=2)
    parallel = encode(features, responses, splits, keep_predictions=True)
    with torch.inference_mode():
        in_inference_mode = encode(features, responses, splits)
    torch.set_num_threads(1)
    serial = encode(features, responses, splits, keep_predictions=True)
    for name in ("alpha", "is_tie"):
        np.testing.assert_array_equal(getattr(parallel, name), getattr(serial, name))
    for name in ("r2_test_corrected", "predictions"):
        np.testing.assert_allclose(getattr(parallel, name), getattr(serial, name), rtol=1e-9)
    np.testing.assert_allclose(in_inference_mode.r2_test_corrected, serial.r2_test_corrected, rtol=1e-9)
