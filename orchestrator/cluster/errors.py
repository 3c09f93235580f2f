"""What can go wrong with the Kubernetes API, and whether another try may help."""

from __future__ import annotations

from orchestrator.errors import PermanentError, TemporaryError, UsageError


class NoClusterError(UsageError):
    """There is no cluster to talk to."""


class ObjectNotFoundError(PermanentError):
    """There is no such object."""


class ObjectExistsError(PermanentError):
    """There is an object of that name already."""


class ForbiddenError(PermanentError):
    """Kubernetes does not let us."""


class RejectedError(PermanentError):
    """The API server does not take what it was given."""


class UnreachableError(TemporaryError):
    """The API server did not answer, or was busy, for as long as we tried."""


class ConflictError(TemporaryError):
    """The object was changed by somebody else meanwhile."""


class ExpiredError(TemporaryError):
    """The API server no longer knows the resource version that was asked for (410 Gone); list again."""
