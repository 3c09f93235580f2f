"""The section `scans`: which scans there are, and their parameters."""

from __future__ import annotations

from pydantic import Field

from orchestrator.config.kinds import Glob, PathText, ScanNames, Text, Value
from orchestrator.config.section import Section
from orchestrator.model import TargetKind


class Exclusion(Section):
    """Cells that do not run: images and URLs of repositories by glob, scans by name, and why.

    Attributes:
        image: images meant; a local archive matches by its path, a repository by its URL
        scans: scans meant
        reason: why; stands in the ledger
    """

    image: Glob
    scans: ScanNames = ("*",)
    reason: Text


class Scans(Section):
    """Which scans there are, and their parameters.

    Attributes:
        default: scans of an image that names none; unless it is set, the local engine adds those for vulnerabilities
            whose scanners are installed on this machine (Trivy: `general`, Grype: `dependency`)
        repository_default: scans of a source repository that names none
        templates: further scan templates: files, or folders of `*.yaml` ([scans.md](scans.md)); one named as a shipped
            scan replaces it, with a warning
        parameters: values of the scans' parameters, by scan and parameter
        exclude: cells that must not run; they are `skipped` with the reason
    """

    default: ScanNames = ("sbom", "image-lifetime", "root-user")
    repository_default: ScanNames = ("scorecard", "dependency", "secrets")
    templates: tuple[PathText, ...] = ()
    parameters: dict[str, dict[str, Value]] = Field(default_factory=dict)
    exclude: tuple[Exclusion, ...] = ()

    def default_for(self, kind: TargetKind) -> tuple[str, ...]:
        """The scans of a target of this kind that names none."""
        return self.repository_default if kind is TargetKind.REPOSITORY else self.default
