"""OSV-Scanner's JSON report (`osv-scanner --format json`), versions 1 and 2.

    {"results": [{"source": {"path": "/app/yarn.lock", "type": "lockfile"}, "packages": [{
       "package": {"name": "lodash", "version": "4.17.4", "ecosystem": "npm"},
       "vulnerabilities": [{"id": "GHSA-…", "aliases": ["CVE-…"],
         "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/…"}],
         "affected": [{"package": {…}, "ranges": [{"events": [{"introduced": "0"}, {"fixed": "4.17.11"}]}]}]}],
       "groups": [{"ids": ["GHSA-…"], "aliases": ["CVE-…", "GHSA-…"], "max_severity": "9.1"}],
       "license_violations": ["GPL-3.0"]}]}]}

Formats: `pkg/models/results.go` of github.com/google/osv-scanner, and https://ossf.github.io/osv-schema/. A group is
what OSV-Scanner shows as one row: the same vulnerability out of several databases. Its analysis of a group
(`experimentalAnalysis`, in version 2 `experimental_analysis`) says what it hides unless asked for all: what nothing
calls, and what Debian or Ubuntu hold for unimportant. What its configuration ignores is not in the report.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from orchestrator.findings.decoding import by_scanner, decode_json, other_ids, severity, severity_of, title
from orchestrator.findings.interface import Report, ReportError
from orchestrator.findings.osv_packages import is_same, package_url
from orchestrator.findings.scores import cvss_of, score_of
from orchestrator.model import Cvss, Finding, Severity, Suppressed
from orchestrator.packages.ecosystems import type_in
from orchestrator.packages.fixes import joined

name = "osv"
kinds: tuple[str, ...] = ("vulnerability", "malware", "license")

#: Ids of https://github.com/ossf/malicious-packages: the package itself is the attack.
_MALICIOUS = "MAL-"


class _Part(msgspec.Struct, gc=False):
    """A partial structure of the report; what it does not name is skipped unread."""


class _Score(_Part):
    type: str | None = None
    score: Any = None


class _Event(_Part):
    fixed: str | None = None


class _Range(_Part):
    type: str | None = None
    events: list[_Event] | None = None


class _Package(_Part):
    """`name` is what databases call it, for an operating system the source; the other one is what is installed."""

    name: str = ""
    os_package_name: str | None = None
    version: str = ""
    ecosystem: str = ""
    commit: str = ""
    purl: str | None = None


class _Rated(_Part):
    """`database_specific` and `ecosystem_specific`, which every database fills as it likes."""

    severity: Any = None


class _Affected(_Part):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    versions: list[str] | None = None
    severity: list[_Score] | None = None
    database_specific: _Rated | None = None
    ecosystem_specific: _Rated | None = None


class _Vulnerability(_Part):
    id: str
    aliases: list[str] | None = None
    summary: str | None = None
    details: str | None = None
    severity: list[_Score] | None = None
    affected: list[_Affected] | None = None
    database_specific: _Rated | None = None


class _Analysis(_Part):
    """What OSV-Scanner found out about one vulnerability; it always writes both, and nothing is hidden unsaid."""

    called: bool = True
    unimportant: bool = False


class _Group(_Part):
    ids: list[str]
    analysis: dict[str, _Analysis] | None = msgspec.field(name="experimental_analysis", default=None)
    older_analysis: dict[str, _Analysis] | None = msgspec.field(name="experimentalAnalysis", default=None)
    aliases: list[str] | None = None
    max_severity: Any = None


class _Found(_Part):
    package: _Package
    vulnerabilities: list[_Vulnerability] | None = None
    groups: list[_Group] | None = None
    license_violations: list[str] | None = None


class _Source(_Part):
    path: str = ""


class _Result(_Part):
    source: _Source
    packages: list[_Found] | None = None


class _Document(_Part):
    results: list[_Result] | None
    experimental_config: Any = None


def parse(data: bytes) -> Report:
    """Read a report of OSV-Scanner; one finding per package and group of vulnerabilities, and per license not allowed.

    Raises:
        ReportError: it is not a whole report of OSV-Scanner.
    """
    document = decode_json(data, _Document, what="an OSV-Scanner report")
    if not document.results and document.experimental_config is None:
        # Many scanners have `results`; with nothing in it, only OSV-Scanner before 1.4 has it alone.
        others = decode_json(data, dict[str, Any], what="an OSV-Scanner report").keys() - {"results"}
        if others:
            raise ReportError("the report is not an OSV-Scanner report: it has no result and no `experimental_config`")
    return Report(
        scanner="osv-scanner",
        findings=tuple(
            [
                finding
                for result in document.results or ()
                for found in result.packages or ()
                for finding in _findings(found, result.source.path)
            ]
        ),
    )


def _findings(found: _Found, path: str) -> Iterator[Finding]:
    package, installed = found.package, found.package.os_package_name or found.package.name
    common = Finding(
        id="",
        kind="vulnerability",
        package=installed,
        version=package.version or package.commit,
        purl=package_url(package.ecosystem, installed, package.version),
        location=path,
    )
    by_id = {each.id: each for each in found.vulnerabilities or ()}
    for group in found.groups or ():
        members = [by_id.pop(each) for each in group.ids if each in by_id]
        if group.ids:
            ids = [*group.ids, *(group.aliases or ())]
            one = _finding(common, package, members, ids, score_of(group.max_severity))
            yield msgspec.structs.replace(one, suppressed=_hidden(group))
    for each in by_id.values():
        yield _finding(common, package, [each], [each.id], None)
    for license_ in found.license_violations or ():
        yield msgspec.structs.replace(common, id=license_, kind="license", title="license is not allowed")


def _hidden(group: _Group) -> Suppressed | None:
    """Why OSV-Scanner hides a group (`IsCalled` and `IsGroupUnimportant` in its `pkg/models/results.go`)."""
    analysis = group.analysis or group.older_analysis
    if not analysis:
        return None
    if any(each.unimportant for each in analysis.values()):
        return by_scanner("its database", "the distribution holds it for unimportant")
    if not any(each.called for each in analysis.values()):
        return by_scanner("its call analysis", "nothing calls the code", "vulnerable_code_not_in_execute_path")
    return None


def _finding(
    common: Finding, package: _Package, members: list[_Vulnerability], ids: list[str], highest: float | None
) -> Finding:
    """One group as a finding, named by its first id.

    Args:
        common: what all findings of the package have in common.
        package: as the scanner found it.
        members: the vulnerabilities of the group.
        ids: all names, its own first.
        highest: the highest base score of the group, where the report gives it.
    """
    cvss = _cvss(members)
    malicious = any(each.startswith(_MALICIOUS) for each in ids)
    rated = _severity(members, package)
    if rated is Severity.UNKNOWN:
        rated = severity_of(Cvss(score=highest) if highest else cvss)
    if rated is Severity.UNKNOWN and malicious:
        rated = Severity.CRITICAL
    return msgspec.structs.replace(
        common,
        id=ids[0],
        kind="malware" if malicious else "vulnerability",
        severity=rated,
        aliases=other_ids({*ids, *(alias for each in members for alias in each.aliases or ())}, ids[0]),
        title=title(next((text for each in members if (text := each.summary or each.details)), "")),
        fixed_version=joined(type_in(common.purl), common.version, (_fixes(each, package) for each in members)),
        cvss=cvss or (Cvss(score=highest) if highest else None),
    )


def _severity(members: list[_Vulnerability], package: _Package) -> Severity:
    """The highest word that a database has for it; scores are asked only where there is none."""
    words: list[Any] = []
    for each in members:
        words += [_word(each.database_specific), *(score.score for score in each.severity or ())]
        for affected in _affecting(each, package):
            words += [_word(affected.database_specific), _word(affected.ecosystem_specific)]
            words += [score.score for score in affected.severity or ()]
    return max(map(severity, words), key=lambda found: found.rank, default=Severity.UNKNOWN)


def _word(rated: _Rated | None) -> Any:
    return rated.severity if rated else None


def _cvss(members: list[_Vulnerability]) -> Cvss | None:
    """The rating of the highest CVSS version, of the first database before others."""
    scores = [score for each in members for score in each.severity or ()]
    scores += [score for each in members for affected in each.affected or () for score in affected.severity or ()]
    found = [rating for score in scores if isinstance(score.score, str) and (rating := _rating(score))]
    return max(found, key=lambda rating: rating.version, default=None)


def _rating(score: _Score) -> Cvss | None:
    kind = score.type or ""
    return cvss_of(score.score, "2.0" if kind == "CVSS_V2" else "") if kind.startswith("CVSS") else None


def _affecting(each: _Vulnerability, package: _Package) -> list[_Affected]:
    """The entries about this package; of several, those that list its version.

    OSV names an ecosystem with its release (`Debian:12`), the scanner sometimes without.
    """
    ecosystem = package.ecosystem.partition(":")[0]
    entries = [
        affected
        for affected in each.affected or ()
        if affected.package is None
        or (
            affected.package.ecosystem.partition(":")[0] == ecosystem
            and is_same(package.ecosystem, affected.package.name, package.name)
        )
    ]
    release = [one for one in entries if one.package and one.package.ecosystem == package.ecosystem]
    entries = release or entries
    listed = [affected for affected in entries if package.version in (affected.versions or ())]
    return listed or entries


def _fixes(each: _Vulnerability, package: _Package) -> Iterable[str]:
    """Versions with the fix; commits (ranges of type `GIT`) only for what was found as a commit."""
    wants_commits = bool(package.commit) and not package.version
    for affected in _affecting(each, package):
        for span in affected.ranges or ():
            if (span.type == "GIT") == wants_commits:
                yield from (event.fixed for event in span.events or () if event.fixed)
