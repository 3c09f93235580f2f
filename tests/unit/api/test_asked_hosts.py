"""Callers of a service that others may ask name public hosts, and those that its configuration names."""

import socket

import pytest

from orchestrator import load_config
from orchestrator.api import asked_hosts
from orchestrator.api.asked_hosts import strange_hosts
from orchestrator.api.submission import RunRequest, plan_of, remote_name
from orchestrator.errors import UsageError

ADDRESSES = {
    "public.example": ["93.184.216.34"],
    "git.example": ["93.184.216.35"],
    "both.example": ["93.184.216.34", "10.0.0.7"],
    "registry.corp": ["10.0.0.7"],
    "git.corp": ["fd00::7"],
    "cache-docker-io": ["10.96.3.1"],
    "2130706433": ["127.0.0.1"],
}


@pytest.fixture(autouse=True)
def names(monkeypatch):
    def resolve(host, *_, **__):
        if host not in ADDRESSES:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ADDRESSES[host]]

    monkeypatch.setattr(asked_hosts.socket, "getaddrinfo", resolve)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def configured(tmp_path):
    def make(text="", *, auth="auth: {tokens: tokens.json}"):
        file = tmp_path / "scanmatrix.yaml"
        file.write_text(f"volume: {{path: v}}\n{auth}\n{text}\n")
        return load_config(file)

    return make


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Made once: reading a configuration is most of what a test costs."""
    file = tmp_path_factory.mktemp("guarded") / "scanmatrix.yaml"
    file.write_text("volume: {path: v}\nauth: {tokens: tokens.json}\n")
    return load_config(file)


def strange(config, *targets):
    return strange_hosts(config, [remote_name(target) for target in targets])


INSIDE = {
    "127.0.0.1:1/x": "loopback",
    "localhost/x": "loopback",
    "registry.localhost/x": "loopback",
    "2130706433:80/x": "loopback",
    "[::1]:5000/x": "loopback",
    "169.254.169.254/latest": "link-local",
    "100.100.100.200/latest": "link-local",
    "10.0.0.7/x": "private",
    "registry.corp/shop/web:1": "private",
    "both.example/x": "private",
    "cache-docker-io:5000/library/alpine": "private",
    "https://169.254.169.254/latest/meta-data": "link-local",
    "https://git.corp/a/b.git": "private",
    "https://10.0.0.7:8443/a/b.git": "private",
}


@pytest.mark.parametrize(("target", "zone"), INSIDE.items(), ids=str)
def test_a_host_that_is_not_public_is_refused(guarded, target, zone):
    with pytest.raises(UsageError, match=rf"{zone} address.*`insecure`, `targets`, `cache`.*`events\.rules`"):
        strange(guarded, "alpine:3.20", target)


def test_plans_are_refused_too(guarded):
    with pytest.raises(UsageError, match="link-local"):
        plan_of(guarded, RunRequest(targets=("169.254.169.254/x",)))


def test_a_service_that_only_this_machine_asks_is_open(configured):
    assert strange(configured(auth=""), *INSIDE) == frozenset()


def test_public_hosts_are_held_to_that_when_they_are_asked(guarded):
    found = strange(guarded, "Public.Example:5000/x", "https://git.example/a/b", "gone.example/x", "alpine")
    assert found == {"public.example:5000", "git.example", "gone.example"}


NAMED = {
    "insecure: [registry.corp]": "registry.corp/shop/web:1",
    "cache: [{upstream: registry.corp, url: 'http://mirror:5000'}]": "registry.corp/shop/web:1",
    "targets: [{registry: {host: registry.corp, repositories: ['*']}}]": "registry.corp/shop/web:1",
    "targets: [{image: 'registry.corp/other:1'}]": "registry.corp/shop/web:1",
    "targets: [{csv: {path: targets.csv}}]": "registry.corp/shop/web:1",
    "targets: [{repository: {url: 'https://git.corp/c/d'}}]": "https://git.corp/a/b",
    "events: {rules: [{name: shop, images: 'registry.corp/shop/*'}]}": "registry.corp:443/shop/web:1",
    "events: {rules: [{name: shop, images: '127.0.0.1:*/*'}]}": "127.0.0.1:5000/shop/web:1",
    "events: {rules: [{name: all, repositories: 'https://*.corp/**'}]}": "https://git.corp/a/b",
}


@pytest.mark.parametrize(("text", "target"), NAMED.items(), ids=str)
def test_hosts_that_the_configuration_names_are_asked_as_it_is(configured, tmp_path, text, target):
    (tmp_path / "targets.csv").write_text("image\nregistry.corp/other:1\n")
    assert strange(configured(text), target) == frozenset()


@pytest.mark.parametrize("glob", ["*", "**", "*/shop/*", "*.*/shop/*", "public.example/*", "registry.corp.example/*"])
def test_a_rule_for_every_host_names_none(configured, glob):
    with pytest.raises(UsageError, match="private"):
        strange(configured(f"events: {{rules: [{{name: all, images: '{glob}'}}]}}"), "registry.corp/shop/web:1")


def test_a_name_that_only_a_proxy_resolves_is_its_business(guarded, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.corp:3128")
    assert strange(guarded, "registry.corp/x") == {"registry.corp"}
    with pytest.raises(UsageError, match="link-local"):
        strange(guarded, "169.254.169.254/x")


def test_hosts_of_one_request_are_bounded(guarded):
    with pytest.raises(UsageError, match="65 hosts"):
        strange(guarded, *(f"r{number}.example/x" for number in range(65)))
