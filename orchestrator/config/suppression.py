"""The section `suppression` of the configuration."""

from __future__ import annotations

from orchestrator.config.kinds import PathText, Text
from orchestrator.config.section import Section


class SuppressionSection(Section):
    """What people know better than scanners; `docs/suppression.md` explains the files to their authors.

    Attributes:
        rules: the ignore file; None for none.
        vex: VEX documents: paths, or globs of paths.
        author: who answers for the VEX documents that are exported.
        scanners: whether what a scanner itself suppressed (by its own configuration, or a comment in what it scanned)
            stays suppressed; otherwise it counts as what any other scanner finds.
    """

    rules: PathText | None = None
    vex: tuple[PathText, ...] = ()
    author: Text = "scanmatrix"
    scanners: bool = True
