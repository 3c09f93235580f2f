"""The section `scanners` of the configuration: which scanners are trusted, and how their images are named."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Annotated

from pydantic import Field, model_validator

from orchestrator import model
from orchestrator.config.kinds import Digest, Glob, Moment, PathText, Repository, Text, Version
from orchestrator.config.section import CelRule, Section, SomeOf, WrongKey
from orchestrator.model.documents import spell_time

#: What people write beside the configuration by `scanmatrix distrust`: a list of `DistrustSection`.
DISTRUSTED = "scanmatrix.distrusted.yaml"


class DenySection(SomeOf):
    """Versions of a scanner that must never run; see `orchestrator.model.Distrust`.

    Attributes:
        image: of the scanner's image, without tag; the same repository is meant on every registry and mirror
        versions: of its versions, as tags or reports have them; none for all
        digests: of its images
        reason: why
        source: where that is documented
    """

    choices = ("image", "digests")
    nothing = "it names no scanner: write 'image' with 'versions', or 'digests'"

    image: Repository | None = None
    versions: tuple[Version, ...] = ()
    digests: tuple[Digest, ...] = ()
    reason: Text
    source: str = ""

    across = (
        CelRule(
            "size(self.versions) == 0 || has(self.image)",
            "versions are of no scanner: write its image beside them",
        ),
    )

    @model_validator(mode="after")
    def _versions_of_an_image(self) -> DenySection:
        if self.versions and self.image is None:
            raise WrongKey(("versions",), "these are versions of no scanner: write its 'image' beside them")
        return self

    def document(self) -> model.Distrust:
        """As the plan holds it."""
        return model.Distrust(
            reason=self.reason,
            source=self.source,
            denied=True,
            images=(self.image,) if self.image else (),
            versions=self.versions,
            digests=self.digests,
        )


class DistrustSection(SomeOf):
    """A scanner that is not trusted any more, or was not in a period; see `orchestrator.model.Distrust`.

    Attributes:
        scan: of the scan
        image: of the scanner's image
        digest: of the scanner's image
        version: of the scanner
        since: only what ran since then; UTC where no time zone is given
        until: only what ran until then; a day is meant to its end
        reason: why
    """

    choices = ("scan", "image", "digest")
    nothing = "it names no scanner: write 'scan', 'image' or 'digest'"

    scan: Glob | None = None
    image: Repository | None = None
    digest: Digest | None = None
    version: Version | None = None
    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Annotated[Moment | None, Field(alias="to")] = None
    reason: Text

    @model_validator(mode="after")
    def _in_order(self) -> DistrustSection:
        if self.since and self.until and _begin(self.since) > _end(self.until):
            raise WrongKey(("from",), "is later than `to`")
        return self

    def document(self) -> model.Distrust:
        """As the plan holds it."""
        return model.Distrust(
            reason=self.reason,
            scan=self.scan or "",
            images=(self.image,) if self.image else (),
            versions=(self.version,) if self.version else (),
            digests=(self.digest,) if self.digest else (),
            since=spell_time(_begin(self.since)) if self.since else "",
            until=spell_time(_end(self.until)) if self.until else "",
        )


class ScannersSection(Section):
    """Which scanners are trusted.

    Attributes:
        strict: refuse (exit status 2) scanner images that neither their template nor `scanmatrix.lock` names by digest
        deny: versions of scanners that must never run, beside those that scanmatrix itself knows; their cells are
            `skipped` with the reason
        deny_file: a YAML file that is a list of further such entries
        distrusted: scanners that are not trusted: their cells are `skipped`, and their results are suspect
        unsigned: scans that `scanmatrix lock` locks though it finds no signature of those whom their templates name, as
            of mirrors that have none
            ([supply-chain.md](supply-chain.md#who-signed-a-scanner))
    """

    strict: bool = False
    deny: tuple[DenySection, ...] = ()
    deny_file: PathText | None = None
    distrusted: tuple[DistrustSection, ...] = ()
    unsigned: tuple[Glob, ...] = ()


class DenyFile(Section):
    """A list of denied versions as a file of its own."""

    deny: tuple[DenySection, ...] = ()


class DistrustFile(Section):
    """The file that `scanmatrix distrust` writes."""

    distrusted: tuple[DistrustSection, ...] = ()


def _is_day(text: str) -> bool:
    return len(text) == len("2026-03-19")


def _begin(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _end(text: str) -> datetime:
    moment = _begin(text)
    return datetime.combine(moment.date(), time(23, 59, 59), UTC) if _is_day(text) else moment
