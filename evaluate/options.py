"""Choices and defaults that the commands' help names, apart from the modules that use them: those import torch."""

DEFAULT_BATCH_SIZE = 4
"""Sounds per forward pass. Measured on a CPU core, larger batches are slower: their arrays go back to the system
after each pass, and half of the time goes into getting pages anew."""

DEFAULT_MEMORY_LIMIT_GIB = 2.0
"""Working memory of encoding beyond features, responses and result."""

DEFAULT_CACHE_GIB = 20.0
"""Size of a folder of activations, above which what was used longest ago is removed."""

PUBLISHED_NUM_FOLDS = 5
PUBLISHED_NUM_CROPS = 5
"""Folds of a probe, and crops of each of its sounds."""

CHECKPOINT_PATTERN = "*.ckpt"
"""Names of the checkpoints in a run directory."""

FIGURES_FOLDER = "figures"
"""Folder of pictures in a run directory."""

NO_VALUE = "–"
"""What tables show for a missing or undefined value."""

REPORT_FILE = "report.html"
"""Page of a report."""

SEED_PATTERN = r"(^|[-_ ])seed[-_ ]?\d+"
"""What is taken out of runs' names: those that are equal without it are one group."""
