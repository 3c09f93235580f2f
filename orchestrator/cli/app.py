"""The commands, put together."""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.commands import EXIT_STATUSES, PROGRAM, Commands, Quiet, Verbose, start

#: Where each command, or group of them, is: a module of this folder, and its name there. In the order of `--help`.
_HOMES = {
    "init": ("init", "init"),
    "plan": ("matrix", "plan"),
    "run": ("matrix", "run"),
    "status": ("runs", "status"),
    "logs": ("runs", "logs"),
    "retry": ("runs", "retry"),
    "cancel": ("runs", "cancel"),
    "fetch": ("runs", "fetch"),
    "delete": ("runs", "delete"),
    "schedule": ("schedule", "schedule"),
    "worker": ("worker", "worker"),
    "serve": ("serve", "serve"),
    "controller": ("controller", "controller"),
    "token": ("token", "token"),
    "render": ("render", "render"),
    "install": ("install", "install"),
    "doctor": ("doctor", "doctor"),
    "lock": ("trust", "lock"),
    "distrust": ("trust", "distrust"),
    "admit": ("admission", "admit"),
    "lint": ("catalog", "lint"),
    "explain": ("catalog", "explain"),
    "schema": ("catalog", "schema"),
    "version": ("app", "print_version"),
    "templates": ("catalog", "templates"),
    "plugins": ("catalog", "plugins"),
    "results": ("results", "app"),
    "store": ("store", "app"),
    "cache": ("caches", "app"),
}

if TYPE_CHECKING:
    app: Commands  # with all commands


def _version(wanted: bool) -> None:
    if wanted:
        from orchestrator import __version__

        typer.echo(f"scanmatrix {__version__}")
        raise typer.Exit


def scanmatrix(
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    server: Annotated[
        str, typer.Option(metavar="URL", help="Ask this service, for the commands that can.", show_default=False)
    ] = "",
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Scan every container image with every scanner you trust, and account for every cell."""
    start(verbose, quiet=quiet, server=server)


def print_version() -> None:
    """Print the version.

    Example: scanmatrix version
    """
    _version(wanted=True)


def program(words: Sequence[str]) -> Commands:
    """The program as far as a command line needs it: building all commands takes longer than starting Python.

    Args:
        words: what follows the program's name; where they do not begin with the name of a command, it has all.
    """
    words = words[2:] if words[:1] == ["--server"] else words
    return _with_commands(words[0] if words and words[0] in _HOMES else "")


@cache
def _with_commands(only: str) -> Commands:
    made = Commands(
        name=PROGRAM,
        help="Scan every container image with every scanner you trust, and account for every cell.",
        epilog=EXIT_STATUSES,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        # Rich help would cost a third of the time `--help` may take.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    made.callback()(scanmatrix)
    for name, (module, attribute) in _HOMES.items():
        if only in ("", name):
            found = getattr(import_module(f"orchestrator.cli.{module}"), attribute)
            if isinstance(found, typer.Typer):
                made.add_typer(found)
            else:
                made.command(name)(found)
    return made


def __getattr__(name: str) -> Any:
    if name == "app":
        return _with_commands("")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
