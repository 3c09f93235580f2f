"""What every command has, whichever it is: how much it tells, and how wide its tables are."""

from __future__ import annotations

import inspect
import logging
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.answering import SERVER
from orchestrator.cli.once import OnceCommand
from orchestrator.cli.tables import WIDE
from orchestrator.errors import TemporaryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Whether progress and warnings are left out.
QUIET: ContextVar[bool] = ContextVar("QUIET", default=False)
EXIT_STATUSES = (
    "Exit status: 0 success, 1 policy violated, 2 usage or configuration error, 3 the run failed, 4 nothing is known of"
    " what was asked about, 5 something that is needed is not here (doctor), 130 detached from a run that continues."
)
#: The name of the program.
PROGRAM = "scanmatrix"
#: What to do instead of asking a service, by command.
_INSTEAD = {
    "plan": "POST /api/v1/plan of the service is a dry run; or run it where the service's configuration is",
    "logs": "the output of scanners stays where they ran: run it there",
    "fetch": "results of a run need not be fetched: results show RUN and status RUN ask the service for them",
    "results export": "GET /api/v1/runs/RUN/report and .../bom of the service are its report and its BOM",
    "results notify": "the service notifies by its own configuration when a run ends",
}
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
#: Libraries that log, once for each field of a type or each request, what says nothing about a run.
_CHATTY = ("py_serializable", "urllib3.util.retry")

Verbose = Annotated[
    int, typer.Option("--verbose", "-v", count=True, show_default=False, help="Log more; -vv logs everything.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress and no warnings.")]
Wide = Annotated[bool, typer.Option("--wide", help="Show every column of tables, in full.")]
_EVERYWHERE: dict[str, tuple[Any, Any]] = {"verbose": (Verbose, 0), "quiet": (Quiet, False)}
_OF_TABLES: dict[str, tuple[Any, Any]] = {"wide": (Wide, False)}


def start(verbose: int = 0, *, quiet: bool = False, server: str = "") -> None:
    """Begin a command with what was given before its name; a process may run several of them."""
    WIDE.set(False)
    QUIET.set(False)
    SERVER.set(server)
    logging.getLogger().setLevel(_LEVELS[0])
    _tell(verbose=verbose, quiet=quiet)


def _tell(*, verbose: int = 0, quiet: bool = False, wide: bool = False) -> None:
    """Tell as much as is wanted; what was given before stays where nothing is given."""
    if verbose:
        for chatty in _CHATTY:
            logging.getLogger(chatty).setLevel(logging.INFO)
        logging.getLogger().setLevel(_LEVELS[min(verbose, len(_LEVELS) - 1)])
    if quiet:
        QUIET.set(True)
        logging.getLogger().setLevel(logging.ERROR)
    if wide:
        WIDE.set(True)


class Commands(typer.Typer):
    """A group of commands that all have `-v` and `-q` and, where they print tables, `--wide`."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """See `typer.Typer.command`."""
        usual: dict[str, Any] = {"epilog": EXIT_STATUSES, "cls": OnceCommand}
        register = super().command(name, **usual | options)

        def decorate(function: Callable[..., None]) -> Callable[..., None]:
            register(_with_options(function, self._label(name or function.__name__)))
            return function

        return decorate

    def callback(self, **options: Any) -> Callable[[Any], Any]:
        """See `typer.Typer.callback`; a group that does something itself has the options of a command."""
        register = super().callback(**options)

        def decorate(function: Callable[..., None]) -> Callable[..., None]:
            register(_with_options(function, self._label()) if options.get("invoke_without_command") else function)
            return function

        return decorate

    def _label(self, *command: str) -> str:
        """What people type for a command of this group, without the name of the program."""
        group = self.info.name
        return " ".join([*([group] if isinstance(group, str) and group != PROGRAM else []), *command])


def _asks_nobody(label: str) -> UsageError:
    """The error where `--server` stands before a command that asks no service, with what to do instead."""
    instead = _INSTEAD.get(
        label, "leave the option out, and run it on the machine whose volume and configuration it is of"
    )
    return UsageError(f"--server: {label} asks no service; {instead}")


def _with_options(function: Callable[..., None], label: str) -> Callable[..., None]:
    """A command with the options that all have; those that it has itself stay its own; `label` is what people type."""
    signature = inspect.signature(function)
    asks = "server" in signature.parameters
    added = _EVERYWHERE | (_OF_TABLES if "output" in signature.parameters else {})

    @wraps(function)
    def call(**given: Any) -> None:
        _tell(**{name: given.pop(name) for name in added})
        if SERVER.get() and not asks:
            raise _asks_nobody(label)
        try:
            function(**given)
        except BrokenPipeError as error:  # of a connection; Typer would end as if a policy were violated
            raise TemporaryError(f"a connection broke: {error}; try it again") from error

    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in added.items()
    ]
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *parameters])  # type: ignore[attr-defined]
    call.__annotations__ = {**function.__annotations__, **{name: kind for name, (kind, _) in added.items()}}
    return call
