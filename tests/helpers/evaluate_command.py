"""`python -m evaluate`, in this process."""

from evaluate import __main__ as command


def run(*arguments: object) -> int:
    """Run it with these arguments; its exit status."""
    return command.main([str(argument) for argument in arguments])
