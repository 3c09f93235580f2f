"""The extras of this package: libraries that only some need, and the message that names the extra which brings one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


class MissingExtraError(UsageError):
    """What was asked for needs an extra that is not installed; the message has the line that installs it."""


def installing(extra: str) -> str:
    """The line that installs an extra."""
    return f"pip install 'scanmatrix[{extra}]'"


@contextmanager
def needing(extra: str, what: str) -> Iterator[None]:
    """Around the imports of what only an extra brings.

    Args:
        extra: its name in `pyproject.toml`.
        what: what is to be done with it, for the message.

    Raises:
        MissingExtraError: a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {"orchestrator", "scanmatrix"}:
            raise
        raise MissingExtraError(f"{what} needs {error.name}, which is not installed: {installing(extra)}") from error
