"""The runs that a cluster knows, by their Workflows."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from orchestrator.argo.names import RUN, SHARD, WORKFLOW_TEMPLATE, of_run
from orchestrator.argo.status import status_of
from orchestrator.cluster.errors import ExpiredError, ObjectNotFoundError, UnreachableError
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from orchestrator.cluster.client import Cluster
    from orchestrator.cluster.objects import Workflow
    from orchestrator.model import RunStatus

_log = logging.getLogger(__name__)


class RunUnknownError(UsageError):
    """The cluster knows no such run."""


class WorkflowRuns:
    """The runs of one namespace."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def every(self) -> dict[str, list[Workflow]]:
        """The Workflows of every run, by its id."""
        found: dict[str, list[Workflow]] = {}
        for workflow in self._cluster.workflows(RUN):
            found.setdefault(workflow.metadata.labels[RUN], []).append(workflow)
        return found

    def of(self, run: str) -> list[Workflow]:
        """The Workflows of a run.

        Raises:
            RunUnknownError: the cluster knows no such run.
        """
        found = list(self._cluster.workflows(of_run(run)))
        if self._adopt(run, found):
            found = list(self._cluster.workflows(of_run(run)))
        if not found:
            raise RunUnknownError(self._unknown(run))
        return found

    def follow(self, run: str) -> Iterator[RunStatus]:
        """The status of a run now, and then after every change, to its end.

        Continues where it was when the API server goes away and returns.

        Raises:
            RunUnknownError: the cluster knows no such run.
        """
        for known in self._changes(run):
            status = status_of(run, known)
            yield status
            if status.ended:
                return

    def _changes(self, run: str) -> Iterator[Collection[Workflow]]:
        """The Workflows of a run now, and after every change, without an end."""
        while True:
            try:
                listed, version = self._cluster.list_for_watch(of_run(run))
                known = {each.metadata.name: each for each in listed}
                if self._adopt(run, listed):
                    continue
                if not known:
                    raise RunUnknownError(self._unknown(run))
                yield known.values()
                for kind, workflow in self._cluster.watch(of_run(run), version):
                    if kind == "BOOKMARK":
                        continue
                    if kind == "DELETED":
                        known.pop(workflow.metadata.name, None)
                    else:
                        known[workflow.metadata.name] = workflow
                    if not known:
                        break  # deleted, unless the next list has it again
                    yield known.values()
            except (ExpiredError, UnreachableError) as error:
                _log.info("%s; listing again", error)
                time.sleep(1)

    def _adopt(self, run: str, found: Iterable[Workflow]) -> bool:
        """Put the label of its run on the Workflow that began it, which Argo does not always do; True when it was so.

        Args:
            run: its id; what others submitted without an id has that of its Workflow.
            found: the Workflows with the label.
        """
        if any(SHARD not in each.metadata.labels for each in found):
            return False
        try:
            first = self._cluster.workflow(run)
        except ObjectNotFoundError:
            return False
        if RUN in first.metadata.labels or first.spec.workflow_template_ref.name != WORKFLOW_TEMPLATE:
            return False
        self._cluster.patch_workflow(run, {"metadata": {"labels": {RUN: run}}})
        return True

    def _unknown(self, run: str) -> str:
        return (
            f"no Workflow of run {run!r} in the namespace {self._cluster.namespace}; ended ones are removed after some"
            " days, their results stay on the volume"
        )
