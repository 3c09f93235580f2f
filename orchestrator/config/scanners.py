"""The section `scanners` of the configuration: which scanners are trusted, and how their images are named."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from orchestrator import model
from orchestrator.config.section import Section
from orchestrator.kit.digests import DIGEST

#: What people write beside the configuration by `scanmatrix distrust`: a list of `DistrustSection`.
DISTRUSTED = "scanmatrix.distrusted.yaml"


def _digest(value: object) -> object:
    if not isinstance(value, str) or not DIGEST.fullmatch(value):
        raise ValueError(f"{value!r} is not a digest; write sha256: and 64 hexadecimal digits")
    return value


def _repository(value: object) -> object:
    """A repository by its path, as all registries and mirrors have it."""
    if not isinstance(value, str) or not value.strip("/") or set(value) & set("@ *?["):
        raise ValueError(f"{value!r} is not the repository of an image; write it like aquasec/trivy, without a tag")
    return value


def _moment(value: object) -> object:
    """A day or a moment as text; what has no time zone is UTC."""
    text = value.isoformat() if isinstance(value, (date, datetime)) else str(value)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a day (2026-03-19) nor a moment (2026-03-19T18:22:00Z)") from None
    return text


def _text(value: object) -> object:
    """A version that YAML took for a number: `1.4` is the text `1.4`."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Digest = Annotated[str, BeforeValidator(_digest)]
Moment = Annotated[str, BeforeValidator(_moment)]
Repository = Annotated[str, BeforeValidator(_repository)]
Text = Annotated[str, Field(min_length=1)]
Versions = tuple[Annotated[str, Field(min_length=1), BeforeValidator(_text)], ...]


class DenySection(Section):
    """Versions of a scanner that must never run; see `orchestrator.model.Distrust`.

    Attributes:
        image: repository of its image, whatever registry or mirror it comes from.
        versions: of the scanner; globs. Without versions and digests, every one of this image.
        digests: of its images.
        reason: why, for people.
        source: where that is documented.
    """

    image: Repository | None = None
    versions: Versions = ()
    digests: tuple[Digest, ...] = ()
    reason: Text
    source: str = ""

    @model_validator(mode="after")
    def _something(self) -> DenySection:
        if self.image is None and (self.versions or not self.digests):
            raise ValueError("it names no scanner: write 'image' with 'versions', or 'digests'")
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


class DistrustSection(Section):
    """A scanner that is not trusted any more, or was not in a period; see `orchestrator.model.Distrust`.

    Attributes:
        scan: name of the scan, or a glob.
        image: repository of its image.
        digest: of its image.
        version: of the scanner, or a glob.
        since: first day or moment (`from` in the file).
        until: last day or moment (`to` in the file); a day is meant to its end.
        reason: why, for people.
    """

    scan: Text | None = None
    image: Repository | None = None
    digest: Digest | None = None
    version: Annotated[str, Field(min_length=1), BeforeValidator(_text)] | None = None
    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Annotated[Moment | None, Field(alias="to")] = None
    reason: Text

    @model_validator(mode="after")
    def _something(self) -> DistrustSection:
        if not (self.scan or self.image or self.digest):
            raise ValueError("it names no scanner: write 'scan', 'image' or 'digest'")
        if self.since and self.until and _begin(self.since) > _end(self.until):
            raise ValueError("'from' is later than 'to'")
        return self

    def document(self) -> model.Distrust:
        """As the plan holds it."""
        return model.Distrust(
            reason=self.reason,
            scan=self.scan or "",
            images=(self.image,) if self.image else (),
            versions=(self.version,) if self.version else (),
            digests=(self.digest,) if self.digest else (),
            since=_spell(_begin(self.since)) if self.since else "",
            until=_spell(_end(self.until)) if self.until else "",
        )


class ScannersSection(Section):
    """Which scanners are trusted.

    Attributes:
        strict: whether every scanner's image must be named by digest, in its template or in `scanmatrix.lock`.
        deny: versions that must never run, beside those that scanmatrix itself knows.
        deny_file: further ones, a YAML file that is a list of such entries.
        distrusted: scanners that are dropped, and whose results are suspect.
    """

    strict: bool = False
    deny: tuple[DenySection, ...] = ()
    deny_file: Text | None = None
    distrusted: tuple[DistrustSection, ...] = ()


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


def _spell(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
