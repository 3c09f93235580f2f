"""SARIF 2.1.0, which most scanners can write: each result that says that something failed becomes a finding.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. Results of another `kind` than `fail` (passed, not
applicable, open, …) are no findings, and neither are those that a comparison with an older run calls `absent`. What the
tool or its users suppressed is a finding that says so.

A file without a run, or whose runs have no `results`, proves nothing and is refused (3.14.23: a tool that looked and
found nothing writes an empty array), and so is an empty run whose tool says that it did not succeed.
"""

from collections.abc import Iterator, Sequence

import msgspec

from orchestrator.findings.decoding import by_scanner, decode_json, other_ids, severity, severity_of, title
from orchestrator.findings.interface import Report, ReportError
from orchestrator.findings.sarif_document import (
    Location,
    Region,
    Run,
    SarifLog,
    SarifResult,
    SarifRule,
    SarifSuppression,
    SarifVersion,
)
from orchestrator.findings.sarif_references import SarifRules, path_of
from orchestrator.findings.sarif_said import ToolWords
from orchestrator.findings.sarif_tools import understand
from orchestrator.findings.scores import score_of
from orchestrator.kit.steady import steady
from orchestrator.model import Cvss, Finding, Severity, Suppressed
from orchestrator.model.finding import KINDS
from orchestrator.model.places import spell_place

name = "sarif"
kinds: tuple[str, ...] = KINDS

#: SARIF 3.58.6; a result without a level, whose rule has none either, is a warning.
_LEVELS = {
    "error": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "note": Severity.INFO,
    "none": Severity.NONE,
}
# Tools that write `low` as the level `note`, which of others is less.
_LOW_AS_NOTE = frozenset({"checkov", "kics", "snyk code", "snyk iac", "snykcode", "tfsec", "trivy"})
# Scores that Trivy and Grype make up where they know only a severity; they are no rating.
_MADE_UP = {"trivy": {9.5, 8.0, 5.5, 2.0}, "grype": {9.0, 7.0, 4.0, 1.0}}
_OF_PACKAGES = frozenset({"vulnerability", "malware", "license"})


def parse(data: bytes) -> Report:
    """Read a SARIF file; one finding per failed result and location.

    The severity is the one the tool names, else that of the score in `security-severity`, else that of the level:
    `error` is `high`, `warning` is `medium`, `note` is `info`.

    Raises:
        ReportError: it is not a whole SARIF 2.1.0 file, or proves no scan.
    """
    # A file of an earlier version differs in its shape, so its version is looked at first.
    version = decode_json(data, SarifVersion, what="a SARIF file").version
    if version != "2.1" and not version.startswith("2.1."):
        raise ReportError(
            f"the report is SARIF {version[:20]!r}; only 2.1 is read: make the tool write 2.1.0, or convert the"
            " file with `sarif transform` of Microsoft's SARIF Multitool"
        )
    document = decode_json(data, SarifLog, what="a SARIF file")
    runs = document.runs or []
    if all(run.results is None for run in runs):
        raise ReportError("the report proves no scan: none of its runs has `results`")
    for run in runs:
        failed = any(each.execution_successful is False for each in run.invocations or ())
        if failed and not run.results:
            raise ReportError(f"{run.tool.driver.name or 'the tool'} says that it did not succeed, and found nothing")
    drivers = [run.tool.driver for run in runs]
    return Report(
        scanner=", ".join(dict.fromkeys(driver.name.lower() for driver in drivers if driver.name)) or name,
        scanner_version=drivers[0].version or drivers[0].semantic_version or "",
        findings=tuple([finding for run in runs for finding in _findings(run)]),
    )


def _findings(run: Run) -> Iterator[Finding]:
    tool, rules = run.tool.driver.name.lower(), SarifRules(run)
    seen: dict[tuple[str, ...], dict[str, int]] = {}
    for result in run.results or ():
        if (result.kind or "fail") == "fail" and result.baseline_state != "absent":
            message = rules.text(result.message, rules.of(result))
            for finding in _of_result(run, tool, rules, result):
                yield _apart(finding, message, seen)


def _apart(finding: Finding, message: str, seen: dict[tuple[str, ...], dict[str, int]]) -> Finding:
    """A finding of which only the message is another than those `seen` (two resources in one line) is numbered."""
    if finding.kind in _OF_PACKAGES:
        return finding
    said = seen.setdefault((finding.kind, finding.id, finding.location, finding.place), {})
    number = said.setdefault(steady(message), len(said) + 1)
    return msgspec.structs.replace(finding, place=f"{finding.place} ({number})".strip()) if number > 1 else finding


