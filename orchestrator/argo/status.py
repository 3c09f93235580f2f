"""How a run stands, as its Workflows say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.argo.fates import Fates
from orchestrator.argo.items import image_of
from orchestrator.argo.names import SHARD, STAGE
from orchestrator.argo.nodes import NodesUnreadableError, is_work
from orchestrator.argo.parameters import Input
from orchestrator.argo.reasons import UNENDED
from orchestrator.model import CellState, CellStatus, PullStatus, RunStatus
from orchestrator.model.endings import Evidence, decide
from orchestrator.volume.layout import batch_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.argo.fates import Fate
    from orchestrator.cluster.objects import Workflow


#: What is said of a batch of which cells are left.
LEFT = "images of some of its cells are scanned instead"


def status_of(run: str, workflows: Iterable[Workflow]) -> RunStatus:
    """Put together what all Workflows of a run say; the newest of them that is no shard is the run's own.

    A run that was submitted in parts has shards alone: it runs as long as one of them does, and fails when one does. Of
    a Workflow whose nodes cannot be read only the phase is known, and the message says why.
    """
    every = sorted(filter(is_work, workflows), key=lambda each: each.metadata.creation_timestamp)
    fates, references, unreadable = Fates(), {}, {}
    for workflow in every:
        try:
            found = fates.add(workflow)
        except NodesUnreadableError as error:
            unreadable[workflow.metadata.name] = str(error)
            continue
        for node in found.values():
            if shown := image_of(node.display_name):
                references[node.parameter(Input.TARGET)] = shown
    if not every:
        return RunStatus(run=run, state="pending", message="no Workflow of it yet")
    every = [each for each in every if each.metadata.name not in fates.refused] or every
    whole = [each for each in every if SHARD not in each.metadata.labels] or sorted(every, key=_order)
    last = whole[-1]
    phase = last.status.phase.lower() or "pending"
    why = fates.runs.get(last.metadata.name, "")
    return RunStatus(
        run=run,
        state="cancelled" if last.spec.shutdown and last.ended else {"error": "failed"}.get(phase, phase),
        message="; ".join(filter(None, (why or (last.status.message if last.ended else ""), *unreadable.values()))),
        started=min((each.status.started_at for each in whole if each.status.started_at), default=""),
        finished=(last.status.finished_at or "") if last.ended else "",
        progress=last.status.progress,
        workflows=tuple(each.metadata.name for each in every),
        cells=(
            *(_cell(cell, fates.cell(*cell), references) for cell in fates.attempted()),
            *(_batch(scan, number, fate) for (scan, number), fate in sorted(fates.batches.items())),
        ),
        pulls=tuple(
            PullStatus(target=target, reference=references.get(target, ""), state=_state(pull), message=_of_pull(pull))
            for target, pull in fates.pulls().items()
        ),
    )


def _order(part: Workflow) -> tuple[bool, bool]:
    """Of the parts of a run the one that says how it stands comes last."""
    return not part.ended, part.status.phase != "Succeeded"


def _cell(cell: tuple[str, str], fate: Fate, references: Mapping[str, str]) -> CellStatus:
    target, scan = cell
    return CellStatus(
        target=target,
        scan=scan,
        reference=references.get(target, ""),
        state=_state(fate),
        message=_message(fate),
        attempts=fate.attempts,
        started=fate.started,
        finished=fate.finished,
    )


def _batch(scan: str, number: str, fate: Fate) -> CellStatus:
    """A batch in the place of its cells, which no Workflow knows; those that it has left have lines of their own."""
    found = _cell((batch_folder(number), scan), fate, {batch_folder(number): f"batch {number} of stored SBOMs"})
    return msgspec.structs.replace(found, state=CellState.OK, message=LEFT) if fate.unkept else found


def _of_pull(fate: Fate) -> str:
    """The same of a pull, which may be but a container of its image's pod."""
    message = _message(fate)
    return f"its {STAGE} container {message}" if message and fate.container == STAGE else message


def _state(fate: Fate) -> CellState:
    return decide(Evidence(node=fate.state)).state


def _message(fate: Fate) -> str:
    """Why it failed, or what keeps it from starting."""
    return fate.reason.removeprefix(UNENDED).removeprefix(": ")
