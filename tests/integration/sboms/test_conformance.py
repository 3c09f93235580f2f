"""What is found from an SBOM is what is found in the image itself: with real scanners, in every image that tests have.

Their databases know a vulnerability of most packages that the images hold, so that what is compared is not empty.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestrator.config.loading import Config
from orchestrator.model.plan import matched
from tests.cluster import databases as written
from tests.cluster.databases import Further
from tests.integration.sboms.runs import files_of, found, scanned
from tests.tools import artifacts, require, samples
from tests.tools.images import Image, Layer, layer
from tests.tools.layers import File
from tests.tools.mirror import Mirror
from tests.tools.servers import Registry

READ = ("dependency", "general")
#: Without it Trivy does not know a Debian.
VERSION = layer({"etc/debian_version": "12.5\n"})
NAMES = {
    "deb": (
        "bash",
        "openssl",
        "glibc",
        "libc6",
        "requests",
        "python3-requests",
        "zlib",
        "zlib1g",
        "apt",
        "perl",
        "pam",
    ),
    "npm": ("lodash", "left-pad"),
    "pypi": ("requests", "urllib3", "pytest", "msgspec", "pydantic", "jinja2", "cryptography"),
    "golang": ("stdlib", "github.com/google/go-containerregistry", "github.com/docker/cli", "golang.org/x/sync"),
    "maven": ("org.apache.logging.log4j:log4j-core",),
}
KNOWN = [Further(kind, name) for kind, names in NAMES.items() for name in names]


def python(name: str, version: str, folder: str) -> dict[str, str]:
    """What an installed package of Python leaves."""
    at = f"{folder}/{name}-{version}.dist-info"
    return {
        f"{at}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{at}/RECORD": f"{name}/__init__.py,,\n{name}-{version}.dist-info/METADATA,,\n",
        f"{folder}/{name}/__init__.py": "",
    }


def owning_debian() -> Layer:
    """Packages that have a source of another name and files of their own; one brings a package of Python."""
    owned = "/usr/lib/python3/dist-packages/requests-2.28.1.dist-info"
    packages = [
        ("libc6", "2.36-9+deb12u1", "glibc", "/lib/x86_64-linux-gnu/libc.so.6"),
        ("zlib1g", "1:1.2.13.dfsg-1", "zlib (1:1.2.13)", "/lib/x86_64-linux-gnu/libz.so.1"),
        ("python3-requests", "2.28.1+dfsg-1", "requests", f"{owned}\n{owned}/METADATA\n{owned}/RECORD"),
    ]
    status = "\n".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nSource: {source}\nVersion: {version}\n"
        f"Maintainer: Nobody <nobody@example.org>\nDescription: {name}\n"
        for name, version, source, _ in packages
    )
    release = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n'
    files = {"etc/os-release": release, "var/lib/dpkg/status": status + "\n"}
    files |= {f"var/lib/dpkg/info/{name}.list": f"{owns}\n" for name, _, _, owns in packages}
    return layer(files | python("requests", "2.28.1", "usr/lib/python3/dist-packages"))


def owning_alpine() -> Layer:
    """The same of an Alpine."""
    owned = "usr/lib/python3.12/site-packages/urllib3-2.0.0.dist-info"
    packages = [("busybox", "1.36.1-r5", "bin", "busybox"), ("py3-urllib3", "2.0.0-r0", owned, "METADATA")]
    installed = "\n".join(
        f"C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:{name}\nV:{version}\nA:x86_64\no:{name}\nL:MIT\nF:{folder}\nR:{file}\n"
        for name, version, folder, file in packages
    )
    files = {"etc/os-release": "ID=alpine\nVERSION_ID=3.19.1\n", "etc/alpine-release": "3.19.1\n"}
    files |= {"lib/apk/db/installed": installed + "\n"}
    return layer(files | python("urllib3", "2.0.0", "usr/lib/python3.12/site-packages"))


@pytest.fixture
def small(java_tool: Image) -> dict[str, Image]:
    """Every image of `tests.tools.samples` that a scanner can read, and those of further ecosystems."""
    left_pad = {"app/node_modules/left-pad/package.json": json.dumps({"name": "left-pad", "version": "1.3.0"})}
    program = layer({"usr/local/bin/crane": File(require("crane").read_bytes(), mode=0o755)})
    found = {
        "small": samples.small(),
        "system": samples.system(),
        "old": samples.old(),
        "distroless": samples.distroless(),
        "removed": samples.removed_shell(),
        "eicar": samples.eicar(),
        "lookalikes": samples.java_tool(),
        "repeated": samples.repeated(),
        "mixed": samples.mixed(),
        "hostile": samples.hostile(),
        "java": java_tool,
        "owned": Image.build([owning_debian(), layer(left_pad | python("urllib3", "1.26.0", "app/lib"))]),
        "program": Image.build([owning_debian(), program]),
    }
    debians = {name: Image.build([*image.layers, VERSION]) for name, image in found.items()}
    return debians | {"alpine": Image.build([owning_alpine()])}


@pytest.fixture
def knowing(grype_mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both scanners' databases know all of `KNOWN`; the folder of Trivy's."""
    monkeypatch.setattr(grype_mirror, "files", files_of(written.grype(tmp_path / "known", more=KNOWN)))
    folder = tmp_path / "trivy"
    folder.mkdir()
    written.trivy(folder, more=KNOWN)
    return str(folder)


def compare(configured: Callable[..., Config], names: Mapping[str, str], trivy: str) -> tuple[set[str], set[str]]:
    """Scan images, then their SBOMs; which ids were found, and which cells were not answered from an SBOM."""
    given = configured().scans
    config = configured(
        *names,
        scans={"default": list(READ), "parameters": {"dependency": dict(given.parameters["dependency"])}},
        databases={"paths": {"general": trivy, "packages-trivy": trivy}},
    )
    _, first = scanned(config)
    plan, second = scanned(config)
    failed = [{row.cell for row in ledger.rows if row.scan in READ and row.reason} for ledger in (first, second)]
    assert failed[0] == failed[1]  # a scanner that refuses an image refuses it again
    from_images = {row for row in found(config, first) if row[1] in READ}
    from_sboms = found(config, second)
    assert from_images - from_sboms == set()
    assert from_sboms - from_images == set()
    answered = {cell.id for cell in matched(plan)}
    itself = {
        f"{names[plan.targets_by_id[cell.target].reference]}: {cell.scan}: {cell.unmatched}"
        for cell in plan.cells
        if cell.id not in answered
    }
    return {str(row[3]) for row in from_sboms}, itself


def test_in_images_of_every_kind_the_same_is_found(
    configured: Callable[..., Config], small: dict[str, Image], registry: Registry, repository: str, knowing: str
) -> None:
    names = {registry.push(f"{repository}/{name}:1", image): name for name, image in small.items()}
    ids, itself = compare(configured, names, knowing)
    assert len(ids) >= 14
    assert {one.partition(":")[0] for one in itself} == {"hostile"}, itself  # which Syft refuses


@pytest.mark.campaign
def test_in_real_images_the_same_is_found(
    configured: Callable[..., Config], debian: Image, registry: Registry, repository: str, knowing: str
) -> None:
    """A Debian, and an application of Python with all that it needs: ourselves."""
    images = {"debian": debian, "application": samples.application(artifacts.debian_root())}
    names = {registry.push(f"{repository}/{name}:1", image): name for name, image in images.items()}
    ids, itself = compare(configured, names, knowing)
    assert len(ids) >= 12
    assert itself == set()
