"""A benchmark of 24 sounds of noise with random responses, also by its name: `tests.helpers.noise_benchmark:tiny`."""

import numpy as np
import pandas as pd

from evaluate.benchmarks import Benchmark


def tiny() -> Benchmark:
    rng = np.random.default_rng(0)
    sounds = rng.standard_normal((24, 800)).astype(np.float32) * 0.1
    return Benchmark(
        name="tiny",
        version="1",
        stimulus_names=tuple(f"sound{i}" for i in range(24)),
        waveforms=lambda sample_rate_hz, num_samples: sounds,
        responses=rng.standard_normal((24, 4, 3)),
        units=pd.DataFrame({"unit": list("abcd"), "subject": ["s1", "s1", "s2", "s2"], "region": "Primary"}),
        noise_corrected=True,
    )
