"""When a resource is looked at: kopf watches the resources, and has a task for each of them that this wakes.

Woken by a change of the resource, or of an object of ours in its namespace that we have not made ourselves; otherwise
it looks again after an hour, and every few minutes while the API server does not tell us of changes. What kopf would
keep in annotations (what it has handled last) is not kept at all, and of a resource it keeps the metadata alone.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import kopf

from orchestrator.argo import names
from orchestrator.cluster.client import ARGO
from orchestrator.cluster.installed import KINDS
from orchestrator.cluster.stirring import follow
from orchestrator.cluster.transport import CORE
from orchestrator.config.resource import GROUP, PLURAL, VERSION
from orchestrator.errors import PermanentError, TemporaryError
from orchestrator.kit.retrying import Backoff
from orchestrator.service.controller.applying import MADE
from orchestrator.service.controller.quiet_kopf import login, settings
from orchestrator.service.controller.vitals import Vitals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.service.controller.reconciler import Reconciler

_log = logging.getLogger(__name__)

_OURS = f"{names.PART_OF}={names.SCANMATRIX}"
#: What is followed: where it is, what it is called, and by which labels it is ours. All that is made for a resource, so
#: that nothing has to be asked for as long as nothing happens.
_FOLLOWED = (
    (ARGO, "workflows", names.RUN),
    (CORE, "persistentvolumeclaims", _OURS),
    *((KINDS[kind].path, KINDS[kind].plural, _OURS) for kind in sorted(MADE)),
)
#: Seconds in which changes that come together become one look; and between two looks before a resource goes.
_GATHER, _ENDING = 0.5, 2.0
#: Seconds until what Kubernetes has refused is tried again before a resource goes.
_REFUSED = 30.0
#: Seconds between two looks at a resource that no look at succeeds; the longest while changes are not heard of.
_FIRST, _LONGEST = 1.0, 300.0
#: Seconds for all that is followed to be heard of before the first look, and parts of a pause by which pauses differ.
_HEARD, _SPREAD = 10.0, 0.1


class _Bell:
    """What wakes the task of a resource: a change of the resource, or of objects in its namespace."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.versions: set[str] = set()

    def ring(self, version: str) -> None:
        """A change, by the version that an object has since; empty for any that may have been."""
        self.versions.add(version)
        self.event.set()

    def take(self) -> set[str]:
        """The changes until now."""
        found, self.versions = self.versions, set()
        self.event.clear()
        return found


class KopfOperator:
    """Looks at every resource of some namespaces.

    Args:
        reconciler: looks at one.
        namespaces: whose resources are looked at; none for all.
        workers: how many are looked at at the same time.
        vitals: told that it lives.
        alone: whether there is no lease, whose renewals would tell whether the API server answers: then its telling us
            of changes does.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        *,
        namespaces: Sequence[str] = (),
        workers: int = 4,
        vitals: Vitals | None = None,
        alone: bool = False,
    ) -> None:
        self._reconciler = reconciler
        self._vitals = vitals or Vitals()
        self._deaf: set[str] = set()
        self._alone, self._follows = alone, False
        self._namespaces = tuple(namespaces)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="look")
        self._bells: defaultdict[str, dict[str, _Bell]] = defaultdict(dict)
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
        turning = asyncio.create_task(self._turn())
        await self._follow(ended)
        self._follows = True
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
            turning.cancel()
            ended.set()
            stop.set()  # kopf has a thread that waits for it
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _turn(self) -> None:
        """Say that this loop turns."""
        while True:
            self._vitals.beat()
            if self._alone and self._follows and not self._deaf:
                self._vitals.answered()
            await asyncio.sleep(1)

    async def _follow(self, ended: threading.Event) -> None:
        """Begin to follow what there is, so that nothing is missed from the first look on."""
        loop, heard = asyncio.get_running_loop(), asyncio.Event()

        def hears(which: str, well: bool) -> None:
            (self._deaf.discard if well else self._deaf.add)(which)
            waiting.discard(which)
            if not waiting:
                heard.set()

        def stir(namespace: str, version: str) -> None:
            loop.call_soon_threadsafe(self._stir, namespace, version)

        ways = [(*each, space) for space in self._namespaces or ("",) for each in _FOLLOWED]
        waiting = {f"{space}/{plural}" for _, plural, _, space in ways}
        for path, plural, selector, space in ways:
            which = f"{space}/{plural}"
            tell = partial(self._tell, loop, partial(hears, which))
            target: Callable[[], None] = partial(
                follow, path, plural, selector, namespace=space, stir=stir, hears=tell, stop=ended
            )
            threading.Thread(target=target, name=f"follow-{which}", daemon=True).start()
        try:
            await asyncio.wait_for(heard.wait(), _HEARD)
        except TimeoutError:
            self._deaf |= waiting

    @staticmethod
    def _tell(loop: asyncio.AbstractEventLoop, hears: Callable[[bool], None], well: bool) -> None:
        loop.call_soon_threadsafe(hears, well)

    async def _keep(self, **given: Any) -> None:
        """The task of one resource: look, wait, look again."""
        namespace, name, stopped = given["namespace"], given["name"], given["stopped"]
        bell = self._bells[namespace].setdefault(name, _Bell())
        pace = Backoff(_FIRST, _LONGEST)
        try:
            while not stopped:
                bell.take()
                pause = await self._look(namespace, name, pace)
                await self._pause(bell, given["uid"], min(pause, _LONGEST) if self._deaf else pause)
        finally:
            self._bells[namespace].pop(name, None)
            if not self._bells[namespace]:
                del self._bells[namespace]

    async def _pause(self, bell: _Bell, uid: str, seconds: float) -> None:
        """Wait until something has changed that we have not changed ourselves, at most for some seconds."""
        loop = asyncio.get_running_loop()
        # Not all at the same time, which they would be that were made, or looked at first, together.
        end = loop.time() + seconds * (1 + random.uniform(-_SPREAD, _SPREAD))  # noqa: S311 - no secret
        while (left := end - loop.time()) > 0:
            try:
                await asyncio.wait_for(bell.event.wait(), left)
            except TimeoutError:
                return
            await asyncio.sleep(_GATHER)
            if not all(version and self._reconciler.wrote(uid, version) for version in bell.take()):
                return

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
        # kopf keeps what it was sent of each resource, which may be a megabyte; all that it needs is the metadata.
        for key in ("spec", "status"):
            given["event"]["object"].pop(key, None)
        given["event"]["object"]["metadata"].pop("managedFields", None)
        if given["event"]["type"] == "DELETED":
            self._generations.pop(uid, None)
        elif self._generations.get(uid) == generation:
            return  # its status, most often, which we write ourselves
        else:
            self._generations[uid] = generation
        self._stir(given["namespace"], "")

    def _stir(self, namespace: str, version: str) -> None:
        """Wake the tasks of a namespace; without one, all of them."""
        for each in [namespace] if namespace else list(self._bells):
            for bell in self._bells.get(each, {}).values():
                bell.ring(version)
