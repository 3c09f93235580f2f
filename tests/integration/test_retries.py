"""`limits.retries` are further attempts in all: a server that always answers 503 is asked so often, and no more."""

import json
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import ANY

import pytest
from msgspec.structs import replace

from orchestrator.argo.agreed import Exit
from orchestrator.config.loading import default_config
from orchestrator.databases.download import Web
from orchestrator.databases.interface import FetchLimit, Order
from orchestrator.engines.local.engine import LocalEngine
from orchestrator.errors import TemporaryError, VolumeFullError
from orchestrator.exports import s3
from orchestrator.exports.client import client_of
from orchestrator.exports.interface import ExportUnavailableError
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.tarball.fill import PARALLEL
from orchestrator.images.tarball.sources import RegistryBlobs
from orchestrator.inventory import SourceBrokenError, collect
from orchestrator.model import Blob, Cell, Limits, Name, Outcome, Plan, ReadBudget, Scan, Target
from orchestrator.model.documents import encode
from orchestrator.net.allowance import Allowance
from orchestrator.net.errors import Broken, Busy, Misdirected
from orchestrator.notifications import notify
from orchestrator.planning.repositories import GitResolver
from orchestrator.results.run import RunResults
from orchestrator.steps.__main__ import main
from orchestrator.upkeep.left import failed_cells
from orchestrator.upkeep.plans import write_plan
from orchestrator.upkeep.unpulled import record_failure
from orchestrator.volume.layout import Volume, write_atomic
from tests.integration.engine import Watch as Observer
from tests.told import cell, difference, ledger, table
from tests.tools.images import Image, layer
from tests.tools.services import Reply, Request, Service

RETRIES = [0, 4]
BUSY = Reply(503, b"", {"Retry-After": "0"})
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
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


@pytest.mark.parametrize("given_up", [True, False])
def test_a_pod_of_all_cells_whose_image_was_given_up_is_not_followed_by_others(
    tmp_path: Path, busy: Service, *, given_up: bool
) -> None:
    """Those would pull it again, as often as the first did (`layout: image`)."""
    volume, where = Volume(tmp_path), ["--volume", str(tmp_path), "--run", "run-1"]
    plan = plan_of(f"{busy.url}/app", 1)
    write_plan(plan, volume)
    if given_up:
        assert main(["pull", *where, "--target", "app-1", "--stage", "root-user"]) == Exit.FAILED
    else:
        record_failure(plan, "app-1", VolumeFullError("no room"), volume)
    assert main(["left", *where, "--outputs", str(tmp_path / "outputs")]) == Exit.DONE
    assert json.loads((tmp_path / "outputs" / "images").read_bytes()) == ([] if given_up else [ANY])
    assert failed_cells(plan, volume) == {("app-1", "root-user")}  # what `scanmatrix retry` runs


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


THROTTLED = Reply(403, b"", {"Retry-After": "0"})


@pytest.mark.parametrize(
    "reply", [THROTTLED, *(Reply(status, b"", {"Retry-After": "0"}) for status in (408, 425, 429, 500, 502, 504))],
    ids=lambda reply: str(reply.status),
)  # fmt: skip
def test_every_answer_that_may_be_another_one_later(reply: Reply) -> None:
    """At the registry and at its token server alike."""

    def answer(request: Request) -> Reply:
        known = request.path.startswith("/token")
        return reply if known else Reply(401, b"", {"WWW-Authenticate": f'Bearer realm="{service.url}/token"'})

    with Service(lambda _: reply) as service, RegistryClient(retries=1) as client:
        with pytest.raises(TemporaryError):
            client.manifest(f"{service.url}/app", "1")
        assert len(service.requests) == 2
    with Service(answer) as service, RegistryClient(retries=1) as client:
        with pytest.raises(TemporaryError):
            client.manifest(f"{service.url}/app", "1")
        assert len([request for request in service.requests if request.path.startswith("/token")]) == 2


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Service], None]:
    def write(service: Service) -> None:
        host, word = service.url.removeprefix("http://"), b64encode(b"user:secret").decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": word}}}), encoding="utf-8")

    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return write


@pytest.mark.parametrize("retries", RETRIES)
def test_the_catalogue_for_somebody_with_a_login(busy: Service, login: Callable[[Service], None], retries: int) -> None:
    """What a busy registry says of itself is no answer: no request is made, and no login shown, because of it."""
    login(busy)
    with RegistryClient(retries=retries) as client, pytest.raises(Busy):
        client.catalogue(busy.url)
    assert len(busy.requests) == retries + 1
    assert not any("Authorization" in request.headers for request in busy.requests)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_registry_that_hides_and_is_too_busy_to_say_what_it_wants(
    login: Callable[[Service], None], status: int
) -> None:
    """Neither "not found" nor "access denied", and no login for those who did not ask for one."""

    def answer(request: Request) -> Reply:
        return BUSY if request.path == "/v2/" else Reply(status, b"")

    with Service(answer) as service, RegistryClient(retries=1) as client:
        login(service)
        with pytest.raises(Busy):
            client.manifest(f"{service.url}/app", "1")
        assert [request.path for request in service.requests] == ["/v2/app/manifests/1", "/v2/"] * 2
        assert not any("Authorization" in request.headers for request in service.requests)


