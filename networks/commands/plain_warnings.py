"""Warnings to users in one line, without the line of code that they come from."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from networks.commands.arguments import printable

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show each `UserWarning` in the block as "warning: ..."; others, which are for developers, stay as they are."""
    before = warnings.formatwarning

    def plain(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        if category is not UserWarning:
            return before(message, category, filename, lineno, line)
        return f"warning: {_CONTROL.sub(' ', printable(str(message)))}\n"

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = before
