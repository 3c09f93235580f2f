"""What of this machine runs use beside scanners: container runtimes, the sandbox, control groups, git."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.api.doctor.diagnosis import CheckState
from orchestrator.api.doctor.probes import Probe, Seen
from orchestrator.engines.local.cgroups import places
from orchestrator.engines.local.sandbox import HINT, find_sandbox
from orchestrator.kit.programs import ask
from orchestrator.kit.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.api.doctor.wanted import Needs
    from orchestrator.config.loading import Config

_TIMEOUT = 10
_SHOWN = 120
#: How a runtime names the version of what really runs containers: of docker that is its daemon.
_RUNTIMES = {
    "podman": ("info", "--format", "{{.Version.Version}}"),
    "docker": ("info", "--format", "{{.ServerVersion}}"),
}
#: The commands that install a package, by the program that a system has.
_MANAGERS = {
    "apt-get": "apt-get install -y {}",
    "dnf": "dnf install -y {}",
    "apk": "apk add {}",
    "zypper": "zypper install -y {}",
    "brew": "brew install {}",
}


def probes(config: Config, needs: Needs) -> Iterator[Probe]:
    """A look at each."""
    here = not needs.in_cluster
    yield Probe("runtime", "podman or docker", here and config.local.runner == "container", _look_at_runtimes)
    if config.local.sandbox != "off" and sys.platform == "linux":
        yield Probe("runtime", "bubblewrap", here and config.local.sandbox == "required", _look_at_sandbox, HINT)
    if sys.platform == "linux":
        yield Probe("runtime", "control groups", False, _look_at_groups)
    yield Probe("program", "git", needs.git and here, _look_at_git)


def install_line(package: str) -> str:
    """The command that installs a package of this name here."""
    found = next((line for program, line in _MANAGERS.items() if shutil.which(program)), "install {}")
    return found.format(package)


def _look_at_runtimes() -> Seen:
    said = {name: _say(name, *asked) for name, asked in _RUNTIMES.items() if shutil.which(name)}
    found = "; ".join(f"{name} {line if works else f'does not work: {line}'}" for name, (works, line) in said.items())
    if any(works for works, _ in said.values()):
        return Seen(CheckState.OK, found)
    state = CheckState.BROKEN if said else CheckState.MISSING
    return Seen(state, found, f"start {' or '.join(said)}" if said else install_line("podman"))


def _look_at_sandbox() -> Seen:
    with tempfile.TemporaryDirectory(prefix="scanmatrix-") as folder:
        sandbox = find_sandbox(Path(folder).resolve())
    if sandbox is None:
        return Seen(CheckState.MISSING, "scanners run as processes without a sandbox", HINT)
    _, version = _say(sandbox.program, "--version")
    return Seen(CheckState.OK, f"{version} ({sandbox.program})")


def _look_at_groups() -> Seen:
    found = places()
    if not found:
        advice = "systemd-run --user --scope -p Delegate=yes scanmatrix run …"
        return Seen(CheckState.MISSING, "the kernel bounds no scanner's memory", advice)
    names = ", ".join(name for place in found for name in place.controllers)
    return Seen(CheckState.OK, f"version {found[0].version}: {names}")


def _look_at_git() -> Seen:
    if not shutil.which("git"):
        return Seen(CheckState.MISSING, "source repositories cannot be read", install_line("git"))
    works, line = _say("git", "--version")
    return Seen(CheckState.OK if works else CheckState.BROKEN, line, install_line("git"))


def _say(*command: str) -> tuple[bool, str]:
    """Whether a program ended well, and the first line it wrote; of one that did not, the last on standard error."""
    try:
        done = ask(command, _TIMEOUT)
    except subprocess.TimeoutExpired:
        return False, f"no answer within {_TIMEOUT} seconds"
    except OSError as error:
        return False, str(error)
    works = done.returncode == 0
    lines = (done.stdout if works else done.stderr).decode(errors="replace").strip().splitlines()
    return works, visible(lines[0 if works else -1].strip())[:_SHOWN] if lines else ""
