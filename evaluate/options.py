"""Choices and defaults in the commands' help, kept apart from the modules that use them and import torch."""

DEFAULT_BATCH_SIZE = 4
"""Sounds per forward pass. Larger batches are slower on a CPU core: their arrays are returned to the system after each
pass, and half of the time is spent on allocating pages again."""

DEFAULT_MEMORY_LIMIT_GIB = 2.0
"""Working memory of encoding, in addition to features, responses and result."""

DEFAULT_CACHE_GIB = 20.0
"""Maximum size of a folder of activations; above it, the least recently used are removed."""

PUBLISHED_NUM_FOLDS = 5
PUBLISHED_NUM_CROPS = 5
"""Folds of a probe, and crops of each sound."""

CHECKPOINT_PATTERN = "*.ckpt"
"""Names of the checkpoints in a run directory."""

FIGURES_FOLDER = "figures"
"""Folder of figures in a run directory."""

NO_VALUE = "–"
"""What tables show for a missing or undefined value."""

REPORT_FILE = "report.html"
"""Page of a report."""

SEED_PATTERN = r"(^|[-_ ])seed(_everything)?[-_ =]?\d+"
"""Part to remove from the names of runs: those whose remaining names are equal form a group."""

PARTITION_FILE = "partition.csv"
"""Table of the command `partition`, in its output folder."""
