"""Results and rules of one run of a SARIF log, gathered finding by finding."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from orchestrator.exports.targets import fingerprint, split_reference
from orchestrator.kit.text import visible
from orchestrator.model import Severity
from orchestrator.model.places import line_of

_LOCATIONS = 1000
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

    def add(self, row: Any) -> None:
        """Take a merged finding: a row of the frame with its columns as attributes."""
        reference = row.references[0] if row.references else row.target
        self.bases[row.target] = {"description": {"text": f"the files of {reference}"}}
        severity = Severity(row.severity)
        score = _score(severity, row.cvss_score)
        subject = " ".join(part for part in (row.package, row.version) if part) or ", ".join(row.locations[:1])
        mark = fingerprint(reference, row.key)
        self.items.append(
            {
                "ruleId": row.id,
                "ruleIndex": self._rule(row, score),
                "level": _LEVELS[severity],
                "message": {"text": _message(row, subject, reference)},
                "locations": _locations(row, reference),
                # 3.27.17; of these GitHub reads `primaryLocationLineHash` alone.
                "partialFingerprints": {"scanmatrixKey/v1": mark, "primaryLocationLineHash": f"{mark[:16]}:1"},
                "suppressions": _suppressions(row),
                "properties": {
                    "severity": row.severity,
                    **({"security-severity": f"{score:.1f}"} if score else {}),
                    "kind": row.kind,
                    "target": reference,
                    "package": row.package,
                    "version": row.version,
                    "purl": row.purl,
                    "fixedVersion": row.fixed_version,
                    "aliases": row.aliases,
                    "count": int(row.count),
                    "foundBy": row.found_by,
                    "notFoundBy": row.not_found_by,
                    "kev": bool(row.kev),
                    **({"suspect": row.suspect} if row.suspect else {}),
                },
            }
        )

    def rules(self) -> list[dict[str, Any]]:
        """The rules (3.49) in the order of their indexes."""
        return [
            rule if not score else {**rule, "properties": {**rule["properties"], "security-severity": f"{score:.1f}"}}
            for _, rule, score in self._rules.values()
        ]

    def _rule(self, row: Any, score: float) -> int:
        """Index of the finding's rule, which has the highest score of all its findings."""
        index, rule, highest = self._rules.get(row.id) or (len(self._rules), _new_rule(row), 0.0)
        self._rules[row.id] = (index, rule, max(highest, score))
        return index


def _new_rule(row: Any) -> dict[str, Any]:
    title = row.title or row.id
    also = f" Also known as {', '.join(row.aliases)}." if row.aliases else ""
    link = f" https://nvd.nist.gov/vuln/detail/{row.id}" if row.id.startswith("CVE-") else ""
    return {
        "id": row.id,
        "shortDescription": {"text": _cut(title)},
        "fullDescription": {"text": _cut(f"{title}.{also}")},
        "help": {"text": _cut(f"{title}.{also}{link}")},
        "properties": {"tags": ["security", row.kind]},
    }


def _score(severity: Severity, cvss: float) -> float:
    """A score of 0.1 to 10.0 that says the same as the severity; 0 for no severity to speak of."""
    if severity not in _BANDS:
        return 0.0
    least, most, usual = _BANDS[severity]
    return float(cvss) if least <= cvss <= most else usual  # NaN is in no band


def _message(row: Any, subject: str, reference: str) -> str:
    found = f"{row.id} in {subject}" if subject and subject != row.id else row.id
    fix = f" Fixed in {row.fixed_version}." if row.fixed_version else ""
    several = f" There are {row.count} of it." if row.count > 1 and row.kind != "vulnerability" else ""
    by = f" Found by {', '.join(row.found_by)}." if row.found_by else ""
    title = f" {row.title.rstrip('.')}." if row.title else ""
    return _cut(f"{found} ({reference}).{title}{several}{fix}{by}")


def _locations(row: Any, reference: str) -> list[dict[str, Any]]:
    """Every path, and every place within (3.28); without any path, the target itself: GitHub shows nothing without."""
    repository, _ = split_reference(reference)
    paths = [path for path in row.locations if path.strip("/")] or [repository.partition("://")[2] or repository]
    logical: list[dict[str, Any]] = [{"fullyQualifiedName": reference, "kind": "resource"}]
    if row.package:
        logical.append({"name": row.package, "fullyQualifiedName": row.purl or row.package, "kind": "package"})
    # Only of one path is it known in which the places are.
    spots = [(paths[0], place) for place in row.places] if len(paths) == 1 and len(row.places) else []
    return [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": _uri(path), "uriBaseId": row.target},
                "region": {"startLine": line_of(place) or 1},
            },
            "logicalLocations": logical,
            **({"message": {"text": _cut(place)}} if place else {}),
        }
        for path, place in (spots or [(path, "") for path in paths])[:_LOCATIONS]
    ]


def _uri(path: str) -> str:
    """A path as a relative reference (RFC 3986, 4.2): a colon in it must not look like a scheme's."""
    return quote(path.lstrip("/"), safe="/@+~!$&'()*,;=", errors="surrogatepass")


def _suppressions(row: Any) -> list[dict[str, Any]]:
    """3.35: judged outside of the code, and accepted. An empty list says that there is none."""
    if not row.suppressed:
        return []
    moment = str(row.suppressed_until)
    until = "" if moment == "NaT" else f" until {moment[:10]}"
    why = f" {row.justification}." if row.justification else ""
    text = f"{row.suppressed_reason or row.suppressed} ({row.suppressed}{until}, by {row.suppressed_by}).{why}"
    return [{"kind": "external", "status": "accepted", "justification": _cut(text)}]


def _cut(text: str) -> str:
    """Text that is taken as it stands (3.11.5, 3.11.6), of at most 1,000 characters: GitHub's limit of each.

    What a scanner wrote must be visible, and neither a placeholder nor a link.
    """
    text = _PLACEHOLDER.sub(r"{{\1}}", visible(text)).replace("](", "] (")
    return text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 1] + "…"
