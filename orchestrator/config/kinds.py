"""The kinds of values that people write, and how each is read."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from orchestrator.config.described import ValueKind
from orchestrator.config.times import check_cron, check_timezone
from orchestrator.git.url import without_credentials
from orchestrator.kit.digests import DIGEST
from orchestrator.kit.matching import check_pattern
from orchestrator.kit.placeholders import judge_known
from orchestrator.kit.quantities import (
    DURATION,
    MOST_BYTES,
    SIZE,
    parse_duration,
    parse_size,
    write_duration,
    write_size,
)
from orchestrator.kit.urls import judge_web_url
from orchestrator.kit.version_order import semantic
from orchestrator.model import JUSTIFICATIONS, KINDS
from orchestrator.model.ages import DEFAULT
from orchestrator.model.documents import spell_time

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?")
_DAY_OR_TIME = r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?)?"
_YEARS = (1900, 9000)
_COMPARISON = re.compile(r"(<=|>=|==|!=|<|>)v?\d{1,9}(\.\d{1,9}){0,2}(-[0-9A-Za-z.-]+)?")


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def duration(value: object) -> int:
    """Seconds of a duration as people write it.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"{value} has no unit; write {value:.0f}s for seconds")  # noqa: TRY004 - pydantic expects ValueError
    raise ValueError("must be a duration, such as 90s, 15m, 6h or 14d")


def one_for_all(value: object) -> object:
    """Durations by scan; one duration is for all scans."""
    if isinstance(value, dict):
        return value
    duration(value)  # so that what is wrong with it names the key that was written
    return {DEFAULT: value}


def _size(value: object) -> object:
    """Bytes of a size as people write it; a number has the bounds of text."""
    return parse_size(str(value)) if isinstance(value, (str, int)) and not isinstance(value, bool) else value


