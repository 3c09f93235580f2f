"""Scans repeated from stored SBOMs: nothing is pulled, the same is found, what is wrong with one costs its own cell.

With the real Trivy, the real Grype, and the Syft that it is made with, on real packages.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from orchestrator.api.plan import load_config, make_plan, read_findings
from orchestrator.api.run import run
from orchestrator.config.loading import Config
from orchestrator.model import Ledger, LedgerRow, Plan, StoredSbom
from orchestrator.model.documents import encode, read
from orchestrator.model.plan import matched, pending
from tests.cluster import databases as written
from tests.integration.command import scanmatrix
from tests.tools import find, require, samples
from tests.tools.images import Image, layer
from tests.tools.mirror import Mirror, mirror
from tests.tools.proxy import Proxy
from tests.tools.servers import Registry

#: The scans that read SBOMs, each with the one that makes them.
BY_SBOM = {"dependency": "packages", "general": "packages-trivy"}
#: What is compared of a finding: everything but which run it was.
OWN = ["target", "scan", "kind", "id", "package", "version", "purl", "location", "severity", "fixed_version", "aliases"]


@pytest.fixture(scope="module")
def grype_mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A mirror with the real Grype's real database."""
    with mirror() as served:
        served.files = files_of(written.grype(tmp_path_factory.mktemp("mirror")))
        yield served


def files_of(root: Path) -> dict[str, bytes]:
    """What lies below a folder, as a mirror serves it."""
    return {f"/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def renew(grype_mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The mirror serves the database of a day before; call this for today's."""
    monkeypatch.setattr(grype_mirror, "files", files_of(written.grype(tmp_path / "yesterday", known=1)))
    return lambda: monkeypatch.setattr(grype_mirror, "files", files_of(written.grype(tmp_path / "today")))


@pytest.fixture(scope="module")
def scanners(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with both programs, the cataloguer under its own name."""
    grype, syft = find("grype"), find("syft-of-grype")
    if grype is None or syft is None:
        pytest.skip("grype takes minutes to build; get both by: python -m tests.tools --all")
    folder = tmp_path_factory.mktemp("scanners")
    (folder / "syft").symlink_to(syft)
    (folder / "grype").symlink_to(grype)
    (folder / "trivy").symlink_to(require("trivy"))
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture(scope="module")
def trivy_database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the real Trivy's real databases."""
    folder = tmp_path_factory.mktemp("trivy")
    written.trivy(folder)
    return str(folder)


@pytest.fixture
def configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scanners: str, grype_mirror: Mirror, trivy_database: str
) -> Callable[..., Config]:
    """A configuration for a folder of its own; its keys as YAML has them."""
    monkeypatch.setenv("PATH", scanners)
    monkeypatch.chdir(tmp_path)

    def make(*images: str, **keys: object) -> Config:
        plain = {
            "targets": [{"image": image} for image in images],
            "scans": {
                "default": ["dependency"],
                "parameters": {"dependency": {"databaseUrl": f"{grype_mirror.url}/databases"}},
            },
            "databases": {"paths": {"general": trivy_database, "packages-trivy": trivy_database}},
            "sboms": {"store": True},
            "limits": {"retries": 0},
            "volume": {"path": "pv"},
        }
        file = tmp_path / "scanmatrix.yaml"
        file.write_text(json.dumps(plain | keys))
        return load_config(file)

    return make


@pytest.fixture
def images(proxy: Proxy, registry: Registry, repository: str, java_tool: Image) -> dict[str, Image]:
    """Images of several ecosystems in the real registry, behind a proxy that counts; by their names."""
    version = layer({"etc/debian_version": "12.5\n"})  # without it Trivy does not know a Debian
    found = {
        "java": Image.build([*java_tool.layers, version]),
        "debian": Image.build([samples.distribution(), version]),
        "unknown": samples.old(),
        "none": samples.distroless(),
    }
    for name, image in found.items():
        registry.push(f"{repository}/{name}:1", image)
    return {f"{proxy.host}/{repository}/{name}:1": image for name, image in found.items()}


def rows(ledger: Ledger, scan: str = "dependency") -> dict[str, LedgerRow]:
    """The rows of a scan by the last part of their target's name."""
    return {row.references[0].rpartition("/")[2]: row for row in ledger.rows if row.scan == scan}


def ids_of(config: Config) -> set[str]:
    """What the newest run found."""
    return set(read_findings(config, newest_run(config))["id"])


def rows_of(config: Config) -> list[LedgerRow]:
    """The rows of the newest run."""
    return list(read(config.volume.path / "results" / newest_run(config) / "ledger.json", Ledger).rows)


def newest_run(config: Config) -> str:
    """The newest run."""
    results = (config.volume.path / "results").iterdir()
    return max(results, key=lambda path: (path / "ledger.json").stat().st_mtime).name


def scanned(config: Config) -> tuple[Plan, Ledger]:
    plan = make_plan(config)
    return plan, run(plan, config)


def found(config: Config, ledger: Ledger) -> set[tuple[object, ...]]:
    """What a run found, whatever run it was."""
    frame = read_findings(config, ledger.run)
    columns = [name for name in OWN if name in frame.columns]
    return {tuple(map(str, row)) for row in frame[columns].itertuples(index=False)}


def documents(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "pv" / "sboms").glob("*/*.json"))


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
