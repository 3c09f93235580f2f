"""What tools write into SARIF beyond SARIF: which thing a result is about, of what kind, and how severe it is.

Scanners of packages are read by `orchestrator.findings.sarif_scanners`; of any other tool the ids are read, and the
severity that its property bags name.
"""

import re

import msgspec

from orchestrator.findings.decoding import severity
from orchestrator.findings.sarif_document import ResultProperties, SarifResult, SarifRule
from orchestrator.findings.sarif_said import CVE, ToolWords, of_properties, of_purl, start
from orchestrator.findings.sarif_scanners import READERS, described
from orchestrator.findings.sarif_snyk import severity_of_texts
from orchestrator.model import KINDS
from orchestrator.packages.ecosystems import is_purl

#: Ids of known vulnerabilities, as the databases that scanners use write them.
_KNOWN = (
    r"CVE-\d{4}-\d{4,}|GHSA(?:-[0-9a-z]{4}){3}|(?:GO|PYSEC|RUSTSEC|MAL|OSV|GSD|DSA|DLA|USN|ALAS2?|TEMP|MGASA|EUVD|JVNDB)-\d[\w-]*"
    r"|(?:RHSA|ELSA|ALSA|RLSA|(?:open)?SUSE-SU)-\d{4}:[\w-]+|ELSA-\d{4}-\d+|SNYK-[A-Z0-9]+-[A-Z0-9-]+|BDSA-\d{4}-\d+"
    r"|CGA(?:-[0-9a-z]{4}){3}|BIT-[a-z][a-z0-9-]*-\d{4}-\d+|PRISMA-\d{4}-\d+|XRAY-\d+"
)
_KNOWN_ID = re.compile(rf"(?:{_KNOWN})\Z")
# Snyk's rules for infrastructure as code are named like its vulnerabilities.
_CONFIGURATION = "SNYK-CC-"
_KINDS_OF_TOOLS = {
    "vulnerability": ("grype", "osv-scanner", "dependency-check", "snyk open source", "snyk container", "govulncheck"),
    "secret": ("gitleaks", "trufflehog", "detect-secrets", "ggshield", "jfrog secrets scanner"),
    "misconfiguration": (
        "dockle", "hadolint", "checkov", "kics", "tfsec", "terrascan", "kube-linter", "snyk iac",
        "jfrog terraform scanner", "prisma cloud (twistcli)",
    ),
}  # fmt: skip
_LONGEST_PURL = 2_000
_KIND_OF_TOOL = {tool: kind for kind, tools in _KINDS_OF_TOOLS.items() for tool in tools}


def understand(tool: str, rule_id: str, rule: SarifRule | None, message: str, result: SarifResult) -> ToolWords:
    """Read a result as the tool means it.

    Args:
        tool: name of the driver, lower-case.
        rule_id: the result's rule.
        rule: its description, where there is one.
        message: the result's text.
        result: all of it.
    """
    rule, properties = rule or SarifRule(), result.properties
    if tool == "scanmatrix" and properties is not None and properties.kind in KINDS:
        return _our_own(rule_id, rule, properties)
    said = READERS.get(tool, described)(rule_id, rule, message, result)
    if said.severity is None:
        named = severity_of_texts(_rated(tool, rule))
        said = msgspec.structs.replace(said, severity=named or of_properties(properties, rule.properties))
    kind = said.kind or _kind(tool, rule_id, said.id)
    if kind == "vulnerability" and not said.package and (purl := _purl(result)):
        package, version = of_purl(purl)
        # Without a file the location would be the package URL.
        path = None if any(each.physical_location for each in result.locations or ()) else ""
        said = msgspec.structs.replace(said, package=package, version=version, purl=purl, location=path)
    return said if said.kind else msgspec.structs.replace(said, kind=kind)


def _rated(tool: str, rule: SarifRule) -> str:
    """The text of a rule in which some tools say `High severity`: Snyk, and the scan action of Prisma Cloud."""
    if tool.startswith("snyk"):
        return start(rule.short_description)
    return start(rule.full_description) if tool == "prisma cloud (twistcli)" else ""


def _purl(result: SarifResult) -> str:
    """The one package URL among the logical locations, as Dependency-Check writes it; empty where there are several."""
    places = [each for location in result.locations or () for each in location.logical_locations or ()]
    names = [name for each in places for name in (each.fully_qualified_name, each.name) if name]
    found = {name for name in names if is_purl(name) and len(name) <= _LONGEST_PURL}
    return found.pop() if len(found) == 1 else ""


def _kind(tool: str, rule_id: str, own: str) -> str:
    if rule_id.startswith(_CONFIGURATION):
        return "misconfiguration"
    known = bool(_KNOWN_ID.match(own) or CVE.search(rule_id))
    return "vulnerability" if known else _KIND_OF_TOOL.get(tool, "check")


def _our_own(rule_id: str, rule: SarifRule, properties: ResultProperties) -> ToolWords:
    """What the export `sarif` writes of a merged finding."""
    texts = [properties.package, properties.version, properties.purl, properties.fixed_version]
    package, version, purl, fixed_version = (text if isinstance(text, str) else "" for text in texts)
    aliases = properties.aliases if isinstance(properties.aliases, list) else []
    return ToolWords(
        id=rule_id,
        kind=str(properties.kind),
        severity=severity(properties.severity),
        aliases=tuple(alias for alias in aliases if isinstance(alias, str)),
        title=start(rule.short_description),
        package=package,
        version=version,
        purl=purl,
        fixed_version=fixed_version,
    )
