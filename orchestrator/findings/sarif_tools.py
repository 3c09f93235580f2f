"""What scanners write into SARIF beyond SARIF: packages, versions and fixes, in the words of their messages.

SARIF knows no packages. Each scanner here writes them in a fixed form, so that they can be read as reliably as its own
JSON: Trivy and Grype as lines `Key: value`, OSV-Scanner and Snyk in a sentence. Of any other tool the ids are read.
"""

import re
from functools import lru_cache
from html import unescape

import msgspec

from orchestrator.findings.decoding import severity
from orchestrator.findings.sarif_document import Message, ResultProperties, Rule
from orchestrator.model import KINDS, Severity

#: Ids of known vulnerabilities, as the databases that scanners use write them.
_KNOWN = (
    r"CVE-\d{4}-\d{4,}|GHSA(?:-[0-9a-z]{4}){3}|(?:GO|PYSEC|RUSTSEC|MAL|OSV|GSD|DSA|DLA|USN|ALAS2?|TEMP)-\d[\w-]*"
    r"|(?:RHSA|ELSA|ALSA|RLSA|SUSE-SU)-\d{4}:[\w-]+|ELSA-\d{4}-\d+|SNYK-[A-Z0-9]+-[A-Z0-9-]+|BDSA-\d{4}-\d+"
)
_KNOWN_ID = re.compile(rf"(?:{_KNOWN})\Z")
_CVE = re.compile(r"CVE-\d{4}-\d{4,}|GHSA(?:-[0-9a-z]{4}){3}")
# No pattern here may take more than linear time: the texts are a stranger's.
_LINE = re.compile(r"^ ?([A-Z][A-Za-z ]{1,30}):(.*)$", re.MULTILINE)
_FIRST = re.compile(r"^(?:Vulnerability|Secret) (.+)$", re.MULTILINE)
_CELLS = 5
_QUOTED = re.compile(r"'([^']+)'")
_TRIVY_KINDS = {
    "OsPackageVulnerability": "vulnerability",
    "LanguageSpecificPackageVulnerability": "vulnerability",
    "Misconfiguration": "misconfiguration",
    "Secret": "secret",
    "License": "license",
}
# A rule's texts are read for every result of it, so only their beginnings are, and tables of the help but once.
_MOST, _MOST_OF_HELP = 2_000, 50_000
_KINDS_OF_TOOLS = {
    "vulnerability": ("grype", "osv-scanner", "dependency-check", "snyk open source", "snyk container", "govulncheck"),
    "secret": ("gitleaks", "trufflehog", "detect-secrets", "ggshield"),
    "misconfiguration": ("dockle", "hadolint", "checkov", "kics", "tfsec", "terrascan", "kube-linter", "snyk iac"),
}
_KIND_OF_TOOL = {tool: kind for kind, tools in _KINDS_OF_TOOLS.items() for tool in tools}


class Said(msgspec.Struct, frozen=True):
    """What a result says in its tool's own words.

    Attributes:
        id: of the finding.
        severity: where the tool names one; None otherwise.
        location: the path in the image, empty where it is none; None when SARIF's own location is right.
    """

    id: str
    kind: str
    severity: Severity | None = None
    aliases: tuple[str, ...] = ()
    title: str = ""
    package: str = ""
    version: str = ""
    purl: str = ""
    fixed_version: str = ""
    location: str | None = None


def understand(
    tool: str, rule_id: str, rule: Rule | None, message: str, properties: ResultProperties | None = None
) -> Said:
    """Read a result as the tool means it.

    Args:
        tool: name of the driver, lower-case.
        rule_id: the result's rule.
        rule: its description, where there is one.
        message: the result's text.
        properties: the result's own.
    """
    rule = rule or Rule()
    if tool == "scanmatrix" and properties is not None and properties.kind in KINDS:
        return _our_own(rule_id, rule, properties)
    reader = _snyk if tool.startswith("snyk") else _READERS.get(tool)
    said = reader(rule_id, rule, message) if reader else _any_tool(rule_id)
    if said.kind:
        return said
    known = bool(_KNOWN_ID.match(said.id) or _CVE.search(rule_id))
    kind = "vulnerability" if known else _KIND_OF_TOOL.get(tool, "check")
    return msgspec.structs.replace(said, kind=kind)


def _our_own(rule_id: str, rule: Rule, properties: ResultProperties) -> Said:
    """What the export `sarif` writes of a merged finding."""
    texts = [properties.package, properties.version, properties.purl, properties.fixed_version]
    package, version, purl, fixed_version = (text if isinstance(text, str) else "" for text in texts)
    aliases = properties.aliases if isinstance(properties.aliases, list) else []
    return Said(
        id=rule_id,
        kind=str(properties.kind),
        severity=severity(properties.severity),
        aliases=tuple(alias for alias in aliases if isinstance(alias, str)),
        title=_start(rule.short_description),
        package=package,
        version=version,
        purl=purl,
        fixed_version=fixed_version,
    )


def _any_tool(rule_id: str) -> Said:
    """CVE and GHSA ids are found in `CVE-2021-1-zlib` and in `BDSA-2020-1 (CVE-2020-11022)`."""
    found = _CVE.findall(rule_id)
    own = found[0] if found and rule_id.startswith(found[0]) else rule_id
    return Said(id=own, kind="", aliases=tuple(found))


