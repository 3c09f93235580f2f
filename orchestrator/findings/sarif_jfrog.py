"""JFrog Xray's SARIF (`jf scan --format sarif`, `jf audit --format sarif`).

Format: `utils/results/conversion/sarifparser` of github.com/jfrog/jfrog-cli-security. A rule is named
`CVE-2021-3807_ansi-regex_3.0.0`, and says `[CVE-2021-3807] ansi-regex 3.0.0`, of a licence `[GPL-3.0] in readline 1.0`;
the versions with the fix are a property of the result, before that the last cell of a table in the rule's help.
"""

import re

from orchestrator.findings.sarif_document import SarifResult, SarifRule
from orchestrator.findings.sarif_said import CVE, MOST_OF_HELP, ToolWords, any_tool, start

_HEADLINE = re.compile(r"\[([^\]]{1,300})\] (in )?(\S{1,300}) (\S{1,100})")
_VERSION = re.compile(r"[\w.:~+^-]{1,100}")


def jfrog(rule_id: str, rule: SarifRule, _message: str, result: SarifResult) -> ToolWords:
    """Read a result of Xray about a package: a vulnerability, or a licence."""
    match = _HEADLINE.search(start(rule.short_description))
    if match is None:
        return any_tool(rule_id)
    ids = CVE.findall(match[1]) or [match[1]]
    return ToolWords(
        id=ids[0],
        kind="license" if match[2] else "vulnerability",
        aliases=tuple(CVE.findall(match[1])),
        title=start(rule.full_description) or start(rule.short_description),
        package=match[3],
        version=match[4],
        fixed_version=_fixed(rule, result),
    )


def _fixed(rule: SarifRule, result: SarifResult) -> str:
    """`[3.0.1], [4.1.1]`; empty for `No fix available`."""
    said = result.properties.fixed_version if result.properties else None
    if not isinstance(said, str):
        table = (rule.help.markdown or "")[:MOST_OF_HELP].rstrip().rpartition("\n")[2] if rule.help else ""
        said = table.rstrip("| ").rpartition("|")[2]
    versions = [each.strip(" []") for each in said.split(",")]
    return ", ".join(versions) if all(map(_VERSION.fullmatch, versions)) else ""
