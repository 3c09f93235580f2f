"""Plan and render up to 2,500 images × 4 scans, digests already resolved: time, memory, and whether they grow linearly.

python -m tests.benchmarks.render

Each size in a process of its own, from its start to the YAML, so that the peak is its own and imports count.
"""

import json
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.planning import Located

SCANS = ("general", "virus", "dependency", "image-lifetime")
SIZES = (625, 1250, 2500)
_PARTS = ("imports", "plan", "render", "total")


def main() -> None:
    """Print a row for each size, and the ratios between the largest and the smallest."""
    head = "".join(f" {part + ' s':>10}" for part in _PARTS)
    print(f"{'images':>7} {'cells':>7}{head} {'peak MiB':>9} {'workflows':>10} {'largest KiB':>12} {'YAML MiB':>9}")
    rows = []
    for size in SIZES:
        command = [sys.executable, "-m", "tests.benchmarks.render", str(size)]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows.append(row)
        parts = "".join(f" {row[part]:>10.3f}" for part in _PARTS)
        print(
            f"{size:>7} {row['cells']:>7}{parts} {row['peak'] / 1024:>9.0f} {row['workflows']:>10} "
            f"{row['largest'] / 1024:>12.0f} {row['yaml'] / 2**20:>9.2f}"
        )
    first, last = rows[0], rows[-1]
    ratios = (f"{part} {last[part] / first[part]:.1f}×" for part in ("plan", "render", "peak", "yaml"))
    print(f"for {SIZES[-1] / SIZES[0]:.0f}× the images: {', '.join(ratios)}")
    print(
        f"10,000 cells: {last['total']:.2f} s of the 3 s allowed, {last['peak'] / 1024:.0f} MiB of the 300 MB allowed"
    )


def measure(images: int) -> dict[str, float]:
    """One size, in this process: seconds of each part, peak memory in KiB, and sizes in bytes."""
    start = time.perf_counter()
    from orchestrator.catalog.loading import load_catalog  # noqa: PLC0415 - what imports take is measured
    from orchestrator.config.loading import default_config  # noqa: PLC0415
    from orchestrator.inventory import Entry  # noqa: PLC0415
    from orchestrator.workflows import manifests  # noqa: PLC0415
    from tests.planned import plan_here  # noqa: PLC0415
    from tests.unit.planning.samples import NOW, Table  # noqa: PLC0415

    names = [f"registry.example/team{i % 50}/app{i}:1.{i}" for i in range(images)]
    entries = [Entry(reference=name, scans=SCANS, owner="team", origin="x:1") for name in names]
    catalog, config = load_catalog(), default_config(environment={})
    imported = time.perf_counter()
    # Made by the benchmark, not by what it measures.
    resolver = Table({name: (_located(name),) for name in names})
    ready = time.perf_counter()
    plan = plan_here(config, entries, catalog, run="bench", now=NOW, resolver=resolver)
    planned = time.perf_counter()
    found = manifests.manifests(plan, config)
    text = manifests.to_yaml(found)
    rendered = time.perf_counter()
    assert text.count("target: sha256-") == images
    return {
        "cells": plan.budget.cells,
        "imports": imported - start,
        "plan": planned - ready,
        "render": rendered - planned,
        "total": rendered - ready + imported - start,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "workflows": len(found),
        "largest": manifests.object_bytes(found),
        "yaml": len(text),
    }


def _located(reference: str) -> "Located":
    """An image of six layers; the base is one of 256."""
    from orchestrator.model import Blob, Image  # noqa: PLC0415
    from orchestrator.planning import Located  # noqa: PLC0415
    from tests.unit.planning.samples import GZIP, digest  # noqa: PLC0415

    base = Blob(digest=digest(f"base {digest(reference)[7:9]}"), size=30_000_000, media_type=GZIP)
    own = [Blob(digest=digest(f"{reference} {n}"), size=2_000_000, media_type=GZIP) for n in range(5)]
    image = Image(
        manifest=Blob(digest=digest(reference), size=2000),
        config=Blob(digest=digest(f"config {reference}"), size=5000),
        layers=(base, *own),
    )
    return Located(platform=image.platform, pull="http://cache:5000/x", image=image, size=40_000_000)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
    else:
        main()
