"""The pod of one cell: one of our containers makes the cell whole, then the scanner runs with nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hera.workflows import Container, RetryStrategy
from hera.workflows import models as m

from orchestrator.argo import names
from orchestrator.argo.agreed import Exit
from orchestrator.argo.commands import KeepStep, StageStep
from orchestrator.argo.names import Component, TemplateName
from orchestrator.argo.parameters import Input, given
from orchestrator.catalog.placeholders import fill_words
from orchestrator.kit import placeholders
from orchestrator.model import TargetKind
from orchestrator.volume.layout import cell_path
from orchestrator.workflows import folders, patches, pods
from orchestrator.workflows.settings import (
    ALLOWANCE,
    CELL,
    CHECKOUT,
    DATABASE,
    FETCHED,
    LAYERS,
    SBOM,
    SCRATCH,
    TARBALL,
    RenderError,
    literal,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.model import Scan
    from orchestrator.workflows.settings import Settings
    from orchestrator.workflows.shape import Shape

_TARGET = given(Input.TARGET)
#: Parameters of online cells, which Argo fills in, as the template of their scan names them.
ONLINE = {"repository": given(Input.REPOSITORY), "commit": given(Input.COMMIT)}

#: Another attempt helps when the node or Argo failed, when the kernel killed the container (128 + signal; 137 is the
#: out-of-memory killer's), or when one of our own steps says so. Any other exit status is the scanner's own word,
#: and what took too long, or wrote more than it may, would do it again.
TRANSIENT = (
    "not (lastRetry.message matches 'longer than the specified deadline|exceeds the (total )?limit"
    "|exceeded its local ephemeral storage')"
    f" and (lastRetry.status == 'Error' or asInt(lastRetry.exitCode) >= 128 or lastRetry.exitCode == '{Exit.TEMPORARY}'"
    f" or lastRetry.message matches 'exit code ({Exit.TEMPORARY}|137|143)|OOMKilled|[Ee]vict|[Pp]reempt|[Nn]ode.*shut')"
)


def cell_template(
    scan: Scan, shape: Shape, settings: Settings, *, kind: TargetKind = TargetKind.IMAGE, online: bool = False
) -> Container:
    """The template of one scan, used by all its cells of a kind; its input is the id of the target.

    Args:
        scan: its image, command and limits.
        shape: of the matrix that it is in.
        settings: of the manifests.
        kind: of its targets.
        online: whether it asks the API of their host; it is then told which repository, and at which commit.
    """
    name, run, scratch = template_name(scan.name, kind, online=online), shape.run, shape.limits.disk_of(scan)
    folder = cell_path(run, _TARGET, scan.name)
    # It never reads a registry: whatever the pod may reach over the network, its scanner may as well.
    unpacks = scan.reads_layers and kind is TargetKind.IMAGE
    step = StageStep(no_pull=True, run=run, target=_TARGET, scan=scan.name, layers=Path(LAYERS) if unpacks else None)
    stage = pods.step(settings, step, layers={scan.name: names.MAIN} if unpacks else None)
    own = [folders.scanner_scratch(names.MAIN, scratch)]
    own += [folders.scan_layers(names.MAIN, scratch)] if unpacks else []
    scanner = scanner_container(scan, settings, folder, scratch=scratch, kind=kind, online=online)
    memory = patches.more_memory(scan.resources.memory_limit, scan.retries)
    return Container(
        name=name,
        inputs=pods.parameters(Input.TARGET, *((Input.REPOSITORY, Input.COMMIT) if online else ())),
        labels=pods.labels(Component.ONLINE if online else Component.SCAN, run=run, target=_TARGET, scan=scan.name),
        init_containers=pods.init_containers((names.STAGE, stage)),
        **scanner,
        **keeper({names.MAIN: scan}, {names.MAIN: folder}, settings),
        volumes=own,
        active_deadline_seconds=scan.timeout + ALLOWANCE,
        retry_strategy=retry(scan.retries),
        pod_spec_patch=patches.of_scanners({names.MAIN: scanner["volume_mounts"]}, memory=memory),
        synchronization=_turns(scan) if online else None,
    )


def scanner_container(
    scan: Scan,
    settings: Settings,
    folder: str,
    *,
    scratch: int,
    name: str = names.MAIN,
    kind: TargetKind = TargetKind.IMAGE,
    online: bool = False,
) -> dict[str, Any]:
    """The scanner's own container, as keyword arguments for Hera; of the volume it sees its cell's folder only.

    Args:
        scan: what it runs.
        settings: of the manifests.
        folder: of its cell on the volume.
        scratch: most bytes of its temporary files; 0 for no limit.
        name: of the container.
        kind: of its target.
        online: whether it asks the API of the target's host.
    """
    checkout = kind is TargetKind.REPOSITORY and not online
    layers = kind is TargetKind.IMAGE and scan.reads_layers
    found = pods.scanner(
        scanner_image(scan, settings, where=f"scan {scan.name}: image"),
        scanner_command(scan, kind, online=online),
        scanner_environment(scan.environment, scan),
        folders.cell_mounts(
            name,
            folder,
            database=scan.database is not None,
            checkout=checkout,
            max_age=scan.limits_age,
            layers=layers,
        ),
        pods.scanner_resources(scan.resources, 2 * scratch if layers else scratch),
    )
    if online and scan.repository and scan.repository.online:
        found["env"] += pods.tokens(scan.repository.online, settings)
    return found


def keeper(
    scans: Mapping[str, Scan], cells: Mapping[str, str], settings: Settings, *, ends: bool = False
) -> dict[str, Any]:
    """The container beside scanners that puts their reports onto the volume, as keyword arguments for Hera.

    Args:
        scans: what the scanners' containers run, by their names.
        cells: the cells' folders on the volume, likewise.
        settings: of the manifests.
        ends: whether it ends each scanner that takes longer than its scan's timeout, which a deadline of the pod
            cannot do where there are several.
    """
    step = KeepStep(
        report={container: scan.report for container, scan in scans.items()},
        limit={container: str(scan.report_limit) for container, scan in scans.items()},
        timeout={container: str(scan.timeout) for container, scan in scans.items()} if ends else {},
    )
    return pods.sidecar(names.KEEP, pods.beside(settings, step, folders.keeper_mounts(cells)))


def scanner_image(scan: Scan, settings: Settings, *, where: str) -> str:
    """The image that a scan's commands run in: its own, or ours for one that is built in."""
    return settings.image if scan.builtin else literal(scan.image, where=where)


