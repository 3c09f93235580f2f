"""The engine that has Argo Workflows run a plan, through the Kubernetes API alone; Argo's own server is not needed."""

from __future__ import annotations

import json
import logging
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrator.argo.commands import COMPLAINT
from orchestrator.argo.log_archive import unpack
from orchestrator.argo.names import (
    ARGO_WORKFLOW,
    MAIN,
    RUN,
    SCAN,
    SCANS_ANNOTATION,
    SHARD,
    STAGE,
    TARGET,
    WORKFLOW_TEMPLATE,
    of_run,
)
from orchestrator.argo.nodes import is_work
from orchestrator.argo.status import status_of
from orchestrator.catalog.loading import scan_digests
from orchestrator.cluster.errors import ExpiredError, ObjectExistsError, ObjectNotFoundError, UnreachableError
from orchestrator.engines.interface import EngineError
from orchestrator.engines.narrator import Narrator
from orchestrator.errors import UsageError
from orchestrator.model.documents import spell_time
from orchestrator.results.ledger import LEDGER, read_ledger
from orchestrator.scanners.distrust import check_plan
from orchestrator.scanners.rules import rules_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.cluster.client import Cluster
    from orchestrator.cluster.objects import Pod, Workflow
    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Observer
    from orchestrator.model import Ledger, Plan, RunStatus
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)

#: Seconds that a Workflow which prints results may take before we give up on it.
_PATIENCE = 600


class TemplateMissingError(UsageError):
    """The WorkflowTemplate is not in the cluster, or is another than the plan was made for."""


class RunUnknownError(UsageError):
    """The cluster knows no such run."""


