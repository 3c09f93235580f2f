"""Looks at every source of targets again and again, and at what clusters run all the time."""

from __future__ import annotations

import queue
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.errors import ScanmatrixError
from orchestrator.inventory import collect
from orchestrator.inventory.namespaces import scopes
from orchestrator.kit.guarding import guarded
from orchestrator.kit.retrying import Backoff
from orchestrator.scanners.rules import volume_of
from orchestrator.service.planner import workloads

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from orchestrator.config.loading import Config
    from orchestrator.config.targets import ClusterSource, TargetSource
    from orchestrator.inventory import Entry
    from orchestrator.service.notes import Notes
    from orchestrator.service.planner import Planner
    from orchestrator.store.backlog.messages import BacklogChange, StaleRules
    from orchestrator.store.backlog.store import BacklogStore

#: The chore of looking at all sources, which one replica does for all.
LOOK = "inventory"
# Seconds in which pods that start together become one batch.
_GATHER = 0.3
_Key: TypeAlias = "tuple[Hashable, ...]"


class Lookout:
    """Keeps the store informed about what to keep fresh.

    Args:
        config: names the sources.
        planner: resolves what they name.
        store: gets what is found.
        rules: what makes a result stale.
        holder: name of this replica.
        notes: told of what happens.
        changed: called when there may be something new to do.
        stop: ends all threads.

    Attributes:
        has_looked: whether this replica has looked at all sources, at least once.
    """

    def __init__(
        self,
        config: Config,
        planner: Planner,
        store: BacklogStore,
        rules: StaleRules,
        *,
        holder: str,
        notes: Notes,
        changed: Callable[[], None],
        stop: threading.Event,
    ) -> None:
        self._config = config
        self._planner = planner
        self._store = store
        self._rules = rules
        self._holder = holder
        self._notes = notes
        self._changed = changed
        self._stop = stop
        self._started: queue.SimpleQueue[Entry] = queue.SimpleQueue()
        self._known: frozenset[_Key] = frozenset()
        self.has_looked = False

    def look(self) -> BacklogChange | None:
        """One look at all sources, unless another replica does that; imports what other runs left on the volume.

        Raises:
            ScanmatrixError: a source cannot be read, or the store does not answer; all stays as it was.
        """
        number = self._store.begin_chore(LOOK, self._holder, lease=self._config.schedule.lease, again=True)
        if not number:
            return None
        self._store.take_in_all(volume_of(self._config))
        with guarded("looking at the sources of targets"):
            entries = collect(self._config, catalog=self._planner.catalog)
            found = self._planner.look_up(entries)
            change = self._store.want([each.wanted for each in found], self._rules, look=number, whole=True)
            self._store.write_workloads(workloads(found))
        self._known = frozenset(map(_key, entries))
        self.has_looked = True
        self._notes.tell(f"inventory: {len(found)} targets; {change.new} cells new, {change.gone} gone")
        return change

    def look_for_ever(self) -> None:
        """Look, wait, look again."""
        pace = Backoff(1, min(300, self._config.schedule.inventory))
        while not self._stop.is_set():
            try:
                looked = self.look() is not None
                self._notes.mend("inventory")
                pace.reset()
                # Another replica looks; it may end any time.
                pause: float = self._config.schedule.inventory if looked else self._config.schedule.lease
            except ScanmatrixError as error:
                pause = pace.pause()
                self._notes.trouble("inventory", str(error), pause)
            self._changed()
            self._stop.wait(pause)

    def watch(self) -> Iterator[Callable[[], None]]:
        """What follows the pods of clusters: functions, each for a thread of its own."""
        followed = [
            (source, section, context, scope)
            for source in self._config.targets
            if (section := source.cluster) is not None
            for context in section.contexts or (None,)
            for scope in scopes(section)
        ]
        for each in followed:
            yield partial(self._follow, *each)
        if followed:
            yield self._want_started

    def _follow(self, source: TargetSource, section: ClusterSource, context: str | None, scope: str) -> None:
        from orchestrator.inventory.cluster import as_entries  # noqa: PLC0415 - kubernetes takes long to import
        from orchestrator.inventory.landscape import Landscape  # noqa: PLC0415

        pace, name = Backoff(1, 300), f"cluster {context or '(current)'}{scope and f', namespace {scope}'}"
        while not self._stop.is_set():
            try:
                with (
                    guarded(f"following the pods of {name}"),
                    closing(Landscape(section, context, tuple(self._planner.catalog))) as landscape,
                ):
                    for image in landscape.follow(scope, self._stop):
                        for entry in as_entries(image, source):
                            self._started.put(entry)
                        self._notes.mend(name)
                        pace.reset()
            except ScanmatrixError as error:
                self._notes.wait_out(name, error, pace, self._stop)

    def _want_started(self) -> None:
        """Have wanted what has started, as soon as it has."""
        pace = Backoff(1, 60)
        waiting: dict[_Key, Entry] = {}
        while not self._stop.is_set():
            waiting |= {_key(entry): entry for entry in self._gather() if _key(entry) not in self._known}
            if not waiting:
                continue
            try:
                with guarded("looking up what has started in clusters"):
                    found = self._planner.look_up(list(waiting.values()))
                    number = self._store.chore_number(LOOK)
                    change = self._store.want([each.wanted for each in found], self._rules, look=number)
            except ScanmatrixError as error:
                self._notes.wait_out("watch", error, pace, self._stop)
                continue
            pace.reset()
            self._notes.mend("watch")
            waiting.clear()
            if change.new:
                self._notes.tell(f"started in a cluster: {len(found)} targets, {change.new} cells new")
                self._changed()

    def _gather(self) -> Iterable[Entry]:
        """What has started; waits a second for the first of it, and then a moment for more."""
        found: list[Entry] = []
        end = time.monotonic() + 1
        while (left := end - time.monotonic()) > 0:
            try:
                found.append(self._started.get(timeout=left))
            except queue.Empty:
                break
            if len(found) == 1:
                end = time.monotonic() + _GATHER
        return found


def _key(entry: Entry) -> _Key:
    """What makes it another name of an image, or another wish: the same image may start in another namespace."""
    return entry.said, entry.scans
