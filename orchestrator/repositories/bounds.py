"""What the modules for repositories share: bounds, what a commit holds, and the errors they raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import PermanentError

if TYPE_CHECKING:
    from orchestrator.model import Limits

_MOST_NAME, _MOST_PATH = 255, 3800
#: Most folders that a file may lie in: no honest repository comes near, and many scanners call themselves once a level.
MOST_DEPTH = 200
_MEBIBYTE = 1024**2


class RepositoryError(PermanentError):
    """A repository cannot be scanned: it is too large, or made to do harm."""


class Bounds(NamedTuple):
    """What the files of a commit may take.

    Attributes:
        size: most bytes of all files together.
        files: most files.
    """

    size: int
    files: int

    @classmethod
    def of(cls, limits: Limits) -> Bounds:
        """Those of a plan."""
        return cls(limits.repository_size, limits.repository_files)

    def too_large(self) -> RepositoryError:
        """What to tell when a repository has more bytes."""
        return RepositoryError(
            f"it is larger than {self.size / _MEBIBYTE:,.1f} MiB: raise limits.repositorySize, or leave it out"
        )

    def too_many(self) -> RepositoryError:
        """What to tell when a repository has more files."""
        return RepositoryError(f"it has more than {self.files:,} files: raise limits.repositoryFiles, or leave it out")


def judge_path(path: str) -> None:
    """Refuse the name of a file that could be anywhere but within its folder, or that makes a repository of a folder.

    Raises:
        RepositoryError: no honest repository has such a name.
    """
    parts = path.split("/")
    wrong = any(part in {"", ".", ".."} or part.lower() == ".git" or "\0" in part for part in parts)
    if wrong:
        raise RepositoryError(f"it was made to do harm: a file in it is called {path[:200]!r}, which leads elsewhere")
    if len(parts) > MOST_DEPTH + 1:
        raise RepositoryError(
            f"a file in it lies {len(parts) - 1:,} folders deep, and {MOST_DEPTH} are the most: {path[:100]!r}…; "
            "leave the repository out"
        )
    long = any(len(part.encode("utf-8", "surrogateescape")) > _MOST_NAME for part in parts)
    if long or len(path.encode("utf-8", "surrogateescape")) > _MOST_PATH:
        raise RepositoryError(f"a file in it has too long a name to be written: {path[:100]!r}…")
