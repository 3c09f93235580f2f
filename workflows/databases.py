"""The pods that refresh a scanner's database.

Our own code fetches it, in a pod of our image that reaches mirrors and caches and writes only the scan's folder of
databases. Where the scanner has to load what was fetched, its image runs in a second pod, without a network. Only a
scan whose template has `refresh` gets a pod with both, its scanner's image and a network: `database-command`. In
neither the scanner writes to the volume: what it makes in a folder of its pod, a step of ours puts there after it has
ended, no more than `limits.databaseDisk`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hera.workflows import Container, Task
from hera.workflows import models as m

from orchestrator.argo.agreed import MADE, Phase
from orchestrator.argo.commands import DatabaseStep
from orchestrator.argo.names import Component, TemplateName, database_template, load_template
from orchestrator.argo.parameters import WORKFLOW_NAME, Output, contains, output
from orchestrator.volume.layout import FETCHED, databases_path
from orchestrator.workflows import folders, patches, pods
from orchestrator.workflows.cell import fill, retry, scanner_environment, scanner_image
from orchestrator.workflows.settings import ALLOWANCE

if TYPE_CHECKING:
    from orchestrator.model import Database, DatabaseFetch, Scan
    from orchestrator.workflows.settings import Settings
    from orchestrator.workflows.shape import Shape

_KEY = WORKFLOW_NAME
_LOAD, _REFRESH = "load", "refresh"
_ENDS = ("Succeeded", "Failed", "Errored", "Skipped", "Omitted")


def database_tasks(scan: Scan) -> str:
    """The tasks of a scan's database, run if the plan step says that it is due; what the images depend on."""
    name = database_template(scan.name)
    when = contains(output(TemplateName.PLAN, Output.SCANS), scan.name)
    Task(name=name, template=name, depends=str(TemplateName.PLAN), when=when)
    if not (scan.database and scan.database.load):
        return _ended(name, _ENDS[:-1])
    load = load_template(scan.name)
    wanted = f"'{output(name, Output.LOAD)}' == 'true'"
    Task(name=load, template=load, depends=f"{name}.Succeeded", when=wanted)
    return _ended(load, _ENDS)


def database_templates(scan: Scan, database: Database, shape: Shape, settings: Settings) -> list[Container]:
    """The pods of a scan's database; when one fails, the database from before stays."""
    if database.fetch is None:
        return [_commanded(scan, database, shape, settings)]
    fetched = _fetch(scan, database, database.fetch, shape, settings)
    return [fetched, _load(scan, database, shape, settings)] if database.load else [fetched]


def _ended(task: str, ways: tuple[str, ...]) -> str:
    return "(" + " || ".join(f"{task}.{way}" for way in ways) + ")"


def _fetch(scan: Scan, database: Database, fetch: DatabaseFetch, shape: Shape, settings: Settings) -> Container:
    """Our own code, which verifies what mirrors serve."""
    outputs = pods.outputs(Output.LOAD) if database.load else None
    return Container(
        name=database_template(scan.name),
        outputs=outputs,
        labels=pods.labels(Component.DATABASE, run=shape.run, scan=scan.name),
        active_deadline_seconds=database.timeout + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries),
        **_step(settings, _step_of(scan, Phase.FETCH, run=shape.run, outputs=Path(pods.OUTPUTS) if outputs else None),
                registry=fetch.reads_registry, memory="1Gi"),
    )  # fmt: skip


def _load(scan: Scan, database: Database, shape: Shape, settings: Settings) -> Container:
    """The scanner's own command over what was fetched and verified; its pod speaks to nobody."""
    mounts = [folders.fetched_mount(f"{databases_path(scan.name)}/{FETCHED}{_KEY}"), *folders.database_mounts(_LOAD)]
    load = _scanner(scan, database.load, mounts, shape, settings)
    return Container(
        name=load_template(scan.name),
        labels=pods.labels(Component.LOAD, run=shape.run, scan=scan.name),
        init_containers=pods.init_containers((_LOAD, load)),
        **_alone(_LOAD, shape),
        active_deadline_seconds=database.timeout + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries),
        **_taking(_LOAD, settings, scan, Phase.FINISH, shape),
    )


def _commanded(scan: Scan, database: Database, shape: Shape, settings: Settings) -> Container:
    """The scanner's own command with a network, between two steps of ours."""
    refresh = _scanner(scan, database.refresh, folders.database_mounts(_REFRESH), shape, settings)
    seeded = [("prepare", _seeding(_REFRESH, settings, scan, shape))] if database.incremental else []
    return Container(
        name=database_template(scan.name),
        labels=pods.labels(Component.DATABASE_COMMAND, run=shape.run, scan=scan.name),
        init_containers=pods.init_containers(*seeded, (_REFRESH, refresh)),
        **_alone(_REFRESH, shape),
        active_deadline_seconds=database.timeout + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries, always=True),
        **_taking(_REFRESH, settings, scan, Phase.COMMIT, shape),
    )


def _alone(scanner: str, shape: Shape) -> dict[str, Any]:
    """What keeps a scanner from the step of ours that runs after it in the same pod and sees the whole volume."""
    return {
        "volumes": [folders.database_scratch(scanner, shape.limits.database_disk)],
        "pod_spec_patch": patches.of_init_containers(scanner),
    }


def _taking(scanner: str, settings: Settings, scan: Scan, phase: Phase, shape: Shape) -> dict[str, Any]:
    """The step of ours that puts what a scanner made onto the volume, as a version."""
    run = shape.run if phase is Phase.COMMIT else ""
    found = _step(settings, _step_of(scan, phase, run=run, made=MADE, most=shape.limits.database_disk))
    return found | {"volume_mounts": [*found["volume_mounts"], folders.made_mount(scanner)]}


def _seeding(scanner: str, settings: Settings, scan: Scan, shape: Shape) -> dict[str, Any]:
    """The step of ours that puts the last version where a scanner continues it."""
    found = _step(settings, DatabaseStep(phase=Phase.PREPARE, scan=scan.name, key=_KEY, run=shape.run, made=MADE))
    return found | {"volume_mounts": [*found["volume_mounts"], folders.made_mount(scanner, read_only=None)]}


def _step_of(scan: Scan, phase: Phase, **more: Any) -> DatabaseStep:
    """A step that makes a version, and so has to know how long those before it may still be in use."""
    return DatabaseStep(phase=phase, scan=scan.name, key=_KEY, longest=scan.timeout + ALLOWANCE, **more)


def _step(settings: Settings, step: DatabaseStep, **options: Any) -> dict[str, Any]:
    """A container of ours; of the volume it writes the scan's databases only."""
    return pods.step(settings, step, writes=databases_path(step.scan), **options)


def _scanner(
    scan: Scan, command: tuple[str, ...], mounts: list[m.VolumeMount], shape: Shape, settings: Settings
) -> dict[str, Any]:
    where = f"scan {scan.name}: database"
    environment = scan.database.environment if scan.database else {}
    return pods.scanner(
        scanner_image(scan, settings, where=where),
        [fill(part, scan, where=where) for part in command],
        scanner_environment(environment, scan),
        mounts,
        pods.scanner_resources(scan.resources, shape.limits.database_disk),
    )
