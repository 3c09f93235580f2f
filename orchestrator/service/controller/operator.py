"""When a resource is looked at: kopf watches the resources, and has a task for each of them that this wakes.

Woken by a change of the resource, or of what runs for it; otherwise it looks again after a while, so that nothing
depends on an event that came. What kopf would keep in annotations (what it has handled last) is not kept at all.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import kopf

from orchestrator.argo import names
from orchestrator.cluster.client import ARGO
from orchestrator.cluster.stirring import follow
from orchestrator.cluster.transport import CORE
from orchestrator.config.resource import GROUP, PLURAL, VERSION
from orchestrator.errors import PermanentError, TemporaryError
from orchestrator.kit.retrying import Backoff
from orchestrator.service.controller.quiet_kopf import login, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.service.controller.reconciler import Reconciler

_log = logging.getLogger(__name__)

_OURS = f"{names.PART_OF}={names.SCANMATRIX}"
#: What is followed: where it is, what it is called, and by which labels it is ours.
_FOLLOWED = (
    (ARGO, "workflows", names.RUN),
    ("/apis/apps/v1", "deployments", f"{_OURS},{names.COMPONENT}={names.Component.SCHEDULER}"),
    (CORE, "configmaps", f"{_OURS},{names.COMPONENT}={names.STATE_COMPONENT}"),
    (CORE, "persistentvolumeclaims", _OURS),
)
#: Seconds in which changes that come together become one look; and between two looks before a resource goes.
_GATHER, _ENDING = 0.5, 2.0
#: Seconds until what Kubernetes has refused is tried again before a resource goes.
_REFUSED = 30.0
#: Seconds between two looks at a resource that no look at succeeds.
_FIRST, _LONGEST = 1.0, 300.0


class KopfOperator:
    """Looks at every resource of some namespaces.

    Args:
        reconciler: looks at one.
        namespaces: whose resources are looked at; none for all.
        workers: how many are looked at at the same time.
    """

    def __init__(self, reconciler: Reconciler, *, namespaces: Sequence[str] = (), workers: int = 4) -> None:
        self._reconciler = reconciler
        self._namespaces = tuple(namespaces)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="look")
        self._wakes: dict[str, dict[str, asyncio.Event]] = defaultdict(dict)
        self._generations: dict[str, Any] = {}

    def run(self, stop: threading.Event) -> None:
        """Until told to stop, or by a signal where this is the main thread."""
        registry = kopf.OperatorRegistry()
        ours: dict[str, Any] = {"group": GROUP, "version": VERSION, "plural": PLURAL, "registry": registry}
        # Its change wakes the task of a resource that goes, which then ends by itself; else it is cancelled.
        kopf.daemon(**ours, cancellation_backoff=1.5, cancellation_timeout=10.0)(self._keep)
        kopf.on.delete(**ours)(self._end)
        kopf.on.event(**ours)(self._changed)
        kopf.on.login(registry=registry)(login)
        asyncio.run(self._serve(registry, stop))

    async def _serve(self, registry: Any, stop: threading.Event) -> None:
        ended = threading.Event()
        loop = asyncio.get_running_loop()

        def stir(namespace: str) -> None:
            loop.call_soon_threadsafe(self._stir, namespace)

        for namespace in self._namespaces or ("",):
            for each in _FOLLOWED:
                target: Callable[[], None] = partial(follow, *each, namespace=namespace, stir=stir, stop=ended)
                threading.Thread(target=target, name=f"follow-{each[1]}", daemon=True).start()
        try:
            await kopf.operator(
                registry=registry,
                settings=settings(),
                # Else kopf asks for the name of the user, which has none in a pod.
                identity=cast("Any", socket.gethostname()),
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=stop,
            )
        finally:
            ended.set()
            stop.set()  # kopf has a thread that waits for it
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _keep(self, **given: Any) -> None:
        """The task of one resource: look, wait, look again."""
        namespace, name, stopped = given["namespace"], given["name"], given["stopped"]
        wake = self._wakes[namespace].setdefault(name, asyncio.Event())
        pace = Backoff(_FIRST, _LONGEST)
        try:
            while not stopped:
                wake.clear()
                pause = await self._look(namespace, name, pace)
                try:
                    await asyncio.wait_for(wake.wait(), pause)
                except TimeoutError:
                    continue
                await asyncio.sleep(_GATHER)
        finally:
            self._wakes[namespace].pop(name, None)

    async def _look(self, namespace: str, name: str, pace: Backoff) -> float:
        """One look; seconds until the next one."""
        loop = asyncio.get_running_loop()
        try:
            pause = await loop.run_in_executor(self._pool, self._reconciler.look, namespace, name)
        except TemporaryError as error:
            pause = pace.pause()
            _log.warning("%s/%s: %s; looking again in %.0f s", namespace, name, error, pause)
        except Exception:  # noqa: BLE001 - below
            # One resource that nobody foresaw must not end the looks at all others.
            pause = pace.pause()
            _log.exception("%s/%s: looking again in %.0f s", namespace, name, pause)
        else:
            pace.reset()
        return pause

    async def _end(self, **given: Any) -> None:
        """Before a resource goes; kopf lets it go when this returns."""
        namespace, name = given["namespace"], given["name"]
        loop = asyncio.get_running_loop()
        try:
            done = await loop.run_in_executor(self._pool, self._reconciler.end, namespace, name)
        except TemporaryError as error:
            raise kopf.TemporaryError(str(error), delay=_ENDING) from error
        except PermanentError as error:  # until that has been tried for long enough
            raise kopf.TemporaryError(str(error), delay=_REFUSED) from error
        if not done:
            raise kopf.TemporaryError("what runs is not stopped yet", delay=_ENDING)

    async def _changed(self, **given: Any) -> None:
        """Wake the tasks of a namespace in which a resource says something else now, has come, or is gone."""
        uid, generation = given["uid"], given["meta"].get("generation")
        if given["event"]["type"] == "DELETED":
            self._generations.pop(uid, None)
        elif self._generations.get(uid) == generation:
            return  # its status, most often, which we write ourselves
        else:
            self._generations[uid] = generation
        self._stir(given["namespace"])

    def _stir(self, namespace: str) -> None:
        """Wake the tasks of a namespace."""
        for wake in self._wakes.get(namespace, {}).values():
            wake.set()
