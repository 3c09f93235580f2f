"""Targets out of a real registry: its catalogue and its tags."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.config.loading import default_config
from orchestrator.images.registry import client as registry_module
from orchestrator.inventory import SourceBrokenError, SourceUnavailableError, collect
from tests.tools.faults import Fault
from tests.tools.images import Image, layer
from tests.tools.servers import Registry, start_registry
from tests.tools.upstream import Upstream

IMAGE = Image.build([layer({"a": "b"})])
REPOSITORIES = ("team-a/shop", "team-a/cart", "team-b/bank")
TAGS = ("1.0.0", "1.1.0", "2.0.0", "latest")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with start_registry(tmp_path_factory.mktemp("filled"), "filled") as found:
        for repository in REPOSITORIES:
            for tag in TAGS:
                found.push(f"{repository}:{tag}", IMAGE)
        yield found


def references(host: str, **keys) -> list[str]:
    config = default_config(environment={}, targets=[{"registry": {"host": host, **keys}, "owner": "me"}])
    entries = collect(config)
    assert {entry.owner for entry in entries} <= {"me"}
    return [entry.reference.removeprefix(f"{host}/") for entry in entries]


@pytest.mark.parametrize("page", [1000, 2])
def test_repositories_by_pattern_and_by_name_in_pages_of_any_size(filled: Registry, page, monkeypatch):
    monkeypatch.setattr(registry_module, "PAGE", page)
    host = filled.url.removeprefix("http://")
    assert references(host, repositories=["team-a/*"], newest=1) == ["team-a/cart:2.0.0", "team-a/shop:2.0.0"]
    assert references(host, repositories=["team-b/bank"], versions="<2") == ["team-b/bank:1.1.0", "team-b/bank:1.0.0"]
    everything = references(host, repositories=["team-b/bank", "/.*/"])
    assert sorted(everything) == sorted(f"{repository}:{tag}" for repository in REPOSITORIES for tag in TAGS)


def test_a_repository_that_does_not_exist_is_reported(filled: Registry):
    with pytest.raises(SourceUnavailableError, match="team-c/none"):
        references(filled.url.removeprefix("http://"), repositories=["team-c/none"])


def test_a_repository_of_the_catalogue_without_tags_or_access_keeps_no_other_from_being_read(
    filled: Registry, make_proxy, caplog
):
    proxy = make_proxy(filled.url)
    host = proxy.url.removeprefix("http://")
    proxy.faults.add(Fault(path="/v2/team-a/shop/tags*", status=404, times=None))
    proxy.faults.add(Fault(path="/v2/team-b/bank/tags*", status=403, times=None))
    config = default_config(environment={}, targets=[{"registry": {"host": host, "repositories": ["*"], "newest": 1}}])
    found = {entry.reference.removeprefix(f"{host}/"): entry.error for entry in collect(config)}
    assert found.keys() == {"team-a/cart:2.0.0", "team-b/bank"}
    assert "403" in found["team-b/bank"]
    assert "team-a/shop" in caplog.text
    for name in ("team-a/shop", "team-b/bank"):
        with pytest.raises(SourceUnavailableError, match=name):
            references(host, repositories=[name])


def test_a_repository_that_only_has_prereleases_is_not_left_out_silently(tmp_path: Path, caplog):
    with start_registry(tmp_path / "dated") as registry:
        registry.push("dated/app:2026.11.30-build.7", IMAGE)
        registry.push("dated/other:1.0", IMAGE)
        assert references(registry.host, repositories=["dated/*"]) == ["dated/other:1.0"]
        assert f"nothing of {registry.host}/dated/app:2026.11.30-build.7: " in caplog.text
        assert "prereleases: true" in caplog.text
        caplog.clear()
        assert references(registry.host, repositories=["dated/*"], excludeTags=["*build*"])
        assert "prerelease" not in caplog.text  # left out by what somebody wrote


def test_a_registry_wants_credentials(upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    upstream.push("private/one:1", IMAGE)
    host = upstream.host
    with pytest.raises(SourceUnavailableError):
        references(host, repositories=["private/*"])
    login = base64.b64encode(":".join(upstream.credentials).encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert references(host, repositories=["private/*"]) == ["private/one:1"]


def test_a_registry_that_fails_may_be_asked_again(filled: Registry, make_proxy):
    proxy = make_proxy(filled.url)
    host = proxy.url.removeprefix("http://")
    proxy.faults.add(Fault(path="/v2/_catalog*", status=503, times=1))
    assert references(host, repositories=["team-b/*"], newest=1) == ["team-b/bank:2.0.0"]
    proxy.faults.add(Fault(path="/v2/_catalog*", status=404, times=None))
    with pytest.raises((SourceBrokenError, SourceUnavailableError), match="_catalog"):
        references(host, repositories=["team-b/*"])