def _text(value: object) -> object:
    """Text, or a number or truth value that YAML or Python made of it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _names(value: object) -> object:
    """A list of names may be written as in the CSV: `general;virus`."""
    return [name.strip() for name in value.split(";") if name.strip()] if isinstance(value, str) else value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError(f"{value!r} is not a registry host; write host or host:port, without https://")
    return value


def _http_url(value: str) -> str:
    if mistake := judge_web_url(value):
        raise ValueError(f"{mistake}; registry credentials come from docker's config.json")
    parts = urlsplit(value)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("only scheme, host and port belong here; a repository prefix goes into the key 'path'")
    return value.rstrip("/")


def _issuer(value: str) -> str:
    """Left as it is written, a slash at its end included: tokens name it so (OpenID Connect Discovery 1.0, 4.3)."""
    if mistake := judge_web_url(value):
        raise ValueError(f"{mistake}; tokens are no part of it")
    if "?" in value or "#" in value:
        raise ValueError("an issuer has no query and no fragment; write it as its tokens name it")
    return value


def _digest(value: object) -> object:
    if not isinstance(value, str) or not DIGEST.fullmatch(value):
        raise ValueError(f"{value!r} is not a digest; write sha256: and 64 hexadecimal digits")
    return value


def _platform(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?", value):
        raise ValueError(f"{value!r} is not a platform; write os/architecture, such as linux/amd64")
    return value


def _is_comparison(text: str) -> bool:
    return _COMPARISON.fullmatch(text) is not None and semantic(text.lstrip("<>=!")) is not None


def _comparisons(value: str) -> str:
    """One or more of `>=1.2`, `<2`, `!=1.4.1`, … with spaces or commas between them."""
    wrong = [part for part in re.split(r"[\s,]+", value.strip()) if not _is_comparison(part)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not a comparison of versions; write it like '>=1.20 <2'")
    return value


def _instant(text: str) -> datetime | date:
    """A day, or a time with the zone that it has; of a year in which it can be computed with."""
    if not re.fullmatch(_DAY_OR_TIME, text, re.ASCII):
        raise ValueError("not written so")
    found = date.fromisoformat(text) if len(text) == len("2026-12-31") else datetime.fromisoformat(text)
    if not _YEARS[0] <= found.year <= _YEARS[1]:
        raise ValueError("no year that anything of ours can have")
    return found


def _moment(value: object) -> object:
    """A day or a moment as text; what has no time zone is UTC."""
    text = value.isoformat() if isinstance(value, (date, datetime)) else str(value)
    try:
        _instant(text)
    except ValueError:
        raise ValueError(f"{text[:80]!r} is neither a day (2026-03-19) nor a moment (2026-03-19T18:22:00Z)") from None
    return text


def _expiry(value: object) -> str:
    """The moment from when on something no longer holds, RFC 3339; a day counts to its end, in UTC."""
    text = value.isoformat() if isinstance(value, (date, datetime)) else str(value)
    try:
        found = _instant(text)
    except ValueError:
        raise ValueError(f"{text[:80]!r} is neither a date (2026-12-31) nor a time (2026-12-31T12:00:00Z)") from None
    if not isinstance(found, datetime):
        return spell_time(datetime.combine(found + timedelta(days=1), time(), UTC))
    if found.tzinfo is None:
        raise ValueError("the time has no zone; write it as 2026-12-31T12:00:00Z")
    return spell_time(found)


def _repository(value: object) -> object:
    """A repository by its path, as all registries and mirrors have it."""
    if not isinstance(value, str) or not value.strip("/") or set(value) & set("@ *?["):
        raise ValueError(f"{value!r} is not the repository of an image; write it like aquasec/trivy, without a tag")
    return value


def _folder(value: str) -> str:
    """A folder of a node by its one spelling (POSIX, 4.13), so that what it lies in is what it says."""
    if not re.fullmatch(r"(/[^/\s]+)+", value) or {".", ".."} & set(value.split("/")):
        raise ValueError(f"{value!r} must be an absolute path without blanks, empty parts, '.' and '..'")
    return value


_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_DNS_NAME = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
_OF_NAMES = "write lower-case letters, digits and '-', first and last a letter or digit, 63 at most"
_NOT_EMPTY = Field(min_length=1)

#: Of a duration, as JSON Schema.
DURATION_SCHEMA = {"type": "string", "pattern": rf"^\s*{DURATION}\s*$"}
Duration = Annotated[
    int,
    BeforeValidator(duration),
    Field(ge=0),
    ValueKind("duration", DURATION_SCHEMA, spell=write_duration),
]
"""Seconds, written with a unit."""

Size = Annotated[
    int,
    BeforeValidator(_size),
    Field(ge=0),
    ValueKind(
        "size",
        {"type": ["integer", "string"], "minimum": 0, "maximum": MOST_BYTES, "pattern": rf"^\s*{SIZE}\s*$"},
        spell=write_size,
    ),
]
"""Bytes, written plainly or with a unit."""


def _quantity(name: str, suffix: str, help_text: str) -> Any:
    """Text with a number and a suffix, as Kubernetes has quantities; one without a suffix may be a number."""
    pattern = rf"^[0-9]{{1,9}}(\.[0-9]{{1,3}})?({suffix})?$"
    schema = {"type": ["string", "number"], "pattern": pattern, "minimum": 0, "exclusiveMaximum": 10**9}
    kind = ValueKind(name, schema, unquoted=(int, float), plural=name, help=help_text)
    return Annotated[str, StringConstraints(pattern=pattern), BeforeValidator(_text), kind]


# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
Cpus = _quantity("CPUs", "m", "write CPUs like 2, 0.5 or 500m")
Memory = _quantity("memory", "[KMGTP]i|[kMGTP]", "write memory like 512Mi or 2Gi, as Kubernetes has it")


def plain(value: str) -> str:
    """Text in which nothing is filled in: what has the form of a placeholder is a mistake, and no name of anything."""
    if wrong := judge_known(value):
        raise ValueError(wrong)
    return value


Text = Annotated[str, _NOT_EMPTY, ValueKind("text", plural="text")]
Glob = Annotated[str, _NOT_EMPTY, ValueKind("glob")]
PathText = Annotated[str, _NOT_EMPTY, ValueKind("path")]
AbsolutePath = Annotated[
    str, StringConstraints(pattern="^/"), ValueKind("path", help="write an absolute path, such as /keptn/locust")
]
Reference = Annotated[str, _NOT_EMPTY, ValueKind("reference")]
PinnedReference = Annotated[
    str,
    StringConstraints(pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$"),
    ValueKind("reference", help="name it by its digest: registry/repository:tag@sha256:…"),
]
Word = Annotated[str, _NOT_EMPTY, ValueKind("name")]
Value = Annotated[
    str,
    BeforeValidator(_text),
    ValueKind("text", {"type": ["string", "number", "boolean"]}, unquoted=(bool, int, float), plural="text"),
]
"""Text that people name themselves; a number or truth value is its text."""
Version = Annotated[
    str,
    _NOT_EMPTY,
    BeforeValidator(_text),
    ValueKind("glob", {"type": ["string", "number"], "minLength": 1}, unquoted=(int, float)),
]
"""Of software, or a glob of such; YAML takes `1.4` for a number."""
Name = Annotated[str, StringConstraints(pattern=_NAME), ValueKind("name", help=_OF_NAMES)]
"""Of an object of Kubernetes: a DNS label (RFC 1123)."""
DnsName = Annotated[
    str,
    StringConstraints(pattern=_DNS_NAME),
    ValueKind("name", help="write lower-case letters, digits, '-' and '.', first and last a letter or digit"),
]
Variable = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"),
    ValueKind("variable", help="write letters, digits and '_', as variables of the environment have them"),
]
Host = Annotated[str, AfterValidator(_host), ValueKind("host", {"type": "string", "pattern": f"^({_HOST.pattern})$"})]
HttpUrl = Annotated[
    str, AfterValidator(_http_url), ValueKind("URL", {"type": "string", "pattern": "^https?://[^/?#@]+/*$"})
]
IssuerUrl = Annotated[
    str,
    AfterValidator(_issuer),
    ValueKind("issuer URL", {"type": "string", "pattern": "^https?://[^/?#@]+(/[^?#]*)?$"}),
]
PlatformName = Annotated[
    str,
    AfterValidator(_platform),
    ValueKind("platform", {"type": "string", "pattern": r"^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?$"}),
]
Digest = Annotated[
    str, BeforeValidator(_digest), ValueKind("digest", {"type": "string", "pattern": f"^({DIGEST.pattern})$"})
]
Pattern = Annotated[str, _NOT_EMPTY, AfterValidator(check_pattern), ValueKind("pattern")]
Comparisons = Annotated[
    str,
    AfterValidator(_comparisons),
    ValueKind(
        "comparisons",
        {"type": "string", "pattern": rf"^\s*{_COMPARISON.pattern}([\s,]+{_COMPARISON.pattern})*\s*$"},
    ),
]
_TIME_SCHEMA = {"type": "string", "pattern": f"^{_DAY_OR_TIME}$"}
Moment = Annotated[str, BeforeValidator(_moment), ValueKind("day or moment", _TIME_SCHEMA, unquoted=(date,))]
Expiry = Annotated[str, BeforeValidator(_expiry), ValueKind("day or time", _TIME_SCHEMA, unquoted=(date,))]
"""Until when something holds, as RFC 3339 in UTC."""
Repository = Annotated[
    str,
    BeforeValidator(_repository),
    ValueKind("repository", {"type": "string", "pattern": r"^[^@ *?\[]*[^@ *?\[/][^@ *?\[]*$"}),
]
Folder = Annotated[str, AfterValidator(_folder), ValueKind("path", {"type": "string", "pattern": r"^(/[^/\s]+)+$"})]
GitUrl = Annotated[str, _NOT_EMPTY, AfterValidator(without_credentials), ValueKind("URL")]
Cron = Annotated[
    str,
    AfterValidator(check_cron),
    ValueKind(
        "cron expression", {"type": "string", "pattern": r"^\s*(@[a-z]+|@every \S+|[^\s@=]+(\s+[^\s@=]+){4})\s*$"}
    ),
]
TimeZone = Annotated[
    str,
    AfterValidator(check_timezone),
    ValueKind("IANA name", {"type": "string", "pattern": r"^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)*$"}),
]
ScanNames = Annotated[
    tuple[Word, ...],
    BeforeValidator(_names),
    ValueKind("names", {"type": ["array", "string"], "items": {"type": "string", "minLength": 1}}),
]
"""Names of scans; `*` for all."""

#: What the frozen types of `orchestrator.model` may name in `Written`.
BY_NAME: Mapping[str, Any] = {
    "text": Text,
    "value": Value,
    "path": PathText,
    "absolute path": AbsolutePath,
    "reference": Reference,
    "pinned reference": PinnedReference,
    "name": Word,
    "object name": Name,
    "glob": Glob,
    "DNS name": DnsName,
    "kind of finding": Literal[KINDS],
    "compression": Literal["gzip", "zstd", "none"],
    "justification": Annotated[str, ValueKind("justification", {"enum": ["", *JUSTIFICATIONS]})],
    "day or time": Expiry,
    "duration": Duration,
    "size": Size,
    "CPUs": Cpus,
    "memory": Memory,
    "variable": Variable,
    "host": Host,
    "URL": HttpUrl,
    "issuer URL": IssuerUrl,
}
