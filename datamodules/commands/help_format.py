"""How the commands' help looks."""

import argparse


class DefaultsHelp(argparse.HelpFormatter):
    """Names the default of every option that has one and does not name it itself."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        has_none = action.default is None or action.default is False or action.default in ([], argparse.SUPPRESS)
        if not action.option_strings or has_none or not action.help or "default:" in action.help:
            return action.help
        return f"{action.help} (default: %(default)s)"


class DefaultsHelpAsWritten(DefaultsHelp, argparse.RawDescriptionHelpFormatter):
    """The same, with the lines of the description as they are."""
