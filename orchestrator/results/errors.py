"""The errors of reading results."""

from orchestrator.errors import UsageError


class NoResultsError(UsageError):
    """There are no results of that run; the message says what is missing and how to get it."""
