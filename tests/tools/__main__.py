"""Make the tests' external tools available: `python -m tests.tools [--all|--slow|--cluster|--images] [name …]`."""

import argparse
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from tests.tools import _catalog, _debian, _golang, artifacts, find


def main() -> int:
    """Bring what is missing, one line per step; the exit status is 1 when CI requires a tool that is not available."""
    options = _options()
    with ThreadPoolExecutor(1) as beside:  # compiling needs none of the packages, and they wait for mirrors and disks
        built = beside.submit(_go_tools, options)
        lacking = [*_debian_packages(options), *_artefacts(options), *built.result()]
    if lacking:
        say("note", "tests are skipped that need", ", ".join(lacking))
    return 1 if lacking and os.environ.get("SCANMATRIX_REQUIRE_TOOLS", "") not in {"", "0"} else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.tools", description=__doc__)
    parser.add_argument("--all", action="store_true", help="also what takes minutes to build (grype, the cluster)")
    parser.add_argument("--slow", action="store_true", help="of --cluster and --images, what takes minutes to build")
    parser.add_argument("--cluster", action="store_true", help="only what the one-node cluster needs, and the names")
    parser.add_argument("--images", action="store_true", help="only what the images of its tests need, and the names")
    known = [*_catalog.DEBIAN, *(t.name for t in _catalog.GO_TOOLS), *(a.name for a in _catalog.ARTEFACTS)]
    parser.add_argument("names", nargs="*", metavar="name", help=f"only these, of: {', '.join(known)}")
    options = parser.parse_args()
    if unknown := set(options.names) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if options.slow:
        needed = {*_catalog.CLUSTER_TOOLS, *_catalog.IMAGE_PARTS}
        tools = (*_catalog.GO_TOOLS, *_catalog.ARTEFACTS)
        options.names += [tool.name for tool in tools if tool.optional and tool.name in needed]
    if options.cluster:
        options.names += _catalog.CLUSTER_TOOLS
    if options.images:
        options.names += _catalog.IMAGE_PARTS
    return options


def _debian_packages(options: argparse.Namespace) -> list[str]:
    wanted = {name: of for name, of in _catalog.DEBIAN.items() if not options.names or name in options.names}
    wanted |= _catalog.CLUSTER_DEBIAN if options.cluster else {}
    missing = _debian.missing(wanted)
    for package in wanted:
        if package not in missing:
            say("present", package)
    if not missing:
        return []
    if not _debian.possible():
        for package in missing:
            say("missing", package, "(needs root and apt-get)")
        return [command for of in missing.values() for command in of]
    done = _attempt("debian", f"install {' '.join(missing)}", lambda: _debian.install(list(missing)))
    return [] if done else [command for of in missing.values() for command in of]


def _go_tools(options: argparse.Namespace) -> list[str]:
    lacking = []
    for tool in _catalog.GO_TOOLS:
        if tool.name not in options.names and (options.names or (tool.optional and not options.all)):
            continue
        label = f"{tool.name} {tool.version}"
        if tool.built:
            say("present", label)
        elif shutil.which("go") is None:
            say("missing", label, "(go is not on PATH)")
            lacking += [name for name in tool.packages if find(name) is None]
        elif not _attempt(tool.name, f"build {label}", partial(_build, tool)):
            lacking.append(tool.name)
    return lacking


def _artefacts(options: argparse.Namespace) -> list[str]:
    lacking = []
    for artefact in _catalog.ARTEFACTS:
        if artefact.name not in options.names and (options.names or artefact.optional):
            continue
        if artefact.file.exists():
            say("present", artefact.name)
        elif why := artifacts.obstacle(artefact):
            say("missing", artefact.name, f"({why})")
            lacking.append(artefact.name)
        elif not _attempt(artefact.name, f"make {artefact.name}", partial(_make, artefact)):
            lacking.append(artefact.name)
    return lacking


def _build(tool: _catalog.GoTool) -> None:
    if not tool.built:
        _golang.build(tool)


def _make(artefact: _catalog.Artefact) -> None:
    if not artefact.file.exists():
        artifacts.make(artefact)


def _attempt(name: str, what: str, action: Callable[[], object]) -> bool:
    """Do it, and say how long it took or why it failed; the other tools are tried all the same."""
    say("…", what)
    started = time.monotonic()
    try:
        with _alone(name):
            action()
    except (OSError, RuntimeError, LookupError, StopIteration) as error:
        say("failed", what, f"- {error}")
        return False
    say("done", what, f"({time.monotonic() - started:.0f} s)")
    return True


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """One installer at a time for each thing on a machine: a second one waits, and then finds it there."""
    _catalog.cache().mkdir(parents=True, exist_ok=True)
    with (_catalog.cache() / f".lock-{name}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in _catalog.cache().glob(f"**/.unfinished-{name}=*"):
            shutil.rmtree(leftover, ignore_errors=True)  # of an installer that was killed
        yield


def say(state: str, *words: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{state:8}{' '.join(words)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
