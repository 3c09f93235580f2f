"""`limits.retries` are further attempts in all: a server that always answers 503 is asked so often, and no more."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.argo.commands import Exit
from orchestrator.config.loading import default_config
from orchestrator.databases.download import Web
from orchestrator.databases.interface import FetchLimit, Order
from orchestrator.engines.local.engine import LocalEngine
from orchestrator.exports.client import client_of
from orchestrator.exports.interface import ExportUnavailableError
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.tarball.sources import RegistryBlobs
from orchestrator.inventory import SourceBrokenError, collect
from orchestrator.model import Blob, Cell, Limits, Name, Outcome, Plan, Scan, Target
from orchestrator.net.errors import Broken, Busy
from orchestrator.planning.repositories import GitResolver
from orchestrator.steps.__main__ import main
from orchestrator.upkeep.plans import write_plan
from orchestrator.volume.layout import Volume
from tests.integration.engine import Watch as Observer
from tests.tools.services import Reply, Request, Service

RETRIES = [0, 4]
BUSY = Reply(503, b"", {"Retry-After": "0"})
DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def busy() -> Iterator[Service]:
    with Service(lambda _: BUSY) as service:
        yield service


def plan_of(location: str, retries: int) -> Plan:
    scan = Scan(
        name="root-user", image="localhost/scanmatrix:1", command=("scanmatrix-step",), format="scanmatrix",
        builtin=True, retries=2,
    )  # fmt: skip
    target = Target(id="app-1", names=(Name(reference="registry.example/app:1"),), digest=DIGEST, pull=location)
    return Plan(
        run="run-1",
        created="2025-06-01T00:00:00Z",
        version="0",
        scans=(scan,),
        targets=(target,),
        cells=(Cell(target="app-1", scan="root-user"),),
        waves=(("app-1",),),
        limits=Limits(retries=retries),
    )


@pytest.mark.parametrize("retries", RETRIES)
@pytest.mark.parametrize("step", [["pull"], ["stage", "--scan", "root-user"]], ids=["pull", "stage"])
def test_a_pods_step_which_argo_does_not_repeat(tmp_path: Path, busy: Service, retries: int, step: list[str]) -> None:
    volume = Volume(tmp_path)
    write_plan(plan_of(f"{busy.url}/app", retries), volume)
    name, *more = step
    status = main([name, "--volume", str(tmp_path), "--run", "run-1", "--target", "app-1", *more])
    assert status == Exit.FAILED
    assert len(busy.requests) == retries + 1


@pytest.mark.parametrize("retries", RETRIES)
def test_a_run_on_this_machine(tmp_path: Path, busy: Service, retries: int) -> None:
    engine = LocalEngine(Volume(tmp_path), runner="process")
    (row,) = engine.run(plan_of(f"{busy.url}/app", retries), Observer()).rows
    assert row.outcome is Outcome.FAILED
    assert "503" in row.reason
    assert len(busy.requests) == retries + 1


@pytest.mark.parametrize("retries", RETRIES)
@pytest.mark.parametrize("repositories", [["app"], ["a*"]], ids=["tags", "catalogue"])
def test_a_list_of_a_registry(busy: Service, retries: int, repositories: list[str]) -> None:
    host = busy.url.removeprefix("http://")
    config = default_config(
        environment={},
        targets=[{"registry": {"host": host, "repositories": repositories}}],
        limits={"retries": retries},
    )
    with pytest.raises(SourceBrokenError) as caught:
        collect(config, catalog={})
    assert len(busy.requests) == retries + 1
    assert not caught.value.is_worth_retrying


@pytest.mark.parametrize("retries", RETRIES)
def test_a_token_server(retries: int) -> None:
    def answer(request: Request) -> Reply:
        if request.path.startswith("/token"):
            return BUSY
        return Reply(401, b"", {"WWW-Authenticate": f'Bearer realm="{service.url}/token",service="x"'})

    with Service(answer) as service, RegistryClient(retries=retries) as client:
        with pytest.raises(Busy):
            client.manifest(f"{service.url}/app", "1")
        asked = [request.path for request in service.requests if request.path.startswith("/token")]
    assert len(asked) == retries + 1


@pytest.mark.parametrize("retries", RETRIES)
def test_a_blob(busy: Service, retries: int) -> None:
    class Sink:
        def write(self, offset: int, data: bytes) -> None:
            raise AssertionError

    with RegistryClient(retries=retries) as client, pytest.raises(Busy):
        RegistryBlobs(client, f"{busy.url}/app").fetch(Blob(digest=DIGEST, size=10, media_type=""), Sink())
    assert len(busy.requests) == retries + 1


@pytest.mark.parametrize("retries", RETRIES)
def test_a_download_of_a_database(tmp_path: Path, busy: Service, retries: int) -> None:
    order = Order({}, tmp_path, 1000, FetchLimit(time.monotonic() + 60), retries=retries)
    web = Web(order)
    with pytest.raises(Busy):
        web.small(f"{busy.url}/latest.json", 100)
    assert len(busy.requests) == retries + 1
    with pytest.raises(Busy):
        web.file(f"{busy.url}/db.tar.gz", tmp_path / "db", 100)
    assert len(busy.requests) == 2 * (retries + 1)


@pytest.mark.parametrize("retries", RETRIES)
def test_a_download_that_is_cut_and_cannot_be_resumed(tmp_path: Path, retries: int) -> None:
    cut = Reply(200, b"half", {"Content-Length": "8", "Connection": "close", "Retry-After": "0"})
    with Service(lambda _: cut) as service:
        web = Web(Order({}, tmp_path, 1000, FetchLimit(time.monotonic() + 60), retries=retries))
        with pytest.raises(Broken):
            web.file(f"{service.url}/db.tar.gz", tmp_path / "db", 100)
        assert len(service.requests) == retries + 1


@pytest.mark.parametrize("retries", [0, 1])
def test_a_git_host(busy: Service, retries: int) -> None:
    found = GitResolver(retries=retries)(f"{busy.url}/team/shop.git", "main")
    assert "503" in found.error or "again" in found.error
    assert len(busy.requests) == retries + 1


@pytest.mark.parametrize("retries", RETRIES)
def test_an_export(busy: Service, retries: int) -> None:
    config = default_config(
        environment={},
        limits={"retries": retries},
        exports={"defectdojo": {"url": busy.url, "token": "secret"}},
    )
    section = config.exports.defectdojo
    assert section is not None
    with pytest.raises(ExportUnavailableError):
        client_of(section, {}, config).get("/api/v2/tests/")
    assert len(busy.requests) == retries + 1
