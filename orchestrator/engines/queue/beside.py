"""Scanners that run in the container beside a worker: their own image, which sees one cell at a time."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.argo.beside import (
    CELL_AT,
    DATABASES_AT,
    INPUTS_AT,
    LAYERS_AT,
    MADE,
    MADE_AT,
    OWN_AT,
    SERVER_AT,
    WORK,
    WORK_AT,
)
from orchestrator.argo.supervisor import FILES
from orchestrator.catalog.placeholders import fill_words
from orchestrator.engines.local.containers import give_away
from orchestrator.engines.local.launch import Launcher
from orchestrator.engines.local.output import whole_lines
from orchestrator.engines.local.process import Ended, Job, judge, why_end
from orchestrator.engines.local.scratch import Scratch
from orchestrator.engines.queue.ordering import server_order
from orchestrator.model.endings import timed_out
from orchestrator.steps.keep import FOLDER, keep_one
from orchestrator.steps.made import put_on_volume
from orchestrator.upkeep.leftovers import empty
from orchestrator.volume.layout import MAX_AGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from orchestrator.engines.local.launch import Binding, StandingJob
    from orchestrator.engines.queue.neighbour import Neighbour
    from orchestrator.model import Scan, Warm
    from orchestrator.volume.layout import Volume

_ISOLATION = "its own image, in the pod of a worker"
#: Below it there is no process: what a scanner holds open only the kubelet sees.
_NOBODY = -1
#: In the folders for them: the database that a command makes, and the files of the layers of the current cell.
_DATABASE, _FILES = "database", "files"
#: What placeholders of a server stand for.
_OF_SERVER = {"server": SERVER_AT, "files": f"{INPUTS_AT}/{FILES}"}


class BesideLauncher(Launcher):
    """Starts jobs in the container beside this one, one at a time.

    Args:
        neighbour: that container.
        volume: where the cells lie.
        worker: name of this worker, which has a folder on the volume.
    """

    def __init__(self, neighbour: Neighbour, volume: Volume, worker: str) -> None:
        super().__init__("container", f"worker {worker}", sandbox="off")
        self._neighbour, self._volume = neighbour, volume
        self._staged = volume.worker(worker)
        # The files of layers are no burden of the shared volume.
        self.layers = neighbour.layers / _FILES

    def missing(self, scan: Scan) -> str:  # noqa: ARG002 - as the base class has it
        """Nothing: a worker waits until the container is there."""
        return ""

    def warning(self, scans: object) -> str:  # noqa: ARG002 - likewise
        """Nothing: Kubernetes isolates the container."""
        return ""

    def is_process(self, scan: Scan) -> bool:  # noqa: ARG002 - likewise
        """Never; a built-in scan runs in our image beside this one."""
        return False

    def show_life(self) -> None:
        """Say that this worker is there."""
        self._neighbour.show_life()

    def make_ready(self, stopped: Callable[[], str]) -> None:
        """Make sure of a scanner's container, and that it sees nothing of a cell.

        Raises:
            NeighbourGoneError: there is none.
        """
        self._staged.mkdir(parents=True, exist_ok=True)
        self._empty()
        self._neighbour.make_ready(stopped)

    def launch(
        self,
        scan: Scan,
        job: Job,
        places: Sequence[Binding],
        stopped: Callable[[], str],
        *,
        network: bool = False,  # noqa: ARG002 - a pod has one network; see docs/queue.md
        secrets: Mapping[str, str] | None = None,
        values: Mapping[str, str] | None = None,
        standing: StandingJob | None = None,  # noqa: ARG002 - it stays in any case
    ) -> Ended:
        """Start a job as `Launcher.launch` does; it has the network of this pod.

        Raises:
            NeighbourGoneError: the container is not there.
            ScanmatrixError, OSError: what it made could not be kept.
        """
        with self._staging(scan, places) as where:
            where |= {"report": f"{WORK_AT}/{scan.report}", **(values or {})}
            environment = fill_words(tuple(job.environment.values()), scan, where)
            variables = {**dict(zip(job.environment, environment, strict=True)), **(secrets or {})}
            words = fill_words(job.argv, scan, where)
            if scan.warm and job.argv == scan.command and self._is_served(scan, scan.warm, where, stopped):
                words = fill_words(scan.warm.command, scan, {**where, **_OF_SERVER})
            written = replace(job, report=self._neighbour.own / WORK / scan.report)
            ended = self._run(written, words, variables, where["report"], stopped)
            if not ended.error:
                self._keep(scan, job, places)
        return ended

    def _is_served(self, scan: Scan, warm: Warm, where: Mapping[str, str], stopped: Callable[[], str]) -> bool:
        """Whether the scan's server runs, with the very database of this cell."""
        places = _OF_SERVER | ({"database": where["database"]} if "database" in where else {})
        return self._neighbour.serve(server_order(scan, warm, SERVER_AT, places), stopped)

    def _run(
        self, job: Job, words: Sequence[str], variables: Mapping[str, str], report: str, stopped: Callable[[], str]
    ) -> Ended:
        """Run a job, within its bounds."""
        folders = [self._neighbour.own / name for name in OWN_AT]
        scratch = Scratch(folders, job.bound, _NOBODY) if job.bound else None
        until = time.monotonic() + job.timeout
        end = self._neighbour.run(
            words,
            variables,
            timeout=int(job.timeout),
            printed=report if job.from_stdout else "",
            why_end=lambda: why_end(job, until, scratch, stopped),
        )
        log = whole_lines(self._neighbour.log())
        if end.code is None:
            reason = end.reason or timed_out(job.timeout)
            return Ended(error=reason, log=log, temporary=end.lost, isolation=_ISOLATION)
        ended = replace(judge(end.code, job, log), isolation=_ISOLATION)
        if not ended.error and scratch and (reason := scratch.broken(now=True)):
            return replace(ended, error=reason)
        return ended

    def _keep(self, scan: Scan, job: Job, places: Sequence[Binding]) -> None:
        """Take what a job has made: a database, or a report."""
        if made := _made(places):
            empty(made)
            most = job.bound.size if job.bound else 0
            put_on_volume(self._neighbour.own / MADE / _DATABASE, made, scan.name, most=most)
        else:
            opening = partial(os.open, self._neighbour.own / WORK, FOLDER)
            keep_one(opening, job.folder, scan.report, job.report_limit, iter(()))

    @contextmanager
    def _staging(self, scan: Scan, places: Sequence[Binding]) -> Iterator[dict[str, str]]:
        """Put what a job reads where its container sees it; where it sees what, by the names of placeholders."""
        where, databases = {"workdir": WORK_AT}, self._volume.root / "databases"
        try:
            for place in places:
                if place.name == "database" and not place.read_only:
                    where[place.name] = f"{MADE_AT}/{_DATABASE}"
                    making = self._neighbour.own / MADE / _DATABASE
                    making.mkdir()
                    put_on_volume(place.path, making, scan.name, most=0)  # what its command continues
                    give_away(making, whole=True)
                elif place.path == self.layers:
                    where[place.name] = f"{LAYERS_AT}/{_FILES}"
                elif place.read_only and place.path.is_relative_to(databases):
                    where[place.name] = "/".join([DATABASES_AT, *place.path.relative_to(databases).parts[1:]])
                elif place.read_only:
                    where[place.name] = f"{CELL_AT}/{place.path.name}"
                    place.path.rename(self._staged / place.path.name)
                    with suppress(FileNotFoundError):
                        (place.path.parent / MAX_AGE).rename(self._staged / MAX_AGE)
            yield where
        finally:
            self._empty()

    def _empty(self) -> None:
        empty(self._staged)
        empty(self._neighbour.layers)
        empty(self._neighbour.own / MADE)


def _made(places: Sequence[Binding]) -> Path | None:
    """The folder of the volume for the database that a job makes; None for any other job."""
    return next((place.path for place in places if place.name == "database" and not place.read_only), None)
