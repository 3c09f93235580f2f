"""The table of a campaign: fault × layout → outcome.

A test tells its outcome by the fixture `tell`; it travels with the test's report, from whichever worker, and is printed
at the end of the session. What several sessions told is kept in `build/campaign.jsonl` for `python -m tests.campaign`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestrator.model import Ledger

    #: Takes the fault, the layout and the outcome.
    Tell = Callable[[str, str, str], None]
else:
    Tell = object

PROPERTY = "campaign"
KEPT = Path(__file__).parents[2] / "build" / "campaign.jsonl"
LAYOUTS = ("local", "cell", "image")
_WIDEST = 100
#: What a layout has not, so that nobody can do it there: patterns of faults.
_NOT_THERE = {
    "local": r"API server|Workflow .*|containerd|controller|etcd|keep container killed|kubelet|pull killed"
    r"|scan pod deleted|template replaced|SIGKILL of containers",
    "cell": r"SIGKILL at .* places|engine terminated",
    "image": r"SIGKILL at .* places|engine terminated",
}
_OTHER_EACH_TIME = (
    (re.compile(r"sha256:[0-9a-f]+…?"), "sha256:…"),
    (re.compile(r"(http://)?\d+\.\d+\.\d+\.\d+:\d+"), "CACHE"),
    (re.compile(r"'?/[^ ']*/volume(?=[/:'])"), "VOLUME"),
    (re.compile(r"it begins with [^)]*"), "it begins with …"),
)


def in_words(ledger: Ledger) -> str:
    """How a run's cells ended: `4 ok, 2 failed (ran out of memory)`."""
    counted = Counter(row.outcome for row in ledger.rows)
    said = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counted.items()))
    reasons = Counter(row.reason for row in ledger.rows if row.outcome is Outcome.FAILED)
    return f"{said} ({_shortened(reasons.most_common(1)[0][0])})" if reasons else said


def _shortened(text: str) -> str:
    plain = _comparable(text.encode("ascii", "backslashreplace").decode())
    return plain if len(plain) <= _WIDEST else f"{plain[:_WIDEST]}…"


def keep(told: Iterable[tuple[str, str, str]]) -> None:
    """Keep what one session told."""
    KEPT.parent.mkdir(exist_ok=True)
    with KEPT.open("a") as file:
        file.writelines(json.dumps(each) + "\n" for each in told)


def kept() -> list[tuple[str, str, str]]:
    """What all sessions told since `build/` was last without it."""
    if not KEPT.exists():
        return []
    return [tuple(json.loads(line)) for line in KEPT.read_text().splitlines()]


def render(told: Iterable[tuple[str, str, str]]) -> str:
    """The table, one row for each fault."""
    lines = []
    for fault, by_layout in _rows(told):
        first, *others = by_layout
        lines.append(f"{fault:<42} {first:<6} {by_layout[first]}")
        lines += [f"{'':<42} {layout:<6} {by_layout[layout]}" for layout in others]
    return "\n".join(lines)


def markdown(told: Iterable[tuple[str, str, str]]) -> str:
    """The same for the documentation."""
    lines = [f"| fault | {' | '.join(f'`{layout}`' for layout in LAYOUTS)} |", "|---|---|---|---|"]
    for fault, by_layout in _rows(told):
        there = [by_layout.get(layout, _absent(fault, layout)) for layout in LAYOUTS]
        cells = [text.replace("|", "\\|").replace("<", "&lt;") for text in there]
        lines.append(f"| {fault} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _absent(fault: str, layout: str) -> str:
    """A dash where there is no such thing; nothing where it was not done."""
    return "\N{EN DASH}" if re.fullmatch(_NOT_THERE[layout], fault) else ""


def _rows(told: Iterable[tuple[str, str, str]]) -> list[tuple[str, dict[str, str]]]:
    """Faults in the order of their names, and the last outcome of each, by layout."""
    rows: dict[str, dict[str, str]] = {}
    for fault, layout, outcome in told:
        rows.setdefault(fault, {})[layout] = _comparable(" ".join(outcome.split()))
    return [
        (fault, dict(sorted(found.items(), key=lambda each: _order(each[0])))) for fault, found in sorted(rows.items())
    ]


def _comparable(outcome: str) -> str:
    """Without what is another each time: digests, addresses, folders, random bytes."""
    for pattern, instead in _OTHER_EACH_TIME:
        outcome = pattern.sub(instead, outcome)
    first, again, second = outcome.partition("; again: ")
    return f"{first}; again the same" if again and first == second else outcome


def told_by(reports: Iterable[Any]) -> list[tuple[str, str, str]]:
    """What the tests of a session told."""
    return [tuple(value) for each in reports for name, value in each.user_properties if name == PROPERTY]


def _order(layout: str) -> int:
    return LAYOUTS.index(layout) if layout in LAYOUTS else len(LAYOUTS)
