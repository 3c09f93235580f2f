"""What became of every cell, read off the Workflows of a run and the pods they left behind.

A run may have several Workflows: the first, its shards, and later ones that run failed cells again. A cell's fate is
that of its last attempt in any of them; a cell without any attempt has that of what kept it from starting: its pull,
its shard, the end of its Workflow. `orchestrator.argo.reasons` puts one attempt into words. All of it is pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from orchestrator.argo.attempts import AttemptKind, attempt_of
from orchestrator.argo.ends import keeper_failed
from orchestrator.argo.names import KEEP, MAIN, SHARD, STAGE
from orchestrator.argo.nodes import is_work, nodes
from orchestrator.argo.reasons import CANCELLED, RUN_DEADLINE, explain
from orchestrator.argo.refused import is_refused
from orchestrator.model.endings import NodeState

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from orchestrator.argo.attempts import Attempt
    from orchestrator.cluster.objects import Node, Pod, Workflow

_Key = TypeVar("_Key", bound="Hashable")

NEVER_STARTED = "never started"
PULL = "pull"

_ENDED = {"Succeeded", "Failed", "Error"}
_SUCCEEDED = "Succeeded"
# The kubelet's clock, Argo's and the API server's, and Argo's whole seconds.
_SLACK = timedelta(seconds=3)
_LAST = "9999"


class Fate(NamedTuple):
    """How the last attempt of something went.

    Attributes:
        reason: why it failed; empty when it succeeded.
        ended: whether the last attempt has come to an end.
        exit_code: of the scanner; None when it never ran, was stopped, or nobody knows.
        attempts: pods that were made for it, or tried to be.
        started: begin of the first attempt, RFC 3339.
        begun: begin of the last one.
        finished: end of the last one; empty while it runs.
        pod: name of the last attempt's pod, when that is still there.
        container: in that pod, whose log tells more.
        own: True when a container of ours failed, before the scanner or after it; before it, it wrote its reason down.
        waiting: whether its pod has not started.
    """

    reason: str = ""
    ended: bool = True
    exit_code: int | None = None
    attempts: int = 0
    started: str = ""
    begun: str = ""
    finished: str = ""
    pod: str = ""
    container: str = MAIN
    own: bool = False
    waiting: bool = False

    @property
    def state(self) -> NodeState:
        """In the words of the decision how a cell ended."""
        if not self.ended:
            if not self.attempts:
                return NodeState.UNKNOWN
            return NodeState.WAITING if self.waiting else NodeState.RUNNING
        if not self.reason:
            return NodeState.SUCCEEDED
        if not self.begun:
            return NodeState.UNSTARTED
        return NodeState.FAILED_BEFORE if self.own else NodeState.FAILED

    @property
    def unkept(self) -> bool:
        """Whether its scanner ended well, and what failed is the container beside it that keeps its report."""
        return self.own and self.container == KEEP

    def kept(self) -> Fate:
        """The same of a report that is on the volume all the same: it was kept before that container failed."""
        return self._replace(reason="", exit_code=0, own=False)


class Surroundings(NamedTuple):
    """What else than its nodes tells of a Workflow.

    Attributes:
        pods: those that are left, by the ids of their nodes.
        warnings: what Kubernetes warned of about its pods, by the last part of their names, which is also that of
            their nodes' ids.
        deadline: when the run's time was over.
        stopped: whether the run was cancelled.
    """

    pods: Mapping[str, Pod] = {}
    warnings: Mapping[str, tuple[str, ...]] = {}
    deadline: datetime | None = None
    stopped: bool = False


class Fates:
    """What became of a run, as far as its Workflows tell; they may be added in any order.

    Attributes:
        databases: by name of scan.
        batches: of cells that read stored SBOMs, by name of their scan and number of the batch.
        runs: why each Workflow that ended before its time did, by its name.
        refused: names of Workflows that found their run taken, and left it alone; they tell nothing of it.
        shards: why each shard that has no Workflow has none, by its number.
    """

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], Fate] = {}
        self._pulls: dict[str, Fate] = {}
        self._staged: set[str] = set()
        self._homes: dict[str, str] = {}
        self._there: set[str] = set()
        self._unmade: dict[str, str] = {}
        self.databases: dict[str, Fate] = {}
        self.batches: dict[tuple[str, str], Fate] = {}
        self.runs: dict[str, str] = {}
        self.refused: set[str] = set()

    def add(self, workflow: Workflow, around: Surroundings | None = None) -> Mapping[str, Node]:
        """Count one Workflow of the run; its nodes are returned.

        Raises:
            NodesUnreadableError: its nodes are not in it; nothing was counted.
        """
        around = around or Surroundings()
        if not is_work(workflow):
            return {}
        found = nodes(workflow)
        if is_refused(found):
            self.refused.add(workflow.metadata.name)
            return {}
        name = workflow.metadata.name
        self._there.add(workflow.metadata.labels.get(SHARD, ""))
        if why := why_ended(workflow, found):
            self.runs[name] = why
        around = around._replace(deadline=_deadline(workflow), stopped=bool(workflow.spec.shutdown))
        for node in found.values():
            attempt = attempt_of(node, found)
            if attempt.kind in {AttemptKind.TARGET, AttemptKind.CONTAINER}:
                self._homes[attempt.target] = name
            self._count(node, attempt, around)
        return found

    def cell(self, target: str, scan: str, *, shard: str = "", pulled: bool = True) -> Fate:
        """What became of a cell; always something.

        Args:
            target: id of its target.
            scan: name of its scan.
            shard: number of the shard it belongs to, if the run has several.
            pulled: False for one that read a stored SBOM, and had no need of its image.
        """
        fate, pull = self._cells.get((target, scan)), self._pulls.get(target) if pulled else None
        if pull is not None and pull.reason and pull.ended and _came_before(fate, pull):
            attempts = fate.attempts if fate is not None else 0
            what = NEVER_STARTED if pull.reason.startswith((CANCELLED, RUN_DEADLINE)) else PULL
            reason = f"{what}: {pull.reason}"
            return pull._replace(reason=reason, exit_code=None, attempts=attempts)
        if fate is not None:
            stopped = "" if fate.ended else self._stopped(target, shard)
            return fate._replace(reason=f"{fate.reason}: {stopped}", ended=True) if stopped else fate
        stopped = self._stopped(target, shard)
        return Fate(reason=f"{NEVER_STARTED}: {stopped}" if stopped else "", ended=bool(stopped))

    def attempted(self) -> list[tuple[str, str]]:
        """Target id and scan of every cell that has an attempt, the first one first."""
        return sorted(self._cells, key=lambda cell: self._cells[cell].started or _LAST)

    def pulls(self) -> dict[str, Fate]:
        """How the last pull of each target went, by its id; a scanner that ran tells that it went well."""
        return {target: Fate() if target in self._staged else pull for target, pull in self._pulls.items()}

    @property
    def shards(self) -> dict[str, str]:
        """Why each shard that has no Workflow has none, by its number."""
        return {number: why for number, why in self._unmade.items() if number not in self._there}

    def _stopped(self, target: str, shard: str) -> str:
        """What ended the Workflow that a target belongs to, or would have, before its turn came."""
        if why := self.runs.get(self._homes.get(target, "")):
            return why
        return self.shards.get(shard) or next(iter(self.runs.values()), "") or next(iter(self.shards.values()), "")

    def _count(self, node: Node, attempt: Attempt, around: Surroundings) -> None:
        """One attempt of a cell, a pull, a database, a shard."""
        match attempt.kind:
            case AttemptKind.CELL:
                _put(self._cells, (attempt.target, attempt.scan), _fate(node, around))
            case AttemptKind.CONTAINER:
                fate = _fate(node, around, container=attempt.scan, parent=attempt.parent)
                _put(self._cells, (attempt.target, attempt.scan), fate)
                ran = fate.state is NodeState.SUCCEEDED or fate.unkept
                if ran or node.message.startswith(f"{attempt.scan}:"):
                    self._staged.add(attempt.target)
            case AttemptKind.PULL:
                _put(self._pulls, attempt.target, _fate(node, around)._replace(own=True))
            case AttemptKind.IMAGE:
                _put(self._pulls, attempt.target, _staging(node, around))
            case AttemptKind.SBOMS:
                _put(self.batches, (attempt.scan, attempt.batch), _fate(node, around))
            case AttemptKind.DATABASE:
                _put(self.databases, attempt.scan, _fate(node, around))
            case AttemptKind.SHARD if reason := _fate(node, around).reason:
                self._unmade[attempt.shard] = f"shard {attempt.shard} was not started: {reason}"


def why_ended(workflow: Workflow, found: Mapping[str, Node] | None = None) -> str:
    """Why a Workflow ended before its time; empty when it did not.

    Args:
        workflow: the Workflow.
        found: its nodes, which tell of a deadline and of a plan step that failed.
    """
    if workflow.spec.shutdown:
        return CANCELLED
    several = (found or {}).values()
    # Argo gives a Workflow that ran into its deadline no message, but each node that it ends itself.
    said = [workflow.status.message, *(node.message for node in several)]
    if any("exceeded workflow deadline" in text or "Step exceeded its deadline" in text for text in said):
        return RUN_DEADLINE
    for node in several:
        if node.phase in {"Failed", "Error"} and attempt_of(node, found or {}).kind is AttemptKind.PLAN:
            return f"its plan step failed: {explain(node, None).text}"
    if workflow.status.phase == "Error":
        return f"Argo gave up the Workflow: {workflow.status.message or 'it does not say why'}"
    return ""


def _deadline(workflow: Workflow) -> datetime | None:
    """When the run's time was over; Argo gives each pod what is left of it as its own deadline."""
    stored = workflow.status.stored_workflow_template_spec
    seconds = workflow.spec.active_deadline_seconds or (stored.active_deadline_seconds if stored else None)
    started = _moment(workflow.status.started_at)
    try:
        return started + timedelta(seconds=seconds) - _SLACK if started and seconds else None
    except OverflowError:
        return None


