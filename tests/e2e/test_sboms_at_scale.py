"""What a rescan from stored SBOMs costs on a real cluster, beside a full one of the same images: in the campaign only.

The full one finds no tarball on the volume, as a daily run of many images does; both have their databases.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from orchestrator.model import Outcome
from tests.e2e import nine
from tests.e2e.site import Site, make_site, run
from tests.e2e.test_sboms import BY_SBOM, pods
from tests.tools import artifacts, samples
from tests.tools.images import Image, layer
from tests.tools.upstream import Upstream

pytestmark = [pytest.mark.campaign, pytest.mark.alone]
#: Images, each a Debian (150 MB) with a layer of its own.
COUNT = int(os.environ.get("CAMPAIGN_IMAGES", "200"))


@pytest.fixture
def site(upstream: Upstream, mirror: str, tmp_path: Path) -> Iterator[Site]:
    base = samples.debian(artifacts.debian_root()).layers
    for number in range(COUNT):
        upstream.push(f"library/many-{number}:1", Image.build([*base, layer({"app/number": str(number)})]))
    scans = {name: nine.shipped(name) for name in (*BY_SBOM, *BY_SBOM.values())}
    scans["dependency"]["parameters"]["databaseUrl"] = f"{mirror}/databases"
    for name in ("general", "packages-trivy"):
        scans[name]["parameters"] |= nine.general()["parameters"]
    settings = {
        "sboms": {"store": True},
        "scans": {"templates": [f"{name}.yaml" for name in scans], "default": list(BY_SBOM)},
        "limits": {"deadline": "3h"},
        "volume": {"budget": "40Gi"},
    }
    csv = "\n".join(["image", *(f"many-{number}:1" for number in range(COUNT)), ""])
    with make_site(tmp_path, "e2e-scale", upstream, csv=csv, templates=scans, settings=settings) as found:
        yield found


def cpu_of_pods() -> float:
    """Seconds of CPU that all pods of this node have had, those that have ended too."""
    for hierarchy, name, unit in (("cpuacct", "cpuacct.usage", 1e9), ("", "cpu.stat", 1e6)):
        for folder in (Path("/sys/fs/cgroup") / hierarchy).glob("kubepods*"):
            if (usage := folder / name).exists():
                return int(usage.read_text().split()[-1 if hierarchy else 1]) / unit
    pytest.skip("this node does not say what its pods take")


def measured(site: Site) -> tuple[str, float, float]:
    """A run from its submission to its end: its name, seconds, and seconds of CPU of pods."""
    began, used = time.monotonic(), cpu_of_pods()
    name = site.submit()
    assert site.wait(name, seconds=3 * 3600) == "Succeeded"
    found = name, time.monotonic() - began, cpu_of_pods() - used
    assert {row.outcome for row in site.ledger(name).rows} == {Outcome.OK}
    return found


def forget_tarballs(site: Site) -> None:
    for folder in ("blobs", "layers"):
        shutil.rmtree(site.storage / folder, ignore_errors=True)


def test_a_rescan_from_sboms_beside_a_full_one(site: Site) -> None:
    measured(site)  # makes the SBOMs
    forget_tarballs(site)
    site.upstream.log.clear()
    by_sboms, seconds, cpu = measured(site)
    cells = site.ledger(by_sboms).rows
    assert len(cells) == COUNT * len(BY_SBOM)
    assert all(row.source is not None for row in cells)
    assert sum(site.upstream.log.blob_bytes().values()) == 0
    used = pods(site, by_sboms)
    matched = sum(used[f"sboms-{scan}"] for scan in BY_SBOM)
    assert matched <= max(len(BY_SBOM), len(cells) / 100)
    path = site.folder / "scanmatrix.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"sboms": {"store": False}}))
    run("kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-",
        stdin=site.scanmatrix("install", "--render"))  # fmt: skip
    by_images, full_seconds, full_cpu = measured(site)
    print(  # noqa: T201 - what this is for
        f"\n| {COUNT} images, {len(cells)} cells | s | CPU s of pods | pods |\n| --- | ---: | ---: | ---: |\n"
        f"| the images | {full_seconds:.0f} | {full_cpu:.0f} | {pods(site, by_images).total()} |\n"
        f"| stored SBOMs | {seconds:.0f} | {cpu:.0f} | {used.total()}, {matched} of them for cells |\n"
        f"\n1/{full_seconds / seconds:.1f} of the time, 1/{full_cpu / cpu:.1f} of the CPU"
    )
