"""Git repositories for tests: what scanners find something in, and what was made to do harm."""

from __future__ import annotations

import hashlib
import subprocess
import zlib
from typing import TYPE_CHECKING

from tests.tools.git_servers import git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: In pieces, so that no scanner finds it in this repository.
TOKEN = "".join(("ghp", "_", "aB3dE5fG7h", "J9kL1mN3pQ", "5rS7tU9vW1", "xY3zA5"))
_WORKFLOW = "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n    - uses: actions/checkout@v4\n"


def shop() -> dict[str, bytes | str]:
    """Files of a small project with a secret, a workflow whose token may write, and an unpinned image."""
    return {
        "README.md": "A shop.\n",
        "Dockerfile": "FROM python:latest\nRUN pip install requests\n",
        ".github/workflows/build.yml": _WORKFLOW,
        "src/settings.py": f'TOKEN = "{TOKEN}"\n',
        "src/name with blanks, and ümläuts.txt": "x",
    }


def make(folder: Path, files: Mapping[str, bytes | str], *, links: Mapping[str, str] | None = None) -> str:
    """A repository with one commit on `main`, to be served as `<folder>`; returns the commit.

    Args:
        folder: becomes a bare repository.
        files: content by path.
        links: where symbolic links lead, by path.
    """
    work = folder.with_name(f"{folder.name}.work")
    work.mkdir(parents=True)
    git("init", "-q", "-b", "main", cwd=work)
    commit(work, files, links=links)
    git("clone", "-q", "--bare", str(work), str(folder), cwd=work)
    return git("rev-parse", "HEAD", cwd=work)


def commit(work: Path, files: Mapping[str, bytes | str], *, links: Mapping[str, str] | None = None) -> str:
    """One more commit in a work tree; returns it."""
    for name, content in files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for name, target in (links or {}).items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).symlink_to(target)
    git("add", "--all", "--force", ".", cwd=work)
    git("commit", "-q", "--allow-empty", "-m", "change", cwd=work)
    return git("rev-parse", "HEAD", cwd=work)


def raw_commit(bare: Path, entries: list[tuple[str, str, bytes]]) -> str:
    """A commit whose tree has entries that git itself would refuse; put on `main`.

    Args:
        bare: of the repository.
        entries: mode, name and content of each, in this order; for a submodule (160000) the content is its commit.
    """
    tree = b""
    for mode, name, content in entries:
        name_of = content.decode() if mode == "160000" else _object(bare, "blob", content)
        tree += f"{mode} {name}".encode("utf-8", "surrogateescape") + b"\0" + bytes.fromhex(name_of)
    made = git("commit-tree", "-m", "made", _object(bare, "tree", tree), cwd=bare)
    git("update-ref", "refs/heads/main", made, cwd=bare)
    return made


def _object(bare: Path, kind: str, content: bytes) -> str:
    command = ["git", "hash-object", "-w", "-t", kind, "--literally", "--stdin"]
    done = subprocess.run(command, cwd=bare, input=content, capture_output=True, check=True)
    return done.stdout.decode().strip()


def deep_commit(bare: Path, depth: int, *, name: str = "d", file: bytes = b"x") -> str:
    """A commit with one file, that many folders deep; put on `main`. No path of it is ever spelled."""
    mode, below = "100644", _loose(bare, "blob", file)
    for level in range(depth + 1):
        tree = f"{mode} {name if level else 'file'}".encode() + b"\0" + bytes.fromhex(below)
        mode, below = "40000", _loose(bare, "tree", tree)
    made = git("commit-tree", "-m", "made", below, cwd=bare)
    git("update-ref", "refs/heads/main", made, cwd=bare)
    return made


def _loose(bare: Path, kind: str, content: bytes) -> str:
    """An object written as git does, without a process for each of thousands."""
    data = f"{kind} {len(content)}".encode() + b"\0" + content
    name = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    path = bare / "objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(data, 1))
    return name
