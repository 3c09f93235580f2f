"""What every export offers, and the errors they all raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from orchestrator.errors import PermanentError, TemporaryError

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.results.run import RunResults


class ExportRefusedError(PermanentError):
    """A destination will not take the results, however often they are sent; the message says what to change."""


class NothingToExportError(ExportRefusedError):
    """There is nothing to say in the export's format; no trouble where the export is made by itself."""


class ExportUnavailableError(TemporaryError):
    """A destination did not answer, or not in time; sending the same results again may succeed."""


class Export(Protocol):
    """One export; an implementation is a module with these four.

    Attributes:
        name: as the command line and the configuration call it (`html`, `sarif`, `s3`, …).
        description: one line for people.
        text: whether it writes one file of text, which may as well go to standard output.
    """

    name: str
    description: str
    text: bool

    def export(self, results: RunResults, config: Config, to: str = "") -> str:
        """Write or send the results of a run; doing it again changes nothing.

        Args:
            results: of a run that has ended.
            config: where destinations and their credentials are.
            to: for exports that write a file, its path (by default a file in the run's results folder).

        Returns:
            Where it went: the path of the file, or the URL of what was made.

        Raises:
            UsageError: the configuration does not say where to.
            ExportRefusedError: the destination will not take it.
            ExportUnavailableError: the destination cannot be reached now.
        """
        ...
