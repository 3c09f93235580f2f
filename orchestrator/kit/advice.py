"""The command lines of ours that messages tell people to run: made here and nowhere else, so that they work as printed.

Options that the command before was given (`--config`, `--volume`, `--engine`, `--server`) are repeated, or the next one
would look elsewhere. `tests/unit/test_advice.py` gives every line that a message may have to the program's parser.
"""

from __future__ import annotations

import shlex

#: Options that the commands which messages name may be given, by command; `tests/unit/test_advice.py` compares.
OPTIONS = {
    "plan": ("--config", "--volume", "--engine"),
    "run": ("--config", "--volume", "--engine", "--server"),
    "status": ("--config", "--volume", "--engine", "--server"),
    "cancel": ("--config", "--volume", "--engine", "--server"),
    "fetch": ("--config", "--volume", "--engine"),
    "retry": ("--config", "--volume", "--engine", "--server"),
    "results": ("--config", "--volume", "--server"),
    "store": ("--config", "--volume"),
    "cache": ("--config",),
    "lint": ("--config",),
    "install": ("--config",),
    "lock": ("--config",),
    "token": ("--config",),
    "worker": ("--config", "--volume"),
}
_given: dict[str, str] = {}


def remember(**options: str) -> None:
    """The options of this command, which all that it advises repeats.

    Args:
        options: by the name of the option, `config`, `volume`, `engine` or `server`; empty for one that was not given.
    """
    _given.clear()
    _given.update({f"--{name}": value for name, value in options.items() if value})


def ours(*words: str) -> str:
    """A command line of scanmatrix in backquotes, for the middle of a message; see `command_line`."""
    return f"`{command_line(*words)}`"


def command_line(*words: str) -> str:
    """A command line of scanmatrix, as a shell takes it.

    Args:
        words: those after `scanmatrix`; what people have to fill in is in capitals.
    """
    known = OPTIONS.get(words[0], ()) if words else ()
    more = [word for option, value in _given.items() if option in known for word in (option, value)]
    return shlex.join(["scanmatrix", *words, *more])


def resuming(run: str) -> str:
    """The line that resumes a run, and makes what is missing of its results."""
    return ours("run", "--resume", run)
