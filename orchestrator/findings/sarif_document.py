"""The parts of a SARIF 2.1.0 document that findings are made of.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; the numbers below are its sections.
"""

from typing import Any

import msgspec


class _Part(msgspec.Struct, gc=False, rename="camel"):
    """A partial structure of the document; what it does not name is skipped unread."""


class SarifMessage(_Part):
    """Text (3.11), or the id of a text among the rule's, with what goes into its placeholders."""

    text: str | None = None
    markdown: str | None = None
    id: str | None = None
    arguments: list[Any] | None = None


class Configuration(_Part):
    """How a rule is reported (3.50)."""

    level: str | None = None


class RuleProperties(_Part):
    """What tools put into a rule's property bag: GitHub's conventions, Grype's, Snyk's."""

    security_severity: Any = msgspec.field(name="security-severity", default=None)
    tags: Any = None
    purls: Any = None
    cvss: Any = msgspec.field(name="cvssv3_baseScore", default=None)
    severity: Any = None
    issue_severity: Any = msgspec.field(name="issue_severity", default=None)
    cvss3_word: Any = msgspec.field(name="cvssv3_baseSeverity", default=None)
    other_cvss3_word: Any = msgspec.field(name="cvssV3_severity", default=None)
    cvss2_word: Any = msgspec.field(name="cvssv2_severity", default=None)


class SarifRule(_Part):
    """A `reportingDescriptor` (3.49)."""

    id: str = ""
    name: str | None = None
    short_description: SarifMessage | None = None
    full_description: SarifMessage | None = None
    help: SarifMessage | None = None
    default_configuration: Configuration | None = None
    message_strings: dict[str, SarifMessage] | None = None
    properties: RuleProperties | None = None


class ToolComponent(_Part):
    """The tool's driver, or an extension of it (3.19)."""

    name: str = ""
    version: str | None = None
    semantic_version: str | None = None
    rules: list[SarifRule] | None = None
    global_message_strings: dict[str, SarifMessage] | None = None


class Tool(_Part):
    """Who wrote a run (3.18)."""

    driver: ToolComponent
    extensions: list[ToolComponent] | None = None


class _ComponentReference(_Part):
    name: str | None = None
    index: int | None = None


class RuleReference(_Part):
    """A `reportingDescriptorReference` (3.52)."""

    id: str | None = None
    index: int | None = None
    tool_component: _ComponentReference | None = None


class _Override(_Part):
    descriptor: RuleReference | None = None
    configuration: Configuration | None = None


class ArtifactLocation(_Part):
    """Where a file is (3.4); `index` points into the run's artifacts."""

    uri: str | None = None
    uri_base_id: str | None = None
    index: int | None = None


class Invocation(_Part):
    """How the tool was called, and whether it went well (3.20)."""

    execution_successful: bool | None = None
    working_directory: ArtifactLocation | None = None
    rule_configuration_overrides: list[_Override] | None = None


class _Artifact(_Part):
    location: ArtifactLocation | None = None


class Region(_Part):
    """A part of a file (3.30); lines and columns count from 1."""

    start_line: int | None = None
    end_line: int | None = None
    start_column: int | None = None


class _PhysicalLocation(_Part):
    artifact_location: ArtifactLocation | None = None
    region: Region | None = None


class _LogicalLocation(_Part):
    name: str | None = None
    fully_qualified_name: str | None = None


class Location(_Part):
    """A place (3.28): in a file, or in what a program is made of."""

    physical_location: _PhysicalLocation | None = None
    logical_locations: list[_LogicalLocation] | None = None
    message: SarifMessage | None = None


class ResultProperties(_Part):
    """What tools put into a result's property bag: severities in words of their own, the others our own export."""

    security_severity: Any = msgspec.field(name="security-severity", default=None)
    severity: Any = None
    issue_severity: Any = msgspec.field(name="issue_severity", default=None)
    security_risk: Any = None
    cvss3_word: Any = msgspec.field(name="cvssv3_baseSeverity", default=None)
    cvss2_word: Any = msgspec.field(name="cvssv2_severity", default=None)
    kind: Any = None
    package: Any = None
    version: Any = None
    purl: Any = None
    fixed_version: Any = None
    aliases: Any = None


class _Fix(_Part):
    """What a tool proposes (3.55)."""

    description: SarifMessage | None = None


class SarifSuppression(_Part):
    """A decision, in the source or elsewhere, that a result is not to be acted on (3.35)."""

    kind: str | None = None
    status: str | None = None
    # Its name before SARIF 2.1.0 was final.
    state: str | None = None
    justification: str | None = None


class SarifResult(_Part):
    """One thing that the tool says (3.27)."""

    rule_id: str | None = None
    rule_index: int | None = None
    rule: RuleReference | None = None
    kind: str | None = None
    level: str | None = None
    message: SarifMessage | None = None
    locations: list[Location] | None = None
    baseline_state: str | None = None
    suppressions: list[SarifSuppression] | None = None
    fixes: list[_Fix] | None = None
    properties: ResultProperties | None = None


class Run(_Part):
    """What one tool did (3.14). Without `results` it found nothing because it did not look (3.14.23)."""

    tool: Tool
    results: list[SarifResult] | None = None
    artifacts: list[_Artifact] | None = None
    original_uri_base_ids: dict[str, ArtifactLocation] | None = None
    invocations: list[Invocation] | None = None


class SarifVersion(_Part):
    """What says which version of SARIF a file is."""

    version: str


class SarifLog(SarifVersion):
    """The whole log file (3.13)."""

    runs: list[Run] | None
