"""The server of a scan's template, as a supervisor is asked for it, wherever its folders are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.argo.feeder import ServerOrder
from orchestrator.catalog.placeholders import fill_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.model import Scan, Warm


def server_order(
    scan: Scan,
    warm: Warm,
    folder: str,
    where: Mapping[str, str],
    spell: Callable[[tuple[str, ...]], tuple[str, ...]] = tuple,
) -> ServerOrder:
    """The order for a scan's server.

    Args:
        scan: whose it is.
        warm: how its template says that it is started.
        folder: the server's own, as it sees it.
        where: what placeholders stand for there, beside those of its own folder.
        spell: makes a command one that can be started there.
    """
    start, ready = (spell(fill_words(words, scan, where)) for words in (warm.start, warm.ready))
    files = zip(warm.files, fill_words(tuple(warm.files.values()), scan, where), strict=True)
    return ServerOrder(start, ready, tuple(variables_of(scan, folder, where).items()), tuple(files))


def variables_of(scan: Scan, folder: str, where: Mapping[str, str]) -> dict[str, str]:
    """The environment of a scan's template for what works in a folder, which is its home as well."""
    places = {**where, "workdir": folder, "report": f"{folder}/{scan.report}"}
    filled = fill_words(tuple(scan.environment.values()), scan, places)
    return {"HOME": folder, "TMPDIR": folder, **dict(zip(scan.environment, filled, strict=True))}
