"""Grype's database, as its listing names it: `<url>/v6/latest.json`, and beside that an archive with its checksum.

Format: `grype/db/v6/distribution` of Grype. The listing has no signature: what vouches for it is the TLS of its host.
The archive comes without the indexes that a scan needs, so that Grype's own `grype db import` has to load it.
"""

from __future__ import annotations

import hashlib
import logging
import re
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from orchestrator.databases.download import Web, check_url, shown
from orchestrator.databases.interface import DatabaseRefused, parse_moment
from orchestrator.databases.unpack import unpack
from orchestrator.kit.foreign_json import ForeignJsonError, decode
from orchestrator.model import DatabasePart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.databases.interface import Order

name = "grype"

#: What it becomes in the folder, and is called in the archive.
FILE = "vulnerability.db"
_MODEL = 6
_LISTING_LIMIT = 1024 * 1024
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")
_SCHEMA = re.compile(r"v?(\d{1,9})\.\d{1,9}\.\d{1,9}")
#: What Go leaves as it is in the path of a URL, which Grype asks for.
_IN_PATHS = "/:@$&+=,;~"
_STEP = re.compile(r"[^/\x00-\x1f\\]{1,255}")
_ENDING = (
    "this Grype will get no more databases before long, as its maker says; take a newer one in the scan's template"
)
_log = logging.getLogger(__name__)


class _Latest(msgspec.Struct, rename="camel"):
    """`latest.json`."""

    status: str = ""
    schema_version: str = ""
    built: str = ""
    path: str = ""
    checksum: str = ""


def offers(order: Order) -> Sequence[DatabasePart]:
    """The database that the listing names.

    Raises:
        DatabaseRefused: it is no listing, or of a format that this scanner does not read.
        ImageError: it cannot be read.
    """
    with closing(Web(order)) as web:
        part, _ = _read_listing(order, web)
    return [part]


def fetch(order: Order, part: DatabasePart) -> DatabasePart:
    """The archive that was offered, verified and unpacked.

    Raises:
        DatabaseRefused: it is not what the listing promises.
        ImageError: it cannot be read.
    """
    archive = order.folder / ".archive"
    with closing(Web(order)) as web:
        listed, path = _read_listing(order, web)
        if listed.digest != part.digest:
            order.judge(listed)
        web.file(_beside(_listing(order), path), archive, order.limit)
    with archive.open("rb") as file:
        found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if found != listed.digest:
        raise DatabaseRefused(f"{listed.origin}: promises an archive of {listed.digest}, and serves one of {found}")
    # Writable: Grype copies it with its permissions, and then writes the indexes into the copy.
    wanted = {FILE: order.folder / FILE}
    unpack(archive, wanted, limit=order.limit, origin=listed.origin, watch=order.watch)
    archive.unlink()
    return msgspec.structs.replace(listed, files=(FILE,))


def _listing(order: Order) -> str:
    """As Grype finds it: the URL itself where that ends in `.json`, or else below it."""
    url = check_url(order.settings["url"])
    return url if url.endswith(".json") else f"{url.rstrip('/')}/v{_MODEL}/latest.json"


def _read_listing(order: Order, web: Web) -> tuple[DatabasePart, str]:
    """The database on offer, and the path of its archive."""
    url = _listing(order)
    origin = shown(url)
    try:
        latest = decode(web.small(url, _LISTING_LIMIT), _Latest, origin=origin)
    except ForeignJsonError as error:
        raise DatabaseRefused(str(error)) from error
    schema = _SCHEMA.fullmatch(latest.schema_version)
    if not schema or int(schema[1]) != _MODEL:
        raise DatabaseRefused(f"{origin}: is of schema {latest.schema_version[:20]!r}, where {_MODEL} belongs")
    if not _CHECKSUM.fullmatch(latest.checksum):
        raise DatabaseRefused(f"{origin}: {latest.checksum[:80]!r} is not a sha256 checksum")
    if latest.status not in {"", "active"}:
        _log.warning("%s: is %s: %s", origin, latest.status[:40], _ENDING)
    built = parse_moment(latest.built, origin=origin)
    return DatabasePart(
        name="db", origin=origin, digest=latest.checksum, built=built, version=latest.schema_version
    ), latest.path


def _beside(listing: str, path: str) -> str:
    """URL of an archive beside its listing; never of another host, or above its folder."""
    steps = path.split("/")
    if not all(_STEP.fullmatch(step) and step not in {".", ".."} for step in steps):
        raise DatabaseRefused(f"{shown(listing)}: {path[:80]!r} is not a path beside it")
    parts = urlsplit(listing)
    folder = parts.path.rpartition("/")[0]
    return urlunsplit((parts.scheme, parts.netloc, f"{folder}/{quote(path, safe=_IN_PATHS)}", "", ""))
