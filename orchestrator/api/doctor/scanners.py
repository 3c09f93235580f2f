"""Whether the programs of scans are here, in which version, and how to install those that are not."""

from __future__ import annotations

import re
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.api.doctor.diagnosis import CheckState
from orchestrator.api.doctor.probes import Probe, Seen
from orchestrator.argo.agreed import PROGRAM
from orchestrator.engines.local.containers import WORK
from orchestrator.engines.local.launch import Binding, Launcher
from orchestrator.engines.local.process import Job
from orchestrator.engines.local.programs import find_program
from orchestrator.kit.own import own_version
from orchestrator.kit.removal import temporary_folder
from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.api.doctor.wanted import Needs
    from orchestrator.config.loading import Config
    from orchestrator.model import Scan

#: How programs are asked for their version; not every one takes the first.
_ASKED = (("--version",), ("version",))
#: What some write before it: `Version: 1.2`.
_LABEL = re.compile(r"^[a-z]*version:\s*", re.IGNORECASE)
_TIMEOUT = 8
_SHOWN = 80


def probes(config: Config, needs: Needs) -> Iterator[Probe]:
    """A look at each scan's program; in a cluster its image runs, and nothing is needed here."""
    launcher = Launcher(config.local.runner, "doctor", sandbox=config.local.sandbox, hidden=[volume_of(config).root])
    once = threading.Lock(), threading.Lock()
    for name, scan in needs.catalog.items():
        needed = name in needs.scans and not needs.in_cluster
        yield Probe("scanner", name, needed, partial(_look, launcher, scan, once))


def _look(launcher: Launcher, scan: Scan, once: tuple[threading.Lock, threading.Lock]) -> Seen:
    """One program; runtime and sandbox, which the launcher keeps, are looked for by the first that needs them."""
    if scan.program == PROGRAM:
        return Seen(CheckState.OK, f"built in, {own_version()}")
    with once[launcher.is_process(scan)]:
        why = launcher.missing(scan)
        launcher.warning([scan])
    if why:
        return Seen(CheckState.MISSING, f"{Path(scan.program).name} not found", _advice(scan, why))
    if not launcher.is_process(scan) and launcher.runtime:
        return Seen(CheckState.OK, f"in a {launcher.runtime.name} container of {scan.image}")
    version = _version(launcher, scan)
    if not version:
        how = f": {scan.install}" if scan.install else f"; it comes with {scan.image}"
        return Seen(CheckState.BROKEN, f"{find_program(scan.program)} names no version", f"install it again{how}")
    return Seen(CheckState.OK, f"{version} ({find_program(scan.program)})")


def _advice(scan: Scan, why: str) -> str:
    """The line that installs it; without one, what else there is to do."""
    return scan.install or why.partition("; ")[2] or why


def _version(launcher: Launcher, scan: Scan) -> str:
    """What the program says of its version, in the sandbox in which it scans; empty where it does not start."""
    with temporary_folder(prefix="scanmatrix-") as folder:
        for arguments in _ASKED:
            job = Job(
                argv=(scan.program, *arguments),
                folder=folder,
                environment={},
                report=folder / "report",
                report_limit=sys.maxsize,
                timeout=_TIMEOUT,
            )
            ended = launcher.launch(scan, job, [Binding("workdir", folder, WORK, read_only=False)], lambda: "")
            lines = [line.strip() for line in ended.log.splitlines() if any(map(str.isdigit, line))]
            if not ended.error and lines:
                return _LABEL.sub("", lines[0])[:_SHOWN]
    return ""
