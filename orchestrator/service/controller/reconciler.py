"""One look at one resource: what it asks for is made so, and its status says how it stands.

Whatever was done before, by whom, or how far it came, does not matter: each look begins with what is there.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.cluster.errors import ForbiddenError, RejectedError
from orchestrator.cluster.namespaced import NamespacedObjects
from orchestrator.cluster.resources import ScanMatrices
from orchestrator.cluster.transport import Connection
from orchestrator.errors import PermanentError
from orchestrator.service.controller.applying import Applied, Applier, NoArgoError, TakenError, ensure_claim
from orchestrator.service.controller.condition import ReadyReason, Standing, judge, reason_of, status
from orchestrator.service.controller.condition import spell_time as spell
from orchestrator.service.controller.desired import Desired, InvalidResourceError, desired
from orchestrator.service.controller.ending import end
from orchestrator.service.controller.observed import observe
from orchestrator.workflows.install.storage import ANY_CLASS, volumes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.service.controller.observed import Observed

_log = logging.getLogger(__name__)

#: Seconds until a resource is looked at again, where nothing wakes it: while something is on its way, and otherwise.
SOON, LATER = 15.0, 300.0


#: Resources whose objects are kept, so that looks that follow each other make them once: each takes a megabyte.
_KEPT = 32


class SecondError(PermanentError):
    """Another resource acts in this namespace; when that goes, this one is looked at again."""


class _Rendered(NamedTuple):
    generation: int
    made: Desired


class Reconciler:
    """Looks at resources; for any number of threads, of which each looks at another resource.

    Args:
        patience: seconds to keep trying while the API server is away or busy.
    """

    def __init__(self, *, patience: float = 30.0) -> None:
        self._patience = patience
        self._local = threading.local()
        self._applier = Applier()
        self._rendered: dict[str, _Rendered] = {}
        self._ending: dict[str, float] = {}
        self._lock = threading.Lock()

    def look(self, namespace: str, name: str) -> float:
        """Look at a resource once; seconds until the next look.

        Raises:
            UnreachableError: the API server is away.
            ConflictError: the resource was changed meanwhile.
        """
        connection = self._connection
        resource = ScanMatrices(connection).one(namespace, name)
        if resource is None or resource["metadata"].get("deletionTimestamp"):
            return LATER
        there, seen, pause = NamespacedObjects(connection, namespace), None, SOON
        try:
            standing, seen = self._make_so(there, resource)
            pause = LATER if standing.reason in {ReadyReason.RECONCILED, ReadyReason.FAILED} else SOON
        except (InvalidResourceError, RejectedError, ForbiddenError, SecondError) as error:
            standing, pause = Standing(ReadyReason.FAILED, str(error)), LATER
        except TakenError as error:  # what an earlier resource had goes by and by
            standing = Standing(ReadyReason.FAILED, str(error))
        except NoArgoError as error:
            standing = Standing(ReadyReason.WAITING, str(error))
        self._say(there, resource, standing, seen)
        return pause

    def end(self, namespace: str, name: str) -> bool:
        """Do what is done before a resource goes; whether nothing is left to wait for."""
        connection = self._connection
        resource = ScanMatrices(connection).one(namespace, name)
        if resource is None or not resource["metadata"].get("deletionTimestamp"):
            return True
        uid = resource["metadata"]["uid"]
        # By our own clock: that of the API server, which the moment of deletion is of, may be another one.
        since = self._ending.setdefault(uid, time.monotonic())
        done = end(NamespacedObjects(connection, namespace), resource, time.monotonic() - since)
        if done:
            with self._lock:
                self._rendered.pop(uid, None)
                self._ending.pop(uid, None)
            self._applier.forget(uid)
        return done

    @property
    def _connection(self) -> Connection:
        """This thread's own."""
        if not hasattr(self._local, "connection"):
            self._local.connection = Connection(None, self._patience)
        found: Connection = self._local.connection
        return found

    def _make_so(self, there: NamespacedObjects, resource: Mapping[str, Any]) -> tuple[Standing, Observed | None]:
        """Have all in place that it asks for, and look at what runs."""
        self._refuse_second(there, resource)
        made = self._desired(resource)
        (claim,) = volumes(made.config)[ANY_CLASS]
        applied = self._applier.apply(there, resource, made.objects)
        _tell_log(resource, applied)
        phase = ensure_claim(there, claim)
        seen = observe(there, made.config, made.digest, phase, datetime.now(UTC))
        continuous = made.config.argo.scheduler.replicas > 0
        return judge(seen, continuous=continuous, suspended=bool(resource["spec"].get("suspend"))), seen

    def _desired(self, resource: Mapping[str, Any]) -> Desired:
        """What it asks for; rendered once for each of its generations."""
        metadata = resource["metadata"]
        known = self._rendered.get(metadata["uid"])
        if known is None or known.generation != metadata["generation"]:
            known = _Rendered(metadata["generation"], desired(metadata["namespace"], resource["spec"]))
            with self._lock:
                self._rendered[metadata["uid"]] = known
                while len(self._rendered) > _KEPT:
                    del self._rendered[next(iter(self._rendered))]
        return known.made

    def _refuse_second(self, there: NamespacedObjects, resource: Mapping[str, Any]) -> None:
        """One resource acts in a namespace: the oldest.

        Raises:
            SecondError: it is another one.
        """
        every = ScanMatrices(self._connection).every(there.namespace)
        oldest = min(every, key=lambda each: (each.creation_timestamp, each.name), default=None)
        if oldest is not None and oldest.uid != resource["metadata"]["uid"]:
            raise SecondError(
                f"the ScanMatrix {oldest.name} is older and acts in namespace {there.namespace}, where only one can:"
                " delete one of them"
            )

    def _say(
        self, there: NamespacedObjects, resource: Mapping[str, Any], standing: Standing, seen: Observed | None
    ) -> None:
        """Write the status, where it has changed, and an event, where the reason has."""
        old, now = resource.get("status") or {}, datetime.now(UTC)
        new = status(old, resource["metadata"]["generation"], standing, seen, now)
        if new == old:
            return
        ScanMatrices(self._connection).write_status(resource, new)
        if reason_of(old) != standing.reason:
            kind = "Warning" if standing.reason is ReadyReason.FAILED else "Normal"
            there.tell(resource, kind, str(standing.reason), standing.message, spell(now))


def _tell_log(resource: Mapping[str, Any], applied: Applied) -> None:
    where = f"{resource['metadata']['namespace']}/{resource['metadata']['name']}"
    for what, keys in (("written", applied.changed), ("removed", applied.removed)):
        if keys:
            _log.info("%s: %s: %s", where, what, ", ".join(map(str, keys)))
