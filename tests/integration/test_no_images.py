"""What lies beside images in a real registry, and images of old builders: from the list of tags to the results."""

import json
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import default_config
from orchestrator.images.content.filesystem import merge
from orchestrator.images.local.archives import open_local
from orchestrator.images.registry.resolve import resolve
from orchestrator.images.tarball.archive import open_tarball
from orchestrator.inventory import collect
from orchestrator.model import Decision, Platform
from orchestrator.net.errors import NotAnImage, NotFound
from orchestrator.steps.pull import pull
from orchestrator.volume.layout import Volume
from tests.integration.pulls import TARGET, fast_client
from tests.integration.pulls import make_plan as make_one
from tests.planned import plan_here
from tests.tools import layouts, require
from tests.tools.images import Image, Index, layer, sha256
from tests.tools.oci_artifacts import ARTIFACTS, SIGNATURE, artifact, bare, beside, config_of
from tests.tools.proxy import Proxy
from tests.tools.servers import Registry
from tests.tools.strangers import Asked, Send, Stranger, answer

STATUS = "Package: libexample\nStatus: install ok installed\nVersion: 1.2-3\nArchitecture: amd64\nDescription: x\n"
ROOT = layer({"etc/os-release": 'ID=debian\nVERSION_ID="12"\n', "var/lib/dpkg/status": STATUS})
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
GOOD = Image.build([ROOT], user="app")


def _old(label: str) -> dict[str, Image]:
    """Images of old builders; those of one label differ from those of another."""

    def config(**platform: str) -> bytes:
        settings = {"User": "app", "Labels": {"a": label}}
        return config_of(ROOT.tar, created="2026-01-01T00:00:00Z", config=settings, **platform)

    whole, nowhere = config(architecture="amd64", os="linux"), config()
    octets, docker = {"config_type": "application/octet-stream"}, {"media_type": DOCKER}
    return {
        "octets": artifact((GZIP, ROOT.blob), config=whole, **octets),
        "json": artifact((DOCKER_GZIP, ROOT.blob), config=whole, config_type="application/json", **docker),
        "nowhere": artifact((GZIP, ROOT.blob), config=nowhere),
        "octets-nowhere": artifact((DOCKER_GZIP, ROOT.blob), config=nowhere, **octets, **docker),
    }


OLD = _old("alone")


def _referrers(*images: Image) -> Index:
    index = Index.build([], extra=[bare(each, artifactType="x/y") for each in images])
    return Index(index.manifest, images, index.media_type)


def _listed(image: Image) -> Index:
    """An index that says for which platform an image is."""
    index = Index.build([], extra=[bare(image, platform=GOOD.platform)])
    return Index(index.manifest, (image,), index.media_type)


