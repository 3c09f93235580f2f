"""Where images are read."""

from dataclasses import dataclass

import pytest

from orchestrator.config.loading import CacheSection
from orchestrator.images.reference import parse
from orchestrator.images.registry.cache import pull_location


@dataclass(frozen=True)
class Rule:
    upstream: str
    url: str
    path: str = ""


def test_a_cache_stands_in_front_of_its_upstream_and_of_no_other() -> None:
    caches = [Rule("docker.io", "http://cache:5000"), Rule("ghcr.io", "https://harbor.example/", "ghcr/")]
    assert pull_location(parse("ubuntu"), caches, ()) == "http://cache:5000/library/ubuntu"
    assert pull_location(parse("ghcr.io/a/b"), caches, ()) == "https://harbor.example/ghcr/a/b"
    assert pull_location(parse("quay.io/a/b"), caches, ()) == "https://quay.io/a/b"


def test_the_configuration_s_own_type_is_a_rule() -> None:
    cache = CacheSection(upstream="registry-1.docker.io", url="http://cache:5000")
    assert pull_location(parse("a/b"), [cache], ()) == "http://cache:5000/a/b"


def test_docker_hub_answers_under_another_name() -> None:
    assert pull_location(parse("ubuntu"), (), ()) == "https://registry-1.docker.io/library/ubuntu"


@pytest.mark.parametrize("host", ["localhost:5000", "127.0.0.1:5000", "127.8.9.1", "[::1]:5000", "x.localhost"])
def test_the_machine_itself_is_read_without_tls(host: str) -> None:
    assert pull_location(parse(f"{host}/app"), (), ()) == f"http://{host}/app"


def test_an_insecure_host_may_speak_tls_and_is_tried_so_first() -> None:
    assert pull_location(parse("lab:5000/app"), (), ["lab:5000"]) == "https://lab:5000/app"
