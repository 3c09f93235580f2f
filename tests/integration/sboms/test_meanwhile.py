"""Stored SBOMs while something changes: the database, another run that makes the same ones, the cataloguer."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.api.plan import make_plan
from orchestrator.api.run import run
from orchestrator.config.loading import Config
from orchestrator.engines.local import cell as cells
from orchestrator.kit.own import templates_folder
from orchestrator.model.plan import matched, pending
from orchestrator.steps.stage_sbom import stage_sbom
from tests.integration.command import scanmatrix
from tests.integration.sboms.runs import documents, found, rows, scanned
from tests.tools.images import Image
from tests.tools.layers import layer
from tests.tools.servers import Registry


@pytest.fixture
def javas(java_tool: Image, registry: Registry, repository: str) -> list[str]:
    """Images with the same packages, each with a layer of its own."""
    made = [Image.build([*java_tool.layers, layer({"app/number": str(number)})]) for number in range(3)]
    return [registry.push(f"{repository}/java-{number}:1", image) for number, image in enumerate(made)]


def test_a_database_that_is_updated_in_the_middle_of_a_run(
    configured: Callable[..., Config],
    javas: list[str],
    renew: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each cell has one of the two databases, whole, and its row says which."""
    often = {"maxAge": {"default": "1d", "dependency": "0s"}}
    config = configured(*javas, limits={"retries": 0, "cellsInFlight": 1})
    scanned(config)
    plan = make_plan(config)
    assert len(matched(plan)) == 3
    plain = json.loads((tmp_path / "scanmatrix.yaml").read_text())
    other = plain | {"targets": plain["targets"][:1], "databases": plain["databases"] | often}
    (tmp_path / "other.yaml").write_text(json.dumps(other))
    begun: list[str] = []

    def stage_and_update(*arguments: object, **options: object) -> object:
        if len(begun) == 1:
            renew()
            done = scanmatrix("run", "--config", "other.yaml", cwd=tmp_path)
            assert done.returncode == 0, done.stderr
        begun.append("")
        return stage_sbom(*arguments, **options)

    monkeypatch.setattr(cells, "stage_sbom", stage_and_update)
    ledger = run(plan, config)
    assert [row.reason for row in ledger.rows] == [""] * 3
    assert all(row.source for row in ledger.rows)
    by_database: dict[str, set[str]] = {}
    for target, _, _, id_, *_ in found(config, ledger):
        row = next(row for row in ledger.rows if row.target == target)
        by_database.setdefault(row.database_version, set()).add(str(id_))
    assert [by_database[version] for version in sorted(by_database)] == [
        {"GHSA-jfh8-c2jp-5v3q"}, {"GHSA-jfh8-c2jp-5v3q", "GHSA-35jh-r3h4-6jhm"},
    ]  # fmt: skip


def test_two_runs_that_make_one_sbom_at_once(
    configured: Callable[..., Config], javas: list[str], tmp_path: Path
) -> None:
    config = configured(*javas)
    plans = [make_plan(config, run=name) for name in ("one", "other")]
    assert all(len(pending(plan)) == 3 for plan in plans)
    ledgers = {}

    def begin(number: int) -> None:
        ledgers[plans[number].run] = run(plans[number], config)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(len(plans))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row.reason for ledger in ledgers.values() for row in ledger.rows] == [""] * 12
    assert len(documents(tmp_path)) == 3
    plan, third = scanned(config)
    assert len(matched(plan)) == 3
    assert {row.source is None for row in rows(third).values()} == {False}
    assert {row.note for row in third.rows} == {""}
    expected = {row for row in found(config, ledgers["one"]) if row[1] == "dependency"}
    assert found(config, third) == expected


def test_a_new_version_of_the_cataloguer_makes_its_own(
    configured: Callable[..., Config], javas: list[str], tmp_path: Path
) -> None:
    config = configured(javas[0])
    scanned(config)
    (before,) = documents(tmp_path)
    shipped = (templates_folder() / "packages.yaml").read_text()
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "packages.yaml").write_text(shipped.replace("syft:v1.42.3", "syft:v1.43.0"))
    given = {
        "default": list(config.scans.default),
        "parameters": {"dependency": dict(config.scans.parameters["dependency"])},
    }
    newer = configured(javas[0], scans=given | {"templates": ["templates"]})
    plan, ledger = scanned(newer)
    (cell,) = (cell for cell in plan.cells if cell.scan == "dependency")
    assert cell.unmatched == "no SBOM of it is stored yet"
    assert {row.scan: row.reason for row in ledger.rows} == {"dependency": "", "packages": ""}
    assert len(documents(tmp_path)) == 2
    assert before in documents(tmp_path)
    assert matched(make_plan(newer))
    back = make_plan(configured(javas[0]))
    assert matched(back)  # who goes back has what was made before
