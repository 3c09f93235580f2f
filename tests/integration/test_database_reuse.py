"""Databases over several runs, with the real scanners and a real mirror: asked for by age, or a folder of ours."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.api.plan import load_config, make_plan, read_findings
from orchestrator.api.run import run
from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import Config
from orchestrator.config.targets import TargetSource
from orchestrator.engines.local.launch import Launcher
from orchestrator.engines.local.scanners import Scanners
from orchestrator.model import Ledger
from orchestrator.steps.fetching import Reach
from orchestrator.steps.refresh import refresh
from orchestrator.upkeep.databases import current
from orchestrator.volume.layout import Volume
from tests.cluster import databases as written
from tests.integration.versions import make_older
from tests.tools import find, layouts, require, samples
from tests.tools.images import Image
from tests.tools.mirror import ARCHIVE, LISTING, Mirror, grype_files, mirror

FOUND = "GHSA-jfh8-c2jp-5v3q"


@pytest.fixture(scope="module")
def grype_mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A mirror with the real Grype's real database."""
    if find("grype") is None:
        pytest.skip("grype takes minutes to build; get it by: python -m tests.tools --all")
    root = written.grype(tmp_path_factory.mktemp("mirror"))
    with mirror() as served:
        served.files = {f"/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()}
        yield served


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    """A configuration for a folder of its own; its keys as YAML has them."""
    for scanner in filter(None, (find("grype"), find("trivy"))):
        monkeypatch.setenv("PATH", f"{scanner.parent}:{os.environ['PATH']}")

    def make(*, downloads: bool = True, **keys: object) -> Config:
        file = tmp_path / "scanmatrix.yaml"
        file.write_text(json.dumps({"limits": {"retries": 0}, "volume": {"path": "pv"}} | keys))
        return load_config(file, downloads=downloads)

    return make


def scanned(config: Config, image: Image, scan: str, tmp_path: Path, *, offline: bool = False) -> Ledger:
    """A whole run over one archive."""
    archive = layouts.write_archive(tmp_path / "image.tar", image)
    config = config.model_copy(update={"targets": (TargetSource(archive=str(archive)),)})
    return run(make_plan(config, scans=[scan], offline=offline), config)


def from_mirror(served: Mirror) -> dict[str, object]:
    return {"parameters": {"dependency": {"databaseUrl": f"{served.url}/databases"}}}


def reason(ledger: Ledger) -> str:
    (row,) = ledger.rows
    return row.reason


def test_grype_over_a_week_of_runs(
    tmp_path: Path, configured: Callable[..., Config], grype_mirror: Mirror, java_tool: Image
) -> None:
    served, scans, volume = grype_mirror, from_mirror(grype_mirror), Volume(tmp_path / "pv")

    def asked(*, offline: bool = False, downloads: bool = True, **more: object) -> list[str]:
        """What a whole run asks, with the scanner and all."""
        before = len(served.asked)
        config = configured(scans=scans, downloads=downloads, **more)
        ledger = scanned(config, java_tool, "dependency", tmp_path, offline=offline)
        assert reason(ledger) == ""
        assert "failed" not in ledger.rows[0].note  # a database that is young enough was not to be refreshed
        assert FOUND in set(read_findings(config, ledger.run)["id"])
        return [path for path, _ in served.asked[before:]]

    def refreshed(**databases: object) -> list[str]:
        """What its refresh asks."""
        before = len(served.asked)
        scan = load_catalog(configured(scans=scans, databases=databases))["dependency"]
        state = refresh(scan, volume, runner=lambda *given: Scanners(Launcher("process", "test")).refresh(*given, str))
        assert (state.error, bool(state.version)) == ("", True)
        return [path for path, _ in served.asked[before:]]

    first = asked()
    assert first[0] == LISTING
    assert len(first) > 1
    assert refreshed() == []  # it is young
    assert refreshed(maxAge={"default": "0s", "dependency": "1h"}) == []
    assert refreshed(maxAge="0s") == [LISTING]  # nothing new
    assert asked(databases={"maxAge": "0s"}, downloads=False) == []
    assert asked(databases={"maxAge": "0s"}, offline=True) == []
    assert refreshed(maxAge="0s", update=False) == []
    make_older(volume, "dependency", timedelta(hours=25))
    assert refreshed() == [LISTING]
    make_older(volume, "dependency", timedelta(hours=-25))  # of a clock that was wrong
    assert refreshed() == [LISTING]
    assert refreshed() == []
    file = next((volume.databases("dependency") / current(volume, "dependency")).glob("6/*.db"))
    file.chmod(0o644)
    os.truncate(file, 1000)
    assert len(asked()) > 1  # all of it again


@pytest.mark.parametrize("trouble", [304, 404, 503, "checksum", "half", "page"])
@pytest.mark.parametrize("before", [False, True])
def test_a_mirror_in_trouble(
    tmp_path: Path, configured: Callable[..., Config], trouble: int | str, *, before: bool
) -> None:
    now = datetime.now(UTC)
    with mirror() as served:
        served.files = grype_files(b"sqlite", now)
        config = configured(scans=from_mirror(served), databases={"maxAge": "0s"})
        scan, volume = load_catalog(config)["dependency"], Volume(tmp_path / "pv")

        def load(_: object, folder: Path, fetched: Path | None) -> None:
            assert fetched is not None
            shutil.copyfile(fetched / "vulnerability.db", folder / "loaded")

        version = refresh(scan, volume, runner=load).version if before else ""
        if isinstance(trouble, int):
            served.statuses = {LISTING: trouble}
        else:
            newer = now + timedelta(hours=1)
            wrong = {"checksum": f"sha256:{'0' * 64}"} if trouble == "checksum" else {}
            served.files = grype_files(b"newer", newer, **wrong)
            served.cut = {ARCHIVE: [3] * 9} if trouble == "half" else {}
            served.files |= {LISTING: b"<html>Log in"} if trouble == "page" else {}
        state = refresh(scan, volume, runner=load, reach=Reach(retries=0))
    assert (state.version, state.refreshed) == (version, False)
    assert f"scans.parameters.dependency.databaseUrl ({served.url}/databases)" in state.error
    assert "databases.paths.dependency" in state.error
    assert "?." not in state.error
    folder = volume.databases("dependency")
    assert {path.name for path in folder.iterdir() if path.is_dir()} == ({version, "current"} if before else set())


def test_the_folder_of_grype_itself(
    tmp_path: Path, configured: Callable[..., Config], grype_mirror: Mirror, java_tool: Image
) -> None:
    volume = Volume(tmp_path / "pv")
    scanned(configured(scans=from_mirror(grype_mirror)), java_tool, "dependency", tmp_path)
    own = shutil.copytree(volume.databases("dependency") / current(volume, "dependency"), tmp_path / "own")
    (own / ".scanmatrix.json").unlink()
    shutil.rmtree(tmp_path / "pv")
    before = len(grype_mirror.asked)
    config = configured(databases={"paths": {"dependency": "own"}}, scans=from_mirror(grype_mirror))
    ledgers = [scanned(config, java_tool, "dependency", tmp_path, offline=bool(number)) for number in range(2)]
    assert [reason(ledger) for ledger in ledgers] == ["", ""]
    assert FOUND in set(read_findings(config, ledgers[1].run)["id"])
    assert len({row.database_version for ledger in ledgers for row in ledger.rows}) == 1  # it did not change
    assert len(grype_mirror.asked) == before
    (own / "6" / "vulnerability.db").unlink()
    assert "6/vulnerability.db" in refresh(load_catalog(config)["dependency"], volume, runner=no_command).error


def test_the_folder_of_clamav_itself(tmp_path: Path, configured: Callable[..., Config], virus_signatures: Path) -> None:
    require("clamscan")
    own = shutil.copytree(virus_signatures, tmp_path / "own")
    (own / "freshclam.dat").write_text("x")
    (own / "mirrors").symlink_to("/etc")
    config = configured(databases={"paths": {"virus": str(own)}})
    first = scanned(config, samples.eicar(), "virus", tmp_path)
    assert reason(first) == ""
    found = len(read_findings(config, first.run))
    assert found
    volume = Volume(tmp_path / "pv")
    assert not (volume.databases("virus") / current(volume, "virus") / "freshclam.dat").exists()
    make_older(volume, "virus", timedelta(hours=25))
    version = current(volume, "virus")
    (unchanged,) = scanned(config, samples.eicar(), "virus", tmp_path).rows
    assert (current(volume, "virus"), unchanged.note) == (version, "")  # as old as the folder is, and as new
    (own / "more.ndb").write_text("scanmatrix.test.Sample:0:*:58354f2150\n")
    assert reason(scanned(config, samples.eicar(), "virus", tmp_path)) == ""
    assert current(volume, "virus") != version
    shutil.rmtree(own)
    last = scanned(config, samples.eicar(), "virus", tmp_path)
    assert reason(last) == ""
    summary = (volume.results(last.run) / "summary.md").read_text()
    assert "there is no such folder; name ClamAV" in summary
    assert "cells use the database of" in summary


@pytest.mark.parametrize("there", ["nothing", "file", "empty", "other"])
@pytest.mark.parametrize("scan", ["general", "dependency", "virus"])
def test_a_folder_without_such_a_database(
    tmp_path: Path, configured: Callable[..., Config], there: str, scan: str
) -> None:
    own = tmp_path / "own"
    if there == "file":
        own.write_text("x")
    elif there != "nothing":
        own.mkdir()
    if there == "other":
        (own / "readme.txt").write_text("x")
        (own / "db").mkdir()
        (own / "db" / "trivy.db").touch()
    config = configured(databases={"paths": {scan: "own"}})
    state = refresh(load_catalog(config)[scan], Volume(tmp_path / "pv"), runner=no_command)
    assert state.version == ""
    assert state.error.startswith(f"database of {scan}: databases.paths.{scan}: {own}: ")
    assert "; name " in state.error


def no_command(*_: object) -> None:
    """No scanner has anything to do with it."""
    raise AssertionError
