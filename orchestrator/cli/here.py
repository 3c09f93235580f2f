"""The answers of this machine: its configuration, volume and store, by the functions of `orchestrator.api`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.cli.answering import FoundFindings
from orchestrator.cli.settings import settings_of, tell_which

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from orchestrator.config.loading import Config
    from orchestrator.model import MergedRow, RunStatus
    from orchestrator.queries.choice import Choice
    from orchestrator.queries.difference import Difference
    from orchestrator.results.coverage import Coverage
    from orchestrator.results.overview import RunSummary


class AnswersHere:
    """See `orchestrator.cli.answering.Answers`; the configuration is read when it is needed.

    Args:
        config: from `--config`.
        volume: from `--volume`.
        engine: from `--engine`.
    """

    def __init__(self, config: Path | None, volume: Path | None, engine: str | None) -> None:
        self._given = config, volume, engine

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
