"""What the cluster knows of the cells goes into their records, so that the ledger can be made from the volume alone."""

from __future__ import annotations

import logging
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.argo.agreed import COMPLAINT
from orchestrator.argo.fates import Fate, Fates, Surroundings
from orchestrator.argo.names import ARGO_NODE_ID, ARGO_WORKFLOW, of_run, shard_number
from orchestrator.argo.nodes import nodes
from orchestrator.cluster.errors import ForbiddenError, ObjectNotFoundError, UnreachableError
from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.kit.masking import mask
from orchestrator.model import CellState, Decision
from orchestrator.model.endings import Evidence, NodeState, ReasonSource, decide, timed_out
from orchestrator.planning.batches import shards
from orchestrator.results.ledger import moment
from orchestrator.volume.layout import TIMED_OUT
from orchestrator.volume.records import Records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from orchestrator.cluster.client import Cluster
    from orchestrator.cluster.objects import Workflow
    from orchestrator.model import Cell, CellRecord, Plan, Scan
    from orchestrator.volume.layout import Volume
    from orchestrator.volume.records import Recorded

_log = logging.getLogger(__name__)

_LOG_LINES = 20
_LOG_BYTES = 16_000
_LOG_LENGTH = 4000
_LINE_LENGTH = 300
# What Argo's executor, which starts the scanner, writes into the same log: when it begins and how it ended.
_EXECUTOR = re.compile(r"time=\S+ level=\w+ msg=.* argo=true|Error: exit status \d+")
_EXECUTOR_LINES = 4
# Why a step of ours failed, as it says itself.
_OURS = re.compile(rf"^{re.escape(COMPLAINT)}(.*)$", re.MULTILINE)
#: How the note begins that stands for everything the cluster would have told.
UNTOLD = "the cluster did not tell how the cells went, so only their reports and records do"
#: Logs read of one run; a run with more failures than that has one cause for most of them.
MOST_LOGS = 200
# Records written and logs read at the same time: both mostly wait, for a disk or for the API server.
_WORKERS = 8
# How long, and how often, in seconds, it is asked whether Argo's controller has written down that it made our pod.
_PATIENCE, _POLL = 60.0, 1.0
# The clock of a node and that of Argo's controller, and its whole seconds.
_SLACK = timedelta(seconds=5)


class Settled(NamedTuple):
    """What settling a run came to, beside the records.

    Attributes:
        notes: what could not be found out, or went wrong outside of any cell; for the summary.
        unrecorded: why cells failed whose records could not be written, by target id and scan.
    """

    notes: tuple[str, ...] = ()
    unrecorded: Mapping[tuple[str, str], str] = {}


class _Unwritten(NamedTuple):
    """A cell whose record could not be brought up to date: why it failed, if it did, and why its record was not."""

    cell: Cell
    reason: str
    error: str


def settle(plan: Plan, volume: Volume, cluster: Cluster, *, also: str = "", node: str = "") -> Settled:
    """Write into the record of each cell how its last attempt in the cluster went.

    Doing it again changes nothing. What our own containers wrote into a record stays: it says more than an exit code.
    Costs one pass over the Workflows of the run, of which one page is in memory at a time.

    Args:
        plan: of the run.
        volume: where the records are.
        cluster: where the Workflows of the run are.
        also: name of a Workflow of the run, which may lack the run's label.
        node: id of our own pod's node in that Workflow, where we are one of its pods.
    """
    late = _await_own(cluster, also, node) if also and node else []
    fates, notes = _ask(plan.run, cluster, also)
    notes += late
    scans = {scan.name: scan for scan in plan.scans}
    several = shards(plan)
    numbers = {target: shard_number(number) for number, part in enumerate(several, start=1) for target in part}
    logs, records = _Logs(cluster), Records(volume, plan.run)

    def fate_of(cell: Cell, found: Recorded) -> Fate:
        # How a cell ended in a batch, its record says: what became of its image is nothing to it.
        itself = found.record.source is None
        shard = numbers.get(cell.target, "") if len(several) > 1 else ""
        fate = fates.cell(cell.target, cell.scan, shard=shard, pulled=itself)
        return _by_folder(fate, volume.cell(plan.run, cell.target, cell.scan), scans[cell.scan])

    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="settle") as pool:
        work = [
            pool.submit(_write, records, cell, fate_of, scans[cell.scan], logs)
            for cell in plan.cells
            if cell.decision is Decision.RUN
        ]
        unwritten = [found for each in work if (found := each.result())]
    notes += [f"{each.cell.id}: its record could not be written: {each.error}" for each in unwritten]
    return Settled(
        notes=(*notes, *_run_notes(fates, logs), *logs.notes()),
        unrecorded={(each.cell.target, each.cell.scan): each.reason for each in unwritten if each.reason},
    )


