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

    from orchestrator.client.clients import ServiceClient
    from orchestrator.config.loading import Config
    from orchestrator.model import Ledger, MergedRow, RunStatus
    from orchestrator.queries.choice import Choice
    from orchestrator.queries.difference import Difference
    from orchestrator.results.coverage import Coverage
    from orchestrator.results.overview import RunSummary

#: The service that `scanmatrix --server URL …` names; empty for none.
SERVER: ContextVar[str] = ContextVar("SERVER", default="")
#: The same, where no option says it.
SERVER_VARIABLE = "SCANMATRIX_SERVER"


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
    from orchestrator.client.clients import ServiceClient
    from orchestrator.kit.advice import remember

    with ServiceClient(url) as client:
        remember(server=url)
        yield AnswersElsewhere(client, url)


class AnswersElsewhere:
    """The answers of a service.

    Args:
        client: of it.
        url: of it.
    """

    def __init__(self, client: ServiceClient, url: str) -> None:
        self.place = url
        self.settings = None
        self.list_results = client.list_results
        self.holders_now = client.holders_now
        self.list_differences = client.list_differences
        self.compared = client.compared
        self.status = client.status
        self.follow = client.follow
        self._client = client

    def findings(self, choice: Choice, run: str | None) -> FoundFindings:
        """See `Answers`."""
        from orchestrator.errors import UsageError

        if run is not None:
            raise UsageError(
                f"a service tells what targets have now, not what run {run} found; leave the run out, or get its report"
                f" from {self.place}/api/v1/runs/{run}/report"
            )
        return FoundFindings(*self._client.findings_now(choice))

    def list_runs(self) -> tuple[RunStatus, ...]:
        """See `Answers`."""
        from orchestrator.errors import UsageError
        from orchestrator.kit.advice import ours

        raise UsageError(f"a service tells how one run stands: name it; {ours('results', 'list')} has those that ended")
