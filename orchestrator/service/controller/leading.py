"""Of several replicas of the controller one acts: the one that holds a Lease."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from typing import TYPE_CHECKING

from orchestrator.cluster.errors import UnreachableError
from orchestrator.cluster.lease import Lease
from orchestrator.cluster.transport import Connection
from orchestrator.errors import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)


class LeaseLostError(TemporaryError):
    """Another replica may act now: this one has to start again."""


def lead(
    namespace: str,
    name: str,
    act: Callable[[threading.Event], None],
    *,
    stop: threading.Event,
    seconds: float = 15.0,
    told: Callable[[str], None] = _log.info,
) -> None:
    """Wait until the Lease is ours, and act as long as it is.

    Args:
        namespace: of the Lease.
        name: of the Lease.
        act: returns when what it is given is set, or when a signal stops it.
        stop: ends it.
        seconds: a holder that is silent for so long has lost it.
        told: what happens.

    Raises:
        LeaseLostError: it was not renewed in time.
    """
    holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    connection = Connection(None, 0)
    lease = Lease(connection, namespace, name, holder, seconds=seconds)
    try:
        told(f"waiting for the lease {namespace}/{name}")
        while not _held(lease):
            if stop.wait(seconds / 5):
                return
        told(f"acting: {holder} has the lease {namespace}/{name}")
        _act(lease, act, stop)
    finally:
        connection.close()


def _act(lease: Lease, act: Callable[[threading.Event], None], stop: threading.Event) -> None:
    ended, lost = threading.Event(), threading.Event()

    def renew() -> None:
        left = lease.seconds
        while not ended.wait(lease.seconds / 5):
            # It stops before another one may begin.
            left = lease.seconds if _held(lease) else left - lease.seconds / 5
            if left <= lease.seconds / 3:
                lost.set()
                stop.set()
                return

    renewing = threading.Thread(target=renew, name="lease", daemon=True)
    renewing.start()
    try:
        act(stop)
    finally:
        ended.set()
        renewing.join(lease.seconds)
        if not lost.is_set():
            try:
                lease.let_go()
            except TemporaryError as error:
                _log.info("the lease runs out by itself: %s", error)
    if lost.is_set():
        raise LeaseLostError("the lease of the controller was not renewed in time; another replica may act now")


def _held(lease: Lease) -> bool:
    try:
        return lease.hold()
    except UnreachableError as error:
        _log.info("%s", error)
        return False