def template_name(scan: str, kind: TargetKind = TargetKind.IMAGE, *, online: bool = False) -> str:
    """Name of a scan's template for a kind of targets.

    Raises:
        RenderError: Argo does not take the scan's name for a task.
    """
    if scan == TemplateName.PULL or scan[0].isdigit():
        raise RenderError(
            f"scan {scan!r} cannot be a task in Argo: it may not start with a digit, nor be 'pull'; rename it"
        )
    return names.cell_template(scan, kind, online=online)


def scanner_command(scan: Scan, kind: TargetKind = TargetKind.IMAGE, *, online: bool = False) -> list[str]:
    """The scanner's command with its placeholders filled in.

    A scan that prints its report, or that ends with another status than 0 when all went well, is run by the image's
    own `/bin/sh`, which a Kubernetes container cannot do without. The report of a run that failed is emptied, so that
    half of one is never taken for a whole.
    """
    where = f"scan {scan.name}: command"
    command = [fill(part, scan, where=where) for part in scan.command_for(kind, online=online)]
    command = [placeholders.fill(part, ONLINE) for part in command] if online else command
    if scan.success_codes == (0,) and not scan.report_from_stdout:
        return command
    redirect = ' > "$report"' if scan.report_from_stdout else ""
    good = "|".join(str(code) for code in scan.success_codes)
    script = (
        f'report=$1; shift; "$@"{redirect}; code=$?; case $code in {good}) exit 0;; esac; : > "$report"; exit $code'
    )
    return ["/bin/sh", "-c", script, "scan", fill("{report}", scan, where=where), *command]


def scanner_environment(values: Mapping[str, str], scan: Scan) -> dict[str, str]:
    """Variables of a scanner: temporary files into the scratch folder, then what the template says."""
    own = {name: fill(value, scan, where=f"scan {scan.name}: variable {name}") for name, value in values.items()}
    return {"HOME": SCRATCH, "TMPDIR": SCRATCH, "XDG_CACHE_HOME": f"{SCRATCH}/.cache"} | own


def fill(text: str, scan: Scan, *, where: str) -> str:
    """Text of a scan's template with its placeholders filled in, as paths in the scanner's container.

    Whatever else stands in braces is the command's own, and stays.

    Raises:
        RenderError: it holds what Argo would replace.
    """
    values = {
        "tarball": TARBALL,
        "checkout": CHECKOUT,
        "layers": LAYERS,
        "sbom": SBOM,
        "report": f"{CELL}/{scan.report}",
        "database": DATABASE,
        "fetched": FETCHED,
        "workdir": SCRATCH,
    }
    return literal(fill_words([text], scan, values)[0], where=where)


def retry(limit: int, *, always: bool = False, when: str = TRANSIENT) -> RetryStrategy | None:
    """Further attempts, each after a longer wait; none when the limit is 0.

    Args:
        limit: attempts after the first.
        always: True to try again whatever happened.
        when: otherwise, Argo's expression for what another attempt may help with.
    """
    if not limit:
        return None
    return RetryStrategy(
        limit=str(limit),
        retry_policy="Always",
        expression=None if always else when,
        backoff=m.Backoff(duration="10s", factor=m.IntOrString(root="2")),
    )


def _turns(scan: Scan) -> m.Synchronization:
    """This many cells of a scan at a time, of all Workflows in the namespace; the install says how many."""
    number = m.ConfigMapKeySelector(name=names.LIMITS, key=template_name(scan.name, TargetKind.REPOSITORY, online=True))
    return m.Synchronization(semaphores=[m.SemaphoreRef(config_map_key_ref=number)])
