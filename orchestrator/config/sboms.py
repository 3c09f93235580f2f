"""The section `sboms`: SBOMs kept on the volume, and scans that read them instead of images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from orchestrator.config.kinds import Duration, Size
from orchestrator.config.section import CelRule, Section, WrongKey
from orchestrator.config.signers import SIGNER
from orchestrator.model import SbomStorage, Signer

_DAY = 24 * 3600


class AttachedSection(Section):
    """SBOMs that came with images, by attestations and referrers: one of these must have signed them.

    Attributes:
        signers: who is trusted to say what an image holds; without any, such SBOMs are not looked for
    """

    signers: tuple[Annotated[Signer, SIGNER], ...] = ()


class SbomsSection(Section):
    """SBOMs kept on the volume, which scans that can read them are given instead of the image.

    Attributes:
        store: whether they are made, kept and read; without it every scan reads the image
        full_scan_after: an SBOM older than this is made again, from the image, which its scans then read, too
        unused_after: one that no run has read for this long is removed
        budget: bytes that all of them may take, compressed; those that were read longest ago go first
        attached: SBOMs that came with images and are stored, too, in place of ones made here
    """

    store: bool = False
    full_scan_after: Annotated[Duration, Field(ge=1)] = 30 * _DAY
    unused_after: Annotated[Duration, Field(ge=1)] = 90 * _DAY
    budget: Annotated[Size, Field(ge=1)] = 10 * 1024**3
    attached: AttachedSection = AttachedSection()

    across = (
        CelRule(
            "!has(self.attached) || !has(self.attached.signers) || size(self.attached.signers) == 0"
            " || (has(self.store) && self.store)",
            "SBOMs that came with images are stored: attached needs store",
        ),
    )

    @model_validator(mode="after")
    def _stored_somewhere(self) -> SbomsSection:
        if self.attached.signers and not self.store:
            raise WrongKey(("attached",), "SBOMs that came with images are stored: set 'store: true' as well")
        return self

    @property
    def storage(self) -> SbomStorage | None:
        """How those of a plan are stored; None where none are."""
        return SbomStorage(unused_after=self.unused_after, budget=self.budget) if self.store else None
