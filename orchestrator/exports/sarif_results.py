"""Results and rules of one run of a SARIF log, gathered finding by finding."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from orchestrator.exports.targets import fingerprint, split_reference
from orchestrator.kit.text import visible
from orchestrator.model import MergedRow, Severity
from orchestrator.model.places import line_of
from orchestrator.results.tables.columns import columns_of, values_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.model import MergedFinding, Suppressed

_LOCATIONS = 1000
# Paths that are their own URI, as nearly all are.
_PLAIN = re.compile(r"[A-Za-z0-9_./@+~-]*")
_PLACEHOLDER = re.compile(r"\{(\d+)\}")
_TEXT_LIMIT = 1000
_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
    Severity.UNKNOWN: "warning",
    Severity.NONE: "none",
}
# What GitHub makes of `security-severity`: above 9.0 critical, from 7.0 high, from 4.0 medium, from 0.1 low. A CVSS
# score outside of the band of the severity that everybody else sees is replaced by a figure within.
_BANDS = {
    Severity.CRITICAL: (9.1, 10.0, 9.5),
    Severity.HIGH: (7.0, 9.0, 8.0),
    Severity.MEDIUM: (4.0, 6.9, 5.5),
    Severity.LOW: (0.1, 3.9, 2.0),
}
# Columns of a finding that other parts of a result have; and those that are in its properties even without a value.
_ELSEWHERE = frozenset(
    {"key", "id", "title", "locations", "places", "counts"}
    | {"suppressed", "suppressed_by", "suppressed_reason", "suppressed_until", "justification"}
)
_ALWAYS = frozenset(
    {"severity", "package", "version", "purl", "fixed_version", "aliases", "count", "found_by", "not_found_by", "kev"}
)


class Results:
    """Gathers the results of one run.

    Attributes:
        items: the results (3.27).
        bases: for each target what its locations are relative to (3.14.14).
    """

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.bases: dict[str, Any] = {}
        self._rules: dict[str, tuple[int, dict[str, Any], float]] = {}

    def add(self, rows: Sequence[MergedRow]) -> None:
        """Take merged findings."""
        for row, properties in zip(rows, _properties(rows), strict=True):
            self._add(row, properties)

    def _add(self, row: MergedRow, properties: Mapping[str, Any]) -> None:
        finding = row.finding
        reference = row.references[0] if row.references else row.target
        self.bases[row.target] = {"description": {"text": f"the files of {reference}"}}
        score = _score(finding)
        mark = fingerprint(reference, finding.key)
        self.items.append(
            {
                "ruleId": finding.id,
                "ruleIndex": self._rule(finding, score),
                "level": _LEVELS[finding.severity],
                "message": {"text": _message(finding, reference)},
                "locations": _locations(finding, reference),
                # 3.27.17; of these GitHub reads `primaryLocationLineHash` alone.
                "partialFingerprints": {"scanmatrixKey/v1": mark, "primaryLocationLineHash": f"{mark[:16]}:1"},
                "suppressions": _suppressions(finding.suppressed),
                "properties": {
                    **({"security-severity": f"{score:.1f}"} if score else {}),
                    **properties,
                    "target": reference,
                },
            }
        )

    def rules(self) -> list[dict[str, Any]]:
        """The rules (3.49) in the order of their indexes."""
        return [
            rule if not score else {**rule, "properties": {**rule["properties"], "security-severity": f"{score:.1f}"}}
            for _, rule, score in self._rules.values()
        ]

    def _rule(self, finding: MergedFinding, score: float) -> int:
        """Index of the finding's rule, which has the highest score of all its findings."""
        index, rule, highest = self._rules.get(finding.id) or (len(self._rules), _new_rule(finding), 0.0)
        self._rules[finding.id] = (index, rule, max(highest, score))
        return index


def _properties(rows: Sequence[MergedRow]) -> list[dict[str, Any]]:
    """The property bag (3.8) of each row: what a finding says that no other part of the result does, if anything."""
    bags: list[dict[str, Any]] = [{} for _ in rows]
    for column in columns_of(MergedRow):
        if column.name in _ELSEWHERE or column.path[0] not in {"finding", "suspect"}:
            continue
        key = re.sub(r"_(\w)", lambda found: found[1].upper(), column.name)
        values = values_at(rows, column)
        always, default, is_list = column.name in _ALWAYS, column.default, column.kind.is_list
        for bag, value in zip(bags, values, strict=True):
            if always or (value if is_list else value != default):
                bag[key] = value
    return bags


