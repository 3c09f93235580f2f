"""Runs by a client: planned, submitted, followed to their end, retried, cancelled; of a registry that is not there."""

import pytest

from orchestrator.api.submission import RunRequest
from orchestrator.client.clients import ServiceClient
from orchestrator.client.errors import ServiceRefusalError
from orchestrator.config.limits import ConfiguredLimits
from orchestrator.errors import NotKnownError, UsageError
from orchestrator.model import Outcome
from tests.live_server import listening
from tests.served import QUICK, configured, volume_in

WANTED = RunRequest(targets=("127.0.0.1:1/shop/web:1",), scans=("root-user",))


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    config = configured(volume_in(tmp_path_factory.mktemp("work")), limits=ConfiguredLimits(retries=0))
    with (
        listening(config, settings=QUICK) as service,
        ServiceClient(f"http://127.0.0.1:{service.port}", "") as found,
    ):
        yield found


def test_a_plan(client):
    plan = client.make_plan(WANTED)
    assert [cell.scan for cell in plan.cells] == ["root-user"]
    with pytest.raises(UsageError, match="image of a registry"):
        client.make_plan(RunRequest(targets=("/etc/passwd",)))


def test_a_run_to_its_end(client):
    ledger = client.run(WANTED, key="build-1")
    assert [row.outcome for row in ledger.rows] == [Outcome.FAILED]
    assert client.run(WANTED, key="build-1") == ledger
    with pytest.raises(ServiceRefusalError, match="another key"):
        client.submit(RunRequest(globs=("x",)), key="build-1")
    [*_, last] = client.follow(ledger.run)
    assert last.ended
    assert client.cancel(ledger.run) == ()
    assert client.retry(ledger.run) == ledger.run
    assert [status.run for status in client.follow(ledger.run)][-1] == ledger.run


def test_runs_without_a_key_are_others(client):
    runs = {client.submit(WANTED) for _ in range(2)}
    assert len(runs) == 2
    for run in runs:
        assert list(client.follow(run))[-1].ended


def test_a_run_that_nobody_knows(client):
    for method in (
        client.status,
        client.retry,
        client.cancel,
        client.read_ledger,
        lambda run: list(client.follow(run)),
    ):
        with pytest.raises(NotKnownError, match="run-9"):
            method("run-9")
