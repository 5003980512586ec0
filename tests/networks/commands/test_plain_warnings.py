"""Warnings of commands."""

import subprocess
import sys
import warnings

from networks.commands.plain_warnings import plain_warnings


def test_warnings_to_users_are_one_line_of_text():
    before = warnings.formatwarning
    with plain_warnings():
        shown = warnings.formatwarning(UserWarning("Ärger:\n\x1b[1m[red]"), UserWarning, "code.py", 3)
        assert shown == "warning: Ärger: [1m[red]\n"
        assert "code.py:3" in warnings.formatwarning(DeprecationWarning("old"), DeprecationWarning, "code.py", 3)
    assert warnings.formatwarning is before


def test_a_command_shows_no_line_of_code_with_its_warning(tmp_path):
    (tmp_path / "own.py").write_text(
        "import warnings\n"
        "from dataclasses import dataclass\n"
        "from networks.commands.dispatch import dispatch\n\n"
        "@dataclass(kw_only=True)\n"
        "class Warns:\n"
        '    """Warn."""\n\n'
        "    positionals = ()\n\n"
        "    def run(self):\n"
        "        warnings.warn('the rest is not heard', stacklevel=1)\n\n"
        "if __name__ == '__main__':\n"
        "    dispatch('networks', 'Some package.', {'warns': 'own:Warns'}, ['warns'])\n"
    )
    done = subprocess.run([sys.executable, "own.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == "warning: the rest is not heard\n"