def _await_own(cluster: Cluster, workflow: str, node: str, patience: float = _PATIENCE) -> list[str]:
    """Wait until a Workflow has our own node; notes.

    Argo's controller makes a pod first, and writes down what it knew by then afterwards, some seconds later when it is
    busy. Until then a scanner that was killed still runs, by its node.
    """
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            if node in nodes(cluster.workflow(workflow)):
                return []
        except (ScanmatrixError, msgspec.DecodeError):
            return []  # asking for all of them tells why
        time.sleep(_POLL)
    note = f"Argo's controller did not update Workflow {workflow} within {patience:.0f} seconds after it made this pod"
    return [f"{note}, so how the last cells ended is known by their reports and records only"]


def _ask(run: str, cluster: Cluster, also: str) -> tuple[Fates, list[str]]:
    """What the Workflows of a run tell, and what they could not."""
    fates, notes = Fates(), []
    try:
        warnings = _warnings(cluster)
        for workflow in _workflows(run, cluster, also):
            name = workflow.metadata.name
            selector = f"{ARGO_WORKFLOW}={name}"
            try:
                with guarded(f"reading how the cells of Workflow {name} went", passing=(msgspec.DecodeError,)):
                    left = cluster.pods(selector, fields="status.phase!=Succeeded")
                    pods = {pod.metadata.annotations.get(ARGO_NODE_ID, ""): pod for pod in left}
                    fates.add(workflow, Surroundings(pods, warnings))
            except UnreachableError:
                raise
            except (ScanmatrixError, msgspec.DecodeError) as error:
                notes.append(f"the cluster did not tell how the cells of Workflow {name} went: {error}")
    except (ScanmatrixError, msgspec.DecodeError) as error:
        notes.append(f"{UNTOLD}: {error}")
    return fates, notes


def _workflows(run: str, cluster: Cluster, also: str) -> Iterator[Workflow]:
    """The Workflows of a run, by label and by name: Argo does not always put the label on what others submit."""
    found = set()
    for workflow in cluster.workflows(of_run(run)):
        found.add(workflow.metadata.name)
        yield workflow
    for name in dict.fromkeys((run, also)):
        if name and name not in found:
            with suppress(ObjectNotFoundError):
                yield cluster.workflow(name)


def _warnings(cluster: Cluster) -> dict[str, tuple[str, ...]]:
    """Warnings by the last part of their pods' names, those of nodes' ids; none where we may not read them."""
    found: dict[str, list[str]] = {}
    try:
        for event in cluster.warnings():
            several = found.setdefault(event.involved_object.name.rpartition("-")[2], [])
            if event.message not in several:
                several.append(event.message)
    except (ForbiddenError, msgspec.DecodeError) as error:
        _log.info("warnings about pods cannot be read, so some reasons will say less: %s", error)
    return {suffix: tuple(messages) for suffix, messages in found.items()}


def _write(
    records: Records, cell: Cell, fate_of: Callable[[Cell, Recorded], Fate], scan: Scan, logs: _Logs
) -> _Unwritten | None:
    """Bring a cell's record up to what the cluster knows of it; what is wrong with one cell stays with that cell."""
    fate = Fate()
    try:
        with guarded(f"writing down how {cell.target} × {scan.name} went in the cluster"):
            # One that is damaged counts for none: what the cluster says is better than nothing.
            found = records.look(cell.target, cell.scan, scan.success_codes)
            fate = fate_of(cell, found)
            record = _settled(found, fate, scan, logs)
            if record != found.record:
                records.write(cell.target, cell.scan, record)
    except (ScanmatrixError, OSError) as error:
        return _Unwritten(cell, fate.reason if fate.ended else "", str(error))
    return None


def _by_folder(fate: Fate, folder: Path, scan: Scan) -> Fate:
    """A fate, by what the container that keeps reports left for the cell in the last attempt: each begins with none."""
    if fate.unkept and os.path.lexists(folder / scan.report):
        return fate.kept()
    if fate.reason and fate.state is NodeState.FAILED and os.path.lexists(folder / TIMED_OUT):
        return fate._replace(reason=timed_out(scan.timeout))
    return fate


