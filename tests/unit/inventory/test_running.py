"""Which image a container runs, by what its node reports."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cluster.objects import Pod
from orchestrator.inventory.running import images, mounted, pinned, waiting

DIGEST = "sha256:" + "a1" * 32
HEX = "b2" * 32


@pytest.mark.parametrize(
    ("image", "image_id", "reference"),
    [
        ("nginx:1.27", f"docker.io/library/nginx@{DIGEST}", f"docker.io/library/nginx:1.27@{DIGEST}"),
        ("nginx", f"docker.io/library/nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        ("ghcr.io/a/b:2", f"docker-pullable://ghcr.io/a/b@{DIGEST}", f"ghcr.io/a/b:2@{DIGEST}"),
        ("r.example.com:5000/a:1", f"r.example.com:5000/a@{DIGEST}", f"r.example.com:5000/a:1@{DIGEST}"),
        # Asked for by digest, and by another than the node reports: that of an index and that of its platform.
        (f"ghcr.io/a/b@sha256:{HEX}", f"ghcr.io/a/b@{DIGEST}", f"ghcr.io/a/b@{DIGEST}"),
        # A short name is what the node made of it.
        ("team/x:1", f"quay.io/team/x@{DIGEST}", f"quay.io/team/x:1@{DIGEST}"),
        # Images that were loaded by hand have an id, which is no digest of a manifest.
        ("local/tool:1", f"sha256:{HEX}", "local/tool:1"),
        ("local/tool:1", f"docker://sha256:{HEX}", "local/tool:1"),
        ("local/tool:1", "", "local/tool:1"),
        ("local/tool:1", f"docker.io/library/import-2026-05-01@{DIGEST}", "local/tool:1"),
        ("import-tool:1", f"docker.io/library/import-tool@{DIGEST}", f"docker.io/library/import-tool:1@{DIGEST}"),
        ("local/tool:1", "nonsense@", "local/tool:1"),
    ],
)
def test_a_name_is_pinned_to_the_digest_that_the_node_reports(image, image_id, reference):
    assert pinned(image, image_id) == (reference, "")


@pytest.mark.parametrize(
    "image", ["mirror.example.com/x:1", "mirror.example.com/x", f"mirror.example.com/x:1@sha256:{HEX}"]
)
def test_an_image_that_the_node_has_from_elsewhere_too_keeps_the_name_in_its_pod(image):
    found = pinned(image, f"docker-pullable://docker.io/library/y@{DIGEST}")
    assert found == (f"{image.partition('@')[0]}@{DIGEST}", f"docker.io/library/y@{DIGEST}")
    assert found.digest == DIGEST


@given(st.text(max_size=60), st.text(max_size=120))
def test_whatever_a_node_reports_gives_a_name(image, image_id):
    found = pinned(image, image_id).reference
    assert found.partition("@")[0] or not image.strip() or image.strip().startswith("@")


def _pod(**status) -> Pod:
    containers = {"containers": "app", "initContainers": "prepare", "ephemeralContainers": "look"}
    spec = {kind: [{"name": name, "image": f"{name}:1"}] for kind, name in containers.items()}
    return msgspec.convert({"metadata": {"name": "p", "uid": "u"}, "spec": spec, "status": status}, type=Pod)


def test_all_kinds_of_containers_count():
    ended = {"terminated": {"exitCode": 0}}
    pod = _pod(
        containerStatuses=[{"name": "app", "imageID": f"docker.io/library/app@{DIGEST}", "state": {"running": {}}}],
        initContainerStatuses=[{"name": "prepare", "imageID": f"docker.io/library/prepare@{DIGEST}", "state": ended}],
        ephemeralContainerStatuses=[
            {"name": "look", "imageID": f"docker.io/library/look@{DIGEST}", "state": {"running": {}}}
        ],
    )
    assert {name: image.reference for name, image in images(pod)} == {
        name: f"docker.io/library/{name}:1@{DIGEST}" for name in ("prepare", "app", "look")
    }


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ({}, []),
        ({"imageID": "", "state": {"waiting": {"reason": "ImagePullBackOff"}}}, []),
        # Some runtimes report no id at all; it runs, so it is scanned by its name.
        ({"imageID": "", "state": {"running": {}}}, [("app", "app:1")]),
        ({"imageID": f"sha256:{HEX}", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}, [("app", "app:1")]),
    ],
)
def test_what_waits_for_its_image_does_not_run_yet(status, found):
    pod = _pod(containerStatuses=[{"name": "app", **status}] if status else [])
    assert [(name, image.reference) for name, image in images(pod)] == found


def _mounting(*volumes: dict, mounts: tuple[dict, ...] = (), **status) -> Pod:
    known = {"name": "app", "imageID": f"docker.io/library/app@{DIGEST}", "state": {"running": {}}} | status
    return msgspec.convert({
        "metadata": {"name": "p", "uid": "u"},
        "spec": {"containers": [{"name": "app", "image": "app:1"}], "volumes": list(volumes)},
        "status": {"containerStatuses": [{**known, "volumeMounts": list(mounts)}]},
    }, type=Pod)  # fmt: skip


MODEL = {"name": "model", "image": {"reference": "ghcr.io/a/model:3", "pullPolicy": "Always"}}


@pytest.mark.parametrize(
    ("volumes", "mounts", "found"),
    [
        ([MODEL], [], [("model", "ghcr.io/a/model:3")]),
        ([MODEL], [{"name": "model", "mountPath": "/m"}], [("model", "ghcr.io/a/model:3")]),
        (
            [MODEL],
            [{"name": "model", "volumeStatus": {"image": {"imageRef": f"ghcr.io/a/model@{DIGEST}"}}}],
            [("model", f"ghcr.io/a/model:3@{DIGEST}")],
        ),
        (
            [{"name": "m", "image": {"reference": f"ghcr.io/a/model@{DIGEST}"}}],
            [],
            [("m", f"ghcr.io/a/model@{DIGEST}")],
        ),
        ([{"name": "data", "emptyDir": {}}, {"name": "none", "image": {}}], [], []),
        ([MODEL, {"name": "other", "image": {"reference": "b:1"}}], [],
         [("model", "ghcr.io/a/model:3"), ("other", "b:1")]),
    ],
)  # fmt: skip
def test_images_that_are_mounted_as_volumes(volumes, mounts, found):
    pod = _mounting(*volumes, mounts=tuple(mounts))
    assert [(name, image.reference) for name, image in mounted(pod)] == found


def test_nothing_is_mounted_before_a_container_has_started():
    pod = _mounting(MODEL, imageID="", state={"waiting": {"reason": "ContainerCreating"}})
    assert list(mounted(pod)) == []
    assert list(waiting(pod)) == [("app", "ContainerCreating")]