def _trivy(rule_id: str, rule: Rule, message: str) -> Said:
    """`Package: zlib1g`, `Installed Version: …`, `Fixed Version: …`, `Severity: …`, each on a line of the message."""
    lines = _lines(message)
    kind = _TRIVY_KINDS.get(rule.name or "", "") or ("vulnerability" if "Package" in lines else "")
    own, package = rule_id, lines.get("Package", "")
    if kind == "license":
        package, _, own = rule_id.rpartition(":")
    titled = _first(message) if kind == "secret" else unescape(_start(rule.short_description))
    return Said(
        id=own,
        kind=kind,
        severity=severity(lines["Severity"]) if "Severity" in lines else None,
        title=titled or lines.get("Message", ""),
        package=package,
        version=lines.get("Installed Version", ""),
        fixed_version=lines.get("Fixed Version", ""),
        location="" if (rule.name or "").lower().replace(" ", "").startswith("ospackage") else None,
    )


def _grype(rule_id: str, rule: Rule, message: str) -> Said:
    """The rule's help has `Package: …`, `Version: …`, `Fix Version: …`; the message says where this one was found.

    `A high vulnerability in deb package: zlib1g, version 1.2 was found in image x at: /var/lib/dpkg/status`, or, before
    0.5x, `The path /x reports zlib1g at version 1.2  which would result in a vulnerable (deb) package installed`.
    """
    help_text = _start(rule.help, _MOST_OF_HELP)
    lines, named = _lines(help_text), _first(help_text)
    _, _, new = message.partition(" package: ")
    package, _, rest = new.partition(", version ")
    version, found, where = rest.partition(" was found ")
    path = where.rpartition("at: ")[2] if "at: " in where else ""
    if not found:
        path, _, rest = message.partition(" reports ")
        path = path.partition("path ")[2]
        package, _, rest = rest.partition(" at version ")
        version = rest.partition(" ")[0]
    package, version = package or lines.get("Package", ""), version or lines.get("Version", "")
    purls = rule.properties.purls if rule.properties and isinstance(rule.properties.purls, list) else []
    # The rule is that of the first match of the vulnerability in a package of this name.
    same = version == lines.get("Version")
    return Said(
        id=named or rule_id.removesuffix(f"-{package}"),
        kind="vulnerability",
        title=_start(rule.full_description),
        package=package,
        version=version,
        purl=str(purls[0]) if purls and same else "",
        fixed_version=", ".join(fix.strip() for fix in lines.get("Fix Version", "").split(",") if fix.strip()),
        location=path or None,
    )


def _osv_scanner(rule_id: str, rule: Rule, message: str) -> Said:
    """`Package 'a@1' is vulnerable to 'CVE-…' (also known as 'GHSA-…').`; the rule's help has a table of the fixes."""
    package, found, rest = message.removeprefix("Package '").partition("' is vulnerable to ")
    ids = _QUOTED.findall(rest)
    if not found or not ids:
        return _any_tool(rule_id)
    name, _, version = package.rpartition("@")
    table = _table((rule.help.markdown or rule.help.text or "")[:_MOST_OF_HELP] if rule.help else "")
    return Said(
        id=ids[0],
        kind="malware" if ids[0].startswith("MAL-") else "vulnerability",
        aliases=tuple(ids),
        title=_start(rule.short_description).removeprefix(f"{rule_id}: "),
        package=name,
        version=version,
        fixed_version=", ".join(dict.fromkeys(fix for each in ids for fix in table.get((each, name), ()))),
    )


def _snyk(rule_id: str, rule: Rule, message: str) -> Said:
    """The rule's description is `(CVE-2020-8203) lodash@4.17.4`."""
    ids, found, package = _start(rule.full_description).strip().partition(") ")
    name, _, version = package.strip().rpartition("@")
    if not found or not ids.startswith("(") or not name or " " in package.strip():
        return _any_tool(rule_id)
    return Said(
        id=rule_id,
        kind="vulnerability",
        aliases=tuple(_CVE.findall(ids)),
        title=_start(rule.short_description) or message,
        package=name,
        version=version,
    )


@lru_cache(maxsize=512)
def _lines(text: str) -> dict[str, str]:
    """The lines `Key: value` of a text; the first of each key."""
    return {key: value.strip() for key, value in reversed(_LINE.findall(text))}


@lru_cache(maxsize=512)
def _first(text: str) -> str:
    """What a text is about: the rest of its line `Vulnerability …` or `Secret …`."""
    match = _FIRST.search(text)
    return match[1].strip() if match else ""


@lru_cache(maxsize=512)
def _table(text: str) -> dict[tuple[str, str], list[str]]:
    """Versions by id and package, of lines `| Vulnerability ID | Package Name | Fixed Version |`."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in text.split("\n"):
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == _CELLS:
            found.setdefault((cells[1], cells[2]), []).extend(cells[3].split(", "))
    return found


def _start(message: Message | None, most: int = _MOST) -> str:
    """The beginning of one of a rule's texts."""
    return ((message.text or message.markdown or "") if message else "")[:most]


_READERS = {"trivy": _trivy, "grype": _grype, "osv-scanner": _osv_scanner}
