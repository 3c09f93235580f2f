"""The images of our own manifests looked up at a real registry."""

import shutil
from pathlib import Path

import pytest
import yaml

from orchestrator.api import install as install_api
from orchestrator.config.loading import load_config
from orchestrator.errors import ScanmatrixError, UsageError
from orchestrator.images.registry.own import FILE, OwnImages
from tests.tools.images import Image, layer
from tests.tools.push import push
from tests.tools.servers import Registry

FOLDER = Path(__file__).parents[2] / "argo-install"


@pytest.fixture
def folder(tmp_path: Path, registry: Registry) -> Path:
    """`argo-install`, whose images have the registry of the test in the place of their own."""
    copy = tmp_path / "argo-install"
    shutil.copytree(FOLDER, copy)
    names = OwnImages.read(copy / FILE).digests
    for path in (copy / FILE, copy / "Dockerfile", *copy.rglob("*.yaml")):
        text = path.read_text()
        for host in {name.partition("/")[0] for name in names}:
            text = text.replace(f"{host}/", f"{registry.host}/")
        path.write_text(text)
    return copy


def publish(registry: Registry, folder: Path, content: str) -> dict[str, str]:
    """Push something under each name; digests by name."""
    found = {}
    for name in OwnImages.read(folder / FILE).digests:
        repository, _, tag = name.removeprefix(f"{registry.host}/").rpartition(":")
        image = Image.build([layer({name.replace("/", "-"): content})])
        push(registry.host, repository, image, tag=tag)
        found[name] = image.digest
    return found


def test_digests_are_looked_up_and_written_down_and_again_when_tags_have_moved(
    registry: Registry, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "scanmatrix.yaml").write_text(f"insecure: ['{registry.host}']\n")
    config = load_config(tmp_path / "scanmatrix.yaml", environment={})
    for content in ("first", "second"):
        digests = publish(registry, folder, content)
        changed = install_api.update_images(config, folder / FILE)
        assert OwnImages.read(folder / FILE).digests == digests
        assert {path.name for path in changed} >= {
            FILE,
            "Dockerfile",
            "kustomization.yaml",
            "postgres.yaml",
            "caches.yaml",
        }
        kustomization = yaml.safe_load((folder / "argo" / "kustomization.yaml").read_text())
        assert {one["digest"] for one in kustomization["images"]} < set(digests.values())
    assert install_api.update_images(config, folder / FILE) == []


def test_nothing_is_written_when_one_is_not_found(registry: Registry, folder: Path, tmp_path: Path) -> None:
    publish(registry, folder, "x")
    with (folder / FILE).open("a") as file:
        file.write(f"{registry.host}/library/no-such-image:1\n")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (tmp_path / "scanmatrix.yaml").write_text(f"insecure: ['{registry.host}']\n")
    with pytest.raises(ScanmatrixError, match="no-such-image"):
        install_api.update_images(load_config(tmp_path / "scanmatrix.yaml", environment={}), folder / FILE)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_install_takes_the_digests_of_the_file_that_is_named(tmp_path: Path) -> None:
    digest = "sha256:" + "a" * 64
    names = OwnImages.read(FOLDER / FILE).digests
    (tmp_path / "mine.lock").write_text("".join(f"{name}@{digest}\n" for name in names))
    narrow = "apiServer: {cidrs: [10.96.0.1/32]}"
    (tmp_path / "scanmatrix.yaml").write_text(
        f"cache: [{{upstream: docker.io}}]\nargo: {{images: mine.lock, {narrow}}}"
    )
    config = load_config(tmp_path / "scanmatrix.yaml", environment={})
    assert f"image: docker.io/library/registry:3@{digest}" in install_api.install(config, strict=True)
    install_api.write_install(config, tmp_path / "out", "production", strict=True)
    written = "".join(path.read_text() for path in (tmp_path / "out").rglob("*.yaml"))
    assert f"postgres:17-alpine@{digest}" in written
    assert f"--executor-image=quay.io/argoproj/argoexec:v3.7.6@{digest}" in written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("engine: argo", "argo.apiServer.cidrs"),
        ("argo: {apiServer: {cidrs: [10.0.0.0/8]}}", "argo.apiServer.cidrs"),
        ("argo: {apiServer: {cidrs: [10.96.0.1/32, 0.0.0.0/0]}}", "0.0.0.0/0"),
        ("argo: {images: tags.lock, apiServer: {cidrs: [10.96.0.1/32]}}", "registry:3"),
    ],
)
def test_what_is_more_open_than_need_be_is_warned_of_and_refused_when_strict(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, said: str
) -> None:
    (tmp_path / "scanmatrix.yaml").write_text(text)
    (tmp_path / "tags.lock").write_text("".join(f"{name}\n" for name in OwnImages.read(FOLDER / FILE).digests))
    config = load_config(tmp_path / "scanmatrix.yaml", environment={})
    assert install_api.install(config)
    assert said in caplog.text
    with pytest.raises(UsageError, match=said.replace(".", r"\.")):
        install_api.install(config, strict=True)
