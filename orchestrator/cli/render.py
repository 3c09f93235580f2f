"""`scanmatrix render`."""

from typing import Annotated

import typer

from orchestrator.cli.options import (
    ConfigFile,
    Offline,
    References,
    RunId,
    Scans,
    SkipDatabases,
    Strict,
    Targets,
    Volume,
)
from orchestrator.cli.output import complain
from orchestrator.cli.settings import settings_to_plan
from orchestrator.workflows import ManifestKind


def render(
    references: References = None,
    config: ConfigFile = None,
    volume: Volume = None,
    target: Targets = None,
    scan: Scans = None,
    run_id: RunId = None,
    offline: Offline = False,
    skip_db_update: SkipDatabases = False,
    strict: Strict = False,
    kind: Annotated[ManifestKind, typer.Option(help="Which manifest to write.")] = ManifestKind.WORKFLOW,
) -> None:
    """Write the matrix as Argo manifests.

    They are printed on stdout, one YAML document per object.

    Example: scanmatrix render --config scanmatrix.yaml > wf.yaml && argo submit wf.yaml
    """
    from orchestrator.api import plan as plan_api
    from orchestrator.errors import UsageError
    from orchestrator.model import Decision

    # What plans in the cluster has no run yet, and a schedule no scans of its own.
    unused: dict[ManifestKind, dict[str, object]] = {
        ManifestKind.SCHEDULE: {"--scan": scan, "--run-id": run_id},
        ManifestKind.TEMPLATE: {"--run-id": run_id},
    }
    for option in [name for name, value in unused.get(kind, {}).items() if value]:
        raise UsageError(
            f"--kind {kind}: each of its runs is planned in the cluster, by the configuration; leave out {option}"
            + (", and set scans.default instead" if option == "--scan" else "")
        )
    # Manifests are always for Argo, and its cells use the tokens that there are in the cluster.
    settings = settings_to_plan(
        config, volume, references, target, strict=strict, offline=offline, skip_db_update=skip_db_update
    )
    settings = settings.model_copy(update={"engine": "argo"})
    planned = plan_api.make_plan(settings, scans=scan or (), run=run_id, offline=offline)
    typer.echo(plan_api.render(planned, settings, kind=kind), nl=False)
    failing = [cell for cell in planned.cells if cell.decision is Decision.FAIL]
    if failing and kind is not ManifestKind.TEMPLATE:
        targets, first = planned.targets_by_id, failing[0]
        complain(
            f"scanmatrix: {len(failing)} of {len(planned.cells)} cells fail before they begin, such as "
            f"{targets[first.target].reference} × {first.scan}: {first.reason}"
        )
