"""The engine that has Argo Workflows run a plan, through the Kubernetes API alone; Argo's own server is not needed."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrator.admission.scans import check_admission
from orchestrator.argo.names import RUN, of_run
from orchestrator.argo.nodes import is_work
from orchestrator.argo.status import status_of
from orchestrator.argo.stopping import stop
from orchestrator.cluster.errors import ObjectExistsError
from orchestrator.engines.argo.output import bring_results, log_of, take_away
from orchestrator.engines.argo.ready import check_workflow_template
from orchestrator.engines.argo.runs import RunUnknownError, WorkflowRuns
from orchestrator.engines.interface import EngineError
from orchestrator.engines.narrator import Narrator
from orchestrator.errors import ScanmatrixError, UsageError
from orchestrator.model.documents import spell_time
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import LEDGER, is_whole
from orchestrator.scanners.distrust import check_plan
from orchestrator.scanners.rules import rules_of
from orchestrator.steps.ending import finish_left
from orchestrator.upkeep.claims import read_claim
from orchestrator.upkeep.plans import read_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.cluster.client import Cluster
    from orchestrator.cluster.objects import Workflow
    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Observer
    from orchestrator.model import Ledger, Plan, RunStatus
    from orchestrator.volume.layout import Volume


#: Seconds to wait for the last pods of a run that was deleted, and between two looks.
_PATIENCE, _POLL = 120.0, 2.0


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
        self._runs = WorkflowRuns(cluster)

    def run(self, plan: Plan, observer: Observer) -> Ledger:
        """Submit the plan, follow it to its end, and bring its results to a local folder.

        A run that was submitted before is followed from where it is.

        Raises:
            WorkflowTemplateMissingError: the cluster is not ready for this plan.
            EngineError: the run ended without a ledger.
        """
        self.submit(plan)
        narrator = Narrator(plan, observer)
        try:
            for status in self.follow(plan.run):
                narrator.tell(status)
        except RunUnknownError:
            if not self._mounted:
                raise  # deleted, and only who reaches its volume can say what it came to
        return self._finished(plan.run) if self._mounted else self.fetch(plan.run)

    def _finished(self, run: str) -> Ledger:
        """The ledger of a run that has ended, on the volume here; one that ended without its last step gets it now.

        Raises:
            EngineError: it has none, and cannot be given one.
        """
        folder, end = self._volume.results(run), time.monotonic() + _PATIENCE
        while not self._has_ended(run):
            done = self.finish_left()  # its pods may take a moment to end
            if not self._has_ended(run) and time.monotonic() > end:
                if (folder / LEDGER).exists() and not is_whole(folder):
                    break
                raise EngineError(f"run {run} ended without a ledger: see why its aggregate step failed")
            if not done:
                time.sleep(_POLL)
        return read_ledger(self._volume, run)

    def _has_ended(self, run: str) -> bool:
        """Whether the results of a run are there; those of an earlier call of it do not count while it is claimed."""
        return is_whole(self._volume.results(run)) and read_claim(run, "", self._volume) is None

    def interrupt(self) -> None:
        """See `Engine`: nothing of a run is in this process but who follows it."""

    def submit(self, plan: Plan) -> str:
        """Start a run; one that was started before is left alone.

        Returns:
            Name of the Workflow, which is the run's id.

        Raises:
            WorkflowTemplateMissingError: the cluster is not ready for this plan.
            DistrustedError: a scanner of the plan is not trusted any more.
            NotAdmittedError: one may not run any more.
            UsageError: a Workflow of that name belongs to something else.
        """
        from orchestrator.workflows import ManifestKind, manifests  # noqa: PLC0415 - imports hera

        check_plan(plan, rules_of(self._config), spell_time(datetime.now(UTC)))
        check_admission(plan, self._config, in_cluster=True)
        check_workflow_template(plan, self._cluster)
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

    def status(self, run: str) -> RunStatus:
        """How a run stands.

        Raises:
            RunUnknownError: the cluster knows no such run.
        """
        return status_of(run, self._runs.of(run))

    def runs(self) -> tuple[RunStatus, ...]:
        """How every run stands that the cluster still knows, the newest first."""
        statuses = (status_of(run, group) for run, group in self._runs.every().items())
        return tuple(sorted(statuses, key=lambda status: status.started, reverse=True))

    def follow(self, run: str) -> Iterator[RunStatus]:
        """See `Engine`."""
        return self._runs.follow(run)

    def logs(self, run: str, target: str, scan: str) -> Iterator[str]:
        """See `Engine`; pods of cells that ended well go at once."""
        return log_of(run, target, scan, self._cluster)

    def retry(self, run: str, observer: Observer) -> str:  # noqa: ARG002 - as `Engine` has it
        """Run again the cells that did not end ok; the run's ledger is then rewritten.

        Returns:
            Name of the Workflow that does it.

        Raises:
            UsageError: the run has not ended yet.
            NotAdmittedError: a scan of its plan, as far as that is here, may not run any more.
        """
        from orchestrator.workflows import manifests  # noqa: PLC0415 - imports hera

        if any(not each.ended for each in self._cluster.workflows(of_run(run)) if is_work(each)):
            raise UsageError(f"run {run} has not ended yet: wait for its end, or cancel it, before it is tried again")
        if self._volume.plan(run).exists():
            check_admission(read_plan(run, self._volume), self._config, in_cluster=True)
        name = f"{run}-r{secrets.token_hex(2)}"
        return self._create(manifests.retry(run, self._config, name)).metadata.name

    def cancel(self, run: str) -> tuple[str, ...]:
        """End a run now: its pods are stopped, and its ledger says of what was left that it was cancelled.

        Returns:
            Names of the Workflows that were stopped.
        """
        return stop(self._runs.of(run), self._cluster)

    def delete(self, run: str) -> tuple[str, ...]:
        """Take a run's Workflows and pods out of the cluster; plans, reports and results stay on the volume.

        Returns:
            Names of the Workflows.
        """
        names = [workflow.metadata.name for workflow in self._runs.of(run)]
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
            bring_results(name, self._cluster, self._volume.results(run))
        except EngineError as error:
            take_away(name, self._cluster, hurry=True)
            raise EngineError(f"{error}{self._stands(run)}") from error
        except BaseException:
            take_away(name, self._cluster, hurry=True)
            raise
        take_away(name, self._cluster)
        return read_ledger(self._volume, run)

    def finish_left(self) -> tuple[str, ...]:
        """See `Engine`: those on the volume that is mounted here; elsewhere the reaper of the cluster does it."""
        return tuple(map(str, finish_left(self._volume, self._cluster)))

    def _stands(self, run: str) -> str:
        """How a run stands in the cluster, as the end of a sentence; empty where the cluster knows nothing of it."""
        try:
            found = self.status(run)
        except ScanmatrixError:
            return ""
        why = f": {found.message}" if found.message else ""
        return f"; in the cluster it is {found.state}{why}" if found.workflows else ""

    def _create(self, manifest: dict[str, Any]) -> Workflow:
        """Submit a Workflow whose name nobody else can have: one that is there is ours, its answer was lost."""
        try:
            return self._cluster.create_workflow(manifest)
        except ObjectExistsError:
            return self._cluster.workflow(manifest["metadata"]["name"])
