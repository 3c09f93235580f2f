"""One target: how each scan of it stands, what they found together, and how that came and went."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.model import Severity
from orchestrator.service.page.views.matrix import cell_of
from orchestrator.service.page.views.plots import Plot, Series, draw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.service.page.views.matrix import MatrixCell
    from orchestrator.store.documents import FoundNow, ScanState, TargetView

#: Most findings on one page, and most moments in a plot.
MOST, _MOMENTS = 500, 120
_WORST_FIRST = tuple(reversed(Severity))


class TargetQuestion(NamedTuple):
    """Which findings are asked for: of a kind, of a severity or above, with or without suppressed ones."""

    kind: str = ""
    severity: Severity | None = None
    suppressed: bool = False


class TargetPage(NamedTuple):
    """One target for people.

    Attributes:
        of: the target.
        scans: each with its cell as the matrix shows it.
        findings: those that fit the question, the worst first; at most `MOST`.
        total: how many fit.
        counts: open findings by severity, of all, the worst first; severities without any are left out.
        suppressed: findings that nobody needs to act on.
        kinds: of findings that there are.
        history: open findings over time; None where there is only one moment.
    """

    of: TargetView
    scans: tuple[tuple[ScanState, MatrixCell], ...]
    findings: tuple[FoundNow, ...]
    total: int
    counts: dict[str, int]
    suppressed: int
    kinds: tuple[str, ...]
    history: Plot | None

    @property
    def known(self) -> bool:
        """Whether any scan has a result that is believed: without one, no finding means nothing."""
        return any(state.scanned is not None and not state.suspect for state, _ in self.scans)


def show(view: TargetView, question: TargetQuestion) -> TargetPage:
    """A target with everything that it has or had."""
    now = [one for one in view.findings if one.gone is None]
    open_now = [one.finding for one in now if one.finding.suppressed is None]
    numbers = Counter(finding.severity for finding in open_now)
    chosen = [one for one in now if _fits(one, question)]
    return TargetPage(
        of=view,
        scans=tuple((state, cell_of(state)) for state in view.states),
        findings=tuple(chosen[:MOST]),
        total=len(chosen),
        counts={severity.value: numbers[severity] for severity in _WORST_FIRST if numbers[severity]},
        suppressed=len(now) - len(open_now),
        kinds=tuple(sorted({one.finding.kind for one in now})),
        history=_history(view.findings),
    )


def _fits(one: FoundNow, question: TargetQuestion) -> bool:
    finding = one.finding
    severe = question.severity is None or finding.severity.rank >= question.severity.rank
    shown = question.suppressed or finding.suppressed is None
    return severe and shown and (not question.kind or finding.kind == question.kind)


def _history(findings: Iterable[FoundNow]) -> Plot | None:
    """Each severity's line: one more where a finding came, one less where it was gone."""
    steps: dict[str, Counter[Severity]] = {}
    for one in findings:
        if one.finding.suppressed is None:
            steps.setdefault(one.since.isoformat(), Counter())[one.finding.severity] += 1
            if one.gone is not None:
                steps.setdefault(one.gone.isoformat(), Counter())[one.finding.severity] -= 1
    moments = sorted(steps)
    sums: Counter[Severity] = Counter()
    values: dict[Severity, list[float]] = {severity: [] for severity in _WORST_FIRST}
    for moment in moments:
        sums.update(steps[moment])
        for severity, line in values.items():
            line.append(sums[severity])
    shown = _thin(moments)
    series = [
        Series(severity.value, severity.value, tuple(line[place] for place in shown))
        for severity, line in values.items()
        if any(line)
    ]
    return draw("Open findings", [moments[place] for place in shown], series) if series else None


def _thin(moments: Sequence[str]) -> list[int]:
    """Places of as many moments as a plot can show, the last among them."""
    every = max(1, -(-len(moments) // _MOMENTS))
    return sorted({*range(0, len(moments), every), *([len(moments) - 1] if moments else [])})
