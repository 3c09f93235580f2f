"""In which namespaces something of ours changes: what wakes those who look at them, and no more than that."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from orchestrator.cluster.errors import ExpiredError, ForbiddenError, ObjectNotFoundError, UnreachableError
from orchestrator.cluster.installed import METADATA
from orchestrator.cluster.lists import pages, watch
from orchestrator.cluster.objects import Described
from orchestrator.cluster.transport import Connection
from orchestrator.kit.retrying import Backoff

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

_log = logging.getLogger(__name__)

_ONE = METADATA.replace("PartialObjectMetadataList", "PartialObjectMetadata")


def follow(
    path: str,
    plural: str,
    selector: str,
    *,
    namespace: str,
    stir: Callable[[str, str], None],
    hears: Callable[[bool], None],
    stop: threading.Event,
) -> None:
    """Call `stir` with the namespace and the version of each object that changes, until told to stop.

    Whatever goes wrong, it is tried again; what may have been missed meanwhile is said with empty texts.

    Args:
        path: of the API group.
        plural: of the kind.
        selector: labels of the objects.
        namespace: only of this one; empty for all.
        stir: called in this thread.
        hears: told whether changes are heard of; in this thread.
        stop: ends it, within a minute.
    """
    where = f"{path}/namespaces/{namespace}/{plural}" if namespace else f"{path}/{plural}"
    query, pace = {"labelSelector": selector}, Backoff(1, 60)
    connection, missed = Connection(None, 10.0), False
    try:
        while not stop.is_set():
            try:
                version = next(
                    pages(connection, where, limit=1, query=query, accept=METADATA)
                ).metadata.resource_version
                hears(True)
                if missed:
                    stir("", "")
                missed = True
                while not stop.is_set():
                    for kind, found in watch(
                        connection, where, Described, version, query=query, seconds=50, accept=_ONE
                    ):
                        version = found.metadata.resource_version or version
                        if kind != "BOOKMARK":
                            stir(found.metadata.namespace, found.metadata.resource_version)
                    pace.reset()
            except (ExpiredError, UnreachableError, ForbiddenError, ObjectNotFoundError) as error:
                hears(False)
                pause = pace.pause()
                _log.info("%s: %s; trying again in %.0f s", where, error, pause)
                stop.wait(pause)
    finally:
        connection.close()
