"""What of this machine a sandboxed scanner may see: the system's programs, the scanner's own files, and no home.

A list of what is allowed, not of what is hidden: a secret that nobody thought of stays outside.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import orchestrator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Folders of programs and libraries.
_SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/gnu/store",
    "/home/linuxbrew/.linuxbrew",
)  # fmt: skip
#: What of /etc programs need that have no secret in it: the loader's, certificates, names, fonts, Java, Perl, ClamAV.
_SETTINGS = (
    "alternatives", "ca-certificates*", "crypto-policies", "debian_version", "fonts", "group", "host.conf", "hosts",
    "java*", "ld-musl-*", "ld.so.*", "localtime", "magic", "mime.types", "nsswitch.conf", "os-release", "passwd",
    "perl", "pki", "protocols", "python3*", "redhat-release", "resolv.conf", "services", "ssl", "timezone",
)  # fmt: skip
#: What lies in those and stays outside.
_SECRET = ("/etc/ssl/private", "/etc/pki/tls/private")
#: Folders whose parent is the program's home: what is beside them belongs to it.
_PROGRAMS = frozenset({"bin", "sbin", "libexec", "shims"})
#: Folders in which too much lies to show them whole.
_BROAD = frozenset(map(Path, ("/", "/etc", "/home", "/mnt", "/proc", "/dev", "/run", "/srv", "/sys", "/tmp", "/var")))  # noqa: S108
_MOST_HEAD = 4096


@cache
def system() -> tuple[Path, ...]:
    """What every program may need; looked for once."""
    programs = (path for name in _SYSTEM if (path := Path(name)).exists())
    settings = (path for pattern in _SETTINGS for path in Path("/etc").glob(pattern) if path.exists())
    return (*programs, *settings)


def secrets() -> Iterator[Path]:
    """Folders in those that stay empty."""
    yield from (path for name in _SECRET if (path := Path(name)).is_dir())


def of_program(program: str, path: str) -> Iterator[Path]:
    """What one program needs to start: its file by all its names, the folder it is installed in, its interpreter's.

    Args:
        program: where it lies.
        path: PATH, in which an interpreter is looked for.
    """
    waiting, seen = [Path(program)], set()
    while waiting:
        file = waiting.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        yield from _installed(file)
        if file.is_symlink():
            waiting.append(file.parent / file.readlink())
            waiting.append(file.resolve())
        waiting += map(Path, _interpreter(file, path))


@cache
def of_path(path: str) -> tuple[Path, ...]:
    """The folders of PATH: one program calls another."""
    return tuple(Path(name) for name in path.split(os.pathsep) if name.startswith("/") and Path(name).is_dir())


def of_words(words: Iterable[str]) -> Iterator[Path]:
    """Files and folders that a template names by their absolute path, by itself or behind a `=`."""
    for word in words:
        for part in (word, word.partition("=")[2]):
            with suppress(OSError, ValueError):
                if part.startswith("/") and not part.startswith(("/proc/", "/dev/", "/sys/")) and Path(part).exists():
                    yield Path(part)


def of_ours() -> Iterator[Path]:
    """What our own code needs, which the built-in scans are."""
    yield Path(orchestrator.__file__).parent
    yield from (Path(prefix) for prefix in {sys.prefix, sys.base_prefix})


def is_broad(path: Path) -> bool:
    """Whether too much lies in a folder to show it: the root, a home, or what homes or systems' parts lie in."""
    return path.name == ".local" or path in _BROAD or any(home.is_relative_to(path) for home in homes())


def homes() -> list[Path]:
    """Folders of people, ours first."""
    return [Path(os.path.expanduser("~")), Path("/root")]  # noqa: PTH111 - of a user without a home it makes no error


def _installed(file: Path) -> Iterator[Path]:
    folder = file.parent
    if folder.name in _PROGRAMS and not is_broad(folder.parent):
        yield folder.parent
    elif is_broad(folder):
        yield file
    else:
        yield folder


def _interpreter(file: Path, path: str) -> Iterator[str]:
    """The program that a script names in its first line, and the Python that a virtual environment was made by."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_MOST_HEAD)
    except OSError:
        return
    if head.startswith(b"#!"):
        words = head[2:].partition(b"\n")[0].decode(errors="replace").split()
        if words and Path(words[0]).name == "env":
            named = (shutil.which(word, path=path) for word in words[1:] if not word.startswith("-"))
            words = [found for found in named if found]
        yield from words[:1]
    settings = file.parent.parent / "pyvenv.cfg"
    if settings.is_file():
        for line in settings.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "home":
                yield str(Path(value.strip()) / "python3")
