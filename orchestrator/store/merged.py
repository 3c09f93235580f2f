"""Findings that were never merged, as merged ones that one scan alone found: of runs of versions that did not merge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.model import Cvss, MergedFinding, Severity
from orchestrator.packages.identity import canonical
from orchestrator.packages.keys import finding_key, rootless

if TYPE_CHECKING:
    from collections.abc import Mapping


def _rating(row: Mapping[str, Any]) -> Cvss | None:
    if row.get("cvss_score") is None:
        return None
    return Cvss(score=row["cvss_score"], version=row.get("cvss_version") or "", vector=row.get("cvss_vector") or "")


def alone(target: str, scan: str, row: Mapping[str, Any]) -> MergedFinding:
    """What one scan reported as a merged finding that nobody else found.

    Args:
        target: id of the target.
        scan: which reported it.
        row: columns of `findings.parquet`, with `aliases` as any sequence.
    """
    id_, aliases = str(row["id"]), [str(each) for each in row["aliases"] or ()]
    cves = [each for each in aliases if each.startswith("CVE-")]
    if not id_.startswith("CVE-") and len(cves) == 1:
        id_, aliases = cves[0], [each for each in (id_, *aliases) if each != cves[0]]
    package = canonical(row["purl"], row["package"], row["version"])
    location, place = str(row["location"]), row.get("place") or ""
    return MergedFinding(
        target=target,
        key=finding_key(row["kind"], id_, package, "" if package.key else rootless(location)),
        kind=row["kind"],
        id=id_,
        aliases=tuple(sorted(aliases)),
        severity=Severity(row["severity"]),
        severities={scan: Severity(row["severity"])},
        title=row["title"],
        package=package.label or row["package"],
        version=package.version,
        purl=package.purl,
        ecosystem=package.ecosystem,
        locations=(location,) if location else (),
        places=(place,) if place else (),
        fixed_version=row["fixed_version"],
        cvss=_rating(row),
        found_by=(scan,),
    )
