"""What can go wrong with a source that lies elsewhere: a git repository, a registry, a cluster."""

from orchestrator.errors import PermanentError, TemporaryError


class SourceUnavailableError(PermanentError):
    """A source cannot be read as it is configured: no such repository, ref or file, or no access to it."""


class SourceTooLargeError(SourceUnavailableError):
    """More would have to be fetched of a source than is allowed."""


class SourceBrokenError(TemporaryError):
    """A source did not answer properly this time."""
