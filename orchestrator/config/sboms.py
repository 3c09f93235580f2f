"""The section `sboms`: SBOMs kept on the volume, and scans that read them instead of images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orchestrator.config.kinds import Duration, Size
from orchestrator.config.section import Section
from orchestrator.model import SbomStorage

_DAY = 24 * 3600


class SbomsSection(Section):
    """SBOMs kept on the volume, which scans that can read them are given instead of the image.

    Attributes:
        store: whether they are made, kept and read; without it every scan reads the image
        full_scan_after: an SBOM older than this is made again, from the image, which its scans then read, too
        unused_after: one that no run has read for this long is removed
        budget: bytes that all of them may take, compressed; those that were read longest ago go first
    """

    store: bool = False
    full_scan_after: Annotated[Duration, Field(ge=1)] = 30 * _DAY
    unused_after: Annotated[Duration, Field(ge=1)] = 90 * _DAY
    budget: Annotated[Size, Field(ge=1)] = 10 * 1024**3

    @property
    def storage(self) -> SbomStorage | None:
        """How those of a plan are stored; None where none are."""
        return SbomStorage(unused_after=self.unused_after, budget=self.budget) if self.store else None
