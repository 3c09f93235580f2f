"""Other people's tools read our tarballs, by both of their descriptions, and find the image itself in them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.steps.pull import pull
from orchestrator.volume.layout import Volume
from tests.integration.pulls import TARGET, fast_client, make_plan
from tests.tools import require
from tests.tools.images import Image, layer
from tests.tools.layers import Compression
from tests.tools.servers import Registry

FORMS = ["oci-archive", "docker-archive"]
STATUS = """Package: libexample
Status: install ok installed
Version: 1.2-3
Architecture: amd64
Maintainer: nobody
Description: an example
"""


def _image(compression: Compression, platform: str = "linux/amd64") -> Image:
    base = layer({"etc/os-release": 'ID=debian\nVERSION_ID="12"\n', "var/lib/dpkg/status": STATUS}, compression)
    return Image.build([base, layer({"opt/app": "x" * 100_000}, compression), base], platform=platform)


@pytest.fixture(params=["gzip", "zstd", "none"])
def image(request: pytest.FixtureRequest) -> Image:
    return _image(request.param)


@pytest.fixture
def tarball(registry: Registry, repository: str, image: Image, tmp_path: Path) -> Path:
    return _pulled(registry, repository, image, tmp_path)


def _pulled(registry: Registry, repository: str, image: Image, folder: Path) -> Path:
    registry.push(f"{repository}:1", image)
    with fast_client() as client:
        plan = make_plan(f"{registry.url}/{repository}", image)
        return pull(plan, TARGET, Volume(folder / "volume"), client=client)


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("form", FORMS)
def test_skopeo_copies_it(tarball: Path, image: Image, form: str, tmp_path: Path) -> None:
    skopeo = require("skopeo")
    _run(skopeo, "--insecure-policy", "copy", f"{form}:{tarball}", f"dir:{tmp_path / 'copy'}")
    manifest = json.loads((tmp_path / "copy" / "manifest.json").read_bytes())
    if form == "oci-archive":
        assert [each["digest"] for each in manifest["layers"]] == [each.digest for each in image.layers]
    else:  # skopeo unpacks the layers of this form
        assert [each["digest"] for each in manifest["layers"]] == [each.diff_id for each in image.layers]
    config = (tmp_path / "copy" / manifest["config"]["digest"][7:]).read_bytes()
    assert json.loads(config)["rootfs"]["diff_ids"] == [each.diff_id for each in image.layers]


def test_skopeo_finds_it_by_its_name(tarball: Path, image: Image) -> None:
    found = json.loads(_run(require("skopeo"), "inspect", f"oci-archive:{tarball}:image"))
    assert found["Digest"] == image.digest


@pytest.mark.parametrize("form", FORMS)
def test_syft_finds_the_packages_in_it(tarball: Path, form: str) -> None:
    found: dict[str, Any] = json.loads(_run(require("syft"), "--quiet", "--output", "json", f"{form}:{tarball}"))
    assert [(each["name"], each["version"], each["type"]) for each in found["artifacts"]] == [
        ("libexample", "1.2-3", "deb")
    ]
    assert found["distro"]["id"] == "debian"


@pytest.mark.parametrize("form", FORMS)
def test_an_image_of_another_platform_is_read_as_well(
    registry: Registry, repository: str, tmp_path: Path, form: str
) -> None:
    tarball = _pulled(registry, repository, _image("gzip", "linux/arm64/v8"), tmp_path)
    found = json.loads(_run(require("syft"), "--quiet", "--output", "json", f"{form}:{tarball}"))
    assert [each["name"] for each in found["artifacts"]] == ["libexample"]


def test_layers_compressed_in_different_ways_are_read_as_an_oci_archive(
    registry: Registry, repository: str, tmp_path: Path
) -> None:
    # As docker-archive, go-containerregistry takes all layers to be compressed as the first is; so do syft and trivy.
    image = Image.build([layer({"a": "b"}, "none"), *_image("gzip").layers, *_image("zstd").layers])
    tarball = _pulled(registry, repository, image, tmp_path)
    found = json.loads(_run(require("syft"), "--quiet", "--output", "json", f"oci-archive:{tarball}"))
    assert [each["name"] for each in found["artifacts"]] == ["libexample"]
    _run(require("skopeo"), "--insecure-policy", "copy", f"docker-archive:{tarball}", f"dir:{tmp_path / 'copy'}")


def test_crane_pushes_it_back(tarball: Path, image: Image, registry: Registry, repository: str) -> None:
    crane = require("crane")
    target = f"{registry.host}/{repository}/again:1"
    _run(crane, "push", "--insecure", tarball, target)
    config = json.loads(_run(crane, "config", "--insecure", target))
    assert config["rootfs"]["diff_ids"] == [each.diff_id for each in image.layers]


def test_gnu_tar_lists_it(tarball: Path, image: Image) -> None:
    names = _run("tar", "--list", "--file", tarball).splitlines()
    assert {f"blobs/sha256/{digest[7:]}" for digest in image.blobs} < set(names)
    assert {"oci-layout", "index.json", "manifest.json", "blobs/", "blobs/sha256/"} < set(names)