def _of_result(run: Run, tool: str, rules: SarifRules, result: SarifResult) -> Iterator[Finding]:
    """A result that names several places says that something is to be done in each of them (3.27.12)."""
    rule = rules.of(result)
    message = rules.text(result.message, rule)
    rule_id = result.rule_id or (result.rule.id if result.rule else None) or (rule.id if rule else "")
    # `ruleId` may be missing (3.27.5), and then something else names the result; an empty one names nothing. A message
    # names it without its lines, hashes and times, which are others in the next scan.
    own = rule_id or (result.rule_id is None and (_short(rules, rule) or steady(message)[:80] or "unnamed")) or ""
    said = understand(tool, own, rule, message, result)
    score = _score(result, rule)
    text = said.title or (_short(rules, rule) if said.kind == "vulnerability" else "") or message or _short(rules, rule)
    finding = Finding(
        id=said.id,
        kind=said.kind,
        severity=said.severity or _severity(tool, rules, result, rule, score),
        aliases=other_ids(set(said.aliases), said.id) if said.aliases else (),
        title=title(text),
        package=said.package,
        version=said.version,
        purl=said.purl,
        location=said.location or "",
        fixed_version=said.fixed_version,
        cvss=_cvss(tool, said, rule, score),
        suppressed=_suppressed(result.suppressions or ()),
    )
    spots = dict.fromkeys([_spot(run, tool, said, text, location) for location in result.locations or ()])
    for location, place, titled in spots or {(finding.location, "", finding.title): None}:
        yield msgspec.structs.replace(finding, location=location, place=place, title=titled)


def _spot(run: Run, tool: str, said: ToolWords, text: str, location: Location) -> tuple[str, str, str]:
    """Path, place within it, and title; the line is in these, so that a finding stays the same one when lines move."""
    path = path_of(run, location) if said.location is None else said.location
    if said.kind in _OF_PACKAGES or location.physical_location is None:
        return path, "", title(text)
    region = location.physical_location.region or Region()
    place = _place(tool, location, region)
    if (region.start_line or 0) < 1:
        return path, place, title(text)
    return path, place, title(text, f" (line {region.start_line})")


def _place(tool: str, location: Location, region: Region) -> str:
    """What is there, and its line; our own export, whose logical locations are target and package, says it in words."""
    if tool == "scanmatrix":
        return spell_place(location.message.text if location.message else "")
    named = [each.fully_qualified_name or each.name for each in location.logical_locations or ()]
    column = region.start_column if region.start_column and region.start_column > 1 else 0
    return spell_place(next(filter(None, named), ""), region.start_line, end=region.end_line, column=column)


def _suppressed(suppressions: Sequence[SarifSuppression]) -> Suppressed | None:
    """Who suppressed a result, and why (3.27.23): it is where nobody rejected that, and nobody still has to decide."""
    if any((each.status or each.state or "accepted").lower() != "accepted" for each in suppressions):
        return None
    for each in sorted(suppressions, key=lambda one: not one.justification):
        return by_scanner("a comment in the source" if each.kind == "inSource" else "its own list", each.justification)
    return None


def _short(rules: SarifRules, rule: SarifRule | None) -> str:
    """What a rule says of itself."""
    if rule is None:
        return ""
    return rules.text(rule.short_description, rule) or rules.text(rule.full_description, rule) or rule.name or ""


def _score(result: SarifResult, rule: SarifRule | None) -> object:
    """GitHub's `security-severity`: a base score as text; some tools write a word. Without it the rule's CVSS score."""
    own = result.properties.security_severity if result.properties else None
    if own is not None or rule is None or rule.properties is None:
        return own
    return rule.properties.security_severity if rule.properties.security_severity is not None else rule.properties.cvss


def _severity(tool: str, rules: SarifRules, result: SarifResult, rule: SarifRule | None, score: object) -> Severity:
    number = score_of(score)
    if number:
        return severity_of(Cvss(score=number))
    if number is None and (word := severity(score)) is not Severity.UNKNOWN:
        return word
    default = rule.default_configuration.level if rule and rule.default_configuration else None
    level = result.level or rules.levels.get(rule.id if rule else result.rule_id or "") or default or "warning"
    if level.lower() == "note" and tool in _LOW_AS_NOTE:
        return Severity.LOW
    return _LEVELS.get(level.lower()) or severity(level)


def _cvss(tool: str, said: ToolWords, rule: SarifRule | None, score: object) -> Cvss | None:
    """The score of a known vulnerability, where it is a rating and not made up from the severity."""
    if said.kind != "vulnerability":
        return None
    number = score_of(rule.properties.cvss if rule and rule.properties else None)
    if number:
        return Cvss(score=number, version="3")
    number = score_of(score)
    return Cvss(score=number) if number and number not in _MADE_UP.get(tool, ()) else None
