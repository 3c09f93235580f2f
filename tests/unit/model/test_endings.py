"""The one decision how a cell stands or ended: every row of its table, and that its users agree."""

from itertools import product
from pathlib import Path

import pytest

from orchestrator.model import CellState, Decision, Outcome
from orchestrator.model.endings import (
    RULES,
    Evidence,
    NodeState,
    ReasonSource,
    RecordState,
    ReportState,
    Rule,
    decide,
)

PAGE = Path(__file__).parents[3] / "docs" / "reasons.md"
R, N, P, S = RecordState, NodeState, ReportState, CellState
RUN, SKIP, FAIL, AWAIT = Decision.RUN, Decision.SKIP, Decision.FAIL, Decision.AWAIT
WORDS = {"plan": "PLAN", "record": "RECORD", "node": "NODE", "report": "REPORT"}
EVERY = [Evidence(*each) for each in product(Decision, R, N, P)]


#: plan, record, node, report; state, and whose words or which words are the reason.
# fmt: off
TABLE = (
    (SKIP,  R.ENDED,   N.SUCCEEDED,     P.SOUND,      S.SKIPPED, "PLAN"),
    (FAIL,  R.NONE,    N.UNKNOWN,       P.UNREAD,     S.FAILED,  "PLAN"),
    # An external scan: somebody puts its report.
    (AWAIT, R.NONE,    N.UNKNOWN,       P.UNREAD,     S.WAITING, "external"),
    (AWAIT, R.FAILED,  N.UNKNOWN,       P.UNREAD,     S.FAILED,  "RECORD"),
    (AWAIT, R.FAILED,  N.UNKNOWN,       P.MISSING,    S.FAILED,  "RECORD"),
    (AWAIT, R.DAMAGED, N.UNKNOWN,       P.SOUND,      S.FAILED,  "RECORD"),
    (AWAIT, R.NONE,    N.UNKNOWN,       P.MISSING,    S.FAILED,  "missing"),
    (AWAIT, R.NONE,    N.UNKNOWN,       P.SOUND,      S.OK,      ""),
    (AWAIT, R.NONE,    N.UNKNOWN,       P.UNSOUND,    S.FAILED,  "REPORT"),
    # While it runs, the cluster knows best.
    (RUN,   R.FAILED,  N.WAITING,       P.UNREAD,     S.WAITING, "NODE"),
    (RUN,   R.FAILED,  N.RUNNING,       P.UNREAD,     S.RUNNING, "NODE"),
    # What our own container wrote down in the very attempt says more than its exit code.
    (RUN,   R.FAILED,  N.FAILED_BEFORE, P.SOUND,      S.FAILED,  "RECORD"),
    (RUN,   R.BEGUN,   N.FAILED_BEFORE, P.MISSING,    S.FAILED,  "NODE"),
    # A scanner that failed is not believed, whatever it left.
    (RUN,   R.ENDED,   N.FAILED,        P.SOUND,      S.FAILED,  "NODE"),
    (RUN,   R.FAILED,  N.FAILED,        P.SOUND,      S.FAILED,  "NODE"),
    # Nothing was begun: the run's end is the reason, unless an earlier Workflow has begun it.
    (RUN,   R.NONE,    N.UNSTARTED,     P.MISSING,    S.FAILED,  "NODE"),
    (RUN,   R.DAMAGED, N.UNSTARTED,     P.MISSING,    S.FAILED,  "NODE"),
    (RUN,   R.FAILED,  N.UNSTARTED,     P.MISSING,    S.FAILED,  "RECORD"),
    (RUN,   R.ENDED,   N.UNSTARTED,     P.SOUND,      S.OK,      ""),
    # By the record alone.
    (RUN,   R.FAILED,  N.UNKNOWN,       P.SOUND,      S.FAILED,  "RECORD"),
    (RUN,   R.FAILED,  N.UNKNOWN,       P.UNREAD,     S.FAILED,  "RECORD"),
    (RUN,   R.ENDED,   N.UNKNOWN,       P.UNREAD,     S.OK,      ""),
    (RUN,   R.NONE,    N.SUCCEEDED,     P.UNREAD,     S.OK,      ""),
    (RUN,   R.BEGUN,   N.UNKNOWN,       P.UNREAD,     S.RUNNING, ""),
    (RUN,   R.BEGUN,   N.CUT_OFF,       P.UNREAD,     S.WAITING, "cut off"),
    (RUN,   R.ENDED,   N.CUT_OFF,       P.UNREAD,     S.OK,      ""),
    (RUN,   R.FAILED,  N.CUT_OFF,       P.UNREAD,     S.FAILED,  "RECORD"),
    (RUN,   R.NONE,    N.UNKNOWN,       P.UNREAD,     S.WAITING, ""),
    (RUN,   R.DAMAGED, N.UNKNOWN,       P.UNREAD,     S.WAITING, ""),
    (RUN,   R.DAMAGED, N.UNKNOWN,       P.SOUND,      S.FAILED,  "RECORD"),
    # When the run has ended.
    (RUN,   R.NONE,    N.UNKNOWN,       P.MISSING,    S.FAILED,  "never ran"),
    (RUN,   R.BEGUN,   N.UNKNOWN,       P.MISSING,    S.FAILED,  "cut off"),
    (RUN,   R.BEGUN,   N.UNSTARTED,     P.MISSING,    S.FAILED,  "cut off"),
    (RUN,   R.BEGUN,   N.UNKNOWN,       P.SOUND,      S.OK,      ""),
    (RUN,   R.NONE,    N.UNKNOWN,       P.SOUND,      S.OK,      ""),
    (RUN,   R.FAILED,  N.SUCCEEDED,     P.SOUND,      S.OK,      ""),
    (RUN,   R.ENDED,   N.UNKNOWN,       P.MISSING,    S.FAILED,  "REPORT"),
    (RUN,   R.ENDED,   N.UNKNOWN,       P.UNSOUND,    S.FAILED,  "REPORT"),
    (RUN,   R.NONE,    N.UNKNOWN,       P.DISTRUSTED, S.FAILED,  "REPORT"),
)
# fmt: on


