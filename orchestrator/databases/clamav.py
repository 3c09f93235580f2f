"""ClamAV's databases, each a file that its makers signed, from their own mirror or from anybody's.

What freshclam does without increments: the header tells the version, the whole file is fetched when that is another,
and is believed because of its signature, not because of who serves it.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from orchestrator.databases import cvd
from orchestrator.databases.download import Web, check_url, shown
from orchestrator.databases.interface import spell
from orchestrator.model import DatabasePart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.databases.interface import Order

name = "clamav"

DATABASES = ("main", "daily", "bytecode")
#: The one that changes every day; the others may be years old.
_FRESH = "daily"
_KEYS = cvd.CLAMAV_KEYS


def offers(order: Order) -> Sequence[DatabasePart]:
    """What the headers on the mirror say; they are proven only with the files.

    Raises:
        DatabaseRefused: one is no database of ClamAV.
        ImageError: the mirror cannot be read.
    """
    with closing(_web(order)) as web:
        return [_offer(order, each, web) for each in DATABASES]


def fetch(order: Order, part: DatabasePart) -> DatabasePart:
    """One file, its signature verified.

    Raises:
        DatabaseRefused: it is not what ClamAV's makers signed.
        ImageError: the mirror cannot be read.
    """
    path = order.folder / f"{part.name}.cvd"
    with closing(_web(order)) as web:
        web.file(_url(order, part.name), path, order.limit)
    header = cvd.verify(path, part.name, keys=_KEYS, origin=part.origin, limit=order.limit, watch=order.watch)
    path.chmod(0o444)
    return msgspec.structs.replace(_part(part.name, part.origin, header), files=(path.name,))


def _web(order: Order) -> Web:
    agent = order.settings.get("user_agent", "")
    return Web(order, {"User-Agent": agent} if agent else None)


def _offer(order: Order, database: str, web: Web) -> DatabasePart:
    url = _url(order, database)
    return _part(database, shown(url), cvd.read_header(web.small(url, cvd.HEADER, first=cvd.HEADER), origin=shown(url)))


def _part(database: str, origin: str, header: cvd.CvdHeader) -> DatabasePart:
    built = spell(header.seconds) if database == _FRESH else ""
    digest = f"md5:{header.md5}"
    return DatabasePart(database, origin, digest, built=built, version=str(header.version), number=header.version)


def _url(order: Order, database: str) -> str:
    """Of a file; a mirror without a scheme is asked by HTTPS."""
    mirror = order.settings["mirror"]
    url = mirror if "://" in mirror else f"https://{mirror}"
    return f"{check_url(url).rstrip('/')}/{database}.cvd"
