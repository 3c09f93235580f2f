"""How a cell stands, or how it ended: the one decision, for status, settling, retry, resume and ledger.

Four things are known of a cell, each by a word: what its plan decided, what its record says, what its node in the
cluster says, and what its report is. `RULES` decides: the first row that matches all four. `docs/reasons.md` shows the
same table to people.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.model.plan import Decision
from orchestrator.model.status import CellState

if TYPE_CHECKING:
    from collections.abc import Collection

    from orchestrator.model.image import Target
    from orchestrator.model.ledger import CellRecord
    from orchestrator.model.plan import Cell


class RecordState(StrEnum):
    """What the record of a cell says.

    Attributes:
        NONE: there is none: no attempt was begun.
        DAMAGED: it cannot be read.
        BEGUN: an attempt was begun, and its end is not recorded. In the cluster that is what a cell's pod leaves;
            its end is recorded when the run is settled.
        FAILED: an error, or an exit code that is no success code of the scan.
        ENDED: an attempt ended, without an error.
    """

    NONE = "none"
    DAMAGED = "damaged"
    BEGUN = "begun"
    FAILED = "failed"
    ENDED = "ended"


class NodeState(StrEnum):
    """What Argo and Kubernetes say of the last attempt of a cell.

    Attributes:
        UNKNOWN: nothing: there is no cluster, it could not be asked, or it knows of no attempt.
        WAITING: its pod has not started.
        RUNNING: its pod runs.
        SUCCEEDED: its scanner ended well.
        FAILED: it failed.
        FAILED_BEFORE: a container of ours failed before the scanner, and the record is of that attempt.
        UNSTARTED: no attempt was made, because of something that happened to its run.
        CUT_OFF: of the local engine: nobody works on its run any more, which has not ended.
    """

    UNKNOWN = "unknown"
    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    FAILED_BEFORE = "failed before its scanner"
    UNSTARTED = "never started"
    CUT_OFF = "cut off"


class ReportState(StrEnum):
    """What the report of a cell is.

    Attributes:
        UNREAD: nobody looked: the run has not ended, or the question is what is known without it.
        MISSING: there is none.
        UNSOUND: it cannot be believed: not whole, not of its format, too large.
        DISTRUSTED: its scanner is not trusted, by its image or by what the report says.
        SOUND: it is whole.
    """

    UNREAD = "unread"
    MISSING = "missing"
    UNSOUND = "unsound"
    DISTRUSTED = "distrusted"
    SOUND = "sound"


class ReasonSource(StrEnum):
    """Whose words the reason is.

    Attributes:
        PLAN: those of the plan: of the cell's decision, or of why its target could not be resolved.
        RECORD: those of the record: its error, its exit code, or why it cannot be read.
        NODE: those of Argo and Kubernetes, see `orchestrator.argo.reasons`.
        REPORT: those of what reads reports.
        RULE: those of the rule.
    """

    PLAN = "plan"
    RECORD = "record"
    NODE = "node"
    REPORT = "report"
    RULE = "rule"


class Evidence(NamedTuple):
    """What is known of a cell; what nobody asked for has its default."""

    plan: Decision = Decision.RUN
    record: RecordState = RecordState.NONE
    node: NodeState = NodeState.UNKNOWN
    report: ReportState = ReportState.UNREAD


class Rule(NamedTuple):
    """A row of the table.

    Attributes:
        plan: the decisions that it is for; empty for all. So are the next three.
        state: what follows.
        source: whose words the reason is.
        words: of the rule itself.
    """

    plan: tuple[Decision, ...]
    record: tuple[RecordState, ...]
    node: tuple[NodeState, ...]
    report: tuple[ReportState, ...]
    state: CellState
    source: ReasonSource
    words: str = ""

    def matches(self, evidence: Evidence) -> bool:
        """Whether it is about such a cell."""
        return all(not wanted or found in wanted for wanted, found in zip(self[:4], evidence, strict=True))

    def reason(self, *, plan: str = "", record: str = "", node: str = "", report: str = "") -> str:
        """Why, in the words that count."""
        return self.words or {"plan": plan, "record": record, "node": node, "report": report}.get(self.source, "")


def timed_out(seconds: float) -> str:
    """The reason of a cell whose scanner was ended because it took longer than this."""
    return f"timed out after {seconds:g} s: raise the scan's timeout"


NEVER_RAN = "never ran"
CUT_OFF = "was cut off: an attempt began, and neither its end nor a report was written"
RESUMABLE = "was cut off: it runs again when its run is resumed"
NOT_PUT = "missing: nobody has put the report of this external scan on the volume"
AWAITED = "waits for the report of an external scan, which somebody has to put on the volume"

_RUN, _SKIP, _FAIL, _AWAIT = (Decision.RUN,), (Decision.SKIP,), (Decision.FAIL,), (Decision.AWAIT,)
_ANY = ()
_R, _N, _P, _S, _BY = RecordState, NodeState, ReportState, CellState, ReasonSource
_SILENT = (_N.UNKNOWN, _N.UNSTARTED, _N.CUT_OFF)
_NO_WORD = (_R.NONE, _R.DAMAGED)
_NO_SUCCESS = (_R.DAMAGED, _R.FAILED)

#: The first that matches decides.
# fmt: off
RULES = (
    # plan   record         node                            report              state       whose words
    Rule(_SKIP,  _ANY,          _ANY,                           _ANY,               _S.SKIPPED, _BY.PLAN),
    Rule(_FAIL,  _ANY,          _ANY,                           _ANY,               _S.FAILED,  _BY.PLAN),
    Rule(_AWAIT, _NO_SUCCESS,   _ANY,                           _ANY,               _S.FAILED,  _BY.RECORD),
    Rule(_AWAIT, _ANY,          _ANY,                           (_P.UNREAD,),       _S.WAITING, _BY.RULE, AWAITED),
    Rule(_AWAIT, _ANY,          _ANY,                           (_P.MISSING,),      _S.FAILED,  _BY.RULE, NOT_PUT),
    Rule(_RUN,   _ANY,          (_N.WAITING,),                  _ANY,               _S.WAITING, _BY.NODE),
    Rule(_RUN,   _ANY,          (_N.RUNNING,),                  _ANY,               _S.RUNNING, _BY.NODE),
    Rule(_RUN,   (_R.FAILED,),  (_N.FAILED_BEFORE,),            _ANY,               _S.FAILED,  _BY.RECORD),
    Rule(_RUN,   _ANY,          (_N.FAILED, _N.FAILED_BEFORE),  _ANY,               _S.FAILED,  _BY.NODE),
    Rule(_RUN,   _NO_WORD,      (_N.UNSTARTED,),                _ANY,               _S.FAILED,  _BY.NODE),
    Rule(_RUN,   (_R.FAILED,),  _SILENT,                        _ANY,               _S.FAILED,  _BY.RECORD),
    Rule(_RUN,   (_R.ENDED,),   _ANY,                           (_P.UNREAD,),       _S.OK,      _BY.RULE),
    Rule(_RUN,   _ANY,          (_N.SUCCEEDED,),                (_P.UNREAD,),       _S.OK,      _BY.RULE),
    Rule(_RUN,   (_R.BEGUN,),   (_N.CUT_OFF,),                  (_P.UNREAD,),       _S.WAITING, _BY.RULE, RESUMABLE),
    Rule(_RUN,   (_R.BEGUN,),   _ANY,                           (_P.UNREAD,),       _S.RUNNING, _BY.RULE),
    Rule(_RUN,   _ANY,          _ANY,                           (_P.UNREAD,),       _S.WAITING, _BY.RULE),
    Rule(_RUN,   (_R.DAMAGED,), (_N.UNKNOWN,),                  _ANY,               _S.FAILED,  _BY.RECORD),
    Rule(_RUN,   (_R.NONE,),    (_N.UNKNOWN,),                  (_P.MISSING,),      _S.FAILED,  _BY.RULE, NEVER_RAN),
    Rule(_RUN,   (_R.BEGUN,),   _SILENT,                        (_P.MISSING,),      _S.FAILED,  _BY.RULE, CUT_OFF),
    Rule(_ANY,   _ANY,          _ANY,                           (_P.SOUND,),        _S.OK,      _BY.RULE),
    Rule(_ANY,   _ANY,          _ANY,                           _ANY,               _S.FAILED,  _BY.REPORT),
)
# fmt: on


@cache
def decide(evidence: Evidence) -> Rule:
    """The rule by which a cell stands, or ended."""
    return next(rule for rule in RULES if rule.matches(evidence))


def decision_of(cell: Cell, target: Target) -> Decision:
    """What a plan decided of a cell; what could not be resolved is failed, whatever else was decided but a skip."""
    return Decision.FAIL if target.error and cell.decision is not Decision.SKIP else cell.decision


def state_of_record(record: CellRecord | None, success_codes: Collection[int] | None = None) -> RecordState:
    """What a record that can be read says; None for a cell that has none.

    Args:
        record: of the cell.
        success_codes: exit codes that mean that its scan ran; None to leave it at the record's error.
    """
    if record is None:
        return RecordState.NONE
    if record.error or failed_by_code(record, success_codes):
        return RecordState.FAILED
    return RecordState.ENDED if record.finished else RecordState.BEGUN


def failed_by_code(record: CellRecord, success_codes: Collection[int] | None) -> bool:
    """Whether a scanner ended with an exit code that is no success code."""
    return success_codes is not None and record.exit_code is not None and record.exit_code not in success_codes
