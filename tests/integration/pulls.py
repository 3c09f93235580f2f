"""What the tests of pulling have in common: a plan of one target, made as planning makes it."""

from pathlib import Path

from orchestrator.images.manifests import compressions, read_image
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.tarball.archive import open_tarball, tarball_size
from orchestrator.model import Database, Limits, Name, Plan, Platform, Scan, Target
from tests.tools.images import Image

TARGET = "target"
SCAN = "sbom"


def fast_client(retries: int = 4) -> RegistryClient:
    """A client that does not make a test wait."""
    return RegistryClient(retries=retries, backoff=0.01, timeout=(5, 5))


def make_plan(
    location: str,
    image: Image,
    *,
    offline: bool = False,
    digest: str = "",
    platform: Platform | None = None,
    reads: tuple[str, ...] = ("gzip", "zstd", "none"),
    database: bool = False,
) -> Plan:
    """A plan of one cell.

    Args:
        location: where the target is pulled.
        image: the target.
        offline: as planned without asking any registry.
        digest: of the target, instead of the image's own.
        platform: of the target, instead of linux/amd64.
        reads: compressions the scan can read.
        database: whether the scan has one.
    """
    read = read_image(image.manifest, origin="test")
    target = Target(
        id=TARGET,
        names=(Name(reference="registry.example/app:1"),),
        platform=platform or Platform(),
        digest=digest or image.digest,
        pull=location,
        size=None if offline else tarball_size(read),
        compressions=() if offline else compressions(read),
    )
    scan = Scan(
        name=SCAN,
        image="scanner:1",
        command=("scan", "{tarball}"),
        format="cyclonedx",
        compressions=reads,
        database=Database(refresh=("refresh",)) if database else None,
    )
    return Plan(
        run="run",
        created="2026-01-01T00:00:00Z",
        version="0",
        scans=(scan,),
        targets=(target,),
        cells=(),
        limits=Limits(retries=1),
    )


def check_tarball(path: Path, image: Image) -> None:
    """The tarball holds exactly this image, and nothing lies beside it."""
    with open_tarball(path, digest=image.digest) as tarball:
        tarball.verify()
    assert path.stat().st_mode & 0o777 == 0o444
    assert [each.name for each in path.parent.iterdir()] == [path.name]