def _new_rule(finding: MergedFinding) -> dict[str, Any]:
    title = finding.title or finding.id
    also = f" Also known as {', '.join(finding.aliases)}." if finding.aliases else ""
    link = f" https://nvd.nist.gov/vuln/detail/{finding.id}" if finding.id.startswith("CVE-") else ""
    return {
        "id": finding.id,
        "shortDescription": {"text": _cut(title)},
        "fullDescription": {"text": _cut(f"{title}.{also}")},
        "help": {"text": _cut(f"{title}.{also}{link}")},
        "properties": {"tags": ["security", finding.kind]},
    }


def _score(finding: MergedFinding) -> float:
    """A score of 0.1 to 10.0 that says the same as the severity; 0 for no severity to speak of."""
    if finding.severity not in _BANDS:
        return 0.0
    least, most, usual = _BANDS[finding.severity]
    return finding.cvss.score if finding.cvss and least <= finding.cvss.score <= most else usual


def _message(finding: MergedFinding, reference: str) -> str:
    subject = " ".join(filter(None, (finding.package, finding.version))) or ", ".join(finding.locations[:1])
    found = f"{finding.id} in {subject}" if subject and subject != finding.id else finding.id
    fix = f" Fixed in {finding.fixed_version}." if finding.fixed_version else ""
    several = f" There are {finding.count} of it." if finding.count > 1 and finding.kind != "vulnerability" else ""
    by = f" Found by {', '.join(finding.found_by)}." if finding.found_by else ""
    title = f" {finding.title.rstrip('.')}." if finding.title else ""
    return _cut(f"{found} ({reference}).{title}{several}{fix}{by}")


def _locations(finding: MergedFinding, reference: str) -> list[dict[str, Any]]:
    """Every path, and every place within (3.28); without any path, the target itself: GitHub shows nothing without."""
    paths = [path for path in finding.locations if path.strip("/")] or [_path_of(reference)]
    logical: list[dict[str, Any]] = [{"fullyQualifiedName": reference, "kind": "resource"}]
    if finding.package:
        name = finding.purl or finding.package
        logical.append({"name": finding.package, "fullyQualifiedName": name, "kind": "package"})
    # Only of one path is it known in which the places are.
    spots = [(paths[0], place) for place in finding.places] if len(paths) == 1 else []
    return [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": _uri(path), "uriBaseId": finding.target},
                "region": {"startLine": line_of(place) or 1},
            },
            "logicalLocations": logical,
            **({"message": {"text": _cut(place)}} if place else {}),
        }
        for path, place in (spots or [(path, "") for path in paths])[:_LOCATIONS]
    ]


def _path_of(reference: str) -> str:
    repository, _ = split_reference(reference)
    return repository.partition("://")[2] or repository


def _uri(path: str) -> str:
    """A path as a relative reference (RFC 3986, 4.2): a colon in it must not look like a scheme's."""
    path = path.lstrip("/")
    return path if _PLAIN.fullmatch(path) else quote(path, safe="/@+~!$&'()*,;=", errors="surrogatepass")


def _suppressions(known: Suppressed | None) -> list[dict[str, Any]]:
    """3.35: judged outside of the code, and accepted. An empty list says that there is none."""
    if known is None:
        return []
    until = f" until {known.until[:10]}" if known.until else ""
    why = f" {known.justification}." if known.justification else ""
    text = f"{known.reason or known.status} ({known.status}{until}, by {known.by}).{why}"
    return [{"kind": "external", "status": "accepted", "justification": _cut(text)}]


def _cut(text: str) -> str:
    """Text that is taken as it stands (3.11.5, 3.11.6), of at most 1,000 characters: GitHub's limit of each.

    What a scanner wrote must be visible, and neither a placeholder nor a link.
    """
    text = visible(text).replace("](", "] (")
    text = _PLACEHOLDER.sub(r"{{\1}}", text) if "{" in text else text
    return text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 1] + "…"
