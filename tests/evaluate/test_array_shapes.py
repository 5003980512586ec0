"""What is printed of results and benchmarks: shapes instead of pages of numbers."""

import numpy as np

import evaluate


def test_results_and_benchmarks_are_printed_in_a_few_lines():
    rng = np.random.default_rng(0)
    features, responses = rng.standard_normal((40, 6)), rng.standard_normal((40, 3, 2))
    splits = evaluate.published_splits(40)
    result = evaluate.encode(features, responses, splits, keep_weights=True)
    assert "r2_test=array(3, 10)" in repr(result)
    assert "predictions=None" in repr(result)
    assert "weights=EncodingWeights(directions=array(6, 6)" in repr(result)
    assert repr(splits) == "Splits(train=array(10, 40), test=array(10, 40))"
    parts = evaluate.partition(features[:, :3], features[:, 3:], responses, splits)
    benchmark = evaluate.simulated_cortex(num_stimuli=55, num_subjects=2, units_per_subject=20)
    assert "stimulus_names=tuple of 55" in repr(benchmark)
    assert "units=DataFrame(40, 6)" in repr(benchmark)
    assert all(len(repr(each)) < 1500 for each in (result, parts, benchmark))
