"""Who answers the questions of commands: the volume and the store here, or a service elsewhere; commands do not care.

with answering(server, config, volume) as answers:
    print_runs(answers.list_results(most=20))
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from orchestrator.analysis.highlights import Highlights
    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Observer
    from orchestrator.model import Ledger, MergedRow, RunStatus, Severity
    from orchestrator.queries.choice import Choice
    from orchestrator.queries.difference import Difference
    from orchestrator.results.coverage import Coverage
    from orchestrator.results.overview import RunSummary
    from orchestrator.store.backlog.messages import Backlog

#: The service that `scanmatrix --server URL …` names; empty for none.
SERVER: ContextVar[str] = ContextVar("SERVER", default="")
#: The same, where no option says it.
SERVER_VARIABLE = "SCANMATRIX_SERVER"


class RunWish(NamedTuple):
    """What `scanmatrix run` was asked for, by its options.

    Attributes:
        references: what to scan instead of what is configured.
        targets: globs for configured targets.
        scans: instead of those that targets ask for.
        run_id: id of the run; None for one that is made up.
        offline: contact nobody.
        skip_db_update: download no database.
        strict: refuse scanner images given by tag.
        resume: id of a run to resume.
        fail_on: the policy's `severity`.
        key: by which a service knows the same submission again.
    """

    references: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    run_id: str | None = None
    offline: bool = False
    skip_db_update: bool = False
    strict: bool = False
    resume: str | None = None
    fail_on: Severity | None = None
    key: str = ""


class BegunRun(Protocol):
    """A run that is planned, and perhaps started."""

    @property
    def run(self) -> str:
        """Its id."""

    def detach(self) -> str:
        """Have it run without this command; what people call it then."""

    def to_end(self, observer: Observer) -> Ledger:
        """Run it, or follow it, to its end."""

    def lacking(self) -> str:
        """What it does not look for though nobody said so, and what to do; empty for nothing."""


class FoundFindings(NamedTuple):
    """Merged findings, the worst first.

    Attributes:
        ledger: of the run that they are of; None where they are of the latest results.
    """

    rows: list[MergedRow]
    coverage: Coverage
    ledger: Ledger | None = None


class Answers(Protocol):
    """What commands ask; the methods are those of `orchestrator.api` without the configuration."""

    @property
    def place(self) -> str:
        """Where runs are looked for, for messages."""

    @property
    def settings(self) -> Config | None:
        """The configuration here; None where a service has it."""

    def list_results(self, *, most: int | None = None) -> tuple[RunSummary, ...]:
        """See `orchestrator.api.results`."""

    def findings(self, choice: Choice, run: str | None) -> FoundFindings:
        """What every target has now, or the findings of a run."""

    def holders_now(self, id_: str = "", *, package: str = "") -> tuple[list[MergedRow], Coverage]:
        """See `orchestrator.api.results`."""

    def list_differences(
        self, run: str | None, *, since: datetime | None, between: tuple[str, str] | None
    ) -> list[Difference]:
        """See `orchestrator.api.results`."""

    def compared(self, run: str | None, *, since: datetime | None, between: tuple[str, str] | None) -> Coverage:
        """See `orchestrator.api.results`."""

    def list_runs(self) -> tuple[RunStatus, ...]:
        """See `orchestrator.api.run`."""

    def status(self, run: str) -> RunStatus:
        """See `orchestrator.api.run`."""

    def follow(self, run: str) -> Iterator[RunStatus]:
        """See `orchestrator.api.run`."""

    def backlog(self) -> Backlog:
        """See `orchestrator.api.lists`."""

    @property
    def continues(self) -> bool:
        """Whether a run continues when its command has ended."""

    def begin(self, wish: RunWish) -> BegunRun:
        """Plan a run."""

    def retry(self, run: str, observer: Observer) -> str:
        """Run failed cells again; the id of the run that does it."""

    def await_end(self, run: str, observer: Observer) -> Ledger:
        """See `orchestrator.api.run`."""

    def cancel(self, run: str) -> tuple[str, ...]:
        """See `orchestrator.api.run`."""

    def deliver(self, run: str) -> list[str]:
        """Have exports and notifications sent; what went wrong."""

    def judge(self, ledger: Ledger, severity: Severity | None) -> Ledger:
        """See `orchestrator.api.results`."""

    def highlights(self, run: str) -> Highlights | None:
        """See `orchestrator.api.results`."""

    def places(self, run: str) -> Iterator[tuple[str, str]]:
        """Where people find what a run left: what it is, and its path or address."""

    def append_summary(self, ledger: Ledger) -> str:
        """See `orchestrator.api.step_summary`."""

    def fetching(self, run: str) -> str:
        """The command line that gets the results of a run that continues without its command."""


@contextmanager
def answering(
    server: str | None, config: Path | None, volume: Path | None, *, engine: str | None = None
) -> Iterator[Answers]:
    """Who answers a command, by its options.

    Args:
        server: from `--server`.
        config: from `--config`.
        volume: from `--volume`.
        engine: from `--engine`.

    Raises:
        UsageError: a service is asked, and something of this machine is named, too.
        MissingExtraError: a service is asked, and the extra `client` is not installed.
    """
    from orchestrator.cli.here import AnswersHere
    from orchestrator.errors import UsageError

    of_here = {"--config": config, "--volume": volume, "--engine": engine}
    named = [option for option, value in of_here.items() if value is not None]
    url = server or SERVER.get()
    if url and named:
        raise UsageError(f"give only one of --server and {named[0]}: a service has its own")
    url = url or ("" if named else os.environ.get(SERVER_VARIABLE, "").strip())
    if not url:
        yield AnswersHere(config, volume, engine)
        return
    from orchestrator.cli.elsewhere import AnswersElsewhere
    from orchestrator.client.clients import ServiceClient
    from orchestrator.kit.advice import remember

    with ServiceClient(url) as client:
        remember(server=url)
        yield AnswersElsewhere(client, url)
