"""The matrix: targets by scans, and how each cell stands now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.kit.matching import glob
from orchestrator.model import Outcome
from orchestrator.model.image import unusual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from orchestrator.queries.known_targets import KnownTarget
    from orchestrator.store.documents import ScanState

#: States of a cell that a page can be narrowed to, in words for people; a target is shown if any of its cells is so.
STATES = {
    "never": "never ended ok",
    "failed": "failed since",
    "suspect": "suspect",
    "waiting": "waiting",
    "found": "with findings",
    "clean": "no findings",
}
#: Most targets on one page.
MOST = 2_500


class MatrixCell(NamedTuple):
    """A cell for people.

    Attributes:
        state: one of `STATES`, `skipped`, or `absent` where no plan has had it.
        text: what stands in it.
        tip: how it came to that, where the text does not say it.
    """

    state: str
    text: str
    tip: str = ""


class MatrixLine(NamedTuple):
    """One target."""

    target: str
    name: str
    more: int
    platform: str
    owners: tuple[str, ...]
    cells: tuple[MatrixCell, ...]


class MatrixView(NamedTuple):
    """Some of the matrix.

    Attributes:
        scans: the columns.
        lines: the targets shown.
        total: targets that fit the question.
        counts: cells by state, of the targets whose name and owner fit.
        after: where the next page begins; 0 for none.
    """

    scans: tuple[str, ...]
    lines: tuple[MatrixLine, ...]
    total: int
    counts: dict[str, int]
    after: int


class MatrixQuestion(NamedTuple):
    """Which targets are asked for: a glob or a part of a name, an owner, and a state that a cell has."""

    name: str = ""
    owner: str = ""
    state: str = ""


_ABSENT = MatrixCell("absent", "·", "no plan has this cell")


def lay_out(known: Sequence[KnownTarget], question: MatrixQuestion, after: int = 0, most: int = MOST) -> MatrixView:
    """The matrix of the targets that fit a question.

    Args:
        known: all targets, in the order of their names.
        question: which of them.
        after: how many of those to leave out at the beginning.
        most: of them to show.
    """
    scans = tuple(sorted({state.scan for of in known for state in of.states}))
    counts = dict.fromkeys(STATES, 0)
    chosen: list[MatrixLine] = []
    is_asked = _is_asked(question)
    for of in filter(is_asked, known):
        line = line_of(of, scans)
        states = [cell.state for cell in line.cells]
        for state in states:
            if state in counts:
                counts[state] += 1
        if not question.state or question.state in states:
            chosen.append(line)
    end = after + most
    return MatrixView(scans, tuple(chosen[after:end]), len(chosen), counts, end if end < len(chosen) else 0)


def line_of(of: KnownTarget, scans: Iterable[str]) -> MatrixLine:
    """One target's line."""
    states = {state.scan: state for state in of.states}
    first, *others = of.references or (of.target,)
    return MatrixLine(
        target=of.target,
        name=first,
        more=len(others),
        platform=unusual(of.platform),
        owners=of.owners,
        cells=tuple(cell_of(states.get(scan)) for scan in scans),
    )


def cell_of(state: ScanState | None) -> MatrixCell:
    """How a scan of a target stands, for people."""
    if state is None:
        return _ABSENT
    if state.suspect:
        return MatrixCell("suspect", "suspect", state.suspect)
    if state.outcome is None:
        return MatrixCell("waiting", "…", f"planned by {state.run}, which is not over")
    if state.outcome is Outcome.OK:
        return MatrixCell("found", f"{state.findings:,}") if state.findings else MatrixCell("clean", "0")
    if state.scanned is not None:
        older = f"; before that it ended ok, with {state.findings:,} findings"
        return MatrixCell(state.outcome.value, state.outcome.value, f"{state.reason}{older}")
    kind = "never" if state.outcome is Outcome.FAILED else state.outcome.value
    return MatrixCell(kind, state.outcome.value, f"{state.reason}; it never ended ok")


def _is_asked(question: MatrixQuestion) -> Callable[[KnownTarget], bool]:
    wanted = question.name.strip()
    is_name = glob(wanted if any(sign in wanted for sign in "*?[") else f"*{wanted}*") if wanted else None
    is_owner = glob(question.owner) if question.owner else None

    def holds(of: KnownTarget) -> bool:
        named = is_name is None or any(map(is_name, (*of.references, of.target, of.digest)))
        return named and (is_owner is None or any(map(is_owner, of.owners)))

    return holds