@pytest.mark.parametrize("row", TABLE, ids=lambda row: "-".join(map(str, row)))
def test_how_a_cell_stands_or_ended(row: tuple[Decision, RecordState, NodeState, ReportState, CellState, str]) -> None:
    *known, state, reason = row
    rule = decide(Evidence(*known))
    assert rule.state is state
    assert reason in rule.reason(**WORDS)
    assert bool(reason) == bool(rule.reason(**WORDS))


def test_every_row_of_the_table_has_a_test() -> None:
    assert {decide(Evidence(*row[:4])) for row in TABLE} == set(RULES)


def test_whatever_is_known_of_a_cell_it_has_one_answer_and_a_failed_one_has_a_reason() -> None:
    for evidence in EVERY:
        rule = decide(evidence)
        if rule.state is S.FAILED:
            assert rule.reason(**WORDS), evidence
        if evidence.report is not P.UNREAD and evidence.node not in {N.WAITING, N.RUNNING}:
            assert Outcome(rule.state), evidence  # nothing is left open when a run has ended
        if rule.state is S.OK:
            assert evidence.report in {P.SOUND, P.UNREAD}, evidence


def test_the_ledger_of_a_settled_record_says_what_the_cluster_and_the_report_said_together() -> None:
    settled = {ReasonSource.NODE: ReasonSource.RECORD}
    for evidence in EVERY:
        if evidence.node in {N.WAITING, N.RUNNING, N.CUT_OFF}:
            continue
        at_once, settling = decide(evidence), decide(evidence._replace(report=P.UNREAD))
        record = evidence.record
        if evidence.plan is RUN and settling.source is ReasonSource.NODE:
            record = R.FAILED
        elif evidence.plan is RUN and evidence.node is N.SUCCEEDED:
            record = R.ENDED
        later = decide(evidence._replace(record=record, node=N.UNKNOWN))
        assert later.state is at_once.state, evidence
        assert settled.get(later.source, later.source) is settled.get(at_once.source, at_once.source), evidence


def test_a_report_that_could_not_make_a_cell_ok_need_not_be_read() -> None:
    for evidence in EVERY:
        if decide(evidence._replace(report=P.SOUND)).state is not S.OK and evidence.report is not P.UNREAD:
            assert decide(evidence) is decide(evidence._replace(report=P.SOUND))


def test_the_page_shows_the_table() -> None:
    assert "\n".join(_shown(rule) for rule in RULES) in PAGE.read_text()


def _shown(rule: Rule) -> str:
    words = {ReasonSource.RULE: f"`{rule.words.partition(':')[0]}`" if rule.words else ""}
    columns = [", ".join(map(str, wanted)) or "any" for wanted in rule[:4]]
    return f"| {' | '.join([*columns, f'**{rule.state}**', words.get(rule.source, f'the {rule.source}')])} |"
