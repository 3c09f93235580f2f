"""How scanners write packages, versions, fixes and severities into SARIF, which knows none of them.

Each scanner here writes them in a fixed form, so that they can be read as reliably as its own JSON: Trivy, Grype and
Docker Scout as lines `Key: value`, OSV-Scanner, Snyk and Clair in a sentence.
"""

import re
from html import unescape

from orchestrator.findings.decoding import severity, severity_of
from orchestrator.findings.sarif_document import SarifResult, SarifRule
from orchestrator.findings.sarif_jfrog import jfrog
from orchestrator.findings.sarif_said import (
    CVE,
    MOST_OF_HELP,
    ToolWords,
    any_tool,
    first,
    judged,
    lines,
    named,
    of_purl,
    start,
    table,
)
from orchestrator.findings.sarif_snyk import snyk
from orchestrator.findings.scores import score_of
from orchestrator.model import Cvss, Severity
from orchestrator.packages.ecosystems import is_purl
from orchestrator.packages.fixes import joined

_QUOTED = re.compile(r"'([^']+)'")
# `[HIGH] CVE-2021-1`: Trivy's own template for SARIF, before it could write it.
_MARKED = re.compile(r"\[([A-Z]{3,10})\] (.+)", re.DOTALL)
_TRIVY_KINDS = {
    "OsPackageVulnerability": "vulnerability",
    "LanguageSpecificPackageVulnerability": "vulnerability",
    "Misconfiguration": "misconfiguration",
    "Secret": "secret",
    "License": "license",
}
_GRYPE_LEVELS = {"error": "high", "warning": "medium", "note": "low"}
_CHECKOV_LEVELS = {"error": Severity.HIGH, "warning": Severity.MEDIUM, "note": Severity.LOW, "none": Severity.NONE}
_LONGEST_PURL = 2_000
_NO_FIX = frozenset({"none", "n/a", "null", "undefined", "unknown", "not fixed", "-"})


def _trivy(rule_id: str, rule: SarifRule, message: str, _result: SarifResult) -> ToolWords:
    """`Package: zlib1g`, `Installed Version: …`, `Fixed Version: …`, `Severity: …`, each on a line of the message.

    What the message lacks stands in the help of the rule.
    """
    said = lines(message)
    kind = _TRIVY_KINDS.get(rule.name or "", "") or ("vulnerability" if "Package" in said else "")
    own, package = rule_id, said.get("Package", "")
    word = said.get("Severity") or lines(start(rule.help, MOST_OF_HELP)).get("Severity")
    if marked := _MARKED.fullmatch(rule_id):
        word, own = word or marked[1], marked[2].strip()
    if kind == "license":
        package, _, own = rule_id.rpartition(":")
    titled = first(message) if kind == "secret" else unescape(start(rule.short_description))
    return ToolWords(
        id=own,
        kind=kind,
        severity=severity(word) if word else None,
        title=titled or said.get("Message", ""),
        package=package,
        version=said.get("Installed Version", ""),
        fixed_version=said.get("Fixed Version", ""),
        location="" if (rule.name or "").lower().replace(" ", "").startswith("ospackage") else None,
    )


