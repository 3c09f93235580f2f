"""A service that listens, over a filled volume, and both clients of it."""

import httpx2
import pytest

from orchestrator.client.clients import AsyncServiceClient, ServiceClient
from orchestrator.client.connection import ServiceLimits
from orchestrator.queries.kept import keeping
from tests.live_server import listening
from tests.served import configured, run_async, volume_in

QUICK = ServiceLimits(retries=0)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    volume = volume_in(tmp_path_factory.mktemp("filled"))
    found = configured(volume)
    with keeping(volume, found) as kept:
        kept.refresh()
    return found


@pytest.fixture(scope="module")
def service(config):
    with listening(config) as found:
        yield found


@pytest.fixture(scope="module")
def url(service):
    return f"http://127.0.0.1:{service.port}"


@pytest.fixture
def client(url):
    with ServiceClient(url, "", limits=QUICK) as found:
        yield found


@pytest.fixture
def asked(service):
    """Asks the application without a socket, by the other client: the name of a method, and what it is given."""

    def ask(method, *args, page=1_000, **kwargs):
        async def awaited():
            transport = httpx2.ASGITransport(service.app)
            limits = QUICK._replace(page=page)
            async with AsyncServiceClient("http://127.0.0.1", "", limits=limits, transport=transport) as client:
                found = getattr(client, method)(*args, **kwargs)
                return [each async for each in found] if hasattr(found, "__aiter__") else await found

        return run_async(awaited)

    return ask