def _settled(found: Recorded, fate: Fate, scan: Scan, logs: _Logs) -> CellRecord:
    """The record of a cell with what its fate adds to it, by the decision how the cell ended."""
    before, node = found.record, fate.state
    if node is NodeState.FAILED_BEFORE and not _is_of(before, fate):
        node = NodeState.FAILED  # what the record says is of an attempt before
    rule = decide(Evidence(record=found.state, node=node))
    counted = msgspec.structs.replace(
        before,
        attempts=max(before.attempts, fate.attempts),
        started=before.started or fate.started,
        finished=fate.finished or before.finished,
    )
    if rule.source is ReasonSource.NODE and rule.state is CellState.FAILED:
        return _failed(counted, fate, logs, before=before)
    if node is NodeState.SUCCEEDED:
        # Whichever of a scan's success codes it was, its container ended with 0.
        code = 0 if 0 in scan.success_codes else None
        return msgspec.structs.replace(counted, error="", exit_code=code, log="", given_up=False)
    # Otherwise its containers may be writing the record, or it says more than the cluster does.
    return msgspec.structs.replace(counted, finished=before.finished) if node is NodeState.FAILED_BEFORE else before


def _failed(counted: CellRecord, fate: Fate, logs: _Logs, *, before: CellRecord) -> CellRecord:
    """The record of a cell that failed as its node says."""
    log = logs.read(fate) or (before.log if _is_of(before, fate) else "")
    reason = fate.reason
    if fate.own and (said := _OURS.findall(log)):
        reason += f": {said[-1]}"  # it could not write that down itself: the volume was full, say
    if fate.attempts > 1:
        reason += f", after {fate.attempts} attempts"
    return msgspec.structs.replace(counted, error=reason, exit_code=fate.exit_code, log=log, given_up=False)


def _is_of(record: CellRecord, fate: Fate) -> bool:
    """Whether a record was finished during the last attempt, not in one before."""
    written, begun = moment(record.finished), moment(fate.begun)
    return written is not None and (begun is None or written >= begun - _SLACK)


def _run_notes(fates: Fates, logs: _Logs) -> list[str]:
    """What went wrong in a run outside of its cells."""
    noted = []
    for scan, fate in sorted(fates.databases.items()):
        if fate.reason:
            said = logs.read(fate).strip().rpartition("\n")[2][:_LINE_LENGTH]
            noted.append(f"database of {scan}: its refresh failed: {fate.reason}" + (f": {said}" if said else ""))
    noted += [
        f"batch {number} of stored SBOMs for {scan}: {fate.reason}"
        for (scan, number), fate in sorted(fates.batches.items())
        # Where it has only cells left, they say it themselves; so does the run that was stopped.
        if fate.ended and fate.reason and not fate.unkept and not fates.runs
    ]
    ended = [f"Workflow {name}: {why}" for name, why in sorted(fates.runs.items())]
    return [*noted, *ended, *(why for _, why in sorted(fates.shards.items()))]


def _without_executor(text: str) -> str:
    """The last lines that the container itself wrote."""
    lines = [line for line in text.splitlines() if not _EXECUTOR.match(line)]
    return mask("\n".join(lines[-_LOG_LINES:]))[-_LOG_LENGTH:]


class _Logs:
    """Last lines of failed containers, up to a number of them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._asked = count(1)
        self._left = count()
        self._away = False

    def read(self, fate: Fate) -> str:
        """The end of what the container of an attempt wrote; empty when that is gone."""
        if not fate.pod or self._away:
            return ""
        if next(self._asked) > MOST_LOGS:
            next(self._left)
            return ""
        try:
            lines = _LOG_LINES + _EXECUTOR_LINES
            text = self._cluster.log(fate.pod, container=fate.container, lines=lines, limit=_LOG_BYTES)
        except ScanmatrixError as error:
            self._away = self._away or isinstance(error, (UnreachableError, ForbiddenError))
            _log.info("the log of pod %s cannot be read: %s", fate.pod, error)
            return ""
        return _without_executor(text)

    def notes(self) -> list[str]:
        """What was left out."""
        left = next(self._left)
        told = [f"the logs of {left} more failed cells were not read; they are in the cluster"] if left else []
        return [*told, *(["logs of failed cells could not be read from the cluster"] if self._away else [])]
