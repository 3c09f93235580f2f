"""The local engine: the steps of a run on this machine, with scanners as processes or in containers of their own."""

from collections.abc import Callable, Iterator, Mapping

from orchestrator.engines.interface import EngineError, NotOfferedError, Observer
from orchestrator.engines.local.execution import Execution
from orchestrator.engines.local.launch import Launcher, Preference
from orchestrator.engines.local.lock import cancel_run, heeding_cancel, locked
from orchestrator.engines.local.sandbox import Sandboxing
from orchestrator.engines.local.scanners import Scanners
from orchestrator.engines.local.status import follow, log_of, status_of, statuses_of
from orchestrator.engines.signals import interruptible
from orchestrator.engines.stop import Stop
from orchestrator.images.registry.client import RegistryClient
from orchestrator.kit.advice import resuming
from orchestrator.model import Ledger, Plan, RunStatus
from orchestrator.steps.ending import finish_left
from orchestrator.upkeep.claims import RunClaim, give_back, take
from orchestrator.upkeep.plans import find_plan, write_plan
from orchestrator.upkeep.reuse import without_downloads
from orchestrator.volume.layout import Volume
from orchestrator.volume.records import now


class LocalEngine:
    """Runs plans on this machine.

    Args:
        volume: where plans, reports and results lie.
        runner: `auto` starts scanners found on PATH as processes and others in containers; `process` and `container`
            do only the one.
        sandbox: `auto` keeps processes in bubblewrap where it works, `required` starts none without, `off` all.
        downloads: whether databases may be downloaded, as far as the plan of a run wants it.
        refused: why scans of a plan may not start now, by their names.
    """

    def __init__(
        self,
        volume: Volume,
        *,
        runner: Preference = "auto",
        sandbox: Sandboxing = "auto",
        downloads: bool = True,
        refused: Callable[[Plan], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self._volume, self._refused = volume, refused
        self._downloads = downloads
        self._runner = runner
        self._sandbox: Sandboxing = sandbox
        self._stops: set[Stop] = set()
        self._interrupted = False

    def run(self, plan: Plan, observer: Observer) -> Ledger:
        """Run every pending cell, aggregate, and return the ledger.

        Cells that ended well in an earlier call of the same run are not run again; failed ones are.

        Raises:
            RunBusy: another process is at work on this run.
            Interrupted: Ctrl-C or SIGTERM; the same call resumes the run.
            EngineError: the volume cannot be written to.
            PlanExists: the run already has another plan.
            RunTakenError: it is a run of the cluster.
        """
        try:
            return self._run(plan, observer)
        except OSError as error:
            again = f"resume it with {resuming(plan.run)}" if self._has_plan(plan) else "start it again"
            raise EngineError(f"run {plan.run} broke: {error}; fix that, then {again}") from error

    def _run(self, plan: Plan, observer: Observer) -> Ledger:
        with (
            locked(self._volume.run(plan.run), plan.run),
            Stop(plan.limits.deadline) as stop,
            RegistryClient(insecure=plan.insecure, retries=plan.limits.retries) as client,
        ):
            claim = RunClaim(run=plan.run, since=now(), deadline=plan.limits.deadline)
            write_plan(plan, self._volume)
            take(claim, self._volume, lambda _: "")
            self._stops.add(stop)
            plan = plan if self._downloads else without_downloads(plan)
            if self._interrupted:
                stop.interrupt()
            root = self._volume.root
            launcher = Launcher(self._runner, f"{plan.run}@{root}", sandbox=self._sandbox, hidden=[root])
            scanners = Scanners(launcher, plan.limits)
            execution = Execution(
                plan, self._volume, observer, stop=stop, client=client, scanners=scanners, refused=self._refused
            )
            try:
                with interruptible(stop.interrupt), heeding_cancel(self._volume.run(plan.run), stop.interrupt):
                    ledger = execution.run()
            except KeyboardInterrupt:
                raise execution.interrupted() from None
            finally:
                self._stops.discard(stop)
            give_back(claim, self._volume)
            return ledger

    def _has_plan(self, plan: Plan) -> bool:
        try:
            return self._volume.plan(plan.run).exists()
        except OSError:
            return False

    def interrupt(self) -> None:
        """See `Engine`; scanners are asked to end."""
        self._interrupted = True
        for stop in tuple(self._stops):
            stop.interrupt()

    def submit(self, plan: Plan) -> str:  # noqa: ARG002 - as `Engine` has it
        """See `Engine`: nothing runs here once this process has ended."""
        raise _not_offered("submit` and `run --detach")

    def status(self, run: str) -> RunStatus:
        """See `Engine`."""
        return status_of(run, self._volume)

    def runs(self) -> tuple[RunStatus, ...]:
        """See `Engine`."""
        return statuses_of(self._volume)

    def follow(self, run: str) -> Iterator[RunStatus]:
        """See `Engine`."""
        return follow(run, self._volume)

    def logs(self, run: str, target: str, scan: str) -> Iterator[str]:
        """See `Engine`: its last lines."""
        return log_of(run, target, scan, self._volume)

    def retry(self, run: str, observer: Observer) -> str:
        """See `Engine`; returns when the cells have ended."""
        self.run(find_plan(run, self._volume), observer)
        return run

    def cancel(self, run: str) -> tuple[str, ...]:
        """See `Engine`: the process that is at work on it ends this run, and no other that it has."""
        return (cancel_run(self._volume.run(run), run),)

    def fetch(self, run: str) -> Ledger:  # noqa: ARG002 - as `Engine` has it
        """See `Engine`: results are on this volume as soon as the run has ended."""
        raise _not_offered("fetch")

    def delete(self, run: str) -> tuple[str, ...]:  # noqa: ARG002 - as `Engine` has it
        """See `Engine`: nothing is held but what lies on the volume."""
        raise _not_offered("delete")

    def finish_left(self) -> tuple[str, ...]:
        """See `Engine`: a run that was cut off can be resumed, so it is left alone until a day after its deadline."""
        return tuple(map(str, finish_left(self._volume)))


def _not_offered(call: str) -> NotOfferedError:
    return NotOfferedError(
        f"the local engine has no `{call}`, which is for runs elsewhere; set `engine: argo`, or give --engine argo"
    )
