"""Scans repeated from stored SBOMs: nothing is pulled, the same is found, what is wrong with one costs its own cell.

With the real Trivy, the real Grype, and the Syft that it is made with, on real packages.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from orchestrator.api.plan import make_plan
from orchestrator.config.loading import Config
from orchestrator.model import StoredSbom
from orchestrator.model.documents import encode, read
from orchestrator.model.plan import matched, pending
from tests.integration.command import scanmatrix
from tests.integration.sboms.runs import documents, found, ids_of, rows, rows_of, scanned
from tests.tools.images import Image
from tests.tools.proxy import Proxy

#: The scans that read SBOMs, each with the one that makes them.
BY_SBOM = {"dependency": "packages", "general": "packages-trivy"}


def test_the_second_run_pulls_nothing_and_finds_the_same(
    configured: Callable[..., Config], images: dict[str, Image], proxy: Proxy, tmp_path: Path
) -> None:
    config = configured(*images)
    config = config.model_copy(
        update={"scans": config.scans.model_copy(update={"default": ("dependency", "general", "root-user")})}
    )
    first_plan, first = scanned(config)
    assert [row.reason for row in first.rows] == [""] * 20
    assert {cell.scan for cell in first_plan.cells} == {*BY_SBOM, *BY_SBOM.values(), "root-user"}
    assert {cell.unmatched for cell in first_plan.cells if cell.scan in BY_SBOM} == {"no SBOM of it is stored yet"}
    assert len(documents(tmp_path)) == 8

    third = config.model_copy(update={"scans": config.scans.model_copy(update={"default": tuple(BY_SBOM)})})

    proxy.log.clear()
    plan, second = scanned(third)
    # What planning asks: where the tag leads, and the image's configuration.
    layers = {each.digest for name, image in images.items() if "unknown" not in name for each in image.layers}
    assert not set(proxy.log.blob_reads()) & layers
    assert len(matched(plan)) == 7, [(cell.id, cell.unmatched) for cell in plan.cells]
    (whole,) = (cell for cell in plan.cells if cell.source is None)
    assert "incomplete: package" in whole.unmatched
    assert pending(plan) == {whole.target: ["general"]}
    assert (plan.budget.images, plan.budget.matched, plan.budget.saved_images) == (1, 7, 3)
    assert [row.reason for row in second.rows] == [""] * 8
    assert found(config, second) == {row for row in found(config, first) if "root-user" not in row}
    assert {row[1] for row in found(config, second)} == set(BY_SBOM)
    for row in second.rows:
        if (row.target, row.scan) == (whole.target, "general"):
            assert row.source is None
            assert "incomplete" in row.note
            continue
        assert row.source is not None
        assert row.source.cataloguer == {"dependency": "syft 1.42.3", "general": "trivy 0.68.2"}[row.scan]
        assert row.source.made
        assert row.source.bom.startswith("sha256:")
    assert {row.source for row in first.rows} == {None}
    summary = (tmp_path / "pv" / "results" / second.run / "summary.md").read_text()
    assert "7 cells were answered from stored SBOMs" in summary
    page = (tmp_path / "pv" / "results" / second.run / "report.html").read_text()
    assert "from the SBOM that syft 1.42.3 made on" in page


def test_bad_sboms_cost_their_own_cells_which_are_scanned_from_the_image(
    configured: Callable[..., Config], images: dict[str, Image], tmp_path: Path
) -> None:
    config = configured(*images)
    _, first = scanned(config)
    files = {
        name: next((tmp_path / "pv" / "sboms" / row.digest.replace(":", "-")).glob("*.zst"))
        for name, row in rows(first).items()
    }
    os.truncate(files["java:1"], files["java:1"].stat().st_size // 2)
    files["debian:1"].write_bytes(files["none:1"].read_bytes())
    files["unknown:1"].unlink()
    plan, second = scanned(config)
    assert pending(plan) == {}  # nobody knew
    assert [row.reason for row in second.rows] == [""] * 4
    assert {name: row.source is None for name, row in rows(second).items()} == {
        "java:1": True, "debian:1": True, "unknown:1": True, "none:1": False,
    }  # fmt: skip
    assert found(config, second) == found(config, first)
    notes = {name: row.note for name, row in rows(second).items()}
    assert "damaged" in notes["java:1"]
    assert "damaged" in notes["debian:1"]
    assert "no longer on the volume" in notes["unknown:1"]
    assert notes["none:1"] == ""


def test_the_scheduler_finds_in_sboms_what_a_newer_database_knows(
    configured: Callable[..., Config], images: dict[str, Image], proxy: Proxy, renew: Callable[[], None], tmp_path: Path
) -> None:
    config = configured(
        *images,
        rescanAfter={"default": "1s", "packages": "90d"},
        databases={"maxAge": {"default": "1d", "dependency": "0s"}},
    )
    done = scanmatrix("schedule", "--once", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, blobs = rows_of(config), set(proxy.log.blob_reads())
    assert len(documents(tmp_path)) == len(images)
    assert ids_of(config) == {"GHSA-jfh8-c2jp-5v3q"}
    time.sleep(2)  # a database has a second as its version, and a result is fresh for one
    renew()
    proxy.log.clear()
    done = scanmatrix("schedule", "--once", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    second = rows_of(config)
    assert {row.target for row in second} == {row.target for row in first}
    assert {row.scan for row in second if row.source is not None} == {row.scan for row in second} == {"dependency"}
    assert ids_of(config) == {"GHSA-jfh8-c2jp-5v3q", "GHSA-35jh-r3h4-6jhm"}
    layers = {each.digest for image in images.values() for each in image.layers}
    assert blobs >= layers
    assert not set(proxy.log.blob_reads()) & layers


def test_what_speaks_against_an_sbom_is_said_in_the_plan(
    configured: Callable[..., Config], images: dict[str, Image], tmp_path: Path
) -> None:
    config = configured(next(iter(images)))
    scanned(config)
    (document,) = documents(tmp_path)
    kept = read(document, StoredSbom)

    def planned(**changes: object) -> tuple[str, set[str]]:
        document.write_bytes(encode(msgspec.structs.replace(kept, **changes)))
        plan = make_plan(config)
        reader = next(cell for cell in plan.cells if cell.scan == "dependency")
        assert (reader.source is None) is bool(reader.unmatched)
        return reader.unmatched, {cell.scan for cell in plan.cells}

    long_ago = (datetime.now(UTC) - timedelta(days=31)).isoformat(timespec="seconds")
    assert planned() == ("", {"dependency"})
    unmatched, scans = planned(source=msgspec.structs.replace(kept.source, made=long_ago))
    assert "fullScanAfter" in unmatched
    assert scans == {"dependency", "packages"}  # it is made again
    unmatched, scans = planned(source=msgspec.structs.replace(kept.source, cataloguer="syft 1.18.1"))
    assert "1.18.1" in unmatched
    assert scans == {"dependency"}
    unmatched, scans = planned(gaps=("/app/x.jar: cannot be read",))
    assert "/app/x.jar" in unmatched
    unmatched, scans = planned(digest=f"sha256:{'0' * 64}")
    assert "says that it is of" in unmatched
    assert scans == {"dependency", "packages"}
