"""The answers of a service elsewhere, by its client."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from orchestrator.cli.answering import FoundFindings
from orchestrator.errors import NotKnownError, TemporaryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.analysis.highlights import Highlights
    from orchestrator.cli.answering import RunWish
    from orchestrator.client.clients import ServiceClient
    from orchestrator.engines.interface import Observer
    from orchestrator.model import Ledger, Severity
    from orchestrator.queries.choice import Choice


class AnswersElsewhere:
    """See `orchestrator.cli.answering.Answers`.

    Args:
        client: of the service.
        url: of it.
    """

    continues = True

    def __init__(self, client: ServiceClient, url: str) -> None:
        self.place = url.rstrip("/")
        self.settings = None
        self.list_results = client.list_results
        self.holders_now = client.holders_now
        self.list_differences = client.list_differences
        self.compared = client.compared
        self.list_runs = client.list_runs
        self.status = client.status
        self.follow = client.follow
        self.backlog = client.backlog
        self.cancel = client.cancel
        self._client = client

    def findings(self, choice: Choice, run: str | None) -> FoundFindings:
        """What every target has now, or the findings of a run."""
        if run is None:
            return FoundFindings(*self._client.findings_now(choice))
        return FoundFindings(*self._client.findings_of(run, choice), self._client.read_ledger(run))

    def begin(self, wish: RunWish) -> SubmittedRun:
        """Have the service plan and start a run.

        Raises:
            UsageError: something is asked for that only its configuration decides.
        """
        from orchestrator.api.submission import RunRequest

        ours = {
            "--run-id": (wish.run_id, "a service names its runs itself; --key KEY makes one submission one run"),
            "--resume": (wish.resume, "a service resumes its runs itself; the same --key submits no second run"),
            "--offline": (wish.offline, "a service contacts registries as its configuration says"),
            "--skip-db-update": (wish.skip_db_update, "a service downloads databases as its configuration says"),
            "--strict": (wish.strict, "scanners.strict of its configuration decides for a service"),
        }
        if wrong := [f"{option}: {why}" for option, (value, why) in ours.items() if value]:
            raise UsageError(wrong[0])
        asked = RunRequest(wish.references, wish.targets, wish.scans, wish.fail_on)
        return SubmittedRun(self._client.submit(asked, key=wish.key), self)

    def retry(self, run: str, observer: Observer) -> str:  # noqa: ARG002 - the observer hears of it by `await_end`
        """Have the service run failed cells again."""
        return self._client.retry(run)

    def await_end(self, run: str, observer: Observer) -> Ledger:
        """Follow a run to its end.

        Raises:
            EngineError: it ended without results.
        """
        from orchestrator.engines.interface import EngineError
        from orchestrator.engines.narrator import narrate, plan_shown_by

        last = narrate(self.follow(run), plan_shown_by, observer)
        try:
            return self._client.await_ledger(run)
        except NotKnownError as error:
            why = f": {last.message}" if last.message else ""
            raise EngineError(
                f"run {run} ended as {last.state} without a ledger{why}; the log of {self.place} says more"
            ) from error

    def deliver(self, run: str) -> list[str]:  # noqa: ARG002 - the service does it
        """Nothing: the service sends what its configuration wants sent."""
        return []

    def judge(self, ledger: Ledger, severity: Severity | None) -> Ledger:  # noqa: ARG002 - see below
        """The ledger: the service has judged the run by the severity that it was submitted with."""
        return ledger

    def highlights(self, run: str) -> Highlights | None:
        """The findings of a run in short; None where they cannot be read."""
        try:
            return self._client.highlights(run)
        except NotKnownError:
            return None

    def places(self, run: str) -> Iterator[tuple[str, str]]:
        """Its page, and its report."""
        yield "Results", f"{self.place}/runs/{run}"
        yield "Report", f"{self.place}/api/v1/runs/{run}/report"

    def append_summary(self, ledger: Ledger) -> str:
        """That there is none, where somebody asks for it."""
        from orchestrator.api.step_summary import VARIABLE

        if not os.environ.get(VARIABLE, ""):
            return ""
        return f"${VARIABLE}: a service has no summary of run {ledger.run}; its page is {self.place}/runs/{ledger.run}"

    def fetching(self, run: str) -> str:
        """The command line that shows what a run found."""
        from orchestrator.kit.advice import ours

        return ours("results", "show", "--run", run)


class SubmittedRun:
    """A run of a service, which runs.

    Args:
        run: its id.
        answers: of the service.
    """

    def __init__(self, run: str, answers: AnswersElsewhere) -> None:
        self.run = run
        self._answers = answers

    def detach(self) -> str:
        """Its id: it runs anyway."""
        return self.run

    def to_end(self, observer: Observer) -> Ledger:
        """Follow it; where the service is away for too long, the run continues all the same.

        Raises:
            TemporaryError: it is.
        """
        from orchestrator.kit.advice import ours

        try:
            return self._answers.await_end(self.run, observer)
        except TemporaryError as error:
            error.args = (f"{error}; run {self.run} may continue, watch it with {ours('status', self.run, '--watch')}",)
            raise

    def lacking(self) -> str:
        """Nothing that is known here: scans and scanners are the service's."""
        return ""
