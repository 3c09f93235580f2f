"""Of several replicas of the controller one acts: the one that holds a Lease."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from typing import TYPE_CHECKING

from orchestrator.cluster.errors import UnreachableError
from orchestrator.cluster.lease import Lease
from orchestrator.cluster.transport import Connection
from orchestrator.errors import ScanmatrixError, TemporaryError
from orchestrator.service.controller.vitals import Vitals

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
    vitals: Vitals | None = None,
) -> None:
    """Wait until the Lease is ours, and act as long as it is.

    Args:
        namespace: of the Lease.
        name: of the Lease.
        act: returns when what it is given is set, or when a signal stops it.
        stop: ends it.
        seconds: a holder that is silent for so long has lost it.
        told: what happens.
        vitals: told whether the API server answers, and whether this replica acts.

    Raises:
        LeaseLostError: it was not renewed in time.
    """
    vitals = vitals or Vitals()
    holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    connection = Connection(None, 0)
    lease = Lease(connection, namespace, name, holder, seconds=seconds)
    try:
        told(f"waiting for the lease {namespace}/{name}")
        while (shown := _show(lease, vitals)) is None:
            if stop.wait(seconds / 5):
                return
        told(f"acting: {holder} has the lease {namespace}/{name}")
        vitals.acting.set(1)
        _act(lease, act, stop, shown, vitals)
    finally:
        vitals.acting.set(0)
        connection.close()


def _act(
    lease: Lease, act: Callable[[threading.Event], None], stop: threading.Event, shown: float, vitals: Vitals
) -> None:
    """Act, and stop before another one may begin: whatever a renewal waits for, and whatever went wrong with it.

    Args:
        lease: that we have.
        act: as `lead` has it.
        stop: as `lead` has it.
        shown: when we showed that we have it, by our own clock.
        vitals: as `lead` has it.
    """
    ended, lost = threading.Event(), threading.Event()

    def renew() -> None:
        nonlocal shown
        while not ended.wait(lease.seconds / 5):
            try:
                shown = _show(lease, vitals) or shown
            except Exception:  # noqa: BLE001 - a thread that ends here would leave us acting without a lease
                _log.exception("the lease of the controller was not renewed")

    def watch() -> None:
        while not ended.wait(lease.seconds / 15):
            if time.monotonic() - shown > lease.seconds * 2 / 3:
                lost.set()
                stop.set()
                return

    renewing = threading.Thread(target=renew, name="lease", daemon=True)
    renewing.start()
    threading.Thread(target=watch, name="lease-watch", daemon=True).start()
    try:
        act(stop)
    finally:
        ended.set()
        renewing.join(lease.seconds)
        if not lost.is_set():
            try:
                lease.let_go()
            except ScanmatrixError as error:
                _log.info("the lease runs out by itself: %s", error)
    if lost.is_set():
        raise LeaseLostError("the lease of the controller was not renewed in time; another replica may act now")


def _show(lease: Lease, vitals: Vitals) -> float | None:
    """Show that the lease is ours; the moment from when on others wait for us, or None where it is not ours."""
    asked = time.monotonic()
    vitals.beat()
    try:
        ours = lease.hold()
    except UnreachableError as error:
        _log.info("%s", error)
        return None
    vitals.answered()
    return asked if ours else None
