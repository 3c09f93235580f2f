"""Snyk's SARIF (`snyk test --sarif`, `snyk container test --sarif`).

Format: `src/lib/formatters` of github.com/snyk/cli. The rule says `High severity - Prototype Pollution vulnerability in
lodash` and `(CVE-2020-8203) lodash@4.17.4`, without the bracket where there is no CVE; its help has the fix as `Upgrade
lodash to version 4.17.12 or higher` under the heading Remediation. A level knows no `critical`, and `security-severity`
is the CVSS score, from which Snyk's own severity may differ.
"""

import re
from functools import lru_cache

from orchestrator.findings.sarif_document import SarifResult, SarifRule
from orchestrator.findings.sarif_said import CVE, MOST_OF_HELP, ToolWords, named, start
from orchestrator.model import Severity

_SEVERITY = re.compile(r"(\w{1,12}) severity\b")
_VERSIONS = re.compile(r"[\w.:~+^-]{1,100}(?:, ?[\w.:~+^-]{1,100}){0,20}")
# The name of an operating system's package is `source/binary`; in other ecosystems a `/` is part of the name. Which one
# it is stands in the id (`SNYK-DEBIAN10-APT-407502`), and as the package manager among the tags of newer versions.
_SYSTEM = frozenset({"deb", "apk", "rpm", "linux"})
_LANGUAGES = frozenset(
    ["CC", "COCOAPODS", "DOTNET", "GOLANG", "HEX", "JAVA", "JS", "PHP", "PUB", "PYTHON", "RUBY", "RUST", "SWIFT"]
) | {"UNMANAGED"}
_LICENSE = "snyk:lic:"


def snyk(rule_id: str, rule: SarifRule, message: str, result: SarifResult) -> ToolWords:
    """Read a result of Snyk about a package: a vulnerability, or a licence."""
    short = start(rule.short_description)
    name, version = _package(start(rule.full_description).strip(), result)
    if _of_system(rule_id, rule):
        name = name.rpartition("/")[2]
    return ToolWords(
        id=rule_id,
        kind="license" if rule_id.startswith(_LICENSE) else "vulnerability" if name else "",
        severity=severity_of_texts(message, short),
        aliases=tuple(CVE.findall(start(rule.full_description).partition(")")[0])) if name else (),
        title=short or message,
        package=name,
        version=version,
        fixed_version=_remediation(_help(rule)) or _upgrade(result, name),
    )


def severity_of_texts(*texts: str) -> Severity | None:
    """The first severity that the texts name as `high severity`; None where none does."""
    for text in texts:
        match = _SEVERITY.search(text[:500])
        if match and (found := named(match[1])):
            return found
    return None


def _of_system(rule_id: str, rule: SarifRule) -> bool:
    """Whether the rule is about packages of an operating system."""
    tags = rule.properties.tags if rule.properties and isinstance(rule.properties.tags, list) else []
    if _SYSTEM.intersection(each for each in tags if isinstance(each, str)):
        return True
    parts = rule_id.split("-", 2)
    return parts[0] == "SNYK" and len(parts) > 1 and parts[1] not in _LANGUAGES


def _package(described: str, result: SarifResult) -> tuple[str, str]:
    """Name and version: `(CVE-2020-8203) lodash@4.17.4`, else the logical location of the result."""
    if described.startswith("("):
        described = described.partition(") ")[2].strip()
    places = [each for location in result.locations or () for each in location.logical_locations or ()]
    for text in (described, *(each.fully_qualified_name or "" for each in places)):
        name, _, version = text.rpartition("@")
        if name and version and " " not in text:
            return name, version
    return "", ""


def _help(rule: SarifRule) -> str:
    return ((rule.help.markdown or rule.help.text or "") if rule.help else "")[:MOST_OF_HELP]


@lru_cache(maxsize=512)
def _remediation(text: str) -> str:
    """The versions of `Upgrade lodash to version 4.17.12 or higher`; empty where there is no such advice."""
    advice = text.partition("# Remediation")[2].lstrip().partition("\n")[0]
    if not advice.startswith("Upgrade "):
        return ""
    return _versions(advice.partition(" to version ")[2].partition(" or higher")[0])


def _upgrade(result: SarifResult, package: str) -> str:
    """The version of `Upgrade to lodash@4.17.12`, where what has to be upgraded is the package itself."""
    for fix in result.fixes or ():
        wanted = start(fix.description).removeprefix("Upgrade to ").strip()
        name, _, version = wanted.rpartition("@")
        if package and name == package:
            return _versions(version)
    return ""


def _versions(text: str) -> str:
    """Versions joined by `, `; empty for what is none."""
    found = text.replace("`", "").strip().rstrip(".")
    return ", ".join(part.strip() for part in found.split(",")) if _VERSIONS.fullmatch(found) else ""
