"""The controller, started."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from orchestrator.kit.extras import needing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def serve(
    *,
    namespaces: Sequence[str],
    lease: str,
    workers: int,
    health_port: int | None = None,
    told: Callable[[str], None],
    stop: threading.Event | None = None,
) -> None:
    """Look after resources until told to stop.

    Args:
        namespaces: whose resources; none for all of the cluster.
        lease: `namespace/name` of the Lease of which one replica at a time is the holder; empty for none.
        workers: how many resources are looked at at the same time.
        health_port: where probes and Prometheus are answered; 0 for any free one, None for nowhere.
        told: what happens.
        stop: ends it; signals do, too.

    Raises:
        MissingExtraError: kopf is not installed.
        UsageError: the port is taken.
        LeaseLostError: another replica may act now.
    """
    with needing("controller", "the controller"):
        from orchestrator.service.controller.operator import KopfOperator  # noqa: PLC0415 - of an extra
        from orchestrator.service.controller.vitals import Vitals, serve_vitals  # noqa: PLC0415 - of the same extra
    from orchestrator.service.controller.leading import lead  # noqa: PLC0415 - kubernetes takes long to import
    from orchestrator.service.controller.reconciler import Reconciler  # noqa: PLC0415

    vitals = Vitals()
    answering = serve_vitals(vitals, health_port) if health_port is not None else None
    operator = KopfOperator(Reconciler(vitals), namespaces=namespaces, workers=workers, vitals=vitals, alone=not lease)
    stopping = stop or threading.Event()
    try:
        if lease:
            namespace, _, name = lease.partition("/")
            lead(namespace, name, operator.run, stop=stopping, told=told, vitals=vitals)
        else:
            vitals.acting.set(1)
            operator.run(stopping)
    finally:
        if answering is not None:
            answering.shutdown()
            answering.server_close()
