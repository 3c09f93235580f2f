"""Findings of one target in DefectDojo's format "Generic Findings Import".

DefectDojo refuses a whole file for one field it does not know, so only fields are used that all versions 2 have.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from orchestrator.exports.targets import fingerprint
from orchestrator.kit.text import visible
from orchestrator.model import Severity
from orchestrator.packages.fixes import best_fix

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.config.exports import DefectDojoSection
    from orchestrator.exports.targets import RunTarget
    from orchestrator.model import MergedFinding

#: DefectDojo's words by those of the configuration.
LEAST = {"info": "Info", "low": "Low", "medium": "Medium", "high": "High", "critical": "Critical"}

_SEVERITIES = {
    Severity.UNKNOWN: "Info",
    Severity.NONE: "Info",
    Severity.INFO: "Info",
    Severity.LOW: "Low",
    Severity.MEDIUM: "Medium",
    Severity.HIGH: "High",
    Severity.CRITICAL: "Critical",
}
_MARKS = {"risk-accepted": "risk_accepted", "false-positive": "false_p", "out-of-scope": "out_of_scope"}
# Lengths of the columns of its database.
_TITLE, _COMPONENT, _VERSION, _PATH, _ID, _TOOL_ID = 511, 500, 100, 4000, 50, 500
_PLACES = 50
_CVSS3 = re.compile(r"CVSS:3\.[01](/[A-Z]{1,3}:[A-Z])+")


def findings(section: DefectDojoSection, target: RunTarget, rows: Iterable[MergedFinding]) -> list[dict[str, Any]]:
    """What to send of a target.

    Args:
        section: which of them, and how.
        target: what they were found in.
        rows: its merged findings.

    Returns:
        One document for each key: versions of a package share one, so that an update of the package that does not fix
        the finding keeps it open, and with it what people decided in DefectDojo.
    """
    least = Severity(section.minimum_severity).rank
    by_key: dict[str, list[MergedFinding]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    sent = []
    for same in by_key.values():
        active = [row for row in same if not row.suppressed]
        worst = max(active or same, key=lambda row: row.severity.rank)
        info = max(worst.severity.rank, Severity.INFO.rank)
        if info >= least and (active or section.suppressed != "leave-out"):
            sent.append(_finding(section, target, active or same, worst))
    return sent


def _finding(
    section: DefectDojoSection, target: RunTarget, rows: Sequence[MergedFinding], worst: MergedFinding
) -> dict[str, Any]:
    severity = _SEVERITIES[worst.severity]
    versions = dict.fromkeys(row.version for row in rows if row.version)
    paths = list(dict.fromkeys(path for row in rows for path in row.locations))
    subject = worst.package or next(iter(paths), "")
    first_seen = min((row.first_seen for row in rows if row.first_seen), default="")
    ended = target.rows[0].finished or target.rows[0].started
    vector = worst.cvss.vector if worst.cvss else ""
    # Copies of a vulnerable package are paths; only of other kinds are the places counted.
    several = worst.kind != "vulnerability" and any(row.count > 1 for row in rows)
    document: dict[str, Any] = {
        "title": visible(f"{worst.id} in {subject}" if subject else worst.id)[:_TITLE],
        "description": _description(target, rows, worst, paths),
        "severity": severity,
        "date": (first_seen or ended)[:10],
        "mitigation": f"Update {worst.package} to {_fixed(rows)}." if worst.fixed_version else "",
        "references": f"https://nvd.nist.gov/vuln/detail/{worst.id}" if worst.id.startswith("CVE-") else "",
        # So spelt. A line is never sent: DefectDojo may know a finding again by it, and lines move.
        "nb_occurences": sum(row.count for row in rows) if several else "",
        "component_name": worst.package[:_COMPONENT],
        "component_version": ", ".join(versions)[:_VERSION],
        "file_path": paths[0][:_PATH] if paths else "",
        "unique_id_from_tool": fingerprint(target.reference, worst.key),
        "vuln_id_from_tool": worst.id[:_TOOL_ID],
        "cvssv3": vector if _CVSS3.fullmatch(vector) else "",
        "active": not worst.suppressed,
        "verified": section.verified and not worst.suppressed,
        "static_finding": True,
        "dynamic_finding": False,
        "tags": _tags(worst),
    }
    if worst.kind == "vulnerability":
        document["vulnerability_ids"] = [id_ for id_ in (worst.id, *worst.aliases) if len(id_) <= _ID]
    if worst.suppressed:
        document[_MARKS[section.suppressed]] = True
    return {key: value for key, value in document.items() if value not in ("", [])}


def _fixed(rows: Sequence[MergedFinding]) -> str:
    """The version that fixes all installed versions of the package."""
    fixes = tuple(dict.fromkeys(row.fixed_version for row in rows if row.fixed_version))
    return fixes[0] if len(fixes) == 1 else best_fix(rows[0].ecosystem, "", fixes)


def _description(target: RunTarget, rows: Sequence[MergedFinding], worst: MergedFinding, paths: Sequence[str]) -> str:
    """Markdown, as DefectDojo shows it; what a scanner wrote stands as code."""
    lines = [_code(worst.title) if worst.title else "", f"**Target:** {_code(target.reference)}"]
    for row in rows:
        if row.package:
            fix = f", fixed in {_code(row.fixed_version)}" if row.fixed_version else ", no fixed version is known"
            lines.append(f"**Package:** {_code(row.purl or f'{row.package} {row.version}')} {_code(row.version)}{fix}")
    lines += [f"**Path:** {_code(path)}" for path in paths[:_PLACES]]
    if len(paths) > _PLACES:
        lines.append(f"and {len(paths) - _PLACES} more paths")
    places = list(dict.fromkeys(place for row in rows for place in row.places))
    lines += [f"**Place:** {_code(place)}" for place in places[:_PLACES]]
    if len(places) > _PLACES:
        lines.append(f"and {len(places) - _PLACES} more places")
    lines.append(f"**Found by:** {', '.join(worst.found_by)}")
    if worst.not_found_by:
        lines.append(f"**Not found by:** {', '.join(worst.not_found_by)}")
    if worst.severities:
        said = (f"{scan}={severity}" for scan, severity in worst.severities.items())
        lines.append(f"**Severities:** {', '.join(said)}")
    if worst.epss is not None:
        lines.append(f"**EPSS:** {worst.epss:.4f}")
    if worst.kev:
        lines.append("**Known to be exploited** (CISA KEV)")
    if known := worst.suppressed:
        lines.append(f"**Suppressed:** {known.status}: {_code(known.reason)} by {known.by}")
    return "\n\n".join(line for line in lines if line)


def _tags(worst: MergedFinding) -> list[str]:
    return [worst.kind, *(["kev"] if worst.kev else []), *worst.found_by]


def _code(text: str) -> str:
    """Text as code of Markdown, in one line: no link and no HTML in it comes alive."""
    return "`" + visible(" ".join(text.replace("`", "'").split())) + "`"