def test_a_registry_that_said_what_it_wants_only_later(login: Callable[[Service], None]) -> None:
    def answer(request: Request) -> Reply:
        if "Authorization" in request.headers:
            return Reply(200, {"repositories": ["app"]})
        return Reply(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})

    with Service(answer) as service, RegistryClient(retries=1) as client:
        login(service)
        service.first.append(BUSY)
        assert client.catalogue(service.url) == ["app"]


def test_a_redirect_that_leads_nowhere_is_followed_once_more_and_no_more() -> None:
    with Service(lambda _: Reply(307, b"", {"Location": "/again"})) as service, RegistryClient(retries=4) as client:
        with pytest.raises(Misdirected):
            client.manifest(f"{service.url}/app", "1")
        assert len(service.requests) == 2 * 5  # two attempts, each with as many redirects as are followed


@pytest.mark.parametrize("retries", RETRIES)
def test_a_notification(tmp_path: Path, busy: Service, retries: int) -> None:
    volume = Volume(tmp_path)
    write_atomic(volume.results("run-1") / "ledger.json", encode(ledger(cell(), run="run-1")))
    routes = [{"name": "hook", "webhook": {"url": busy.url, "secret": "0123456789abcdef-secret"}}]
    config = default_config(environment={}, limits={"retries": retries}, notify={"routes": routes})
    (delivery,) = notify(config, RunResults(volume, "run-1"), table(difference("new", 1)))
    assert delivery.attempts == len(busy.requests) == retries + 1


@pytest.mark.parametrize("retries", [0, 1])  # boto3's own pauses may be long
def test_an_export_to_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy: Service, retries: int) -> None:
    for name, value in {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    volume = Volume(tmp_path)
    write_atomic(volume.results("run-1") / "ledger.json", encode(ledger(cell(), run="run-1")))
    bucket = {"bucket": "scans", "endpoint": busy.url, "region": "us-east-1"}
    config = default_config(environment={}, limits={"retries": retries}, exports={"s3": bucket})
    with pytest.raises(ExportUnavailableError) as caught:
        s3.export(RunResults(volume, "run-1"), config)
    assert len(busy.requests) == retries + 1
    assert not caught.value.is_worth_retrying


@pytest.mark.parametrize("retries", RETRIES)
def test_a_blob(busy: Service, retries: int) -> None:
    class Sink:
        def write(self, offset: int, data: bytes | memoryview) -> None:
            raise AssertionError

    with RegistryClient(retries=retries) as client, pytest.raises(Busy):
        RegistryBlobs(client, f"{busy.url}/app").fetch(Blob(digest=DIGEST, size=10, media_type=""), Sink())
    assert len(busy.requests) == retries + 1


@pytest.mark.parametrize("retries", RETRIES)
def test_an_image_whose_blobs_are_not_served(tmp_path: Path, retries: int) -> None:
    """One blob that was given up ends the pull: those that nobody has asked for by then are not asked for any more."""
    image = Image.build([layer({f"file-{number}": b"x" * number * 1000}) for number in range(3 * PARALLEL)])

    def answer(request: Request) -> Reply:
        served = "/manifests/" in request.path
        return Reply(200, image.manifest, {"Content-Type": MANIFEST_TYPE}) if served else BUSY

    with Service(answer) as service:
        plan = plan_of(f"{service.url}/app", retries)
        target = replace(plan.targets[0], digest=image.digest)
        write_plan(replace(plan, targets=(target,)), Volume(tmp_path))
        assert main(["pull", "--volume", str(tmp_path), "--run", "run-1", "--target", "app-1"]) == Exit.FAILED
        asked = Counter(request.path for request in service.requests if "/blobs/" in request.path)
    assert max(asked.values()) == retries + 1
    assert len(asked) <= 2 * PARALLEL


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


def test_a_git_host_is_not_waited_for_longer_than_planning_may_take(busy: Service) -> None:
    budget = ReadBudget(seconds=2)
    found = GitResolver(retries=20, allowance=Allowance(budget, "limits.planning"))(f"{busy.url}/team/shop.git", "main")
    assert found.error
    assert 1 <= len(busy.requests) <= 3  # after pauses of 1 s and 2 s its time is over


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
