"""ESC-50 (Piczak 2015): 2000 environmental sounds of 5 s in 50 classes, in five folds.

`meta/esc50.csv` has the columns filename, fold, target, category, esc10, src_file and take; the sounds are
`audio/FOLD-CLIP_ID-TAKE-TARGET.wav`. Sounds cut from one recording (src_file) are in one fold.
"""

from collections.abc import Iterator
from pathlib import Path

from datamodules.corpora.published.lists import read_rows
from datamodules.corpora.sounds import CorpusError, Row

TABLE = Path("meta") / "esc50.csv"
VAL_FOLD = "5"
"""The fold for validation. `--split_by fold` or `--split_by source` draws others."""


def esc50(root: Path) -> Iterator[Row]:
    """Rows with path, split, category, fold and source: the layout `esc50`."""
    for number, row in enumerate(read_rows(root / TABLE, ("filename", "fold", "category", "src_file")), start=1):
        if not (row["fold"].isdigit() and row["category"]):
            raise CorpusError(f"{root / TABLE}, row {number}: expected a fold and a category, got {row}")
        yield {
            "path": root / "audio" / row["filename"],
            "split": "val" if row["fold"] == VAL_FOLD else "train",
            "category": row["category"],
            "fold": row["fold"],
            "source": row["src_file"],
        }
