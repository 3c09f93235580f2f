"""One reference, one image: what a real registry serves in two readings is scanned in both, or in neither."""

import json
from pathlib import Path

import pytest

from orchestrator.errors import PermanentError
from orchestrator.images.registry.resolve import resolve
from orchestrator.images.tarball.sources import RegistryBlobs
from orchestrator.model import Platform
from orchestrator.net.errors import Unsupported
from orchestrator.steps.stage import stage
from orchestrator.volume.layout import Volume
from tests.integration.pulls import SCAN, TARGET, fast_client, make_plan
from tests.tools.images import Image, Index, layer, sha256
from tests.tools.proxy import Proxy
from tests.tools.servers import Registry

GOOD = Image.build([layer({"bin/app": "good"})], user="1000")
EVIL = Image.build([layer({"bin/sh": "evil"})], user="0")


def _with_config(old: str, new: str) -> Image:
    config = GOOD.config.replace(old.encode(), new.encode())
    assert config != GOOD.config
    said = json.loads(GOOD.manifest)
    said["config"] |= {"digest": sha256(config), "size": len(config)}
    return Image(json.dumps(said).encode(), config, GOOD.layers, GOOD.platform, GOOD.media_type)


HIDDEN = _with_config('"User":"1000"', '"User":"1000","user":"0"')
DEEP = _with_config('"rootfs"', f'"x":{"[" * 3000}{"]" * 3000},"rootfs"')


def test_both_images_of_one_platform_are_found(registry: Registry, repository: str) -> None:
    index = Index.build([GOOD, EVIL])
    registry.push(f"{repository}:1", index)
    location = f"{registry.url}/{repository}"
    with fast_client() as client:
        found = resolve(location, "1", [Platform()], client)
        assert [each.manifest.digest for each in found] == [GOOD.digest, EVIL.digest]
        with pytest.raises(Unsupported, match="online"):
            RegistryBlobs(client, location).image(index.digest, Platform())
        assert RegistryBlobs(client, location).image(EVIL.digest, Platform())[1] == EVIL.manifest


@pytest.mark.parametrize("image", [HIDDEN, DEEP], ids=["hidden", "deep"])
def test_a_config_of_two_readings_is_refused_when_the_plan_is_made(
    registry: Registry, repository: str, image: Image
) -> None:
    registry.push(f"{repository}:1", image)
    with fast_client() as client, pytest.raises(Unsupported, match="config"):
        resolve(f"{registry.url}/{repository}", "1", [Platform()], client)


@pytest.mark.parametrize("image", [HIDDEN, DEEP], ids=["hidden", "deep"])
def test_behind_an_index_it_is_refused_before_any_scanner_sees_it_and_pulled_once(
    registry: Registry, proxy: Proxy, repository: str, tmp_path: Path, image: Image
) -> None:
    registry.push(f"{repository}:1", Index.build([image]))
    plan, volume = make_plan(f"{proxy.url}/{repository}", image), Volume(tmp_path / "volume")
    for attempt in range(2):
        seen = len(proxy.log)
        with fast_client(retries=0) as client, pytest.raises(PermanentError, match="config"):
            stage(plan, TARGET, SCAN, volume, client=client)
        assert not volume.tarball(plan.run, TARGET, SCAN).exists()
        assert attempt == 0 or len(proxy.log) == seen
