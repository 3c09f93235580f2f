"""Plans of the shipped examples without any registry, and what is rendered of them."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import Config, load_config
from orchestrator.inventory import collect
from orchestrator.model import Blob, BomSource, Image, Limits, OnSbom, Plan, Platform
from orchestrator.planning import Located
from orchestrator.workflows import ManifestKind, render
from tests.planned import plan_here
from tests.unit.steps.plans import plan as small_plan

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
NOW = datetime(2025, 6, 1, 3, tzinfo=UTC)
RUN = "20250601-030000-0a1b2c"


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def resolve(reference: str, *, local: bool) -> tuple[Located, ...]:
    """Any image there might be, with a digest made from its name; of 200 MB."""
    if local:
        return (Located(platform=Platform(), error=f"{reference}: there is no such file"),)
    layer = Blob(digest=digest(f"{reference} layer"), size=200_000_000,
                 media_type="application/vnd.oci.image.layer.v1.tar+gzip")  # fmt: skip
    image = Image(
        manifest=Blob(digest=digest(reference), size=500), config=Blob(digest=digest(f"{reference} config"), size=700),
        layers=(layer,),
    )  # fmt: skip
    registry, _, rest = reference.partition("/")
    repository = rest.rpartition(":")[0]
    pull = f"http://cache-{registry.replace('.', '-')}:5000/{repository}"
    return (Located(platform=image.platform, pull=pull, image=image, size=200_010_000),)


def example(name: str) -> tuple[Plan, Config]:
    """The plan and the configuration of an example."""
    config = load_config(EXAMPLES / name / "scanmatrix.yaml", environment={})
    entries = collect(config, config.base)
    return plan_here(config, entries, load_catalog(config), run=RUN, now=NOW, resolver=resolve), config


def names() -> list[str]:
    """The examples there are."""
    return sorted(path.parent.name for path in EXAMPLES.glob("*/scanmatrix.yaml"))


def rendered(plan: Plan, config: Config, kind: ManifestKind = ManifestKind.WORKFLOW) -> list[dict[str, Any]]:
    """Manifests, read back out of the YAML."""
    return list(yaml.safe_load_all(render(plan, config, kind=kind)))


def _unlike(plan: Plan) -> Plan:
    """The first image with one scan, the others with all."""
    return msgspec.structs.replace(plan, cells=plan.cells[1:])


def _from_sboms(plan: Plan, *scans: str) -> Plan:
    """The cells of these scans read stored SBOMs."""
    way = OnSbom("packages", ("scanner", "{sbom}", "--out={report}"), cataloguers=("1",))
    source = BomSource(bom=digest("sbom"), made="2025-06-01T00:00:00Z", cataloguer="maker 1")
    return msgspec.structs.replace(
        plan,
        scans=tuple(msgspec.structs.replace(scan, sbom=way if scan.name in scans else None) for scan in plan.scans),
        cells=tuple(
            msgspec.structs.replace(cell, source=source if cell.scan in scans else None) for cell in plan.cells
        ),
    )


def variants() -> dict[str, Plan]:
    """Plans of every shape a Workflow can have."""
    one = small_plan(("a",))
    return {
        "one image": one,
        "one scan": msgspec.structs.replace(one, cells=one.cells[:1], scans=one.scans[:1]),
        "three batches": small_plan(("a", "b"), ("c",), ("d", "e")),
        "unlike images": _unlike(small_plan(("a", "b"))),
        "nothing to run": msgspec.structs.replace(small_plan(("a",)), cells=(), waves=()),
        "shards": msgspec.structs.replace(small_plan(("a", "b", "c", "d")), limits=Limits(cells_per_shard=4)),
        "no retries": msgspec.structs.replace(
            one, limits=Limits(retries=0), scans=tuple(msgspec.structs.replace(scan, retries=0) for scan in one.scans)
        ),
        "one scan from SBOMs": _from_sboms(small_plan(("a", "b")), "virus"),
        "all from SBOMs": _from_sboms(small_plan(("a", "b")), "virus", "root-user"),
        "awkward scan": msgspec.structs.replace(
            one,
            scans=(
                msgspec.structs.replace(
                    one.scans[0], builtin=False, image="scanner:1", command=("scan", "--format={json}", "it's \"$1\""),
                    report_from_stdout=True, success_codes=(0, 3),
                ),
                one.scans[1],
            ),
        ),
    }  # fmt: skip
