"""Which hosts are this machine, without asking any name server."""

import pytest

from orchestrator.kit.hosts import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST", "::1", "[::1]"])
def test_addresses_of_this_machine_and_its_name(host):
    assert is_loopback(host)
    assert is_loopback(host, exactly=True)


@pytest.mark.parametrize("host", ["registry.localhost", "a.b.LocalHost.", "localhost."])
def test_names_that_a_resolver_may_give_to_another(host):
    assert is_loopback(host)
    assert not is_loopback(host, exactly=True)


OTHERS = "0.0.0.0 :: 192.0.2.1 10.0.0.1 1270.0.0.1 example.org 127.0.0.1.example.org 127.example"


@pytest.mark.parametrize("host", [*OTHERS.split(), "localhost.example", "notlocalhost", ""])
def test_others(host):
    assert not is_loopback(host)