def _fate(node: Node, around: Surroundings, *, container: str = MAIN, parent: Node | None = None) -> Fate:
    """How one attempt went."""
    pod = around.pods.get((parent or node).id)
    fate = Fate(
        ended=node.phase in _ENDED,
        waiting=node.phase == "Pending",
        attempts=1,
        started=node.started_at or "",
        begun=node.started_at or "",
        finished=(node.finished_at or "") if node.phase in _ENDED else "",
        pod=pod.metadata.name if pod is not None else "",
        container=container,
    )
    # Argo passes over a container beside the scanner that was killed; without its report a scan has not gone well.
    lost = container != STAGE and keeper_failed(_of_pod(node, parent, KEEP), pod) is not None
    if node.phase == _SUCCEEDED and not lost:
        return fate._replace(exit_code=0)
    ended = _moment(node.finished_at)
    late = around.deadline is not None and ended is not None and ended >= around.deadline
    warnings = around.warnings.get(_suffix((parent or node).id), ())
    told = node if pod is not None else _of_pod(node, parent, KEEP if node.phase == _SUCCEEDED else STAGE)
    reason = explain(told, pod, container=container, warnings=warnings, late=late, stopped=around.stopped)
    return fate._replace(
        reason=reason.text, exit_code=reason.exit_code, own=bool(reason.ours), container=reason.ours or container
    )