def _grype(rule_id: str, rule: SarifRule, message: str, result: SarifResult) -> ToolWords:
    """The rule's help has `Package: …`, `Version: …`, `Fix Version: …`; the message says where this one was found.

    `A high vulnerability in deb package: zlib1g, version 1.2 was found in image x at: /var/lib/dpkg/status`, or, before
    0.5x, `The path /x reports zlib1g at version 1.2  which would result in a vulnerable (deb) package installed`.

    The severity is Grype's own, which the message names, or the help of the rule, or its short description, else the
    level; `security-severity` is the highest CVSS score of any source, by which Grype judges nothing.
    """
    help_lines, about = lines(start(rule.help, MOST_OF_HELP)), first(start(rule.help, MOST_OF_HELP))
    head, _, new = message.partition(" package: ")
    package, _, rest = new.partition(", version ")
    version, found, where = rest.partition(" was found ")
    path = where.rpartition("at: ")[2] if "at: " in where else ""
    if not found:
        path, _, rest = message.partition(" reports ")
        path = path.partition("path ")[2]
        package, _, rest = rest.partition(" at version ")
        version = rest.partition(" ")[0]
    package, version = package or help_lines.get("Package", ""), version or help_lines.get("Version", "")
    purls = rule.properties.purls if rule.properties and isinstance(rule.properties.purls, list) else []
    # The rule is that of the first match of the vulnerability in a package of this name.
    same = version == help_lines.get("Version")
    own = about or rule_id.removesuffix(f"-{package}")
    words = (
        _word_before(head, " vulnerability in "),
        help_lines.get("Severity"),
        _word_before(start(rule.short_description), " vulnerability for "),
        _GRYPE_LEVELS.get(result.level or ""),
    )
    return ToolWords(
        id=own,
        kind="vulnerability",
        severity=next((word for each in words if (word := judged(each))), None),
        title=start(rule.full_description),
        package=package,
        version=version,
        purl=str(purls[0]) if purls and same else "",
        fixed_version=", ".join(fix.strip() for fix in help_lines.get("Fix Version", "").split(",") if fix.strip()),
        location=path or None,
    )


def _word_before(text: str, mark: str) -> str:
    """The last word before a mark: the severity in `A high vulnerability in deb`."""
    before, found, _ = text.partition(mark)
    return before.rpartition(" ")[2] if found else ""


def _osv_scanner(rule_id: str, rule: SarifRule, message: str, _result: SarifResult) -> ToolWords:
    """`Package 'a@1' is vulnerable to 'CVE-…' (also known as 'GHSA-…').`; the rule's help has a table of the fixes."""
    package, found, rest = message.removeprefix("Package '").partition("' is vulnerable to ")
    ids = _QUOTED.findall(rest)
    if not found or not ids:
        return any_tool(rule_id)
    name, _, version = package.rpartition("@")
    fixes = table((rule.help.markdown or rule.help.text or "")[:MOST_OF_HELP] if rule.help else "")
    return ToolWords(
        id=ids[0],
        kind="malware" if ids[0].startswith("MAL-") else "vulnerability",
        aliases=tuple(ids),
        title=start(rule.short_description).removeprefix(f"{rule_id}: "),
        package=name,
        version=version,
        fixed_version=joined("", version, (fixes.get((each, name), ()) for each in ids)),
    )


def _docker_scout(rule_id: str, rule: SarifRule, message: str, _result: SarifResult) -> ToolWords:
    """`Severity : HIGH`, `Package : pkg:deb/…`, `Fixed version : not fixed`, each on a line of the message."""
    said, general = lines(message), any_tool(rule_id)
    purl = said.get("Package", "")[:_LONGEST_PURL]
    if not is_purl(purl):
        return general
    package, version = of_purl(purl)
    fix = said.get("Fixed version", "")
    return ToolWords(
        id=general.id,
        kind="vulnerability",
        severity=named(said.get("Severity")),
        aliases=general.aliases,
        title=start(rule.short_description),
        package=package,
        version=version,
        purl=purl,
        fixed_version="" if fix.lower() == "not fixed" else fix,
    )


def _clair(rule_id: str, _rule: SarifRule, message: str, _result: SarifResult) -> ToolWords:
    """`[zlib1g - 1:1.2.11 - High] Description`; the level is always `error`."""
    inner, found, rest = message.partition("] ")
    parts = inner.removeprefix("[").split(" - ")
    if not found or not inner.startswith("[") or len(parts) < 3:  # noqa: PLR2004 - name, version, severity
        return any_tool(rule_id)
    return ToolWords(
        id=rule_id,
        kind="vulnerability",
        severity=severity(parts[-1]),
        aliases=tuple(CVE.findall(rule_id)),
        title=rest.strip().strip('"'),
        package=" - ".join(parts[:-2]),
        version=parts[-2],
    )


