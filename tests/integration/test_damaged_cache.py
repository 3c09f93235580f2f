"""What a real pull-through cache does with content that its disk has damaged, and the way out."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.errors import UsageError
from orchestrator.net.errors import Broken, WrongBytes
from orchestrator.steps.pull import pull
from orchestrator.volume.layout import Volume
from tests.integration.pulls import TARGET, check_tarball, fast_client, make_plan
from tests.tools.images import Image, layer
from tests.tools.servers import Registry, ServerError, start_registry
from tests.tools.upstream import Upstream

STATE = "scheduler-state.json"
DAMAGES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "a flipped bit": lambda own, other: bytes([own[0] ^ 1]) + own[1:],
    "cut short": lambda own, other: own[: len(own) // 2],
    "empty": lambda own, other: b"",
    "another blob": lambda own, other: other,
}


@pytest.fixture
def image(request: pytest.FixtureRequest) -> Image:
    """One that no other test has cached."""
    layers = [layer({"a": f"{request.node.name} {number}" * 500}) for number in range(2)]
    return Image.build(layers)


@pytest.fixture
def pulls(upstream: Upstream, cache: Registry, image: Image, repository: str, tmp_path: Path) -> Callable[[], None]:
    """Pulls the image through the cache, each time onto an empty volume."""
    upstream.push(f"{repository}:1", image)
    plan = make_plan(f"{cache.url}/{repository}", image)

    def once() -> None:
        volume = Volume(tmp_path / f"volume-{time.monotonic_ns()}")
        with fast_client() as client:
            check_tarball(pull(plan, TARGET, volume, client=client), image)

    once()
    (cache.storage / STATE).write_text("{}")  # the registry writes its own after five seconds
    return once


def layers(image: Image) -> list[str]:
    return [each["digest"] for each in json.loads(image.manifest)["layers"]]


def file_of(cache: Registry, digest: str) -> Path:
    hexadecimal = digest.partition(":")[2]
    return cache.storage / "docker/registry/v2/blobs/sha256" / hexadecimal[:2] / hexadecimal / "data"


def damage(cache: Registry, digest: str, how: str, other: str) -> None:
    path = file_of(cache, digest)
    path.write_bytes(DAMAGES[how](path.read_bytes(), file_of(cache, other).read_bytes()))


def drop(*words: str | Path) -> list[str]:
    """The command, as its user calls it; the lines that it printed."""
    done = CliRunner().invoke(app, ["cache", "drop", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout.splitlines()


def advised(error: pytest.ExceptionInfo[WrongBytes]) -> list[str]:
    """The arguments of the command that a message names."""
    found = re.search(r"`scanmatrix cache drop ([^`]+)`", str(error.value))
    assert found, str(error.value)
    return found[1].split()


def served(upstream: Upstream) -> list[str]:
    """What the upstream was asked for since the log was cleared."""
    found = [each.path.rpartition("/")[2] for each in upstream.log if each.method == "GET" and each.status == 200]
    return [name for name in found if name.startswith("sha256:")]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_blob_fails_every_pull_until_the_command_of_the_message_is_run(
    pulls: Callable[[], None], upstream: Upstream, cache: Registry, image: Image, how: str
) -> None:
    first, second = layers(image)
    damage(cache, first, how, second)
    for _ in range(2):
        with pytest.raises(WrongBytes) as error:
            pulls()
    upstream.log.clear()
    assert len(drop(*advised(error), "--folder", cache.storage)) == 1
    pulls()
    pulls()
    assert served(upstream) == [first], "everything else stays cached"


def test_a_manifest_that_is_another_one_fails_until_it_is_dropped(
    pulls: Callable[[], None], upstream: Upstream, cache: Registry, image: Image
) -> None:
    path = file_of(cache, image.digest)
    path.write_bytes(path.read_bytes().replace(b'"schemaVersion":2', b'"schemaVersion": 2'))
    with pytest.raises(WrongBytes) as error:
        pulls()
    drop(*advised(error), "--folder", cache.storage)
    upstream.log.clear()
    pulls()
    assert served(upstream) == [image.digest]


def test_without_a_name_it_finds_all_that_is_damaged_and_keeps_the_rest(
    pulls: Callable[[], None], upstream: Upstream, cache: Registry, image: Image, repository: str
) -> None:
    first, second = layers(image)
    assert drop("--folder", cache.storage) == ["nothing to drop"]
    damage(cache, first, "another blob", second)
    link = f"docker/registry/v2/repositories/{repository}/_layers/sha256/{second[7:]}/link"
    (cache.storage / link).write_text("")  # the registry then answers 500
    with pytest.raises((WrongBytes, Broken)):  # of whichever layer fails first
        pulls()
    size = file_of(cache, first).stat().st_size
    assert drop("--folder", cache.storage) == [
        f"dropped {first} ({size} bytes): its bytes are those of {second}",
        f"dropped {link} (0 bytes): leads to ''",
    ]
    upstream.log.clear()
    pulls()
    assert sorted(served(upstream)) == sorted([first, second])
    assert drop("--folder", cache.storage) == ["nothing to drop"]


def test_an_image_means_its_repository_and_all_means_all(
    pulls: Callable[[], None], upstream: Upstream, cache: Registry, image: Image, repository: str
) -> None:
    every = {image.digest, json.loads(image.manifest)["config"]["digest"], *layers(image)}
    with fast_client() as client:
        client.manifest(f"{cache.url}/{repository}", "1")
    assert len(drop(f"registry.example/{repository}:other", "--folder", cache.storage)) == len(every)
    upstream.log.clear()
    pulls()
    assert set(served(upstream)) == every
    assert len(drop("--all", "--folder", cache.storage)) == len(every)
    upstream.log.clear()
    pulls()
    assert set(served(upstream)) == every


def test_a_cache_that_does_not_start_any_more_starts_again(registry: Registry, repository: str, tmp_path: Path) -> None:
    image = Image.build([layer({"a": "b"})])
    registry.push(f"{repository}:1", image)
    folder = tmp_path / "cache"
    with start_registry(folder, cache_of=registry.url) as cache, fast_client() as client:
        client.manifest(f"{cache.url}/{repository}", image.digest)
    (cache.storage / STATE).write_bytes(b"")
    with pytest.raises(ServerError), start_registry(folder, cache_of=registry.url):
        pass
    lines = drop("--folder", cache.storage)
    assert [line.split()[1] for line in lines] == [image.digest, STATE]
    with start_registry(folder, cache_of=registry.url) as cache, fast_client() as client:
        assert client.manifest(f"{cache.url}/{repository}", image.digest).digest == image.digest


def test_a_registry_that_is_no_cache_is_left_alone(registry: Registry, tmp_path: Path) -> None:
    registry.push("kept:1", Image.build([layer({"a": "b"})]))  # a registry makes its folder for its first content
    assert registry.storage.is_dir()
    for folder in (registry.storage, tmp_path, tmp_path / "nothing"):
        done = CliRunner().invoke(app, ["cache", "drop", "--all", "--folder", str(folder)])
        assert isinstance(done.exception, UsageError)
        assert "is not the folder of a pull-through cache" in str(done.exception)
