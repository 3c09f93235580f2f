"""`scanmatrix schedule`: keep every result fresh, or show how fresh they are."""

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import ConfigFile, Engine, OutputOption, Server, Strict, Volume
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.config.loading import Config
    from orchestrator.service.scheduler import Scheduler
    from orchestrator.store.backlog.messages import Backlog
    from orchestrator.store.backlog.store import BacklogStore


def schedule(
    config: ConfigFile = None,
    volume: Volume = None,
    engine: Engine = None,
    once: Annotated[bool, typer.Option("--once", help="Stop when nothing is due and no run is active.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print how fresh the results are, and exit.")] = False,
    mounted: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder where the cluster's volume is mounted, instead of volume.path; results are read from it.",
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        str,
        typer.Option(
            metavar="NAME/DIGEST",
            help="ConfigMap in which how fresh the results are is kept for the controller, and of which configuration.",
            show_default=False,
        ),
    ] = "",
    strict: Strict = False,
    server: Server = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Keep results fresh: scan new targets first, then stale ones.

    Watches clusters, registries and lists of targets until it is stopped; several schedulers can share one store. Press
    Ctrl-C to stop; unfinished runs resume next time.

    Example: scanmatrix schedule --config scanmatrix.yaml
    """
    from orchestrator import engines
    from orchestrator.cli.answering import SERVER, answering
    from orchestrator.cli.output import complain
    from orchestrator.errors import UsageError
    from orchestrator.service.notes import Notes
    from orchestrator.service.scheduler import Scheduler
    from orchestrator.store.backlog.store import BacklogStore

    if volume is not None and mounted is not None:
        raise UsageError("give --volume or --mounted, not both: each says where the results are")
    if show:
        with answering(server, config, mounted or volume, engine=engine) as answers:
            _print(answers.backlog(), output)
        return
    if server or SERVER.get():
        raise UsageError("--server: a service is asked with --show; a scheduler itself runs where its configuration is")
    settings = settings_of(config, mounted or volume, engine=engine, strict=strict)
    with BacklogStore.of(settings) as store:
        live = sys.stderr.isatty()
        notes = Notes() if live else Notes(complain)
        keep = _keeper(settings, state) if state else None
        runner = engines.make(settings, mounted=mounted is not None)
        scheduler = Scheduler(settings, store, runner, notes=notes, keep=keep)
        _run(scheduler, store, once=once, live=live)


def _print(backlog: "Backlog", output: OutputFormat) -> None:
    from orchestrator.cli.backlog import print_backlog
    from orchestrator.cli.output import print_data

    if output is OutputFormat.TABLE:
        print_backlog(backlog)
    else:
        print_data(backlog, output)


def _keeper(settings: "Config", state: str) -> "Callable[[Backlog], None]":
    """What keeps the state in a ConfigMap of the namespace in which runs are."""
    from orchestrator.cluster.namespaced import NamespacedObjects
    from orchestrator.cluster.transport import Connection
    from orchestrator.service.state import StateKeeper

    name, _, digest = state.partition("/")
    return StateKeeper(NamespacedObjects(Connection(None, 5.0), settings.argo.namespace), name, digest).keep


def _run(scheduler: "Scheduler", store: "BacklogStore", *, once: bool, live: bool) -> None:
    """Run it in a thread of its own, so that this one can draw, and is there for signals."""
    from orchestrator.engines.signals import heeding

    failed: list[BaseException] = []

    def run() -> None:
        try:
            scheduler.run(once=once)
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            failed.append(error)

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        scheduler.stop()

    thread = threading.Thread(target=run, name="scheduler", daemon=True)
    with heeding(end):
        thread.start()
        if live:
            from orchestrator.cli.backlog import watch

            watch(thread, scheduler, store)
        while thread.is_alive():
            thread.join(1)
    if failed:
        raise failed[0]