def _of_pod(node: Node, parent: Node | None, container: str) -> Node:
    """The node that tells how a container of ours ended: that of the pod, where it names it, else the scanner's own."""
    if parent is None or not parent.message.startswith(f"{container}:"):
        return node
    return msgspec.structs.replace(parent, outputs=None)  # whose exit code it has there is not said


def _staging(node: Node, around: Surroundings) -> Fate:
    """How the init container of a pod for a whole image went, by itself: it pulls for all its scans."""
    fate = _fate(node, around, container=STAGE)
    pod = around.pods.get(node.id)
    for status in pod.status.init_container_statuses if pod is not None else ():
        ended = status.state.terminated
        if status.name == STAGE and ended is not None and ended.exit_code == 0:
            return fate._replace(reason="", exit_code=0)
    if pod is None and not node.message.startswith(f"{STAGE}:"):
        return fate._replace(reason="")  # its containers are nodes of their own, and say what they know
    return fate._replace(own=True)


def _put(fates: dict[_Key, Fate], key: _Key, fate: Fate) -> None:
    """Count an attempt; the last one by its begin is what became of it."""
    before = fates.get(key)
    if before is None:
        fates[key] = fate
        return
    last = max(before, fate, key=_order)
    started = min((each for each in (before.started, fate.started) if each), default="")
    fates[key] = last._replace(attempts=before.attempts + fate.attempts, started=started)


def _order(fate: Fate) -> tuple[str, str]:
    return fate.begun or _LAST, fate.finished or _LAST


def _came_before(fate: Fate | None, pull: Fate) -> bool:
    """Whether a pull is what became of a cell in the end: it has no attempt, or failed in one before the pull."""
    return fate is None or bool(fate.reason and fate.begun < pull.begun)


def _suffix(name: str) -> str:
    """The hash at the end of a node's id and of its pod's name."""
    return name.rpartition("-")[2]


def _moment(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None
