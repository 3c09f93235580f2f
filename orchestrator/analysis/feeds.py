"""What others know of vulnerabilities: how likely each is exploited (FIRST's EPSS), and which ones are (CISA's KEV).

Both are files that the operator puts into the volume's folder `feeds/`; nothing here asks the network. A file that
is not whole is not believed at all: with half of it, a rule would pass what it should break.

Formats: https://www.first.org/epss/data_stats (`#model_version:…,score_date:…`, then `cve,epss,percentile`) and
https://www.cisa.gov/known-exploited-vulnerabilities-catalog (JSON, `vulnerabilities[].cveID`).
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import msgspec

from orchestrator.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO, TypeVar

    from orchestrator.model import Policy
    from orchestrator.volume.layout import Volume

    T = TypeVar("T")

# EPSS has 300,000 lines of 40 bytes, KEV 2 MB; more than so much, unfolded, is something else.
_LIMIT = 256 * 1024**2
_LINE = 500
_GZIP = b"\x1f\x8b"
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")

NOT_NAMED = {"epss": "no file is named in policy.feeds.epss", "kev": "no file is named in policy.feeds.kev"}


class FeedError(PermanentError):
    """A feed cannot be believed; the message says what is wrong with which file."""


@dataclass(frozen=True)
class Feeds:
    """What the feeds say, and why those do not that are of no use.

    Attributes:
        epss: probability of exploitation in the next 30 days, 0.0-1.0, by CVE id.
        kev: CVE ids that are known to be exploited.
        missing: for each of `epss` and `kev` that cannot be used, why.
        notes: the same in sentences, of those only that the policy names a file for.
    """

    epss: Mapping[str, float] = field(default_factory=dict, repr=False)
    kev: frozenset[str] = field(default=frozenset(), repr=False)
    missing: Mapping[str, str] = field(default_factory=lambda: NOT_NAMED)
    notes: tuple[str, ...] = ()


def read_feeds(volume: Volume, policy: Policy) -> Feeds:
    """Read the feeds that a policy names; one that is missing or damaged is reported in the result, never raised.

    Args:
        volume: has them in its folder `feeds/`.
        policy: of the run.
    """
    trouble: dict[str, str] = {}
    epss = _use(volume, "epss", policy.epss_feed, read_epss, trouble)
    kev = _use(volume, "kev", policy.kev_feed, read_kev, trouble)
    found = {"epss": epss, "kev": kev}
    return Feeds(
        epss=epss or {},
        kev=kev or frozenset(),
        missing={kind: trouble.get(kind, NOT_NAMED[kind]) for kind, feed in found.items() if feed is None},
        notes=tuple(f"policy.feeds.{kind}: {text}" for kind, text in trouble.items()),
    )


def _use(volume: Volume, kind: str, name: str, read: Callable[[Path], T], trouble: dict[str, str]) -> T | None:
    """What a feed says; None, and why, when it is of no use."""
    try:
        return read(volume.feed(name)) if name else None
    except PermanentError as error:
        trouble[kind] = str(error)
        return None


def read_epss(path: Path) -> dict[str, float]:
    """Probabilities by CVE id out of FIRST's CSV, plain or gzip.

    Raises:
        FeedError: it is missing, damaged, empty or truncated.
    """
    return _read(path, lambda file: _scores(_lines(file)))


def read_kev(path: Path) -> frozenset[str]:
    """CVE ids out of CISA's JSON, plain or gzip.

    Raises:
        FeedError: it is missing, damaged, empty or truncated.
    """
    return _read(path, lambda file: _exploited(_whole(file)))


def _read(path: Path, parse: Callable[[BinaryIO], T]) -> T:
    """Open a file, whichever way it is packed, and say whose every trouble is."""
    if not path.is_file():
        raise FeedError(f"feeds/{path.name}: there is no such file on the volume")
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            if not packed:
                return parse(raw)
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return parse(cast("BinaryIO", unpacked))
    except FeedError as error:
        raise FeedError(f"feeds/{path.name}: {error}") from error
    except EOFError as error:
        raise FeedError(f"feeds/{path.name}: truncated: its gzip stream has no end") from error
    except (OSError, zlib.error) as error:
        raise FeedError(f"feeds/{path.name}: cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise FeedError(f"feeds/{path.name}: is not UTF-8 text: {error}") from error


def _lines(file: BinaryIO) -> Iterator[str]:
    """Lines of text, none of them without its end."""
    left = _LIMIT
    while line := file.readline(_LINE):
        left -= len(line)
        if not line.endswith(b"\n"):
            raise FeedError("truncated: its last line has no end" if len(line) < _LINE else "has an endless line")
        if left < 0:
            raise FeedError(f"is larger than {_LIMIT:,} bytes")
        yield line.decode("utf-8")


def _scores(lines: Iterator[str]) -> dict[str, float]:
    rows = csv.reader(line for line in lines if not line.startswith("#"))
    header = [name.strip().lower() for name in next(rows, [])]
    if not {"cve", "epss"} <= set(header):
        raise FeedError("is not FIRST's CSV: it has no line `cve,epss,percentile`")
    id_at, score_at, width = header.index("cve"), header.index("epss"), len(header)
    scores: dict[str, float] = {}
    values: dict[str, float] = {}  # few enough that each is kept once
    try:
        for row in filter(None, rows):
            if len(row) != width or not _CVE.fullmatch(row[id_at]):
                raise FeedError(f"line {rows.line_num} of its data is not `{','.join(header)}`")
            scores[row[id_at]] = values.setdefault(row[score_at], _probability(row[score_at], rows.line_num))
    except csv.Error as error:
        raise FeedError(f"line {rows.line_num} of its data is not CSV: {error}") from error
    if not scores:
        raise FeedError("has no score in it")
    return scores


def _probability(text: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise FeedError(f"line {line} of its data: {text[:20]!r} is not a probability")
    return value


class _Exploited(msgspec.Struct, rename={"cve": "cveID"}):
    cve: str


class _Catalogue(msgspec.Struct):
    vulnerabilities: list[_Exploited]
    count: int | None = None


def _whole(file: BinaryIO) -> bytes:
    data = file.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise FeedError(f"is larger than {_LIMIT:,} bytes")
    return data


def _exploited(data: bytes) -> frozenset[str]:
    try:
        catalogue = msgspec.json.decode(data, type=_Catalogue)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FeedError(f"is not CISA's catalogue, or truncated: {error}") from error
    found = frozenset(one.cve.strip() for one in catalogue.vulnerabilities)
    if not found:
        raise FeedError("has no vulnerability in it")
    if catalogue.count is not None and catalogue.count != len(catalogue.vulnerabilities):
        raise FeedError(f"says it has {catalogue.count} vulnerabilities, but holds {len(catalogue.vulnerabilities)}")
    if wrong := next((one for one in sorted(found) if not _CVE.fullmatch(one)), None):
        raise FeedError(f"{wrong[:40]!r} in it is not the id of a CVE")
    return found
