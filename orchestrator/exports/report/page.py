"""The page: counts, rows and charts in the template, with a policy that lets it load nothing and run only its own.

This module imports pyarrow and jinja2: import it where it is used.
"""

from __future__ import annotations

import base64
import hashlib
import sys
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2

from orchestrator.analysis.policy import coverage
from orchestrator.analysis.policy.words import offenders
from orchestrator.exports.report import counting, matrix, rows, sections, severities, trend
from orchestrator.kit.html import templates
from orchestrator.model import Outcome
from orchestrator.results.coverage import coverage_in
from orchestrator.results.naming import first, remarks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.exports.report.counting import ReportNumbers
    from orchestrator.exports.report.rows import ReportRows
    from orchestrator.model import Ledger
    from orchestrator.results.run import RunResults

_STATIC_ROWS = 50
# Workloads that the details of a finding name.
_WORKLOADS = 100


def assemble(results: RunResults, most: int) -> Iterator[str]:
    """The report, piece by piece.

    Args:
        results: of the run.
        most: findings in its table at most.

    Raises:
        NoResultsError: the run has no ledger or no merged findings, or they are damaged.
    """
    ledger = results.ledger
    with results.open_merged() as file:
        numbers = counting.count(file, worst=most)
        chosen = rows.read_rows(file, numbers.worst)
    points = trend.gather(results, numbers)
    context = _figures(ledger, numbers) | _sections(ledger, numbers) | _table(ledger, numbers, chosen)
    before = points[-2] if len(points) > 1 else None
    return _template().generate(
        context,
        before=before,
        tiles=sections.figures(numbers, before),
        points=points,
        panels=trend.draw(points),
        style=_own("page.css"),
        script=_own("page.js"),
        policy=_content_security_policy(),
    )


def _figures(ledger: Ledger, numbers: ReportNumbers) -> dict[str, Any]:
    return {
        "ledger": ledger,
        "numbers": numbers,
        "severities": severities.WORST_FIRST,
        "coverage": int(coverage(ledger.rows) * 100) / 100,
        "rests_on": str(coverage_in(ledger.rows)),
        "ended": {outcome.value: ledger.count(outcome) for outcome in Outcome},
        "targets": len({row.target for row in ledger.rows}),
        "open": sum(numbers.severities),
        "suppressed": sum(numbers.suppressed),
        "offenders": partial(offenders, most=sys.maxsize, cells=ledger.rows),
    }


def _sections(ledger: Ledger, numbers: ReportNumbers) -> dict[str, Any]:
    owners, more_owners = sections.top_owners(ledger, numbers)
    lost, more_lost = sections.unscanned(ledger.rows)
    return {
        "matrix": matrix.lay_out(ledger, numbers),
        "owners": owners,
        "more_owners": more_owners,
        "unscanned": lost,
        "more_unscanned": more_lost,
        "notes": sections.notes(ledger.rows),
        "remarks": remarks(ledger.names),
    }


def _table(ledger: Ledger, numbers: ReportNumbers, chosen: ReportRows) -> dict[str, Any]:
    rows_of = {row.target: row for row in reversed(ledger.rows)}
    named = [rows_of.get(target) for target in chosen.values("target")]
    labels = [matrix.label(row) if row else target for row, target in zip(named, chosen.values("target"), strict=True)]
    head: dict[str, Any] = {
        "run": ledger.run,
        "severities": severities.WORST_FIRST,
        "scans": list(dict.fromkeys(row.scan for row in ledger.rows)),
        "labels": labels,
        "owners": [list(row.owners) if row else [] for row in named],
        "workloads": [first(row.workloads, _WORKLOADS) if row else [] for row in named],
        "nobody": sections.NOBODY,
    }
    return {
        "data": rows.spell(head, chosen),
        "shown": len(chosen),
        "left_out": numbers.total - len(chosen),
        "rules": {rule for rules in chosen.values("rules") for rule in rules},
        "first": chosen.first(_STATIC_ROWS),
        "named": dict(zip(chosen.values("target"), zip(labels, head["owners"], strict=True), strict=True)),
    }


@cache
def _template() -> jinja2.Template:
    environment = templates(jinja2.FunctionLoader(_own))
    environment.filters["words"] = matrix.words
    return environment.get_template("page.html.j2")


@cache
def _own(file: str) -> str:
    """A file beside this module."""
    return files(__package__).joinpath(file).read_text(encoding="utf-8")


def _content_security_policy() -> str:
    """Nothing from anywhere; of scripts and styles only our own, by their hashes (CSP Level 3)."""
    return (
        f"default-src 'none'; script-src {_hash('page.js')}; style-src {_hash('page.css')}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(file: str) -> str:
    digest = hashlib.sha256(_own(file).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
