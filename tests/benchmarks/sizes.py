"""What a cell costs by the size of its image, each way it can be scanned on one machine; real Grype and Trivy.

    python -m tests.benchmarks.sizes [--images 4]

Images of each size share their base and have a layer each of their own; they are pulled from a registry on loopback,
and databases are at hand. What a pod adds in a cluster is the same whatever its image (`orchestration`).
"""

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks import costs
from tests.benchmarks.contenders import Contender
from tests.benchmarks.sboms import contender, forget_tarballs, need, push, scanners, settings_of
from tests.tools import artifacts, samples
from tests.tools.images import Layer
from tests.tools.mirror import Mirror, mirror
from tests.tools.servers import Registry, start_registry


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What a cell costs by the size of its image.")
    parser.add_argument("--images", type=int, default=4, help="images of each size, each with two scans")
    count = parser.parse_args(arguments).images
    need()
    costs.head("image", "MB", "way", "s a cell", "CPU ms a cell", words=1)
    for size, base in bases().items():
        with tempfile.TemporaryDirectory(prefix="scanmatrix-sizes-") as name, mirror() as served:
            folder = Path(name)
            with start_registry(folder / "registry") as registry:
                _measure(size, push(registry, base, count), folder, registry, served)


def bases() -> dict[str, Sequence[Layer]]:
    """The layers that the images of each size share."""
    root = artifacts.debian_root()
    return {
        "some files": samples.system().layers,
        "Debian": samples.debian(root).layers,
        "Debian and a program of Python": samples.application(root).layers,
    }


def _measure(size: str, names: list[str], folder: Path, registry: Registry, served: Mirror) -> None:
    environment = scanners(folder)
    settings = settings_of(folder, registry, served, names)
    stored = settings | {"sboms": {"store": True}}
    contender("SBOMs made", folder, stored, environment).run()
    ways = [
        contender("engine: local", folder, settings, environment),
        _by_worker(folder, settings, environment),
        contender("stored SBOMs", folder, stored, environment),
    ]
    megabytes = sum(path.stat().st_size for path in (folder / "volume" / "blobs").rglob("*") if path.is_file()) / 1e6
    for each in ways:
        forget_tarballs(folder)
        each.run()
        cells = 2 * len(names)
        spent = (f"{each.seconds[0] / cells:.2f}", f"{1000 * each.cpu[0] / cells:.0f}")
        costs.row((size, f"{megabytes:.0f}", each.name, *spent))


def _by_worker(folder: Path, settings: dict[str, object], environment: dict[str, str]) -> Contender:
    """The same by one worker, with its start."""
    config = folder / "queue.yaml"
    config.write_text(json.dumps(settings | {"engine": "queue"}))
    ours = shlex.join([sys.executable, "-m", "scanmatrix"])
    given = f"--config {shlex.quote(str(config))}"
    command = f"{ours} run {given} --detach && {ours} worker {given} --once"
    return Contender("engine: queue, one worker", ["sh", "-c", command], None, environment)


if __name__ == "__main__":
    main()
