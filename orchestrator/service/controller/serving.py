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
    told: Callable[[str], None],
    stop: threading.Event | None = None,
) -> None:
    """Look after resources until told to stop.

    Args:
        namespaces: whose resources; none for all of the cluster.
        lease: `namespace/name` of the Lease of which one replica at a time is the holder; empty for none.
        workers: how many resources are looked at at the same time.
        told: what happens.
        stop: ends it; signals do, too.

    Raises:
        MissingExtraError: kopf is not installed.
        LeaseLostError: another replica may act now.
    """
    with needing("controller", "The controller"):
        from orchestrator.service.controller.operator import KopfOperator  # noqa: PLC0415 - of an extra
    from orchestrator.service.controller.leading import lead  # noqa: PLC0415 - kubernetes takes long to import
    from orchestrator.service.controller.reconciler import Reconciler  # noqa: PLC0415

    operator = KopfOperator(Reconciler(), namespaces=namespaces, workers=workers)
    stopping = stop or threading.Event()
    if not lease:
        operator.run(stopping)
        return
    namespace, _, name = lease.partition("/")
    lead(namespace, name, operator.run, stop=stopping, told=told)
