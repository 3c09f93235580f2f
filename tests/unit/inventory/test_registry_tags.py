"""Which tags of a repository a source means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.config.targets import RegistrySource
from orchestrator.inventory.registry import choose

TAGS = ["latest", "1.9", "1.10.0", "v1.10.2", "2.0.0-rc.1", "2.0.0", "1.10.2-alpine", "build-9", "build-10"]


def section(**keys) -> RegistrySource:
    return RegistrySource(host="registry.example.com", repositories=["a"], **keys)


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        ({}, ["2.0.0", "v1.10.2", "1.10.0", "1.9", "latest", "build-10", "build-9"]),
        ({"newest": 2}, ["2.0.0", "v1.10.2"]),
        ({"tags": ["build-*"], "newest": 1}, ["build-10"]),
        ({"tags": ["latest"]}, ["latest"]),
        ({"tags": ["/v?1[.].*/"]}, ["v1.10.2", "1.10.0", "1.9"]),
        ({"versions": ">=1.10 <2"}, ["v1.10.2", "1.10.0"]),
        ({"versions": "<2, !=1.10.0"}, ["v1.10.2", "1.9"]),
        ({"versions": ">1.10.0", "prereleases": True}, ["2.0.0", "2.0.0-rc.1", "v1.10.2", "1.10.2-alpine"]),
        ({"versions": ">5"}, []),
        ({"excludeTags": ["*-alpine", "/build-.*/", "1.*"]}, ["2.0.0", "v1.10.2", "latest"]),
        ({"tags": ["build-*"], "excludeTags": ["build-9"]}, ["build-10"]),
        ({"excludeTags": ["*"]}, []),
    ],
)
def test_tags_by_pattern_version_and_number(keys, chosen):
    assert choose(TAGS, section(**keys)) == chosen


def test_tags_made_of_digests_take_no_place_of_the_newest():
    digest = f"sha256-{'0f' * 32}"
    signed = [f"{digest}.sig", f"{digest}.att", f"{digest}.sbom", digest, f"sha512-{'0f' * 64}"]
    named = ["main", "dev", "sha256-short"]
    assert choose([*signed, *named], section(newest=3)) == ["sha256-short", "main", "dev"]
    assert set(choose([*signed, *named], section())) == {*signed, *named}  # a tag is no proof of what it stands for
    assert choose([*signed, *named], section(excludeTags=["sha256-*.sig", "/sha(256|512)-[0-9a-f]{64,}(.*)?/"])) == [
        "sha256-short",
        "main",
        "dev",
    ]


@given(st.lists(st.text(alphabet="v0123456789.-abc", max_size=12), unique=True), st.integers(1, 5))
def test_any_tags_can_be_ordered(tags, newest):
    every = choose(tags, section(prereleases=True))
    assert sorted(every) == sorted(tags)
    assert choose(tags, section(prereleases=True, newest=newest)) == every[:newest]


@pytest.mark.parametrize("keys", [{"versions": "~1"}, {"versions": ""}, {"tags": ["/(/"]}, {"newest": 0}, {"tags": []}])
def test_mistakes_are_reported(keys):
    with pytest.raises(ValidationError):
        section(**keys)
