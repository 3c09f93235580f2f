"""What a SARIF result says in its tool's own words, and how such texts are taken apart.

No function here may take more than linear time: the texts are a stranger's. A rule's texts are read for every result of
it, so only their beginnings are, and what is made of them is remembered.
"""

import re
from functools import lru_cache
from urllib.parse import unquote

import msgspec

from orchestrator.findings.decoding import severity
from orchestrator.findings.sarif_document import ResultProperties, RuleProperties, SarifMessage
from orchestrator.model import Severity

#: CVE and GHSA ids within a text.
CVE = re.compile(r"CVE-\d{4}-\d{4,}|GHSA(?:-[0-9a-z]{4}){3}")
#: Characters of a rule's help that are read, and of its other texts.
MOST_OF_HELP, _MOST = 50_000, 2_000

_LINE = re.compile(r"^ {0,2}([A-Z][A-Za-z ]{1,30}):(.*)$", re.MULTILINE)
_FIRST = re.compile(r"^(?:Vulnerability|Secret) (.+)$", re.MULTILINE)
_CELLS = 5
# Words that can be nothing but a severity: a tag `info` or `none` may mean anything.
_CERTAIN = frozenset({"critical", "high", "important", "medium", "moderate", "low", "negligible"})


class ToolWords(msgspec.Struct, frozen=True):
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


def any_tool(rule_id: str) -> ToolWords:
    """CVE and GHSA ids are found in `CVE-2021-1-zlib` and in `BDSA-2020-1 (CVE-2020-11022)`."""
    found = CVE.findall(rule_id)
    own = found[0] if found and rule_id.startswith(found[0]) else rule_id
    return ToolWords(id=own, kind="", aliases=tuple(found))


def of_purl(purl: str) -> tuple[str, str]:
    """Name and version of a package URL."""
    path, _, version = purl.partition("#")[0].partition("?")[0].rpartition("@")
    return unquote((path or version).rpartition("/")[2]), unquote(version) if path else ""


def named(word: object) -> Severity | None:
    """A word as a severity; None where it is not one, so that the next place is asked."""
    found = severity(word)
    return None if found is Severity.UNKNOWN else found


def judged(word: object) -> Severity | None:
    """A word as the severity where a tool judges a vulnerability: there `unknown` is a judgement, too."""
    unknown = isinstance(word, str) and word.strip().lower() == Severity.UNKNOWN.value
    return Severity.UNKNOWN if unknown else named(word)


def of_properties(result: ResultProperties | None, rule: RuleProperties | None) -> Severity | None:
    """The severity that the property bags name as a word, of the result before the rule.

    Bandit and its kin write `issue_severity`, Terrascan and KICS `severity`, Black Duck `securityRisk`,
    Dependency-Check those of CVSS; Docker Scout, gosec and Trivy have the word among the tags of the rule.
    """
    words: list[object] = []
    if result is not None:
        words += [result.severity, result.issue_severity, result.security_risk, result.cvss3_word, result.cvss2_word]
    if rule is not None:
        words += [rule.severity, rule.issue_severity, rule.cvss3_word, rule.other_cvss3_word, rule.cvss2_word]
    found = next((word for each in words if (word := named(each))), None)
    return found or (_of_tags(rule.tags) if rule is not None else None)


def _of_tags(tags: object) -> Severity | None:
    """The one severity among the tags; none where there are several, which then mean something else."""
    words = [each.strip().lower() for each in tags if isinstance(each, str)] if isinstance(tags, list) else []
    found = {named(word) for word in words if word in _CERTAIN}
    return found.pop() if len(found) == 1 else None


def start(message: SarifMessage | None, most: int = _MOST) -> str:
    """The beginning of one of a rule's texts."""
    return ((message.text or message.markdown or "") if message else "")[:most]


@lru_cache(maxsize=512)
def lines(text: str) -> dict[str, str]:
    """The lines `Key: value` of a text; the first of each key."""
    return {key.rstrip(): value.strip() for key, value in reversed(_LINE.findall(text))}


@lru_cache(maxsize=512)
def first(text: str) -> str:
    """What a text is about: the rest of its line `Vulnerability …` or `Secret …`."""
    match = _FIRST.search(text)
    return match[1].strip() if match else ""


@lru_cache(maxsize=512)
def table(text: str) -> dict[tuple[str, str], list[str]]:
    """Versions by id and package, of lines `| Vulnerability ID | Package Name | Fixed Version |`."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in text.split("\n"):
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == _CELLS:
            found.setdefault((cells[1], cells[2]), []).extend(cells[3].split(", "))
    return found
