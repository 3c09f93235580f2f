"""Plan 2,500 images × 4 scans whose digests are already resolved: time, memory, and whether both grow linearly.

python -m tests.benchmarks.plan
"""

import resource
import time
from dataclasses import dataclass

from orchestrator.catalog import load_catalog
from orchestrator.config import default_config
from orchestrator.inventory import Entry
from orchestrator.model import Blob, Image, Platform
from orchestrator.planning import Located, make_plan, split
from orchestrator.steps.plan import pack, unpack
from tests.unit.planning.samples import GZIP, NOW, digest

SCANS = ("sbom", "image-lifetime", "root-user", "distroless")
SIZES = (625, 1250, 2500)


@dataclass
class Resolved:
    """Answers from memory, as if every reference had been looked up before."""

    answers: dict[str, tuple[Located, ...]]

    def __call__(self, reference: str, *, local: bool) -> tuple[Located, ...]:
        return self.answers[reference]


def main() -> None:
    """Print a row for each size, and the ratios between the largest and the smallest."""
    catalog = load_catalog()
    config = default_config(environment={}, volume={"budget": "100Gi"})
    took = []
    print(f"{'images':>7} {'cells':>7} {'plan s':>8} {'pack s':>8} {'packed KiB':>11} {'shards':>7} {'peak MiB':>9}")
    for number in SIZES:
        entries = [
            Entry(
                reference=f"registry.example/team{i % 50}/app{i}:1.{i}",
                scans=SCANS,
                owner=f"team{i % 50}",
                origin="x:1",
            )
            for i in range(number)
        ]
        resolver = Resolved({entry.reference: (_located(entry.reference),) for entry in entries})
        start = time.perf_counter()
        plan = make_plan(config, entries, catalog, run="bench", now=NOW, resolver=resolver)
        planned = time.perf_counter()
        text = pack(plan)
        packed = time.perf_counter()
        assert unpack(text) == plan
        assert plan.budget.cells == number * len(SCANS)
        took.append(planned - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        shards = len(split(plan, plan.limits.cells_per_shard))
        print(
            f"{number:>7} {len(plan.cells):>7} {took[-1]:>8.3f} {packed - planned:>8.3f} {len(text) / 1024:>11.0f} "
            f"{shards:>7} {peak:>9.0f}"
        )
    print(f"time for {SIZES[-1] / SIZES[0]:.0f}× the images: {took[-1] / took[0]:.1f}×")


def _located(reference: str) -> Located:
    layers = [Blob(digest=digest(f"base {int(digest(reference)[7:9], 16)}"), size=30_000_000, media_type=GZIP)]
    layers += [Blob(digest=digest(f"{reference} {n}"), size=2_000_000, media_type=GZIP) for n in range(5)]
    image = Image(
        manifest=Blob(digest=digest(reference), size=2000),
        config=Blob(digest=digest(f"config {reference}"), size=5000),
        layers=tuple(layers),
        platform=Platform(),
    )
    size = sum(layer.size for layer in layers)
    return Located(platform=image.platform, pull="http://cache:5000/x", image=image, size=size)


if __name__ == "__main__":
    main()
