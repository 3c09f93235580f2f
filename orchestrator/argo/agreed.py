"""What the steps of pods, and the Workflows that run them, agree on beside command lines: ends, limits, and places.

A pod imports this before it does anything, so it imports nothing but the standard library.
"""

from __future__ import annotations

import os
from enum import IntEnum, StrEnum
from pathlib import Path

PROGRAM = "scanmatrix-step"
#: How the lines on stderr begin in which a step says why it failed.
COMPLAINT = f"{PROGRAM}: "
#: Where the volume is mounted in our own containers.
MOUNT = Path("/volume")
#: Where Argo has its own folder in every container, the folders of scanners' containers, in which they say that they
#: have ended; and where a container that keeps reports has the folders that scanners write, and those of their cells.
EXECUTOR, OF_CONTAINERS = Path("/var/run/argo"), "ctr"
SCANNED, KEPT = Path("/scanned"), Path("/kept")
#: Where a batch of stored SBOMs lies, in a folder of its pod; see `orchestrator.argo.sbom_loop`.
SBOMS = Path("/sboms")
#: Where a step has the database that a scanner's command made in a folder of its pod.
MADE = Path("/made")


class Exit(IntEnum):
    """Exit statuses of a step.

    Attributes:
        DONE: it did what it should.
        FAILED: and trying again cannot help, or was done as often as `limits.retries` allows.
        USAGE: it was called wrongly.
        BROKEN: by an error that nobody foresaw; of `aggregate`, so did a cell.
        TAKEN: another Workflow works on the same run, and this one left everything of it alone.
        TEMPORARY: it failed, and trying again may help (EX_TEMPFAIL of sysexits.h); the retry strategy of the
            Workflow's templates goes by it.
    """

    DONE = 0
    FAILED = 1
    USAGE = 2
    BROKEN = 3
    TAKEN = 4
    TEMPORARY = os.EX_TEMPFAIL


class Only(StrEnum):
    """To what a Workflow of a run is limited.

    Attributes:
        ALL: to nothing: it runs every cell that the plan runs.
        FAILED: to the cells that did not end ok.
        RESULTS: to printing the results; it scans nothing.
    """

    ALL = ""
    FAILED = "failed"
    RESULTS = "results"


class Phase(StrEnum):
    """Part of the refresh of a scanner's database: our own code's `fetch`, or what surrounds the scanner's command."""

    FETCH = "fetch"
    PREPARE = "prepare"
    FINISH = "finish"
    COMMIT = "commit"
