"""The pod of a worker in a cluster: where it, and the scanner beside it with its own image, have what.

An init container of ours puts a static program into the pod, which keeps the scanner's container running and runs what
the worker wants there; see `orchestrator.argo.supervisor`. The scanner sees one cell at a time, and nothing else of the
volume but the databases of its scan.

| the worker has | the scanner has | what it is |
|---|---|---|
| `/beside/inputs` | `/inputs`, read-only | the program, and what the worker wants |
| `/beside/scanner` | its folders below, each where it expects it | what the scanner writes; it ends with the pod |
| `/beside/layers` | `/layers`, read-only | the files of an image's layers |
| `workers/<name>` on the volume | `/cell`, read-only | the image, the SBOM, or the files of a repository |
| `databases/<scan>` on the volume | `/databases`, read-only | the versions of the database |
| `/beside/life` | nothing | touched by the worker as long as it lives |
| `/beside/inputs/stuck` | `/inputs/stuck` | there while the scanner does not answer, which starts it again |
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.argo.supervisor import END, PROGRAM_NAME, SupervisorPlaces, supervisor_command

#: Where the worker has what it shares with the scanner, and the folders in there.
BESIDE, INPUTS, OWN, LAYERS = Path("/beside"), "inputs", "scanner", "layers"
#: Of the scanner's own folders: what its program answers, its server's, the cell's, temporary files, shared memory.
OUTPUTS, SERVER, WORK, TEMPORARY, SHARED = "outputs", "server", "work", "tmp", "shm"
#: The one that the worker empties, in which a command of the scanner makes a database.
MADE = "made"
#: Where the scanner's container has them.
INPUTS_AT, OUTPUTS_AT, SERVER_AT, WORK_AT, LAYERS_AT = "/inputs", "/outputs", "/server", "/scan", "/layers"
MADE_AT = "/made"
TEMPORARY_AT, SHARED_AT = "/tmp", "/dev/shm"  # noqa: S108 - folders of the pod's own
CELL_AT, DATABASES_AT = "/cell", "/databases"
#: Files: see above; and minutes after which a worker is dead that has not touched its own.
STUCK, LIFE, LIFELESS = "stuck", "life", 5
#: File of the worker: a cell has run beside it.
USED = "used"
#: Each of its own folders, and where its container has it.
OWN_AT = {
    OUTPUTS: OUTPUTS_AT,
    SERVER: SERVER_AT,
    WORK: WORK_AT,
    TEMPORARY: TEMPORARY_AT,
    SHARED: SHARED_AT,
    MADE: MADE_AT,
}
_PLACES = SupervisorPlaces(INPUTS_AT, OUTPUTS_AT, SERVER_AT, WORK_AT, (TEMPORARY_AT, SHARED_AT))
_PROGRAM = f"{INPUTS_AT}/{PROGRAM_NAME}"


def scanner_command(within: int) -> list[str]:
    """The command of the scanner's container.

    Args:
        within: seconds that a server has to become ready.
    """
    return supervisor_command(_PLACES, within=within)


def scanner_probe() -> list[str]:
    """The command that fails as long as the worker says that the scanner does not answer."""
    return [_PROGRAM, "sh", "-c", f"[ ! -e {INPUTS_AT}/{STUCK} ]"]


def scanner_stop() -> list[str]:
    """The command that ends when the worker has: until then Kubernetes does not ask the scanner's container to end."""
    wait = f"until [ -e {INPUTS_AT}/{END} ]; do {_PROGRAM} sleep 1; done"
    return [_PROGRAM, "sh", "-c", wait]


def worker_probe() -> list[str]:
    """The command that fails when the worker has not said for a while that it is there."""
    return [PROGRAM_NAME, "sh", "-c", f'[ "$({PROGRAM_NAME} find {BESIDE / LIFE} -mmin -{LIFELESS})" ]']
