"""Images that share layers: upstream is read once, and nothing of what another tarball holds is believed unproven."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.images.tarball.archive import open_tarball
from orchestrator.images.tarball.shared import forget_evicted
from orchestrator.model import Plan
from orchestrator.steps.pull import pull
from orchestrator.volume.layout import Volume
from tests.integration.pulls import TARGET, fast_client, make_plan
from tests.tools import faults
from tests.tools.images import Image, layer
from tests.tools.proxy import Proxy
from tests.tools.samples import bulky

BASE = bulky(layers=2)
IMAGES = [Image.build([*BASE.layers, layer({"app": f"application {n}"})]) for n in range(3)]
SHARED = {each.digest for each in BASE.layers}


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def plans(proxy: Proxy, registry, repository: str) -> list[Plan]:
    """Each image in a repository of its own, as a company's are."""
    found = []
    for number, image in enumerate(IMAGES):
        registry.push(f"{repository}/{number}:1", image)
        found.append(make_plan(f"{proxy.url}/{repository}/{number}", image))
    return found


def fetch(plan: Plan, volume: Volume) -> None:
    with fast_client() as client:
        path = pull(plan, TARGET, volume, client=client)
    with open_tarball(path, digest=plan.targets[0].digest) as tarball:
        tarball.verify()


def test_one_after_the_other(proxy: Proxy, plans: list[Plan], volume: Volume) -> None:
    for plan in plans:
        fetch(plan, volume)
    assert {proxy.log.blob_reads()[digest] for digest in SHARED} == {1}


def test_all_at_once(proxy: Proxy, plans: list[Plan], volume: Volume) -> None:
    proxy.faults.add(faults.slow(delay=0.2))
    with ThreadPoolExecutor(len(plans)) as pool:
        list(pool.map(lambda plan: fetch(plan, volume), plans))
    assert {proxy.log.blob_reads()[digest] for digest in SHARED} == {1}


def test_the_one_who_reads_for_all_fails_and_the_next_continues(
    proxy: Proxy, plans: list[Plan], volume: Volume
) -> None:
    proxy.faults.add(faults.answer(404, path=faults.BLOBS, times=1))
    outcomes = []
    for plan in plans:
        try:
            fetch(plan, volume)
        except Exception as error:  # noqa: BLE001 - whichever
            outcomes.append(type(error).__name__)
        else:
            outcomes.append("ok")
    assert outcomes == ["NotFound", "ok", "ok"]


@pytest.mark.parametrize("where", [0, 4096, 1 << 20])
def test_a_tarball_damaged_where_the_layer_lies_is_not_copied(
    proxy: Proxy, plans: list[Plan], volume: Volume, where: int
) -> None:
    fetch(plans[0], volume)
    damaged = volume.blob(plans[0].targets[0].digest)
    damaged.chmod(0o644)
    with damaged.open("r+b") as file:
        file.seek(damaged.stat().st_size // 4 + where)
        file.write(b"damaged" * 100)
    fetch(plans[1], volume)
    assert sum(proxy.log.blob_reads()[digest] for digest in SHARED) in {3, 4}


@pytest.mark.parametrize(
    "hint", [b"", b"{", b'{"tarball":"../../etc/passwd","offset":0}', b'{"tarball":"x","offset":-1}']
)
def test_a_hint_that_leads_nowhere_costs_one_more_read(
    proxy: Proxy, plans: list[Plan], volume: Volume, hint: bytes
) -> None:
    fetch(plans[0], volume)
    for path in volume.layers.iterdir():
        path.write_bytes(hint)
    fetch(plans[1], volume)
    assert {proxy.log.blob_reads()[digest] for digest in SHARED} == {2}


def test_an_evicted_tarball_is_forgotten(proxy: Proxy, plans: list[Plan], volume: Volume) -> None:
    for plan in plans[:2]:
        fetch(plan, volume)
    gone = volume.blob(plans[0].targets[0].digest)
    gone.unlink()
    forget_evicted(volume.layers, gone.parent)
    held = {path.name.replace("-", ":") for path in volume.layers.iterdir()}
    assert held >= SHARED, "the second image's tarball holds them too, and said so last"
    volume.blob(plans[1].targets[0].digest).unlink()
    forget_evicted(volume.layers, gone.parent)
    assert list(volume.layers.iterdir()) == []
    fetch(plans[2], volume)
