"""The seed's nine cells with real content: three images, their scans, and the configuration that brings them together.

`general` and `dependency` need databases that no test can fetch; here they are both syft, under the names of the seed.
`virus` is the shipped scan with signatures of our own, `image-lifetime` is the shipped one.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import yaml

from orchestrator.kit.own import templates_folder
from tests.tools.images import Image, Index, layer
from tests.tools.samples import EICAR

SEED = Path(__file__).parents[2] / "docs" / "examples" / "seed" / "targets.csv"
TAGS = {"ubuntu": "20.04", "centos": "8", "java-tool": "12"}


def images(debian: Image, java_tool: Image) -> dict[str, Image | Index]:
    """By repository: a whole Debian, an index of two platforms, and a Java tool on that Debian with a virus in it."""
    for_arm = Image.build(
        [layer({"etc/os-release": "ID=centos\n"})], platform="linux/arm64/v8", created="2019-09-24T00:00:00Z"
    )
    for_amd = Image.build([layer({"etc/os-release": "ID=centos\nVERSION_ID=8\n"})], created="2019-09-24T00:00:00Z")
    infected = layer({"srv/upload/eicar.com": EICAR})
    return {
        "ubuntu": debian,
        "centos": Index.build([for_amd, for_arm]),
        "java-tool": Image.build([*debian.layers, *java_tool.layers, infected]),
    }


def configure(
    folder: Path,
    found: dict[str, Image | Index],
    *,
    push: Callable[[str, Image | Index], str],
    cache: str,
    signatures: Path,
) -> Path:
    """Push the images as Docker Hub's official ones, and write the configuration of a run through a cache of it."""
    for repository, image in found.items():
        push(f"library/{repository}:{TAGS[repository]}", image)
    scans = folder / "scans"
    scans.mkdir(parents=True)
    sbom = yaml.safe_load((templates_folder() / "sbom.yaml").read_text())
    for name in ("general", "dependency"):
        (scans / f"{name}.yaml").write_text(yaml.safe_dump(sbom | {"name": name}))
    virus = yaml.safe_load((templates_folder() / "virus.yaml").read_text())
    virus["database"] = {"refresh": ["cp", *map(str, sorted(signatures.iterdir())), "{database}"]}
    virus.pop("parameters")
    (scans / "virus.yaml").write_text(yaml.safe_dump(virus))
    shutil.copy(SEED, folder / "targets.csv")
    config = {
        "targets": [{"csv": {"path": "targets.csv"}}],
        "scans": {"templates": ["scans"]},
        "cache": [{"upstream": "docker.io", "url": cache}],
        "volume": {"path": "volume"},
    }
    (folder / "scanmatrix.yaml").write_text(yaml.safe_dump(config))
    return folder / "scanmatrix.yaml"


def unique_blobs(found: dict[str, Image | Index]) -> dict[str, int]:
    """Bytes by digest of what a run for linux/amd64 has to read, manifests left out."""
    return {digest: len(data) for image in found.values() for digest, data in image.images[0].blobs.items()}


def image_bytes(found: dict[str, Image | Index]) -> int:
    """Bytes of the images themselves, each for linux/amd64."""
    return sum(image.images[0].size for image in found.values())


def occupied(volume: Path) -> int:
    """Bytes that tarballs take on the volume at this moment, whatever the number of their names."""
    taken: dict[int, int] = {}
    for path in [*volume.glob("blobs/*.tar"), *volume.glob("runs/*/*/*/image.tar")]:
        try:
            status = path.lstat()
        except FileNotFoundError:  # its cell ended just now
            continue
        taken[status.st_ino] = status.st_blocks * 512
    return sum(taken.values())
