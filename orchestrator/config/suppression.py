"""The section `suppression` of the configuration."""

from __future__ import annotations

from orchestrator.config.kinds import PathText, Text
from orchestrator.config.section import Section


class SuppressionSection(Section):
    """What people know better than scanners; `docs/suppression.md` explains the files to their authors.

    Attributes:
        rules: the ignore file
        vex: VEX documents (OpenVEX, CycloneDX VEX); a path may be a glob, `vex/*.json`. In a ConfigMap only files
            beside the configuration
        author: author of exported VEX documents
        scanners: whether findings that a scanner [itself suppressed](suppression.md#what-scanners-suppress-themselves)
            stay suppressed; `false` counts them like any other finding
    """

    rules: PathText | None = None
    vex: tuple[PathText, ...] = ()
    author: Text = "scanmatrix"
    scanners: bool = True
