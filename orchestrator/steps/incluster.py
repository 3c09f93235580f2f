"""The plan step of a run that is started without a plan: it plans in the cluster, from the mounted configuration."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import UsageError
from orchestrator.model import Decision, Plan
from orchestrator.steps.items import fit_for_cluster, make_waves
from orchestrator.steps.plan import unpack, write_plan

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.volume import Volume


def write_run(packed: Path, config: Path | None, run: str, volume: Volume) -> Plan:
    """Write the plan of a run to the volume: the packed one, or for want of one that of the configuration.

    Args:
        packed: file with the packed plan; empty when there is none.
        config: the configuration file to plan from.
        run: id of the run, instead of the plan's own; empty for the plan's own.
        volume: where the plan goes.

    Raises:
        UsageError: there is neither a plan nor a configuration, or the plan does not fit one Workflow.
    """
    text = packed.read_text(encoding="ascii", errors="replace").strip()
    if text:
        plan = unpack(text)
        plan = msgspec.structs.replace(plan, run=run) if run else plan
    elif config is not None and config.exists():
        plan = _make(config, run)
    else:
        raise UsageError(
            "there is no plan and no configuration: submit with the parameter `plan`,"
            f" or put a configuration into the ConfigMap that is mounted at {config}"
        )
    write_plan(plan, volume)
    return plan


def write_outputs(plan: Plan, folder: Path) -> None:
    """Write what the rest of the Workflow needs to know, as files for its output parameters.

    `images` holds the items as a JSON list, `scans` the names of the scans to run between commas.
    """
    folder.mkdir(parents=True, exist_ok=True)
    items = [item for wave in make_waves(plan) for item in wave]
    names = {cell.scan for cell in plan.cells if cell.decision is Decision.RUN}
    scans = [scan.name for scan in plan.scans if scan.name in names]
    (folder / "images").write_bytes(msgspec.json.encode(items))
    (folder / "scans").write_text(f",{','.join(scans)},", encoding="ascii")


def _make(path: Path, run: str) -> Plan:
    """Plan from a configuration file, to run in one Workflow."""
    from orchestrator.catalog import load_catalog  # noqa: PLC0415 - only where the plan is made in the cluster
    from orchestrator.config import load_config  # noqa: PLC0415
    from orchestrator.inventory import collect  # noqa: PLC0415
    from orchestrator.planning import make_plan  # noqa: PLC0415

    config = load_config(path)
    now = datetime.now(UTC)
    plan = make_plan(config, collect(config, config.base), load_catalog(config), run=run, now=now)
    plan = fit_for_cluster(plan)
    if len(plan.waves) > 1:
        raise UsageError(
            "the images do not fit the volume's budget at once; raise `volume.budget`, or submit rendered waves"
        )
    cells = sum(cell.decision is Decision.RUN for cell in plan.cells)
    if cells > plan.limits.cells_per_shard:
        raise UsageError(
            f"{cells} cells are more than one Workflow holds (`limits.cellsPerShard`: {plan.limits.cells_per_shard});"
            " submit the shards that `scanmatrix render` writes"
        )
    return plan
