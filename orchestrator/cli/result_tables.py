"""How results of runs are printed: tables for people, JSON, YAML for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from orchestrator.cli.output import OutputFormat, names_of, print_data, print_table, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from orchestrator.model import Ledger
    from orchestrator.notifications.interface import Delivery
    from orchestrator.queries.coverage import Coverage
    from orchestrator.results.overview import RunSummary

_SHOWN_NAMES = 3
_TITLE = 60


def print_frame(frame: pd.DataFrame, output: OutputFormat) -> None:
    """A DataFrame as a list of mappings, moments as RFC 3339 and what is missing as null."""
    print_data(_rows(frame), output)


def print_answer(frame: pd.DataFrame, coverage: Coverage, output: OutputFormat) -> None:
    """Findings as a list of mappings, beside what is known: `coverage`, `unknown` and `findings`."""
    counts = {"targets": coverage.targets, "covered": coverage.covered}
    print_data({"coverage": counts, "unknown": coverage.unknown, "findings": _rows(frame)}, output)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype({column: "str" for column, kind in frame.dtypes.items() if str(kind) == "category"})
    return [{str(name): _plain(value) for name, value in row.items()} for row in plain.to_dict("records")]


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return value
    if value is None or value != value:  # NaN and NaT are not themselves  # noqa: PLR0124
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def print_runs(found: Sequence[RunSummary]) -> None:
    """The runs, one a line."""
    rows = [
        [
            one.run,
            one.finished,
            str(one.targets),
            ", ".join(f"{count} {outcome}" for outcome, count in _cells(one).items() if count),
            ", ".join(f"{count} {severity}" for severity, count in one.open.items()),
            str(one.suppressed or ""),
            ("passed, no severity rule" if one.remark else "passed") if one.passed else "broken",
        ]
        for one in found
    ]
    columns = ["Run", "Finished", "Targets", "Cells", "Findings", "Suppressed", "Policy"]
    print_table("", columns, rows, right=frozenset({"Targets", "Suppressed"}))


def _cells(one: RunSummary) -> dict[str, int]:
    return {outcome.value: count for outcome, count in one.cells.items()} | {"of them suspect": one.suspect}


def print_merged(frame: pd.DataFrame, title: str, *, most: int, suppressed: bool) -> None:
    """Merged findings, one a line, and how many there are besides."""
    columns = ["Severity", "Id", "Package", "Version", "Fixed in", "Target", "Owner", "Found by", "Not by", "Title"]
    rows = [
        [
            row["severity"],
            row["id"],
            _where(row),
            row["version"],
            row["fixed_version"],
            names_of(row["references"]),
            _some(row["owners"]),
            ", ".join(row["found_by"]),
            _absent(row),
            _clip(f"(suspect) {row['title']}" if row["suspect"] else row["title"]),
            *([_suppression(row)] if suppressed else ()),
        ]
        for row in frame.head(most).to_dict("records")
    ]
    print_table(title, [*columns, *(["Suppressed"] if suppressed else ())], rows)
    _more(len(frame), most)


def print_suspects(ledger: Ledger) -> None:
    """Which results of a run are not believed any more, a line for each scan and reason; nothing when all are."""
    counts = Counter((row.scan, row.suspect) for row in ledger.rows if row.suspect)
    for (scan, reason), count in counts.items():
        say(f"suspect: {count} result{'s' if count > 1 else ''} of {scan}: {reason}")


def _where(row: Mapping[Any, Any]) -> str:
    """The package, or else the paths; and how many of it there are, with the first places, where these are several."""
    where = row["package"] or _some(row["locations"])
    if row["count"] == 1 or row["kind"] == "vulnerability":
        return where
    return f"{where} (×{row['count']}: {_some(row['places'])})" if len(row["places"]) else f"{where} (×{row['count']})"


def _absent(row: Mapping[Any, Any]) -> str:
    """Scans that did not find it, those that never ended marked."""
    return ", ".join([*row["not_found_by"], *(f"{scan} (no result)" for scan in row["not_scanned_by"])])


def _suppression(row: Mapping[Any, Any]) -> str:
    return f"{row['suppressed']} by {row['suppressed_by']}: {row['suppressed_reason']}" if row["suppressed"] else ""


def print_differences(frame: pd.DataFrame, *, every: bool, most: int) -> None:
    """What changed, one a line, and the numbers of all."""
    counts = frame["status"].value_counts()
    wanted = frame if every else frame[frame["status"] != "still there"]
    rows = [
        [
            row["status"],
            row["severity"],
            row["id"],
            row["package"],
            _step(row["version_before"], row["version_after"]),
            row["fixed_version"],
            names_of([row["reference"]]),
            row["why"],
        ]
        for row in wanted.head(most).astype({"status": "str", "severity": "str"}).to_dict("records")
    ]
    columns = ["Status", "Severity", "Id", "Package", "Version", "Fixed in", "Target", "Why"]
    print_table("Differences", columns, rows)
    _more(len(wanted), most)
    say(", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no findings")


def _step(before: str, after: str) -> str:
    return f"{before} → {after}" if before and after and before != after else after or before


def print_exports() -> None:
    """Every export and what it does."""
    from orchestrator import exports

    print_table("", ["Export", "What it does"], [[name, exports.load(name).description] for name in exports.names()])


def print_deliveries(found: Iterable[Delivery]) -> None:
    """Every message: to whom, and whether it arrived."""
    rows = [[one.route, one.channel, one.recipient, one.state, one.reason] for one in found]
    if rows:
        print_table("", ["Route", "By", "To", "State", "Why"], rows)
    else:
        say("nothing changed that anybody wants to know about")


def _some(values: Iterable[str]) -> str:
    known = [str(value) for value in values]
    more = f" (+{len(known) - _SHOWN_NAMES})" if len(known) > _SHOWN_NAMES else ""
    return ", ".join(known[:_SHOWN_NAMES]) + more


def _clip(text: str) -> str:
    return text if len(text) <= _TITLE else text[: _TITLE - 1] + "…"


def _more(count: int, most: int) -> None:
    if count > most:
        say(f"… and {count - most} more: --most {count} shows all, --output json gives them to programs")
