"""Rescans from stored SBOMs on a real cluster, with the real Grype, Trivy and Syft: one pod a scan, and no pull."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import orchestrator
from orchestrator.argo.nodes import nodes
from orchestrator.model import LedgerRow, Outcome
from orchestrator.model.documents import decode
from orchestrator.model.sboms import StoredSbom
from tests.cluster import databases
from tests.e2e import nine
from tests.e2e.site import Site, make_site
from tests.tools import artifacts, samples
from tests.tools.images import Image, layer
from tests.tools.upstream import Upstream

#: The scans that read SBOMs, each with the one that makes them.
BY_SBOM = {"dependency": "packages", "general": "packages-trivy"}
IMAGES = ("java", "debian", "none")
LATER = "GHSA-35jh-r3h4-6jhm"


def images() -> dict[str, Image]:
    """Images of several ecosystems; without a version Trivy knows no Debian."""
    version = layer({"etc/debian_version": "12.5\n"})
    java = samples.java_tool(artifacts.log4j_jar(), artifacts.npm_package())
    return {
        "java": Image.build([*java.layers, version]),
        "debian": Image.build([samples.distribution(), version]),
        "none": samples.distroless(),
    }


@pytest.fixture(scope="module")
def served(mirrored: Path) -> Path:
    """A folder of the mirror, with the database of a day before."""
    return databases.grype(mirrored / "sboms", known=1)


@pytest.fixture(scope="module")
def site(upstream: Upstream, mirror: str, served: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for name, image in images().items():
        upstream.push(f"library/sboms-{name}:1", image)
    scans = {name: nine.shipped(name) for name in (*BY_SBOM, *BY_SBOM.values())}
    scans["dependency"]["parameters"]["databaseUrl"] = f"{mirror}/{served.name}/databases"
    for name in ("general", "packages-trivy"):
        scans[name]["parameters"] |= nine.general()["parameters"]
    settings = {
        "sboms": {"store": True},
        "scans": {"templates": [f"{name}.yaml" for name in scans], "default": list(BY_SBOM)},
        "databases": {"maxAge": {"dependency": "0s"}},
        "limits": {"deadline": "15m"},
    }
    csv = "\n".join(["image", *(f"sboms-{name}:1" for name in IMAGES), ""])
    folder = tmp_path_factory.mktemp("sboms")
    with make_site(folder, "e2e-sboms", upstream, csv=csv, templates=scans, settings=settings) as found:
        yield found


@pytest.fixture(scope="module")
def first(site: Site) -> str:
    """A run that has scanned every image itself, and stored its SBOMs."""
    run = site.submit()
    assert site.wait(run) == "Succeeded"
    return run


def rows(site: Site, run: str) -> dict[tuple[str, str], LedgerRow]:
    found = {}
    for row in site.ledger(run).rows:
        found[row.references[0].rpartition("sboms-")[2].partition(":")[0], row.scan] = row
    return found


def stored(site: Site, row: LedgerRow) -> dict[str, StoredSbom]:
    """The SBOMs of an image that are on the volume, by the scans that made them."""
    folder = site.volume.sboms(row.digest)
    found = [decode(path.read_bytes(), StoredSbom, origin=path.name) for path in folder.glob("*.json")]
    return {sbom.scan: sbom for sbom in found}


def pods(site: Site, run: str) -> Counter[str]:
    """How many pods were made of each template."""
    found = nodes(site.cluster.workflow(run)).values()
    return Counter(node.template_name for node in found if node.type == "Pod")


def renew(served: Path) -> None:
    """Today's database in the place of that of a day before."""
    fresh = databases.grype(served.parent / "today")
    shutil.rmtree(served / "databases")
    (fresh / "databases").rename(served / "databases")
    fresh.rmdir()


def test_a_newer_database_is_answered_by_one_pod_a_scan_and_without_a_pull(site: Site, first: str, served: Path):
    before = rows(site, first)
    assert {row.outcome for row in before.values()} == {Outcome.OK}
    assert len(before) == len(IMAGES) * 4
    assert {row.source for row in before.values()} == {None}
    assert LATER not in set(site.findings(first)["id"])
    renew(served)
    site.upstream.log.clear()
    run = site.submit()
    assert site.wait(run) == "Succeeded"
    after = rows(site, run)
    assert set(after) == {(name, scan) for name in IMAGES for scan in BY_SBOM}
    assert [row.reason for row in after.values()] == [""] * len(after)
    for (name, scan), row in after.items():
        assert row.source is not None, row
        assert row.source == stored(site, before[name, scan])[BY_SBOM[scan]].source
        assert (row.attempts, row.note) == (1, "")
        assert row.database_version
        assert row.scanner_image
    used = pods(site, run)
    assert (used["sboms-dependency"], used["sboms-general"]) == (1, 1)
    assert set(used) <= {"plan", "aggregate", "sboms-dependency", "sboms-general", "database-dependency",
                         "load-dependency", "database-general"}  # fmt: skip
    layers = {each.digest for image in images().values() for each in image.layers}
    assert not layers & set(site.upstream.log.blob_reads())
    assert LATER in set(site.findings(run)["id"])
    general = [frame[frame["scan"].eq("general")] for frame in (site.findings(first), site.findings(run))]
    assert set(general[0]["id"]) == set(general[1]["id"])


def test_bad_sboms_cost_their_own_cells_whose_images_are_scanned_in_the_same_run(site: Site, first: str):
    files = {}
    for name in IMAGES:
        row = rows(site, first)[name, "packages"]
        sbom = stored(site, row)["packages"].source.bom.removeprefix("sha256:")
        files[name] = site.volume.sboms(row.digest) / f"{sbom}.zst"
    os.truncate(files["java"], files["java"].stat().st_size // 2)
    files["debian"].write_bytes(files["none"].read_bytes())
    run = site.submit()
    assert site.wait(run) == "Succeeded"
    after = rows(site, run)
    assert [row.reason for row in after.values()] == [""] * 6
    itself = {name for name, row in after.items() if row.source is None}
    assert itself == {("java", "dependency"), ("debian", "dependency")}
    for name in itself:
        assert "the image itself was scanned: its stored SBOM" in after[name].note
        assert "damaged" in after[name].note
        assert after[name].attempts == 2
    assert {row.note for name, row in after.items() if name not in itself} == {""}
    used = pods(site, run)
    assert (used["sboms-dependency"], used["sboms-general"], used["left"]) == (1, 1, 1)
    assert (used["pull"], used["scan-dependency"], used["scan-general"]) == (2, 2, 0)


def test_elsewhere_nobody_knows_what_is_stored(site: Site, first: str, caplog: pytest.LogCaptureFixture):
    plan = orchestrator.make_plan(site.config, run="elsewhere")
    assert {cell.scan for cell in plan.cells} == set(BY_SBOM)
    assert "not known here" in caplog.text
