"""What the files of a commit are, and their content, out of git's objects."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, NamedTuple

from orchestrator.repositories.bounds import Bounds, RepositoryError, judge_path

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from orchestrator.git.command import Git

_LINK, _PROGRAM, _SUBMODULE = "120000", "100755", "160000"
_CHUNK = 1 << 20
#: Longer than where any filesystem lets a symbolic link lead.
MOST_LINK = 4096
#: A line of `git ls-tree` is little more than its path.
_MOST_LINE = 64 * 1024


class File(NamedTuple):
    """One file of a commit.

    Attributes:
        path: relative, parts between slashes; bytes that are no UTF-8 as `surrogateescape` has them.
        object: its content's name.
        size: bytes.
        executable: whether it is a program.
        link: whether it is a symbolic link, and its content where that leads.
    """

    path: str
    object: str
    size: int
    executable: bool = False
    link: bool = False


class Listing(NamedTuple):
    """What a commit holds.

    Attributes:
        files: in git's order.
        submodules: repositories within it, which are not followed.
    """

    files: tuple[File, ...]
    submodules: int = 0


def list_files(git: Git, commit: str, bounds: Bounds) -> Listing:
    """The files of a commit that was fetched.

    Raises:
        RepositoryError: they are more, or larger, than allowed, or named to do harm.
    """
    files: list[File] = []
    seen: set[str] = set()
    size = submodules = 0
    with git.stream("ls-tree", "-rzl", "--full-tree", commit) as output:
        for line in _lines(output):
            described, _, path = line.partition("\t")
            mode, kind, name, length = described.split()
            if kind == "commit" or mode == _SUBMODULE:
                submodules += 1
                continue
            judge_path(path)
            file = File(path, name, int(length), executable=mode == _PROGRAM, link=mode == _LINK)
            if file.link and file.size >= MOST_LINK:
                raise RepositoryError(f"it was made to do harm: the symbolic link {path[:200]!r} has {file.size} bytes")
            size += file.size
            if size > bounds.size:
                raise bounds.too_large()
            if len(files) >= bounds.files:
                raise bounds.too_many()
            if path in seen:
                raise RepositoryError(f"it was made to do harm: two files in it are called {path[:200]!r}")
            seen.add(path)
            files.append(file)
    return Listing(tuple(files), submodules)


def read_links(git: Git, listing: Listing) -> dict[str, str]:
    """Where each symbolic link leads, by its path."""
    links = (file for file in listing.files if file.link)
    return {file.path: b"".join(content).decode("utf-8", "surrogateescape") for file, content in contents(git, links)}


def contents(git: Git, files: Iterable[File]) -> Generator[tuple[File, Iterator[bytes]], None, None]:
    """The content of each file, piece by piece; one must be read before the next is asked for.

    Raises:
        RepositoryError: git has not what it listed.
    """
    listed = tuple(files)
    if not listed:
        return
    names = "".join(f"{file.object}\n" for file in listed).encode("ascii")
    with git.stream("cat-file", "--batch", "--buffer", given=names) as output:
        for file in listed:
            head = output.readline(_MOST_LINE).split()
            if head != [file.object.encode(), b"blob", str(file.size).encode()]:
                raise RepositoryError(f"git does not have the content of {file.path[:200]!r}; it may be damaged")
            yield file, _content(output, file)
            if output.read(1) != b"\n":
                raise RepositoryError(f"the content of {file.path[:200]!r} is not as long as git says")


def _content(output: IO[bytes], file: File) -> Iterator[bytes]:
    left = file.size
    while left:
        data = output.read(min(left, _CHUNK))
        if not data:
            raise RepositoryError(f"the content of {file.path[:200]!r} breaks off")
        left -= len(data)
        yield data


def _lines(output: IO[bytes]) -> Iterator[str]:
    """Texts between zero bytes, which end each."""
    rest = b""
    while data := output.read(_CHUNK):
        *whole, rest = (rest + data).split(b"\0")
        if len(rest) > _MOST_LINE:
            raise RepositoryError("a file in it has too long a name to be written")
        yield from (line.decode("utf-8", "surrogateescape") for line in whole)
    if rest:
        raise RepositoryError("git broke off while it listed the files")
