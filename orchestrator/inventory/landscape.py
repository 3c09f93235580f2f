"""What runs in the namespaces of one Kubernetes cluster that a source of targets names."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from orchestrator.cluster.errors import ExpiredError, ForbiddenError, UnreachableError
from orchestrator.cluster.survey import Survey
from orchestrator.inventory.annotations import KEYS, LEVELS, SKIP, Wishes, is_denied, wishes
from orchestrator.inventory.left_out import LeftOut
from orchestrator.inventory.machines import Machines
from orchestrator.inventory.namespaces import is_meant, is_own, scopes
from orchestrator.inventory.running import PinnedName, RunningImage, images, mounted
from orchestrator.kit.guarding import InternalError, guarded

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from threading import Event

    from orchestrator.cluster.objects import Metadata, Pod
    from orchestrator.config.targets import ClusterSource

_log = logging.getLogger(__name__)

_LISTINGS = 3
_WATCH = 60
_SHORTEST_WATCH = 0.2
_RIGHTS = "bind the ClusterRole `scanmatrix-inventory` to this user, or leave it out"
# Places in a pod and references by its uid: what a pod was known to run.
_Seen: TypeAlias = "dict[str, set[tuple[str, str]]]"


class _Found(NamedTuple):
    """An image of a pod, in a container or as a volume."""

    container: str
    volume: str
    image: PinnedName

    @property
    def place(self) -> tuple[str, str]:
        """What makes it another image of the pod."""
        return self.container or f"volume {self.volume}", self.image.reference


class Landscape:
    """What runs in the namespaces of one cluster that a source names.

    Args:
        source: which namespaces, and what to leave out.
        context: of the kubeconfig; None for the cluster we are in, or the kubeconfig's current context.
        scans: names of every scan there is, for annotations.
        patience: seconds to keep trying while it does not answer.

    Raises:
        NoClusterError: there is no such context.
    """

    def __init__(
        self, source: ClusterSource, context: str | None, scans: tuple[str, ...], *, patience: float = 60.0
    ) -> None:
        self._source = source
        self._scopes = scopes(source)
        self._survey = Survey(context, patience=patience)
        self._machines = Machines(self._survey)
        self._scans = scans
        self._namespaces: dict[str, Metadata] = {}
        self._wished: dict[tuple[str | None, ...], Wishes] = {}

    def close(self) -> None:
        """Let go of the connections."""
        self._survey.close()

    def images(self) -> Iterator[RunningImage]:
        """Every image that runs now.

        Raises:
            ForbiddenError: some namespaces, all of which are named, may not be read; the others were.
            ObjectNotFoundError: there is no namespace of a name.
            ExpiredError: the list could not be read completely, several times.
        """
        refused, left_out = [], LeftOut(self._source)
        for scope in self._scopes:
            try:
                yield from self._patient_list(scope, left_out)
            except ForbiddenError as error:
                refused.append(f"namespace {scope or '*'}: {error}")
        left_out.tell(self._survey.name)
        if refused:
            raise ForbiddenError("; ".join([*refused, _RIGHTS]))

    def _patient_list(self, scope: str, left_out: LeftOut) -> Iterator[RunningImage]:
        seen: _Seen = {}
        for left in reversed(range(_LISTINGS)):
            try:
                yield from self._list(scope, seen, left_out)
            except ExpiredError:
                if not left:
                    raise
            else:
                return

    def follow(self, scope: str, stop: Event) -> Iterator[RunningImage]:
        """Every image that runs, and then each that starts, until told to stop.

        Continues where it was when the API server ends the watch, and lists again when that is no longer possible.

        Args:
            scope: one of `orchestrator.inventory.namespaces.scopes`.
            stop: ends it, within a minute.
        """
        seen: _Seen = {}
        while not stop.is_set():
            try:
                version = yield from self._list(scope, seen)
                while not stop.is_set():
                    begun = time.monotonic()
                    version = yield from self._watch(scope, version, seen, stop)
                    # Whatever cuts every watch off at once (a proxy, say) is not to be asked as often as it can answer.
                    stop.wait(max(0.0, _SHORTEST_WATCH - (time.monotonic() - begun)))
            except (ExpiredError, UnreachableError) as error:
                _log.warning("cluster %s: %s; listing its pods again", self._survey.name, error)
                stop.wait(1)

    def _list(self, scope: str, seen: _Seen, left_out: LeftOut | None = None) -> Generator[RunningImage, None, str]:
        """What runs now and is not known yet; returns the resource version to watch from."""
        self._namespaces = {scope: self._survey.namespace(scope)} if scope else self._survey.namespaces()
        there, version = set(), ""
        for pods, version in self._survey.pods(scope):  # noqa: B007 - the last one counts
            for pod in pods:
                there.add(pod.metadata.uid)
                if left_out is not None:
                    left_out.see(pod)
                yield from self._new(pod, seen)
        for gone in seen.keys() - there:
            del seen[gone]
        return version

    def _watch(self, scope: str, version: str, seen: _Seen, stop: Event) -> Generator[RunningImage, None, str]:
        """What starts within a minute; returns the resource version to continue from."""
        try:
            for kind, pod in self._survey.watch_pods(version, scope, seconds=_WATCH):
                version = pod.metadata.resource_version or version
                if kind == "DELETED":
                    seen.pop(pod.metadata.uid, None)
                elif kind != "BOOKMARK":
                    yield from self._new(pod, seen)
        except UnreachableError as error:
            _log.warning("cluster %s: %s; continuing where it was", self._survey.name, error)
            stop.wait(1)
        return version

    def _new(self, pod: Pod, seen: _Seen) -> Iterator[RunningImage]:
        """Images of a pod that it was not known to run."""
        known = seen.setdefault(pod.metadata.uid, set())
        if not is_meant(pod.metadata.namespace, self._source) or is_own(pod, self._source):
            return
        there = [
            *(_Found(name, "", image) for name, image in images(pod)),
            *(_Found("", name, image) for name, image in mounted(pod)),
        ]
        found = [each for each in there if each.place not in known]
        if not found:
            return
        known.update(each.place for each in found)
        namespace = self._namespace(pod.metadata.namespace)
        workload = self._survey.workload(pod.metadata, pod.metadata.namespace if self._scopes != ("",) else "")
        spelt = f"{workload.kind}/{workload.name}"
        where = f"{self._survey.name}/{namespace.name}/{spelt}"
        wished = self._wishes((pod.metadata.annotations, workload.annotations, namespace.annotations), where)
        asked = self._asked((pod.metadata.labels, workload.labels, namespace.labels), wished, where)
        platform, unknown = self._machines.platform(pod.spec.node_name)
        heeded = self._source.allow_skip
        unheeded = f"{asked}, which targets.cluster.allowSkip forbids" if asked and not heeded else ""
        for each in found:
            yield RunningImage(
                reference=each.image.reference,
                digest=each.image.digest,
                also_called=each.image.also_called,
                cluster=self._survey.name,
                namespace=namespace.name,
                workload=spelt,
                container=each.container,
                volume=each.volume,
                pod=pod.metadata.name,
                scans=wished.scans,
                owner=wished.owner,
                contact=wished.contact,
                max_lifetime=wished.max_lifetime,
                platform=platform,
                skip=asked if heeded else "",
                note="; ".join(filter(None, (unheeded, unknown))),
            )

    def _asked(self, labels: tuple[dict[str, str], ...], wished: Wishes, where: str) -> str:
        """Who asks that an image be left out, and by which label or annotation; empty for nobody.

        A pod is named by what it belongs to, because its own name is another one after each roll-out.
        """
        labelled = next((level for level, has in zip(LEVELS, labels, strict=True) if self._is_labelled(has)), "")
        level = labelled or wished.asked_by
        if not level:
            return ""
        who = {
            "pod": f"a pod of {where}",
            "workload": f"the workload {where}",
            "namespace": f"the namespace {where.rsplit('/', 2)[0]}",
        }
        key = f"label {self._source.skip_label}" if labelled else f"annotation {SKIP}"
        return f"the {key} of {who[level]} asks to leave it out"

    def _wishes(self, levels: tuple[dict[str, str], ...], where: str) -> Wishes:
        """Once for all pods of a workload that say the same, so that a mistake is reported once.

        Anybody who writes annotations must not keep other workloads from being read, nor their own from being scanned.
        """
        key = where, *(level.get(name) for level in levels for name in KEYS)
        if key not in self._wished:
            try:
                with guarded(f"reading the annotations of {where}"):
                    self._wished[key] = wishes(levels, self._scans, where)
            except InternalError:
                self._wished[key] = Wishes()
        return self._wished[key]

    def _namespace(self, name: str) -> Metadata:
        if name not in self._namespaces:
            self._namespaces[name] = self._survey.namespace(name)
        return self._namespaces[name]

    def _is_labelled(self, labels: dict[str, str]) -> bool:
        key, _, value = self._source.skip_label.partition("=")
        return key in labels and (labels[key] == value if value else not is_denied(labels[key]))
