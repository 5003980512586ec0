"""Run directories with checkpoints of tiny networks, and a watcher of them."""

import torch

from evaluate.benchmarks import BENCHMARKS
from evaluate.scoring import table as t
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.parts import Parts
from evaluate.scoring.plan import ScoringPlan
from evaluate.watch.watching import Ledger, Watcher
from networks import AuditoryNetwork, CochCNN9, Cochleagram
from networks.weights.checkpoint import save_checkpoint

STAGES = ("relu3", "relufc")
LIMIT_S = 60


def make_network(seed):
    front_end = Cochleagram(
        sample_rate_hz=2000,
        num_samples=800,
        num_filters=8,
        sample_factor=1,
        high_hz=1000.0,
        frame_rate_hz=50.0,
        num_taps=81,
    )
    torch.manual_seed(seed)
    return AuditoryNetwork(CochCNN9(width=0.05), {"word": 3}, front_end)


def save(run_dir, step, name=None, seed=None):
    """A checkpoint of a step, each step other weights."""
    path = run_dir / "checkpoints" / (name or f"step-{step:07d}.ckpt")
    save_checkpoint(make_network(step if seed is None else seed), path, run="myrun", epoch=step // 10, step=step)
    return path


class Watched:
    """A watcher and what it said and did."""

    def __init__(self, run_dir, **changes):
        self.said, self.loaded = [], []
        self.watcher = Watcher(
            **{
                "run_dir": run_dir,
                "engine": ScoringEngine(plan=ScoringPlan(benchmarks=(BENCHMARKS["tiny"](),), stages=STAGES)),
                "ledger": Ledger(run_dir / "watch" / "ledger.json"),
                "parts": Parts(run_dir / "parts"),
                "publish": lambda rows: t.append_rows(run_dir / t.SCORES_FILE, rows),
                "report": self.said.append,
                **changes,
            }
        )

    def poll(self):
        return self.watcher.poll()


def words(run_dir, *more):
    return ["watch", str(run_dir), "--benchmark", "tiny", "--stages", *STAGES, "--poll_seconds", "0.05", *more]


def scored(run_dir):
    """(step, checkpoint) of the table's rows, in their order."""
    table = t.read_table(run_dir / t.SCORES_FILE)
    assert not table.duplicated(list(t.KEY_COLUMNS)).any()
    return list(dict.fromkeys(zip(table[t.STEP], table[t.CHECKPOINT], strict=True)))
