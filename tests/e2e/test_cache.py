"""A cache whose disk damages a blob: every pull fails, until the command that the message names is run."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.images.registry.client import RegistryClient
from orchestrator.model import Blob, Outcome
from orchestrator.net.errors import Broken, WrongBytes
from tests.cluster.state import State
from tests.e2e import quick
from tests.e2e.site import CACHE, Site, await_, make_site
from tests.tools.upstream import Upstream


@pytest.fixture(scope="module")
def site(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    quick.push(upstream, "damaged", "sound")
    folder, scans = tmp_path_factory.mktemp("cache"), {"quick": quick.scan("quick")}
    csv = "image,scans\ndamaged:1,quick\nsound:1,quick\n"
    with make_site(folder, "e2e-cache", upstream, csv=csv, templates=scans) as found:
        yield found


def stored(site: Site, state: State) -> Path:
    """The folder of the cache, as its node has it."""
    pod = site.kubectl("get", "pods", "-l", f"scanmatrix/cache={CACHE}", "-o", "jsonpath={.items[0].metadata.uid}")
    return state.folder / "kubelet" / "pods" / pod / "volumes" / "kubernetes.io~empty-dir" / "data"


def damage(site: Site, state: State, digest: str) -> None:
    path = stored(site, state) / f"docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")


def pull(site: Site, name: str) -> str:
    """Read an image's config through the cache; its digest."""
    with RegistryClient(retries=1, backoff=0.1) as client:
        location = f"{site.cache_url}/library/{name}"
        config = json.loads(client.manifest(location, "1").data)["config"]
        client.blob(location, Blob(digest=config["digest"], size=config["size"]))
    return str(config["digest"])


def pulled(site: Site, name: str) -> str:
    """As `pull`; nothing while nobody listens."""
    try:
        return pull(site, name)
    except Broken:
        return ""


def test_the_command_of_the_message_repairs_it_and_the_rest_stays_cached(
    site: Site, state: State, upstream: Upstream
) -> None:
    digests = {name: pull(site, name) for name in ("damaged", "sound")}
    damage(site, state, digests["damaged"])
    run = site.submit()
    assert site.wait(run) == "Failed"  # by the policy: one cell has
    rows = quick.rows(site.ledger(run))
    assert rows["sound", "quick"].outcome is Outcome.OK
    command = re.search(r"`scanmatrix (cache drop sha256:[0-9a-f]{64})`", rows["damaged", "quick"].reason)
    assert command, rows["damaged", "quick"].reason
    upstream.log.clear()
    said = site.scanmatrix(*command[1].split())
    assert said.startswith(f"{CACHE}: dropped {digests['damaged']}")
    assert {name: pull(site, name) for name in digests} == digests
    assert upstream.log.blob_reads() == {digests["damaged"]: 1}


def test_all_that_is_damaged_is_found_and_all_can_be_dropped(site: Site, state: State, upstream: Upstream) -> None:
    digest = pull(site, "sound")
    damage(site, state, digest)
    with pytest.raises(WrongBytes):
        pull(site, "sound")
    assert re.fullmatch(
        rf"{CACHE}: dropped {digest} \(\d+ bytes\): its bytes are those of .*\n", site.scanmatrix("cache", "drop")
    )
    assert pull(site, "sound") == digest
    before = stored(site, state)
    assert site.scanmatrix("cache", "drop", "--all").endswith("the next one starts with nothing\n")
    await_(lambda: not before.exists(), 60, "the old pod to be gone")
    site.kubectl("rollout", "status", f"deployment/{CACHE}", "--timeout=120s")
    upstream.log.clear()
    await_(lambda: pulled(site, "sound") == digest, 60, "the Service to lead to the new pod")
    assert upstream.log.blob_reads() == {digest: 1}
