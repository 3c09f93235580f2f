"""Put bills of materials of 2 MB through the service, each of an image of its own: how many a second on one core.

    python -m tests.benchmarks.put [--puts 20]

The service runs in this process, bound to one processor, and is asked without a socket; all else is as it is served:
the check against CycloneDX's schema, the result's files with their fsync, the import into the store. What it costs
beside that is asked for later, the HTML report and the BOM, at the end.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from orchestrator.service.rest.settings import ServeSettings
from orchestrator.volume.layout import Volume
from tests.benchmarks.apart import apart, peak
from tests.served import configured, served

SIZE = 2_000_000
LIMIT = 20
_WARM = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Put bills of materials of 2 MB.")
    parser.add_argument("--puts", type=int, default=20, help="how many are measured")
    puts: int = parser.parse_args(arguments).puts
    with tempfile.TemporaryDirectory(prefix="scanmatrix-put-") as folder:
        wall, cpu, least, later, memory = apart(_measure, Path(folder), puts)
    print(
        "| BOM MB | puts | ms of a put | CPU ms | least CPU ms | puts/s of CPU | peak MB | HTML report, ms | BOM, ms |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {SIZE / 1e6:.0f} | {puts} | {wall * 1e3:.0f} | {cpu * 1e3:.0f} | {least * 1e3:.0f} | {1 / cpu:.1f} "
        f"| {memory / 1e6:.0f} | {later[0] * 1e3:.0f} | {later[1] * 1e3:.0f} |"
    )
    print(f"\nAt least {LIMIT} puts a second of one core are wanted.")


def _measure(folder: Path, puts: int) -> tuple[float, float, float, list[float], int]:
    """Medians of wall and CPU seconds of a put, the least CPU; seconds of report and BOM; the peak of memory."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    wall, cpu = [], []
    with served(configured(Volume(folder)), ServeSettings()) as client:
        for number in range(_WARM + puts):
            body = json.dumps({"imageId": f"registry.example/team/app{number}:1", "report": document(number)}).encode()
            began, busy = time.perf_counter(), time.process_time()
            answer = client.put("/scan-results", content=body, headers={"content-type": "application/json"})
            wall.append(time.perf_counter() - began)
            cpu.append(time.process_time() - busy)
            answer.raise_for_status()
        later = []
        for file in ("report", "bom"):
            began = time.perf_counter()
            client.get(f"/api/v1/runs/{answer.json()['run']}/{file}").raise_for_status()
            later.append(time.perf_counter() - began)
    wall, cpu = wall[_WARM:], cpu[_WARM:]
    return statistics.median(wall), statistics.median(cpu), min(cpu), later, peak()


def document(image: int) -> dict[str, object]:
    """What Syft says of an image with 3,100 packages, and Grype of every eighth; every fourth is in no other image."""
    count = SIZE // 645
    versions = [f"{number % 9}.{number % 7}.{image if number % 4 == 0 else 0}" for number in range(count)]
    components = [
        {
            "type": "library",
            "bom-ref": f"{image}-{number}",
            "name": f"libpackage-{number}",
            "version": version,
            "purl": f"pkg:deb/debian/libpackage-{number}@{version}?arch=amd64&distro=debian-12",
            "licenses": [{"license": {"id": "MIT"}}],
            "hashes": [{"alg": "SHA-256", "content": f"{number:064x}"}],
            "properties": [
                {"name": "syft:package:foundBy", "value": "dpkg-db-cataloger"},
                {"name": "syft:location:0:path", "value": "/var/lib/dpkg/status"},
                {"name": "syft:location:0:layerID", "value": f"sha256:{number:064x}"},
            ],
        }
        for number, version in enumerate(versions)
    ]
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"
    vulnerabilities = [
        {
            "id": f"CVE-2024-{number:05}",
            "ratings": [{"severity": "high", "score": 7.5, "method": "CVSSv31", "vector": vector}],
            "description": "A flaw was found that lets a remote attacker stop the program with a crafted request. " * 2,
            "affects": [{"ref": f"{image}-{number}"}],
        }
        for number in range(0, count, 8)
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"tools": {"components": [{"type": "application", "name": "syft", "version": "1.0"}]}},
        "components": components,
        "vulnerabilities": vulnerabilities,
        "dependencies": [{"ref": f"{image}-{n}", "dependsOn": [f"{image}-{n + 1}"]} for n in range(0, count - 1, 2)],
    }


if __name__ == "__main__":
    main()
