"""Platforms: one spelling each, and the best for what is wanted."""

import pytest

from orchestrator.errors import UsageError
from orchestrator.images.platforms import choose, normalise, parse_platform, runnable
from orchestrator.model import Platform


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("Linux/x86_64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
    ],
)
def test_one_spelling(text: str, same: str) -> None:
    assert str(parse_platform(text)) == same
    assert normalise(parse_platform(text)) == parse_platform(same)


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "linux/am d64", "a/../b"])
def test_not_a_platform(text: str) -> None:
    with pytest.raises(UsageError):
        parse_platform(text)


def _offers(*texts: str) -> list[tuple[Platform, str]]:
    return [(parse_platform(text), text) for text in texts]


def test_the_wanted_ones_in_the_order_wanted() -> None:
    offers = _offers("linux/amd64", "linux/arm64/v8", "linux/s390x")
    assert choose(map(parse_platform, ["linux/arm64", "linux/amd64"]), offers) == ["linux/arm64/v8", "linux/amd64"]


def test_a_variant_only_where_there_is_nothing_better() -> None:
    assert choose([parse_platform("linux/amd64")], _offers("linux/amd64/v3", "linux/amd64")) == ["linux/amd64"]
    assert choose([parse_platform("linux/amd64")], _offers("linux/amd64/v3")) == ["linux/amd64/v3"]
    assert choose([parse_platform("linux/amd64/v2")], _offers("linux/amd64")) == []


def test_the_first_of_equals_and_none_twice() -> None:
    offers = [(parse_platform("windows/amd64"), "2022"), (parse_platform("windows/amd64"), "2019")]
    assert choose([parse_platform("windows/amd64")] * 2, offers) == ["2022"]
    assert choose([parse_platform("linux/amd64")], offers) == []


@pytest.mark.parametrize(
    ("machine", "images"),
    [
        ("linux/amd64", "linux/amd64 linux/386"),
        ("linux/arm64", "linux/arm64 linux/arm/v8 linux/arm/v7 linux/arm/v6 linux/arm/v5"),
        ("linux/arm/v6", "linux/arm/v6 linux/arm/v5"),
        ("linux/arm", "linux/arm/v7 linux/arm/v6 linux/arm/v5"),
        ("linux/s390x", "linux/s390x"),
        ("windows/amd64", "windows/amd64 windows/386"),
    ],
)
def test_what_a_machine_runs(machine: str, images: str) -> None:
    assert [str(platform) for platform in runnable(parse_platform(machine))] == images.split()