def test_a_registry_with_signatures_and_old_images_is_scanned_without_a_failure(
    registry: Registry, repository: str, tmp_path: Path
) -> None:
    of_good = GOOD.digest.replace(":", "-")
    tags = {
        "1.0": GOOD,
        "2.0": beside(GOOD, *ARTIFACTS.values()),
        f"{of_good}.sig": SIGNATURE,
        of_good: _referrers(SIGNATURE, ARTIFACTS["a referrer of oras"]),
        **{f"artifact-{number}": each for number, each in enumerate(ARTIFACTS.values())},
        "for-arm": Image.build([ROOT], platform="linux/arm64"),
        **OLD,
        **{f"{name}-listed": _listed(each) for name, each in _old("listed").items()},
    }
    for tag, image in tags.items():
        registry.push(f"{repository}:{tag}", image)
    host = registry.url.removeprefix("http://")
    source = {"host": host, "repositories": [repository], "excludeTags": ["artifact-0"]}
    targets = [
        {"registry": source, "scans": ["root-user"]},
        {"image": f"{host}/{repository}:artifact-1", "scans": ["root-user"]},
    ]
    config = default_config(environment={}, targets=targets)
    plan = plan_here(config, collect(config), load_catalog(config), run="run", now=datetime.now(UTC))
    decisions = {
        name.reference.rpartition(":")[2]: cell.decision
        for cell in plan.cells
        for name in plan.targets_by_id[cell.target].names
    }
    images = {"1.0", "2.0", *OLD, *(f"{name}-listed" for name in OLD)}
    artifacts = {tag: Decision.SKIP for tag in tags if tag not in images | {"artifact-0"}}
    assert decisions == dict.fromkeys(images, Decision.RUN) | artifacts | {"artifact-1": Decision.FAIL}
    assert sum(len(target.passed_over) for target in plan.targets) == len(ARTIFACTS)
    with fast_client() as client:
        for target in plan.targets:
            if target.size is not None:
                with open_tarball(pull(plan, target.id, Volume(tmp_path), client=client), digest=target.digest) as held:
                    assert merge(held).lookup("etc/os-release") is not None
                    last = held.path
    command = [require("syft"), "--quiet", "--output", "json", f"docker-archive:{last}"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert [each["name"] for each in json.loads(done.stdout)["artifacts"]] == ["libexample"]


@pytest.mark.parametrize("name", OLD)
def test_skopeo_copies_the_old_images_that_podman_runs(name: str, tmp_path: Path) -> None:
    folder = layouts.write_layout(tmp_path / "layout", OLD[name])
    with open_local(folder) as archive:
        assert [each.manifest.digest for each in archive.choose([Platform()])] == [OLD[name].digest]
    done = subprocess.run([require("skopeo"), "inspect", f"oci:{folder}"], capture_output=True, check=False, timeout=60)
    # Of OCI manifests podman takes OCI's own config only; Docker and containerd take the others.
    assert (done.returncode == 0) is (name != "octets")


@pytest.mark.parametrize("name", ARTIFACTS)
def test_skopeo_unpacks_nothing_of_what_is_passed_over(name: str, tmp_path: Path) -> None:
    folder = layouts.write_layout(tmp_path / "layout", ARTIFACTS[name])
    target = tmp_path / "unpacked"
    command = [require("skopeo"), "--insecure-policy", "copy", f"oci:{folder}", f"docker-archive:{target}"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if done.returncode == 0:  # it does not look into layers: none of those may be one
        with tarfile.open(target) as tar:
            names = [each for each in tar.getnames() if each.endswith(".tar")]
            for layer_name in names:
                member = tar.extractfile(layer_name)
                assert member is not None
                with pytest.raises(tarfile.TarError), tarfile.open(fileobj=member):
                    pass


def test_an_artifact_that_claims_the_platform_of_an_image(registry: Registry, repository: str) -> None:
    registry.push(f"{repository}:1", beside(GOOD, SIGNATURE, platform=GOOD.platform))
    with fast_client() as client:
        (found,) = resolve(f"{registry.url}/{repository}", "1", [Platform()], client)
    assert found.manifest.digest == GOOD.digest == sha256(GOOD.manifest)


def test_a_cache_of_buildkit_in_a_registry() -> None:
    """Its index lists layers, which are no manifests; a manifest that is listed as one is looked at."""
    layers = [{"mediaType": GZIP, "digest": ROOT.digest, "size": len(ROOT.blob)}]
    tags = {
        "cache": Index.build([], extra=layers),
        "both": Index.build([GOOD], extra=layers),
        "hidden": Index.build([], extra=[bare(GOOD, mediaType=GZIP)]),
        "gone": Index.build([GOOD], extra=[bare(SIGNATURE)]),
        "gone-signature": Index.build([GOOD], extra=[bare(SIGNATURE, artifactType="x/y")]),
        "referrers": Index.build([], extra=[bare(SIGNATURE, artifactType="x/y")]),
    }
    known = {tag: index.manifest for tag, index in tags.items()} | GOOD.blobs | {GOOD.digest: GOOD.manifest}

    def serve(asked: Asked, send: Send) -> None:
        there = asked.reference in known and (asked.reference != ROOT.digest or "/blobs/" in asked.path)
        send(answer(known[asked.reference]) if there else answer(status="404 Not Found"))

    with Stranger(serve) as stranger, fast_client() as client:
        location = f"{stranger.url}/app"
        with pytest.raises(NotAnImage, match="a blob of type"):
            resolve(location, "cache", [Platform()], client)
        with pytest.raises(NotAnImage, match="gone"):
            resolve(location, "referrers", [Platform()], client)
        for tag in ("both", "hidden", "gone-signature"):
            assert [each.manifest.digest for each in resolve(location, tag, [Platform()], client)] == [GOOD.digest]
        with pytest.raises(NotFound):  # nobody knows what it was
            resolve(location, "gone", [Platform()], client)


def test_an_index_planned_offline_whose_image_names_no_platform_is_pulled_once(
    registry: Registry, proxy: Proxy, repository: str, tmp_path: Path
) -> None:
    image = OLD["octets-nowhere"]
    index = _listed(image)
    registry.push(f"{repository}:1", index)
    plan = make_one(f"{proxy.url}/{repository}", image, offline=True, digest=index.digest)
    with fast_client() as client:
        pull(plan, TARGET, Volume(tmp_path), client=client)
        asked = len(proxy.log)
        pull(plan, TARGET, Volume(tmp_path), client=client)
    assert len(proxy.log) == asked
