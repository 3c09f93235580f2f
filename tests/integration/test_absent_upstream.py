"""What a real pull-through cache says of names while its upstream is away, and that it is not taken for an answer."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.config.loading import default_config
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.registry.hearsay import NOBODYS
from orchestrator.inventory import SourceBrokenError, collect
from orchestrator.net.errors import Broken, NotFound
from tests.integration.conftest import MakeCache
from tests.integration.pulls import fast_client
from tests.tools import faults
from tests.tools.images import Image, layer
from tests.tools.servers import Registry, start_registry
from tests.tools.upstream import Upstream

IMAGES = {tag: Image.build([layer({"a": tag})]) for tag in ("held", "other")}
ABSENCES = {
    "it refuses the cache": faults.answer(401, "/v2/*", times=None),
    "it wants patience": faults.answer(429, "/v2/*", times=None),
    "it fails": faults.answer(503, "/v2/*", times=None),
    "it breaks off": faults.reset("/v2/*", times=None),
}


@dataclass(frozen=True)
class Rule:
    """A cache, as the configuration has it."""

    url: str
    upstream: str = "registry.example"
    path: str = ""


def client_of(cache: Registry, retries: int = 4) -> RegistryClient:
    """One that does not make a test wait."""
    return RegistryClient(retries=retries, caches=[Rule(cache.url)], backoff=0.01, timeout=(5, 5))


@pytest.fixture
def location(upstream: Upstream, cache: Registry, repository: str) -> str:
    """In a cache that holds one of two tags."""
    for tag, image in IMAGES.items():
        upstream.push(f"{repository}:{tag}", image)
    location = f"{cache.url}/{repository}"
    with fast_client() as client:
        client.manifest(location, "held")
    return location


def test_a_tag_that_a_cache_does_not_hold_may_be_there_all_the_same(
    upstream: Upstream, cache: Registry, location: str
) -> None:
    for absence in ABSENCES.values():
        upstream.faults.clear()
        upstream.faults.add(absence)
        with client_of(cache, retries=1) as client:
            assert client.manifest(location, "held").data == IMAGES["held"].manifest
            with pytest.raises(Broken, match=r"manifests/other: .*fails \(500\)"):
                client.manifest(location, "other")
            with pytest.raises(Broken, match="tags/list: what a cache says"):
                client.tags(location)
            with pytest.raises(Broken, match="tags/list: what a cache says"):
                client.tags(f"{location}-unknown")


def test_an_upstream_that_comes_back_is_asked_again(upstream: Upstream, cache: Registry, location: str) -> None:
    with client_of(cache) as client:
        upstream.faults.add(faults.answer(503, "/v2/*", times=3))
        assert client.manifest(location, "other").data == IMAGES["other"].manifest
        upstream.faults.add(faults.answer(503, "/v2/*", times=3))
        assert client.tags(location) == ["held", "other"]


def test_what_an_upstream_does_not_have_is_not_found_at_once(
    upstream: Upstream, cache: Registry, location: str
) -> None:
    with client_of(cache) as client:
        for where, tag in ((location, "none"), (f"{location}-unknown", "held")):
            with pytest.raises(NotFound, match="check its name"):
                client.manifest(where, tag)
            assert len(upstream.log.select(path=f"/v2/*/{NOBODYS}")) == 1
            upstream.log.clear()
        with pytest.raises(NotFound, match="tags/list"):
            client.tags(f"{location}-unknown")


def test_a_list_of_tags_that_the_upstream_did_not_make_is_none(
    make_cache: MakeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RegistryClient.__init__.__kwdefaults__, "backoff", 0.01)
    registry = {"host": "registry.example", "repositories": ["app"]}
    with start_registry(tmp_path / "upstream") as upstream:
        cache = make_cache(upstream.url)
        for tag, image in IMAGES.items():
            upstream.push(f"app:{tag}", image)
        caches = [{"upstream": "registry.example", "url": cache.url}]
        config = default_config(environment={}, targets=[{"registry": registry}], cache=caches)
        assert {entry.reference.rpartition(":")[2] for entry in collect(config)} == set(IMAGES)
        with fast_client() as client:
            client.manifest(f"{cache.url}/app", "held")
    with pytest.raises(SourceBrokenError, match="tags/list: what a cache says"):
        collect(config)
