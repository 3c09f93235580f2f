"""Real scanners with databases of two dates, and images of several ecosystems behind a proxy that counts."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.config.loading import Config, load_config
from tests.cluster import databases as written
from tests.integration.sboms.runs import files_of
from tests.tools import find, require, samples
from tests.tools.images import Image, layer
from tests.tools.mirror import Mirror, mirror
from tests.tools.proxy import Proxy
from tests.tools.servers import Registry


@pytest.fixture(scope="module")
def grype_mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A mirror with the real Grype's real database."""
    with mirror() as served:
        served.files = files_of(written.grype(tmp_path_factory.mktemp("mirror")))
        yield served


@pytest.fixture
def renew(grype_mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The mirror serves the database of a day before; call this for today's."""
    monkeypatch.setattr(grype_mirror, "files", files_of(written.grype(tmp_path / "yesterday", known=1)))
    return lambda: monkeypatch.setattr(grype_mirror, "files", files_of(written.grype(tmp_path / "today")))


@pytest.fixture(scope="module")
def scanners(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with both programs, the cataloguer under its own name."""
    grype, syft = find("grype"), find("syft-of-grype")
    if grype is None or syft is None:
        pytest.skip("grype takes minutes to build; get both by: python -m tests.tools --all")
    folder = tmp_path_factory.mktemp("scanners")
    (folder / "syft").symlink_to(syft)
    (folder / "grype").symlink_to(grype)
    (folder / "trivy").symlink_to(require("trivy"))
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture(scope="module")
def trivy_database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the real Trivy's real databases."""
    folder = tmp_path_factory.mktemp("trivy")
    written.trivy(folder)
    return str(folder)


@pytest.fixture
def configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scanners: str, grype_mirror: Mirror, trivy_database: str
) -> Callable[..., Config]:
    """A configuration for a folder of its own; its keys as YAML has them."""
    monkeypatch.setenv("PATH", scanners)
    monkeypatch.chdir(tmp_path)

    def make(*images: str, **keys: object) -> Config:
        plain = {
            "targets": [{"image": image} for image in images],
            "scans": {
                "default": ["dependency"],
                "parameters": {"dependency": {"databaseUrl": f"{grype_mirror.url}/databases"}},
            },
            "databases": {"paths": {"general": trivy_database, "packages-trivy": trivy_database}},
            "sboms": {"store": True},
            "limits": {"retries": 0},
            "volume": {"path": "pv"},
        }
        file = tmp_path / "scanmatrix.yaml"
        file.write_text(json.dumps(plain | keys))
        return load_config(file)

    return make


@pytest.fixture
def images(proxy: Proxy, registry: Registry, repository: str, java_tool: Image) -> dict[str, Image]:
    """Images of several ecosystems in the real registry, behind a proxy that counts; by their names."""
    version = layer({"etc/debian_version": "12.5\n"})  # without it Trivy does not know a Debian
    found = {
        "java": Image.build([*java_tool.layers, version]),
        "debian": Image.build([samples.distribution(), version]),
        "unknown": samples.old(),
        "none": samples.distroless(),
    }
    for name, image in found.items():
        registry.push(f"{repository}/{name}:1", image)
    return {f"{proxy.host}/{repository}/{name}:1": image for name, image in found.items()}
