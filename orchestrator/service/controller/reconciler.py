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
from orchestrator.service.controller.vitals import Vitals
from orchestrator.workflows.install.storage import ANY_CLASS, volumes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.cluster.objects import Metadata
    from orchestrator.service.controller.observed import Observed

_log = logging.getLogger(__name__)

#: Seconds until a resource is looked at again, where nothing wakes it: while it waits for what nobody tells us of, and
#: where Kubernetes has refused something, which may change; otherwise.
SOON, LATER, AT_LAST = 15.0, 300.0, 3600.0


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
        vitals: told how the looks end.
        patience: seconds to keep trying while the API server is away or busy.
    """

    def __init__(self, vitals: Vitals | None = None, *, patience: float = 30.0) -> None:
        self._vitals = vitals or Vitals()
        self._patience = patience
        self._reasons: dict[str, ReadyReason] = {}
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
        outcome = "failed"
        with self._vitals.seconds.time():
            try:
                pause = self._look(namespace, name)
                outcome = "ok"
                return pause
            finally:
                self._vitals.looks.labels(outcome).inc()

    def wrote(self, uid: str, version: str) -> bool:
        """Whether an object has this version because of a look at a resource."""
        return self._applier.wrote(uid, version)

    def _look(self, namespace: str, name: str) -> float:
        connection = self._connection
        resource = ScanMatrices(connection).one(namespace, name)
        if resource is None or resource["metadata"].get("deletionTimestamp"):
            return LATER
        there, seen, pause = NamespacedObjects(connection, namespace), None, AT_LAST
        try:
            standing, seen = self._make_so(there, resource)
        except (InvalidResourceError, SecondError) as error:
            standing = Standing(ReadyReason.FAILED, str(error))
        except (RejectedError, ForbiddenError) as error:
            standing, pause = Standing(ReadyReason.FAILED, str(error)), LATER
        except TakenError as error:  # what an earlier resource had goes by and by
            standing, pause = Standing(ReadyReason.FAILED, str(error)), SOON
        except NoArgoError as error:
            standing, pause = Standing(ReadyReason.WAITING, str(error)), SOON
        self._say(there, resource, standing, seen)
        self._count(resource["metadata"]["uid"], standing.reason)
        return pause

    def _count(self, uid: str, reason: ReadyReason | None) -> None:
        """Have a resource counted under its reason; under none when it is gone."""
        with self._lock:
            before = self._reasons.pop(uid, None)
            if reason is not None:
                self._reasons[uid] = reason
            for each, step in ((before, -1), (reason, 1)):
                if each is not None:
                    self._vitals.resources.labels(str(each)).inc(step)

    def end(self, namespace: str, name: str) -> bool:
        """Do what is done before a resource goes; whether nothing is left to wait for."""
        connection = self._connection
        resource = ScanMatrices(connection).one(namespace, name)
        if resource is None or not resource["metadata"].get("deletionTimestamp"):
            return True
        uid = resource["metadata"]["uid"]
        # By our own clock: that of the API server, which the moment of deletion is of, may be another one.
        since = self._ending.setdefault(uid, time.monotonic())
        there = NamespacedObjects(connection, namespace)
        done = end(there, resource, time.monotonic() - since, acts=self._acts(there, uid))
        if done:
            self._count(uid, None)
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
        oldest = self._oldest(there)
        if oldest and oldest.uid != resource["metadata"]["uid"]:
            raise SecondError(
                f"the ScanMatrix {oldest.name} is older and acts in namespace {there.namespace}, where only one can:"
                " delete one of them"
            )

    def _oldest(self, there: NamespacedObjects) -> Metadata | None:
        """The oldest resource of a namespace."""
        every = ScanMatrices(self._connection).every(there.namespace)
        return min(every, key=lambda each: (each.creation_timestamp, each.name), default=None)

    def _acts(self, there: NamespacedObjects, uid: str) -> bool:
        oldest = self._oldest(there)
        return oldest is None or oldest.uid == uid

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