class ArgoEngine:
    """Runs plans in a cluster.

    Args:
        config: names the namespace, and what manifests need.
        volume: where results are brought to.
        cluster: to use instead of the one that the kubeconfig names.
        mounted: whether the volume is the cluster's own.
    """

    def __init__(
        self, config: Config, volume: Volume, cluster: Cluster | None = None, *, mounted: bool = False
    ) -> None:
        if cluster is None:
            from orchestrator.cluster.client import Cluster  # noqa: PLC0415 - imports kubernetes

            cluster = Cluster(config.argo.namespace)
        self._config = config
        self._volume = volume
        self._cluster = cluster
        self._mounted = mounted

    def run(self, plan: Plan, observer: Observer) -> Ledger:
        """Submit the plan, follow it to its end, and bring its results to a local folder.

        A run that was submitted before is followed from where it is.

        Raises:
            TemplateMissingError: the cluster is not ready for this plan.
            EngineError: the run ended without a ledger.
        """
        self.submit(plan)
        narrator = Narrator(plan, observer)
        for status in self.follow(plan.run):
            narrator.tell(status)
        if not self._mounted:
            return self.fetch(plan.run)
        if not (self._volume.results(plan.run) / LEDGER).exists():
            raise EngineError(f"run {plan.run} ended without a ledger: see why its aggregate step failed")
        return read_ledger(self._volume, plan.run)

    def interrupt(self) -> None:
        """See `Engine`: nothing of a run is in this process but who follows it."""

    def submit(self, plan: Plan) -> str:
        """Start a run; one that was started before is left alone.

        Returns:
            Name of the Workflow, which is the run's id.

        Raises:
            TemplateMissingError: the cluster is not ready for this plan.
            DistrustedError: a scanner of the plan is not trusted any more.
            UsageError: a Workflow of that name belongs to something else.
        """
        from orchestrator.workflows import ManifestKind, manifests  # noqa: PLC0415 - imports hera

        check_plan(plan, rules_of(self._config), spell_time(datetime.now(UTC)))
        self._check_template(plan)
        (manifest,) = manifests.manifests(plan, self._config, kind=ManifestKind.SUBMISSION)
        try:
            return self._cluster.create_workflow(manifest).metadata.name
        except ObjectExistsError:
            found = self._cluster.workflow(plan.run)
            if found.metadata.labels.get(RUN) != plan.run:
                raise UsageError(
                    f"a Workflow {plan.run} is in the namespace {self._cluster.namespace} already, and is no run:"
                    " choose another id for the run"
                ) from None
            return found.metadata.name

    def follow(self, run: str) -> Iterator[RunStatus]:
        """The status of a run now, and then after every change, to its end.

        Continues where it was when the API server goes away and returns.

        Raises:
            RunUnknownError: the cluster knows no such run.
        """
        known: dict[str, Workflow] = {}
        while True:
            try:
                listed, version = self._cluster.list_for_watch(of_run(run))
                known = {each.metadata.name: each for each in listed}
                if self._adopt(run, known.values()):
                    continue
                if not known:
                    raise RunUnknownError(self._unknown(run))
                status = status_of(run, known.values())
                yield status
                if status.ended:
                    return
                for kind, workflow in self._cluster.watch(of_run(run), version):
                    if kind == "BOOKMARK":
                        continue
                    if kind == "DELETED":
                        known.pop(workflow.metadata.name, None)
                    else:
                        known[workflow.metadata.name] = workflow
                    status = status_of(run, known.values())
                    yield status
                    if status.ended:
                        return
            except (ExpiredError, UnreachableError) as error:
                _log.info("%s; listing again", error)
                time.sleep(1)

    def status(self, run: str) -> RunStatus:
        """How a run stands.

        Raises:
            RunUnknownError: the cluster knows no such run.
        """
        return status_of(run, self._workflows(run))

    def runs(self) -> tuple[RunStatus, ...]:
        """How every run stands that the cluster still knows, the newest first."""
        found: dict[str, list[Workflow]] = {}
        for workflow in self._cluster.workflows(RUN):
            found.setdefault(workflow.metadata.labels[RUN], []).append(workflow)
        statuses = (status_of(run, group) for run, group in found.items())
        return tuple(sorted(statuses, key=lambda status: status.started, reverse=True))

    def logs(self, run: str, target: str, scan: str) -> Iterator[str]:
        """What the scanner of a cell wrote, line by line; continues while it runs.

        Args:
            run: id of the run.
            target: id of the target.
            scan: name of the scan.

        Raises:
            RunUnknownError: no pod of that cell is left; pods of cells that ended well go at once.
        """
        pods = list(self._cluster.pods(f"{of_run(run)},{TARGET}={target},{SCAN}={scan}"))
        container = MAIN
        if not pods:
            pods = list(self._cluster.pods(f"{of_run(run)},{TARGET}={target},!{SCAN}"))
            pods = [pod for pod in pods if any(each.name == scan for each in pod.status.container_statuses)]
            container = scan
        if not pods:
            raise RunUnknownError(
                f"no pod of the cell {target}/{scan} of run {run} is left (those that ended well go at once);"
                " the ledger keeps the last lines of cells that failed"
            )
        last = max(pods, key=lambda pod: pod.metadata.creation_timestamp)
        stage = next((each for each in last.status.init_container_statuses if each.name == STAGE), None)
        if stage is not None and stage.state.terminated is not None and stage.state.terminated.exit_code:
            container = STAGE
        return self._cluster.follow_log(last.metadata.name, container=container)

    def retry(self, run: str, observer: Observer) -> str:  # noqa: ARG002 - as `Engine` has it
        """Run again the cells that did not end ok; the run's ledger is then rewritten.

        Returns:
            Name of the Workflow that does it.

        Raises:
            UsageError: the run has not ended yet.
        """
        from orchestrator.workflows import manifests  # noqa: PLC0415 - imports hera

        if any(not each.ended for each in self._cluster.workflows(of_run(run)) if is_work(each)):
            raise UsageError(f"run {run} has not ended yet: wait for its end, or cancel it, before it is tried again")
        name = f"{run}-r{secrets.token_hex(2)}"
        return self._create(manifests.retry(run, self._config, name)).metadata.name

    def cancel(self, run: str) -> tuple[str, ...]:
        """End a run now: its pods are stopped, and its ledger says of what was left that it was cancelled.

        Returns:
            Names of the Workflows that were stopped.
        """
        stopped = []
        # The shards first, so that their parent does not take their end for a failure of theirs.
        for workflow in sorted(self._workflows(run), key=lambda each: SHARD not in each.metadata.labels):
            if not workflow.ended:
                self._cluster.patch_workflow(workflow.metadata.name, {"spec": {"shutdown": "Stop"}})
                stopped.append(workflow.metadata.name)
        return tuple(stopped)

    def delete(self, run: str) -> tuple[str, ...]:
        """Take a run's Workflows and pods out of the cluster; plans, reports and results stay on the volume.

        Returns:
            Names of the Workflows.
        """
        names = [workflow.metadata.name for workflow in self._workflows(run)]
        for name in names:
            self._cluster.delete_workflow(name)
        return tuple(names)

    def fetch(self, run: str) -> Ledger:
        """Bring the results of a run from the cluster's volume into a local one, and read its ledger.

        Raises:
            EngineError: there are none.
            ResultsCutOffError: they did not arrive whole.
        """
        from orchestrator.workflows import manifests  # noqa: PLC0415 - imports hera

        name = f"{run}-o{secrets.token_hex(2)}"
        self._create(manifests.results(run, self._config, name))
        try:
            pod = self._await_output(name)
            unpack(self._cluster.follow_log(pod.metadata.name), self._volume.results(run))
        finally:
            self._cluster.delete_workflow(name)
        return read_ledger(self._volume, run)

    def _create(self, manifest: dict[str, Any]) -> Workflow:
        """Submit a Workflow whose name nobody else can have: one that is there is ours, its answer was lost."""
        try:
            return self._cluster.create_workflow(manifest)
        except ObjectExistsError:
            return self._cluster.workflow(manifest["metadata"]["name"])

    def _await_output(self, name: str) -> Pod:
        """The pod of a Workflow that prints results, once it has something to read.

        Raises:
            EngineError: it failed.
        """
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            for pod in self._cluster.pods(f"{ARGO_WORKFLOW}={name}"):
                state = next((each.state for each in pod.status.container_statuses if each.name == MAIN), None)
                ended = state.terminated if state is not None else None
                if ended is not None and ended.exit_code:
                    said = self._cluster.log(pod.metadata.name, lines=20)
                    reason = next((line for line in said.splitlines() if line.startswith(COMPLAINT)), said)
                    raise EngineError(f"the results cannot be read: {reason}")
                if ended is not None or pod.status.phase == "Running":
                    return pod
            if self._cluster.workflow(name).status.phase in {"Failed", "Error"}:
                raise EngineError(f"the results cannot be read: Workflow {name} failed before it began")
            time.sleep(0.5)
        raise EngineError(f"the results cannot be read: Workflow {name} did not start within {_PATIENCE} s")

    def _workflows(self, run: str) -> list[Workflow]:
        found = list(self._cluster.workflows(of_run(run)))
        if self._adopt(run, found):
            found = list(self._cluster.workflows(of_run(run)))
        if not found:
            raise RunUnknownError(self._unknown(run))
        return found

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

    def _check_template(self, plan: Plan) -> None:
        """Whether the cluster's WorkflowTemplate runs just the scans that the plan means."""
        try:
            template: dict[str, Any] = self._cluster.workflow_template(WORKFLOW_TEMPLATE)
        except ObjectNotFoundError:
            raise TemplateMissingError(
                f"there is no WorkflowTemplate {WORKFLOW_TEMPLATE} in the namespace {self._cluster.namespace}: install"
                " it by `kubectl apply -k argo-install/overlays/single-node`, or `scanmatrix install --render`"
            ) from None
        annotations = template.get("metadata", {}).get("annotations") or {}
        try:
            there: dict[str, str] = json.loads(annotations.get(SCANS_ANNOTATION, "{}"))
        except ValueError:
            there = {}
        differ = [name for name, digest in scan_digests(plan.scans).items() if there.get(name) != digest]
        if differ:
            raise TemplateMissingError(
                f"the cluster's WorkflowTemplate has other versions of the scans {', '.join(differ)} than this plan,"
                " or none: apply what `scanmatrix install --render` prints with the same configuration"
            )
