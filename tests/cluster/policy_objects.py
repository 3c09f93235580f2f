"""What the rules are made from, kept up to date: objects of the API, and which pod got which address."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.cluster.policy_rules import Pod

_LOG = logging.getLogger(__name__)
#: The kubelet's runtime notes here what the network plugins gave a pod, before its containers start; the API hears of
#: the address only after they did.
RESULTS = Path("/var/lib/cni/results")
#: A list is asked for again after this many seconds, whatever was watched meanwhile.
_WATCH = 300
_PAUSE = 1.0
_Key = tuple[str, str]


class Objects:
    """All objects of one kind, listed once and watched from there on by a thread of its own."""

    def __init__(self, listing: Callable[..., Any], changed: threading.Event) -> None:
        """Begin to watch.

        Args:
            listing: the method of an API client that lists them.
            changed: is set whenever something is new.
        """
        self._listing, self._changed = listing, changed
        self._found: dict[_Key, dict[str, Any]] | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._follow, daemon=True).start()

    @property
    def listed(self) -> bool:
        """Whether we know them at all yet."""
        return self._found is not None

    def all(self) -> list[dict[str, Any]]:
        """The objects of this moment, in the order of their names."""
        with self._lock:
            return [each for _, each in sorted((self._found or {}).items())]

    def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One of them."""
        with self._lock:
            return (self._found or {}).get((namespace, name))

    def _follow(self) -> None:
        while True:
            try:
                self._watch(self._list())
            except Exception as error:  # noqa: BLE001  # whatever it is, the answer is to list again
                _LOG.warning("%s: %s", self._listing.__name__, error)
                time.sleep(_PAUSE)

    def _list(self) -> str:
        answer = json.loads(self._listing(_preload_content=False, _request_timeout=30).data)
        with self._lock:
            self._found = {_key(each): each for each in answer["items"]}
        self._changed.set()
        return str(answer["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> None:
        from kubernetes.watch import Watch  # noqa: PLC0415

        events = Watch(return_type="object").stream(
            self._listing, resource_version=version, timeout_seconds=_WATCH, _request_timeout=_WATCH + 30
        )
        for event in events:
            if self._take(event["type"], event["object"]):
                self._changed.set()

    def _take(self, kind: str, told: dict[str, Any]) -> bool:
        """Note one event; says whether rules may be others by it, as they are not by most: those of a pod's status."""
        with self._lock:
            found = self._found if self._found is not None else {}
            before = found.pop(_key(told), None)
            if kind == "DELETED":
                return True
            found[_key(told)] = told
            return before is None or _ruled_by(before) != _ruled_by(told)


def _key(each: dict[str, Any]) -> _Key:
    return each["metadata"].get("namespace", ""), each["metadata"]["name"]


def _ruled_by(each: dict[str, Any]) -> tuple[object, ...]:
    """What rules are made from."""
    spec = each.get("spec") or {}
    of_a_policy = [spec.get(name) for name in ("podSelector", "policyTypes", "ingress", "egress")]
    return each["metadata"].get("uid"), each["metadata"].get("labels"), *of_a_policy


class Note(NamedTuple):
    """What the network plugins noted about a pod."""

    namespace: str
    name: str
    uid: str
    address: str


class Addresses:
    """Which pod has which address."""

    def __init__(self, folder: Path = RESULTS) -> None:
        self._folder = folder
        self._read: dict[str, Note] = {}

    def look(self) -> bool:
        """Look for pods that came or went; says whether there are any."""
        try:
            names = {entry.name for entry in os.scandir(self._folder) if entry.name.startswith("pods-")}
        except FileNotFoundError:
            names = set()
        before = self._read.keys()
        new = {name: note for name in names - before if (note := self._note(name))}
        gone = before - names
        self._read = {name: note for name, note in self._read.items() if name not in gone} | new
        return bool(new or gone)

    def pods(self, known: Objects) -> list[Pod]:
        """The pods that have an address and are known to the API."""
        found = []
        for note in self._read.values():
            what = known.get(note.namespace, note.name)
            if what and what["metadata"]["uid"] == note.uid:
                found.append(Pod(note.namespace, what["metadata"].get("labels") or {}, note.address))
        return found

    def _note(self, name: str) -> Note | None:
        """One note; None while it is still being written."""
        try:
            content = json.loads((self._folder / name).read_bytes())
            said = dict(content["cniArgs"])
            address = content["result"]["ips"][0]["address"].partition("/")[0]
            return Note(said["K8S_POD_NAMESPACE"], said["K8S_POD_NAME"], said["K8S_POD_UID"], address)
        except (OSError, ValueError, LookupError):
            return None
