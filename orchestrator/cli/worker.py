"""`scanmatrix worker`: take cells out of the queue, and run them."""

import threading
from contextlib import ExitStack, closing
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from orchestrator.cli.options import ConfigFile, Volume
from orchestrator.cli.settings import settings_of


def worker(
    config: ConfigFile = None,
    volume: Volume = None,
    scan: Annotated[
        list[str] | None,
        typer.Option(
            "--scan",
            "-s",
            metavar="NAME",
            help="Take only cells of this scan; may be given several times. Without it, of all that can run here.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of this worker, which no other may have.", show_default=False)
    ] = "",
    cells: Annotated[int, typer.Option(min=0, metavar="N", help="Stop after this many cells; 0 for any number.")] = 0,
    hours: Annotated[float, typer.Option(min=0, metavar="H", help="Stop after this many hours; 0 for any number.")] = 0,
    grace: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="Time for the current cell to end, when stopped, before it is given back."
        ),
    ] = 20,
    beside: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Run scanners in the container beside this one, which shares this folder. For pods.",
            show_default=False,
        ),
    ] = None,
    scan_version: Annotated[
        str,
        typer.Option(
            metavar="DIGEST", help="End at once if the scan is of another version than this.", show_default=False
        ),
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Stop when no cell is left for this worker.")] = False,
) -> None:
    """Run the cells that the engine `queue` hands out.

    Any number of workers, on any number of machines, share one volume and one store. When stopped, a worker ends its
    cell, or gives it back.

    Example: scanmatrix worker --scan virus --cells 500
    """
    from orchestrator import queues
    from orchestrator.catalog.loading import load_catalog
    from orchestrator.catalog.versions import check_version
    from orchestrator.cli.commands import QUIET
    from orchestrator.cli.output import complain
    from orchestrator.engines.queue.neighbour import Neighbour
    from orchestrator.engines.queue.worker import Worker, WorkerShare
    from orchestrator.engines.signals import heeding
    from orchestrator.scanners.rules import volume_of

    settings = settings_of(config, volume)
    quiet, catalog = QUIET.get(), load_catalog(settings)
    check_version(catalog, scan or (), scan_version)
    with queues.make(settings) as queue, ExitStack() as stack:
        queue.migrate()
        neighbour = stack.enter_context(closing(Neighbour(beside))) if beside else None
        works = Worker(
            settings,
            queue,
            volume_of(settings),
            catalog,
            scans=scan or (),
            name=name,
            share=WorkerShare(cells, hours * 3600, once),
            beside=neighbour,
            tell=lambda line: None if quiet else complain(line),
        )
        timer = threading.Timer(grace, works.interrupt)
        timer.daemon = True

        def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
            if timer.ident is None:
                works.stop()
                timer.start()
            else:  # somebody is impatient
                works.interrupt()

        if not quiet:
            complain(f"worker {works.name} takes cells of {', '.join(works.scans)}")
        with heeding(end):
            works.run()
