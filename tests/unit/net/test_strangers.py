"""A host that a stranger names is reached at a public address or not at all, whatever its name resolves to by then."""

import socket
from contextlib import closing

import pytest

from orchestrator.net import guarded
from orchestrator.net.errors import Broken, Denied
from orchestrator.net.transport import Asking, Transport


@pytest.mark.parametrize(
    ("address", "zone"), [("127.0.0.1", "loopback"), ("169.254.169.254", "link-local"), ("10.0.0.7", "private")]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_that_resolves_to_what_is_near(monkeypatch, address, zone, method):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 5000))]
    monkeypatch.setattr(guarded.socket, "getaddrinfo", lambda *_: found)
    monkeypatch.setattr(guarded._Guarded, "_connect", lambda *_: pytest.fail("it was connected to"))
    with closing(Transport((), (1, 1), strange=["Shop.example:5000"])) as transport:
        url = "https://shop.example:5000/v2/"
        with pytest.raises(Denied, match=f"is a {zone} address"):
            transport.get(url, {}, asking=Asking()) if method == "GET" else transport.post(url, {}, asking=Asking())


def test_a_host_that_is_configured_is_reached_wherever_it_is():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with closing(Transport((), (1, 1), strange=["shop.example"])) as transport, pytest.raises(Broken, match="refused"):
        transport.get(f"http://127.0.0.1:{port}/", {}, asking=Asking())
