"""`budget.pods` against the manifest: what Argo would start of a WorkflowTemplate and its shards, task by task."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.argo.parameters import set_name
from orchestrator.catalog.loading import load_catalog
from orchestrator.catalog.question import question_of
from orchestrator.config.loading import default_config
from orchestrator.inventory import Entry
from orchestrator.model import BomSource, Decision, Plan, Scan, StoredSbom, TargetKind
from orchestrator.model.plan import matched
from orchestrator.planning.matrix import wanted_sets
from orchestrator.planning.venue import CLUSTER
from orchestrator.steps.incluster import divide, write_outputs
from orchestrator.volume.layout import Volume
from orchestrator.workflows import ManifestKind
from orchestrator.workflows.manifests import manifests, workflow_template
from tests.planned import plan_here
from tests.unit.planning.samples import NOW, Table, image, located
from tests.unit.steps.plans import plan as small_plan

#: Bytes of the tarball, and the scans asked for, image by image; one is too large, one cannot be found.
WANTED = [
    (50, ("root-user", "general")), (50, ("root-user", "general")), (100, ("dependency",)), (300, ("root-user",)),
    (20, ("root-user", "general", "sbom", "virus")), (None, ("general",)), (70, ("dependency", "virus")),
    (1, ("sbom",)),
]  # fmt: skip


class Argo:
    """Counts the pods of a run in which everything succeeds at the first attempt, as Argo reads the manifest."""

    def __init__(self, manifest: dict[str, Any], made: Plan, sets: dict[str, frozenset[str]], folder: Path) -> None:
        self.templates = {one["name"]: one for one in manifest["spec"]["templates"]}
        self.made, self.sets, self.folder = made, sets, folder

    def workflow(self, shard: str = "") -> int:
        """The pods of a Workflow, and of those that it starts."""
        outputs = self.folder / (shard or "parent")
        readers = [scan.name for scan in self.made.scans if scan.sbom]
        work = divide(self.made, Volume(self.folder), shard=shard)
        write_outputs(self.made, work, outputs, self.sets, readers)
        known = {f"tasks.plan.outputs.parameters.{file.name}": file.read_text() for file in outputs.iterdir()}
        return self._count("matrix", known | {"workflow.parameters.shard": shard})

    def _count(self, name: str, known: dict[str, str]) -> int:
        found = self.templates[name]
        if "resource" in found:
            return 1 + self.workflow(known["inputs.parameters.shard"])
        if "dag" not in found:
            return 1
        ran: set[str] = set()
        return sum(self._task(task, known, ran) for task in found["dag"]["tasks"])

    def _task(self, task: dict[str, Any], known: dict[str, str], ran: set[str]) -> int:
        depends = task.get("depends", "")
        if task["name"] in {"left", "again"}:  # after a failure only
            return 0
        if (needed := re.fullmatch(r"([\w-]+)\.Succeeded", depends)) and needed[1] not in ran:
            return 0
        if "when" in task and not _holds(
            _fill(task["when"], known | {f"tasks.{one}.outputs.parameters.load": "true" for one in ran})
        ):
            return 0
        ran.add(task["name"])
        total = 0
        several = _fill(task["withParam"], known) if "withParam" in task else "[{}]"
        for item in [] if "{{" in several else json.loads(several):  # of a scan that the plan has not
            values = known | {f"item.{key}": value for key, value in item.items()}
            inputs = {
                f"inputs.parameters.{one['name']}": _fill(one["value"], values)
                for one in task.get("arguments", {}).get("parameters", ())
            }
            total += self._count(task["template"], known | inputs)
        return total


def _fill(text: str, known: dict[str, str]) -> str:
    return re.sub(r"\{\{([^{}]*)\}\}", lambda match: known.get(match[1], match[0]), text)


def _holds(condition: str) -> bool:
    left, operator, right = re.fullmatch(r"'(.*)' (==|!=|=~) '(.*)'", condition).groups()
    return {"==": left == right, "!=": left != right, "=~": right in left}[operator]


def stored(catalog: dict[str, Scan]) -> Callable[[str, str], StoredSbom | None]:
    """Every SBOM that anybody might ask for."""
    makers = {question_of(scan, TargetKind.IMAGE): scan for scan in catalog.values() if scan.stored}
    versions = {scan.sbom.scan: scan.sbom.cataloguers[0] for scan in catalog.values() if scan.sbom}

    def lookup(digest: str, asked: str) -> StoredSbom:
        name = makers[asked].name
        source = BomSource(bom=digest, made=NOW.isoformat(), cataloguer=f"maker {versions[name]}")
        return StoredSbom(digest, name, asked, source, 10)

    return lookup


@pytest.mark.parametrize("sboms", [False, True])
@pytest.mark.parametrize("layout", ["cell", "image"])
@pytest.mark.parametrize(("budget", "most"), [(0, 1000), (110, 1000), (250, 5), (250, 1)])
def test_the_figure_is_what_argo_starts(tmp_path, layout, budget, most, sboms):
    config = default_config(environment={}, layout=layout, volume={"budget": budget}, limits={"cellsPerShard": most})
    catalog, names = load_catalog(config), [f"r.example/i:{number}" for number in range(len(WANTED))]
    entries = [Entry(reference=name, scans=scans) for name, (_, scans) in zip(names, WANTED, strict=True)]
    found = {name: (located(image(name, size=size)),) for name, (size, _) in zip(names, WANTED, strict=True) if size}
    made = plan_here(
        config, entries, catalog, run="r", now=NOW, resolver=Table(found), venue=CLUSTER,
        lookup=stored(catalog) if sboms else None,
    )  # fmt: skip
    assert bool(matched(made)) is sboms
    sets = wanted_sets(entries, config, catalog)
    named = {set_name(number): scans for number, scans in enumerate(sets, start=1)}
    assert Argo(workflow_template(config, sets, catalog), made, named, tmp_path).workflow() == made.budget.pods
    assert made.budget.pods > made.budget.images


def test_the_template_is_the_same_however_many_results_are_fresh():
    made, config = small_plan(("a", "b", "c")), default_config(environment={}, layout="image")
    fresh = [
        msgspec.structs.replace(cell, decision=Decision.SKIP, standing="r0") if cell.scan == "virus" else cell
        for cell in made.cells
    ]
    later = msgspec.structs.replace(made, cells=tuple(fresh))
    assert manifests(later, config, kind=ManifestKind.TEMPLATE) == manifests(made, config, kind=ManifestKind.TEMPLATE)
