"""What people say of their own images, by annotations in the cluster: on pod, workload and namespace; the nearest wins.

    metadata:
      annotations:
        scanmatrix/skip: "true"
        scanmatrix/scans: general;virus
        scanmatrix/max-lifetime: 30d
        scanmatrix/owner: shop@example.com
        scanmatrix/contact: "#team-shop"

What cannot be understood is passed over with a warning, as if it were not there: a typing mistake in somebody's
Deployment must not end everybody's run, nor leave an image unscanned.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from orchestrator.catalog.loading import unknown_scan
from orchestrator.kit.quantities import parse_duration
from orchestrator.model import Document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_log = logging.getLogger(__name__)

SKIP = "scanmatrix/skip"
SCANS = "scanmatrix/scans"
MAX_LIFETIME = "scanmatrix/max-lifetime"
OWNER = "scanmatrix/owner"
CONTACT = "scanmatrix/contact"

#: All of them.
KEYS = (SKIP, SCANS, MAX_LIFETIME, OWNER, CONTACT)

#: Who may say something, the nearest first.
LEVELS = ("pod", "workload", "namespace")

_TRUTH = {"true": True, "yes": True, "1": True, "": True, "false": False, "no": False, "0": False}
_LONGEST = 256


class Wishes(Document, frozen=True):
    """What is asked for by annotations.

    Attributes:
        skip: leave the image out.
        asked_by: the level that asks for that; empty where none does.
        scans: names of scans, `*` for all; empty for the default.
        max_lifetime: how old the image may be, as a duration such as `30d`; empty for the default.
        owner: who answers for it.
        contact: where to reach them.
    """

    skip: bool = False
    asked_by: str = ""
    scans: tuple[str, ...] = ()
    max_lifetime: str = ""
    owner: str = ""
    contact: str = ""


def wishes(levels: Sequence[Mapping[str, str]], scans: tuple[str, ...], where: str) -> Wishes:
    """What the annotations of a pod, its workload and its namespace ask for.

    Args:
        levels: annotations of each of `LEVELS`.
        scans: names of every scan there is.
        where: whose they are, for warnings.
    """

    def nearest(key: str) -> str | None:
        return next((level[key].strip() for level in levels if key in level), None)

    skip = _truth(nearest(SKIP), where)
    named = next((name for name, level in zip(LEVELS, levels, strict=False) if SKIP in level), "")
    return Wishes(
        skip=skip,
        asked_by=named if skip else "",
        scans=_scans(nearest(SCANS) or "", scans, where),
        max_lifetime=_duration(nearest(MAX_LIFETIME) or "", where),
        owner=(nearest(OWNER) or "")[:_LONGEST],
        contact=(nearest(CONTACT) or "")[:_LONGEST],
    )


def is_denied(text: str) -> bool:
    """Whether the value of a label says that what the label asks for is not wanted."""
    return not _TRUTH.get(text.strip().lower(), True)


def _truth(text: str | None, where: str) -> bool:
    if text is None:
        return False
    if text.lower() not in _TRUTH:
        _log.warning("%s: annotation %s: %r is neither true nor false; it is scanned", where, SKIP, text[:_LONGEST])
    return _TRUTH.get(text.lower(), False)


def _scans(text: str, known: tuple[str, ...], where: str) -> tuple[str, ...]:
    names = tuple(name for part in text.split(";") if (name := part.strip()))
    for name in names:
        if name != "*" and name not in known:
            _log.warning("%s: annotation %s: %s; it is left out", where, SCANS, unknown_scan(name[:_LONGEST], known))
    return tuple(name for name in names if name == "*" or name in known)


def _duration(text: str, where: str) -> str:
    try:
        return text if not text or parse_duration(text) else ""
    except ValueError as error:
        _log.warning("%s: annotation %s: %s; the default holds", where, MAX_LIFETIME, str(error)[:_LONGEST])
        return ""