def _checkov(rule_id: str, rule: SarifRule, _message: str, result: SarifResult) -> ToolWords:
    """Packages are in the id of the rule, `CVE-2021-1_flask@0.12` and `GPL-3.0_flask@0.12`; the fix in its help.

    Format: `checkov/common/output/sarif.py`. The score of a vulnerability is its CVSS, the level Checkov's own severity
    (it knows no `critical`); of all other rules the score is made up from the severity.
    """
    name, _, version = rule_id.rpartition("@")
    own, found, package = name.partition("_")
    if not found or not version:
        return any_tool(rule_id)
    status = lines(start(rule.help, MOST_OF_HELP)).get("Status", "")
    known = CVE.match(own) is not None
    # Where the level fits the score, the score says more.
    severe = _CHECKOV_LEVELS.get(result.level or "") if known else None
    score = score_of(rule.properties.security_severity if rule.properties else None)
    critical = severe is Severity.HIGH and score is not None and severity_of(Cvss(score=score)) is Severity.CRITICAL
    return ToolWords(
        id=own,
        kind="vulnerability" if known else "license",
        severity=Severity.CRITICAL if critical else severe,
        aliases=(own,) if known else (),
        title=start(rule.short_description),
        package=package,
        version=version,
        fixed_version=status.removeprefix("fixed in ") if status.startswith("fixed in ") else "",
    )


def described(rule_id: str, rule: SarifRule, message: str, _result: SarifResult) -> ToolWords:
    """`Vulnerability CVE-…`, `Severity: …`, `Package: …`, `Version: …`, `Fix Version: …` in the help of a rule.

    Others took Grype's form over: the scan action of Anchore, whose rules are named `ANCHOREVULN_CVE-…_deb_apt_1.4`,
    and Sysdig; roxctl of StackRox writes `Component` and `Fixed Version`, and IMPORTANT as the level `none`.
    """
    text, general = start(rule.help, MOST_OF_HELP) or message[:MOST_OF_HELP], any_tool(rule_id)
    said = lines(text)
    own, package = said.get("Vulnerability") or first(text), said.get("Package") or said.get("Component")
    if not own or not package or " " in own:
        return general
    fix = said.get("Fix Version") or said.get("Fixed Version") or ""
    return ToolWords(
        id=own,
        kind="vulnerability",
        severity=judged(said.get("Severity", "").partition("_")[0]),
        aliases=tuple(CVE.findall(own)),
        title=start(rule.short_description),
        package=package,
        version=said.get("Version") or said.get("Installed Version") or "",
        fixed_version="" if fix.lower() in _NO_FIX else fix,
    )


def _govulncheck(rule_id: str, rule: SarifRule, _message: str, _result: SarifResult) -> ToolWords:
    """The other names of a vulnerability are the tags of its rule."""
    tags = rule.properties.tags if rule.properties and isinstance(rule.properties.tags, list) else []
    aliases = [each for each in tags if isinstance(each, str) and CVE.fullmatch(each)]
    return ToolWords(id=rule_id, kind="vulnerability", aliases=tuple(aliases))


#: By the name of the driver, lower-case.
READERS = {
    "trivy": _trivy,
    "grype": _grype,
    "osv-scanner": _osv_scanner,
    "snyk": snyk,
    "snyk open source": snyk,
    "snyk container": snyk,
    "docker scout": _docker_scout,
    "clair": _clair,
    "clair v4": _clair,
    "govulncheck": _govulncheck,
    "jfrog xray scanner": jfrog,
    "jfrog xray": jfrog,
    "checkov": _checkov,
    "prisma cloud": _checkov,
    "bridgecrew": _checkov,
}
