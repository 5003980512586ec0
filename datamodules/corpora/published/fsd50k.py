"""FSD50K (Fonseca et al. 2022): 51 197 sounds of Freesound with labels of AudioSet's ontology.

`FSD50K.ground_truth/dev.csv` has the columns fname, labels, mids and split (train or val), `eval.csv` the first three;
labels are separated by commas and include their ancestors. The sounds are `FSD50K.dev_audio/FNAME.wav` and
`FSD50K.eval_audio/FNAME.wav`.
"""

from collections.abc import Iterator
from pathlib import Path

from datamodules.corpora.published.lists import read_rows
from datamodules.corpora.sounds import CorpusError, Row
from datamodules.folders.split_names import usual_split
from datamodules.manifests.manifest import LABEL_SEPARATOR

TABLES = Path("FSD50K.ground_truth")
COLUMNS = ("fname", "labels", "mids")
LABELS_SEPARATED_BY = ","


def fsd50k(root: Path) -> Iterator[Row]:
    """Rows with path, split and labels (several each): the layout `fsd50k`. The split "test" is the evaluation set."""
    for part, columns in (("dev", (*COLUMNS, "split")), ("eval", COLUMNS)):
        table = root / TABLES / f"{part}.csv"
        for number, row in enumerate(read_rows(table, columns), start=1):
            split = "test" if part == "eval" else usual_split(row["split"])
            labels = [label.strip() for label in row["labels"].split(LABELS_SEPARATED_BY) if label.strip()]
            if split is None or not labels:
                raise CorpusError(f"{table}, row {number}: expected labels and the split train or val, got {row}")
            yield {
                "path": root / f"FSD50K.{part}_audio" / f"{row['fname'].removesuffix('.wav')}.wav",
                "split": split,
                "labels": LABEL_SEPARATOR.join(labels),
            }
