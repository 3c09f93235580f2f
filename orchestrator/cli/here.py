"""The answers of this machine: its configuration, volume and store, by the functions of `orchestrator.api`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.cli.answering import FoundFindings
from orchestrator.cli.settings import settings_of, settings_to_plan, tell_which

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path
    from typing import Self

    from orchestrator.analysis.highlights import Highlights
    from orchestrator.cli.answering import RunWish
    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Observer
    from orchestrator.model import Ledger, MergedRow, Plan, RunStatus, Severity
    from orchestrator.queries.choice import Choice
    from orchestrator.queries.difference import Difference
    from orchestrator.results.coverage import Coverage
    from orchestrator.results.overview import RunSummary
    from orchestrator.store.backlog.messages import Backlog


class AnswersHere:
    """See `orchestrator.cli.answering.Answers`; the configuration is read when it is needed.

    Args:
        config: from `--config`.
        volume: from `--volume`.
        engine: from `--engine`.
    """

    def __init__(self, config: Path | None, volume: Path | None, engine: str | None) -> None:
        self._given = config, volume, engine

    @classmethod
    def of(cls, settings: Config) -> Self:
        """Those by a configuration that is read already."""
        found = cls(None, None, None)
        found.settings = settings
        return found

    @cached_property
    def settings(self) -> Config:
        """The configuration that holds."""
        config, volume, engine = self._given
        return settings_of(config, volume, engine=engine)

    @cached_property
    def place(self) -> str:
        """Where runs are looked for, for messages."""
        return str(self.settings.volume.path)

    def list_results(self, *, most: int | None = None) -> tuple[RunSummary, ...]:
        """Without reading configuration and store where the answer is known."""
        from orchestrator.api import listing

        config, volume, _ = self._given
        question = listing.question_of(config, volume)
        found = listing.known_runs(question, most)
        if found is None:
            return listing.ask_for_runs(self.settings, question, most)
        self.place = str(question.volume)
        tell_which(config, question.file)
        return found

    def findings(self, choice: Choice, run: str | None) -> FoundFindings:
        """What every target has now, or the findings of a run."""
        from orchestrator.api import results as results_api
        from orchestrator.queries.choice import choose
        from orchestrator.queries.coverage import coverage_of

        if run is None:
            return FoundFindings(*results_api.findings_now(self.settings, choice))
        results = results_api.open_results(self.settings, run)
        coverage = coverage_of(results.run, results.ledger.rows, choice, results.looks_for)
        with results.open_merged() as merged:
            return FoundFindings(choose(merged, choice), coverage, results.ledger)

    def holders_now(self, id_: str = "", *, package: str = "") -> tuple[list[MergedRow], Coverage]:
        """See `orchestrator.api.results`."""
        from orchestrator.api import results as results_api

        return results_api.holders_now(self.settings, id_, package=package)

    def list_differences(
        self, run: str | None, *, since: datetime | None, between: tuple[str, str] | None
    ) -> list[Difference]:
        """See `orchestrator.api.results`."""
        from orchestrator.api import results as results_api

        return results_api.list_differences(self.settings, run, since=since, between=between)

    def compared(self, run: str | None, *, since: datetime | None, between: tuple[str, str] | None) -> Coverage:
        """See `orchestrator.api.results`."""
        from orchestrator.api import results as results_api

        return results_api.compared(self.settings, run, since=since, between=between)

    def list_runs(self) -> tuple[RunStatus, ...]:
        """See `orchestrator.api.run`."""
        from orchestrator.api import run as run_api

        return run_api.list_runs(self.settings)

    def status(self, run: str) -> RunStatus:
        """See `orchestrator.api.run`."""
        from orchestrator.api import run as run_api

        return run_api.status(self.settings, run)

    def follow(self, run: str) -> Iterator[RunStatus]:
        """See `orchestrator.api.run`."""
        from orchestrator.api import run as run_api

        return run_api.follow(self.settings, run)

    def backlog(self) -> Backlog:
        """See `orchestrator.api.lists`."""
        from orchestrator.api import lists

        return lists.backlog(self.settings)

    @property
    def continues(self) -> bool:
        """Whether a run continues when its command has ended."""
        from orchestrator import engines

        return engines.is_remote(self.settings)

    def begin(self, wish: RunWish) -> PlannedRun:
        """Plan a run, or read the plan of one that is resumed."""
        from orchestrator.api import plan as plan_api
        from orchestrator.errors import UsageError

        if wish.key:
            raise UsageError("--key: by it a service knows a submission again; here --run-id names the run")
        config, volume, engine = self._given
        self.settings = settings_to_plan(
            config, volume, wish.references, wish.targets,
            strict=wish.strict, offline=wish.offline, skip_db_update=wish.skip_db_update, engine=engine,
            fail_on=wish.fail_on,
        )  # fmt: skip
        if wish.resume is None:
            plan = plan_api.make_plan(self.settings, scans=wish.scans, run=wish.run_id, offline=wish.offline)
            return PlannedRun(plan, self.settings, chosen=bool(wish.scans))
        if wish.references or wish.targets or wish.scans:
            raise UsageError(f"--resume {wish.resume} runs the plan of that run: name no targets and no --scan")
        return PlannedRun(plan_api.read_plan(self.settings, wish.resume), self.settings, chosen=True)

    def retry(self, run: str, observer: Observer) -> str:
        """See `orchestrator.api.run`."""
        from orchestrator.api import run as run_api

        return run_api.retry(self.settings, run, observer=observer)

    def await_end(self, run: str, observer: Observer) -> Ledger:
        """See `orchestrator.api.run`."""
        from orchestrator.api import run as run_api

        return run_api.await_end(self.settings, run, observer=observer)

    def cancel(self, run: str) -> tuple[str, ...]:
        """See `orchestrator.api.run`."""
        from orchestrator.api import run as run_api

        return run_api.cancel(self.settings, run)

    def deliver(self, run: str) -> list[str]:
        """See `orchestrator.api.delivering`."""
        from orchestrator.api.delivering import deliver

        return deliver(self.settings, run)

    def judge(self, ledger: Ledger, severity: Severity | None) -> Ledger:
        """See `orchestrator.api.results`."""
        from orchestrator.api import results as results_api

        return results_api.judge(self.settings, ledger, severity)

    def highlights(self, run: str) -> Highlights | None:
        """See `orchestrator.api.results`."""
        from orchestrator.api import results as results_api

        return results_api.highlights(self.settings, run)

    def places(self, run: str) -> Iterator[tuple[str, str]]:
        """Its folder, and its report."""
        from orchestrator.api import plan as plan_api

        folder = plan_api.results_folder(self.settings, run)
        yield "Results", str(folder)
        if (report := folder / "report.html").is_file():
            yield "Report", str(report)

    def append_summary(self, ledger: Ledger) -> str:
        """See `orchestrator.api.step_summary`."""
        from orchestrator.api.step_summary import append_summary

        return append_summary(self.settings, ledger)

    def fetching(self, run: str) -> str:
        """The command line that brings the results of a run from the cluster."""
        from orchestrator.kit.advice import ours

        return ours("fetch", run)


class PlannedRun:
    """A run whose plan is here.

    Args:
        plan: of it.
        settings: the configuration.
        chosen: whether somebody chose its scans.
    """

    def __init__(self, plan: Plan, settings: Config, *, chosen: bool) -> None:
        self.run = plan.run
        self._of = plan, settings
        self._chosen = chosen

    def detach(self) -> str:
        """Submit it; the name of what runs it."""
        from orchestrator.api import run as run_api

        return run_api.submit(*self._of)

    def to_end(self, observer: Observer) -> Ledger:
        """Run it."""
        from orchestrator.api import run as run_api

        return run_api.run(*self._of, observer=observer)

    def lacking(self) -> str:
        """What its scans do not look for because no scanner for it is installed here."""
        from orchestrator.api.unlooked import unlooked

        return "" if self._chosen else unlooked(*self._of)
