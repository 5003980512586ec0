"""The classes of a label column: those of a list, or all labels that occur."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from datamodules.manifests.manifest import ManifestEntry, ManifestError, RowError
from datamodules.tasks import NULL_LABEL, LabelSet
from datamodules.text_files import TextFileError, nfc, read_text, text_lines


def read_label_list(path: str | Path) -> tuple[str, ...]:
    """Read the labels of a task, in the order of its classes, from a text file with one per line.

    Args:
        path: Text file in UTF-8 or UTF-16, see `datamodules.text_files.read_text`; empty lines are skipped. If it does
            not list the null label `<null>`, that becomes the first class.

    Returns:
        The labels, including the null label.

    Raises:
        ManifestError: The file is missing or has an unsupported encoding, has no label, or has one twice.
    """
    try:
        lines = text_lines(read_text(path))
    except OSError as error:
        raise ManifestError(f"{path} cannot be read as a list of labels ({error.strerror})") from error
    except TextFileError as error:
        raise ManifestError(str(error)) from error
    labels = [nfc(line.strip()) for line in lines if line.strip()]
    double = sorted(label for label, times in Counter(labels).items() if times > 1)
    if double:
        raise ManifestError(f"{path}: labels {double} are listed twice")
    if not set(labels) - {NULL_LABEL}:
        raise ManifestError(f"{path}: lists no label")
    return tuple(labels) if NULL_LABEL in labels else (NULL_LABEL, *labels)


def labels_of(entries: Iterable[ManifestEntry], column: str) -> tuple[str, ...]:
    """All labels of a column in the entries of all splits: the null label first, then the others, sorted."""
    found = {label for entry in entries for label in entry.labels[column]}
    return (NULL_LABEL, *sorted(found))


def label_sets_of(
    manifest: Path,
    entries: Sequence[ManifestEntry],
    *,
    one_label: Sequence[str],
    many_labels: Sequence[str],
    lists: Mapping[str, str | Path],
    skipped: list[RowError] | None = None,
) -> tuple[list[ManifestEntry], dict[str, LabelSet]]:
    """Make the label sets of all splits together.

    Args:
        manifest: The manifest, for errors.
        entries: Its entries.
        one_label: Label columns with one label per clip.
        many_labels: Label columns with several.
        lists: For some of these columns, a file that lists the labels, see `read_label_list`.
        skipped: If given, entries with a label that is not in the list are left out and their errors appended to it.

    Returns:
        The remaining entries, and the label sets.

    Raises:
        ManifestError: A list is not for a label column, or a row's label is not in the list.
    """
    unknown = sorted(set(lists) - {*one_label, *many_labels})
    if unknown:
        raise ManifestError(f"label lists are given for {unknown}, which are not among the label columns")
    listed = {name: read_label_list(path) for name, path in lists.items()}
    known = {name: set(labels) for name, labels in listed.items()}
    left = []
    for entry in entries:
        error = _foreign_label(manifest, entry, known, lists)
        if error is None:
            left.append(entry)
        elif skipped is None:
            raise error
        else:
            skipped.append(error)
    label_sets = {
        name: LabelSet(
            "one_label" if name in one_label else "many_labels",
            listed[name] if name in listed else labels_of(left, name),
        )
        for name in (*one_label, *many_labels)
    }
    return left, label_sets


def _foreign_label(
    manifest: Path, entry: ManifestEntry, known: Mapping[str, set[str]], lists: Mapping[str, str | Path]
) -> RowError | None:
    for name, labels in known.items():
        for label in entry.labels[name]:
            if label not in labels:
                return RowError(
                    f"{manifest}, row {entry.row}: {name} {label!r} is not in the list {lists[name]}",
                    row=entry.row,
                    source=entry.source,
                    split=entry.split,
                    kind="mislabelled",
                )
    return None
