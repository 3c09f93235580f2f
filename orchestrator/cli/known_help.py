"""The answer to `--help` without building the commands, which takes longer than starting Python.

`orchestrator/cli/help/` has what each command prints in a pipe, and on a terminal of 80 columns or more; a test
compares the files with the commands (`make golden` writes them again). Anything else (a narrow terminal, further
arguments, a command without a file) is left to the commands. This module imports nothing that Python has not loaded.
"""

from __future__ import annotations

import os
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "help")  # noqa: PTH100, PTH118, PTH120 - see above
"""A file for each command, named by its words joined with a dot; `scanmatrix.txt` for the program."""
_WIDTH = 80
_PROGRAM = "scanmatrix"
_OPTIONS = {"--help", "-h"}
#: Set while a shell asks what could be completed.
COMPLETING = "_SCANMATRIX_COMPLETE"


def known_help(arguments: list[str]) -> str:
    """What a command line prints that asks for help; empty where the commands have to say it.

    Args:
        arguments: of the process, its program first.
    """
    program, *words = arguments
    if not words or words[-1] not in _OPTIONS or COMPLETING in os.environ or _columns() < _WIDTH:
        return ""
    name = ".".join([_PROGRAM, *words[:-1]])
    if not all(word.replace("-", "").isalpha() and word.isascii() and word[0] != "-" for word in words[:-1]):
        return ""
    if os.path.basename(program) != _PROGRAM:  # noqa: PTH119 - `python -m` has another usage line
        return ""
    try:
        with open(os.path.join(FOLDER, f"{name}.txt"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
            return file.read()
    except OSError:
        return ""


def _columns() -> int:
    """Columns of the terminal, found as `shutil.get_terminal_size` does."""
    try:
        if (said := int(os.environ.get("COLUMNS", "0"))) > 0:
            return said
    except ValueError:
        pass
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else _WIDTH
    except (OSError, ValueError):
        return _WIDTH
