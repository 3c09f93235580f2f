"""What the default scans of a run do not look for, because no scanner for it is installed here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import engines
from orchestrator.model import TargetKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.loading import Config
    from orchestrator.model import Plan, Scan

VULNERABILITY = "vulnerability"


def vulnerability_scans(catalog: Mapping[str, Scan]) -> list[Scan]:
    """The scans of images for vulnerabilities, and for nothing else."""
    from orchestrator.findings import kinds_of

    return [
        scan
        for scan in catalog.values()
        if scan.reads(TargetKind.IMAGE) and kinds_of(scan) == frozenset({VULNERABILITY})
    ]


def are_default(config: Config) -> bool:
    """Whether the default scans are what scanmatrix chooses, not what a configuration says."""
    return "default" not in config.scans.model_fields_set


def unlooked(plan: Plan, config: Config) -> str:
    """That a plan of default scans looks for no vulnerabilities in images, and what to do; empty where it does.

    Args:
        plan: of a run for which nobody chose the scans.
        config: the configuration.
    """
    from orchestrator.catalog.loading import load_catalog
    from orchestrator.findings import kinds_of

    images = any(target.kind is TargetKind.IMAGE for target in plan.targets)
    looked = [kinds_of(scan) for scan in plan.scans]
    if not are_default(config) or not images or any(kinds is None or VULNERABILITY in kinds for kinds in looked):
        return ""
    wanted = vulnerability_scans(load_catalog(config))
    lacking = engines.missing(config, wanted)
    able = [scan.name for scan in wanted if scan.name not in lacking]
    advice = [f"--scan {name} does, in a container whose image and database are downloaded" for name in able[:1]]
    named = [f"{Path(scan.program).name} with {scan.install}" for scan in wanted if scan.install]
    if named:
        advice.append(f"install {', or '.join(named)}: then it runs by default")
    return "; ".join(["no scan of this run looks for vulnerabilities", *advice])
