"""A Lease of Kubernetes: of several processes the holder acts, until it lets go or is silent for too long."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.cluster.errors import ConflictError, ObjectExistsError, ObjectNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.cluster.transport import Connection

_API = "coordination.k8s.io/v1"


class Lease:
    """A Lease, as one of those sees it who want to hold it.

    How long the holder has been silent is measured by our own clock, from when we saw the Lease change last: clocks of
    machines differ.

    Args:
        connection: to its cluster.
        namespace: of the Lease.
        name: of the Lease.
        holder: a name that nobody else has.
        seconds: a holder that is silent for so long has lost it.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        name: str,
        holder: str,
        *,
        seconds: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.holder = holder
        self.seconds = seconds
        self._connection = connection
        self._path = f"/apis/{_API}/namespaces/{namespace}/leases"
        self._name = name
        self._clock = clock
        self._seen: tuple[str, float] = ("", 0.0)

    def hold(self) -> bool:
        """Take it, or show that we still have it; whether we have it now.

        Raises:
            UnreachableError: the API server does not answer, so that nobody knows.
        """
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        mine = {"holderIdentity": self.holder, "leaseDurationSeconds": int(self.seconds), "renewTime": now}
        there = self._read()
        try:
            if there is None:
                body = {"apiVersion": _API, "kind": "Lease", "metadata": {"name": self._name}}
                self._connection.whole("POST", self._path, body={**body, "spec": {**mine, "acquireTime": now}})
                return True
            spec = there.get("spec") or {}
            if spec.get("holderIdentity") not in {self.holder, "", None}:
                if self._silent(there["metadata"]["resourceVersion"]) < self.seconds:
                    return False
                mine |= {"acquireTime": now, "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1}
            self._connection.whole("PUT", f"{self._path}/{self._name}", body={**there, "spec": {**spec, **mine}})
        except (ConflictError, ObjectExistsError, ObjectNotFoundError):
            return False  # somebody else was faster
        return True

    def let_go(self) -> None:
        """Give it to the next one that wants it, where it is ours."""
        there = self._read()
        if there is not None and (there.get("spec") or {}).get("holderIdentity") == self.holder:
            spec = {**there["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
            try:
                self._connection.whole("PUT", f"{self._path}/{self._name}", body={**there, "spec": spec})
            except (ConflictError, ObjectNotFoundError):
                return

    def _read(self) -> dict[str, Any] | None:
        try:
            data = self._connection.whole("GET", f"{self._path}/{self._name}")
        except ObjectNotFoundError:
            return None
        return msgspec.json.decode(data, type=dict[str, Any])

    def _silent(self, version: str) -> float:
        """Seconds since we saw it change."""
        if self._seen[0] != version:
            self._seen = version, self._clock()
        return self._clock() - self._seen[1]
