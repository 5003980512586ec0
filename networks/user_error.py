"""The base of errors that users can fix, which commands report in one line. Quick to import."""


class UserError(ValueError):
    """Something that was asked for does not exist or cannot be done; the message says what, why, and what to do."""
