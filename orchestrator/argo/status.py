"""How a run stands, as its Workflows say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.argo.attempts import Kind, attempt_of
from orchestrator.argo.fates import why_ended
from orchestrator.argo.items import image_of
from orchestrator.argo.names import SHARD
from orchestrator.argo.nodes import is_work, nodes
from orchestrator.argo.parameters import Input
from orchestrator.model import CellState, CellStatus, PullStatus, RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.cluster.objects import Node, Workflow


_STATES = {
    "Pending": CellState.WAITING,
    "Running": CellState.RUNNING,
    "Succeeded": CellState.OK,
    "Failed": CellState.FAILED,
    "Error": CellState.FAILED,
}


def status_of(run: str, workflows: Iterable[Workflow]) -> RunStatus:
    """Put together what all Workflows of a run say; the newest of them that is no shard is the run's own.

    Raises:
        NodesUnreadableError: the nodes of one are not in it.
    """
    every = sorted(filter(is_work, workflows), key=lambda each: each.metadata.creation_timestamp)
    cells: dict[tuple[str, str], CellStatus] = {}
    pulls: dict[str, PullStatus] = {}
    for workflow in every:
        found = nodes(workflow)
        references = {
            node.parameter(Input.TARGET): shown for node in found.values() if (shown := image_of(node.display_name))
        }
        for node in sorted(found.values(), key=lambda each: each.started_at or "9999"):
            _add(node, found, references, cells, pulls)
    whole = [each for each in every if SHARD not in each.metadata.labels]
    last = whole[-1] if whole else None
    if last is None:
        return RunStatus(run=run, state="pending", message="no Workflow of it yet")
    phase = last.status.phase.lower() or "pending"
    why = why_ended(last, nodes(last))
    return RunStatus(
        run=run,
        state="cancelled" if last.spec.shutdown and last.ended else {"error": "failed"}.get(phase, phase),
        message=why or (last.status.message if last.ended else ""),
        started=whole[0].status.started_at or "",
        finished=(last.status.finished_at or "") if last.ended else "",
        progress=last.status.progress,
        workflows=tuple(each.metadata.name for each in every),
        cells=tuple(cells.values()),
        pulls=tuple(pulls.values()),
    )


def _add(
    node: Node,
    found: Mapping[str, Node],
    references: Mapping[str, str],
    cells: dict[tuple[str, str], CellStatus],
    pulls: dict[str, PullStatus],
) -> None:
    """What one node says of a cell or an image; later attempts come later, and count more."""
    state = _STATES.get(node.phase)
    if state is None:
        return
    kind, target, scan, _, _ = attempt_of(node, found)
    if kind is Kind.CONTAINER:
        if state is CellState.OK or node.message.startswith(f"{scan}:"):
            # Its scanner ran, so the image was there, however the pod they share ended.
            pulls[target] = PullStatus(target=target, reference=references.get(target, ""), state=CellState.OK)
    elif kind in {Kind.PULL, Kind.IMAGE}:
        if target not in pulls or kind is Kind.PULL or state is not CellState.FAILED:
            reference = references.get(target, "")
            pulls[target] = PullStatus(target=target, reference=reference, state=state, message=node.message)
        return
    elif kind is not Kind.CELL:
        return
    before = cells.get((target, scan))
    cells[target, scan] = CellStatus(
        target=target,
        scan=scan,
        reference=references.get(target, "") or (before.reference if before else ""),
        state=state,
        message="" if state is CellState.OK else node.message,
        attempts=(before.attempts if before else 0) + 1,
        started=(before.started if before else "") or node.started_at or "",
        finished=node.finished_at or "" if state in {CellState.OK, CellState.FAILED} else "",
    )
