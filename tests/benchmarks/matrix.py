"""The seed's nine cells with everything cold: bytes read from upstream and bytes on the volume, against what must be.

python -m tests.benchmarks.matrix
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.integration import nine_cells
from tests.integration.command import COMMAND
from tests.tools import artifacts, find, samples, signatures
from tests.tools.proxy import Proxy
from tests.tools.servers import start_registry

NEEDED = ("registry-v3", "clamscan", "debian-root", "log4j-core", "npm-package")


def main() -> int:
    """Print the two ratios; both should be 1.0."""
    if lacking := [name for name in NEEDED if find(name) is None]:
        print(f"skipped: {', '.join(lacking)} not there; get them by: python -m tests.tools")
        return 0
    images = nine_cells.images(
        samples.debian(artifacts.debian_root()), samples.java_tool(artifacts.log4j_jar(), artifacts.npm_package())
    )
    with tempfile.TemporaryDirectory(prefix="scanmatrix-matrix-") as name:
        folder = Path(name)
        with start_registry(folder / "upstream", "upstream", protected=True) as upstream:
            proxy = Proxy(upstream.url)
            with start_registry(
                folder / "cache", "cache", cache_of=proxy.url, credentials=upstream.credentials
            ) as cache:
                config = nine_cells.configure(
                    folder / "here", images, push=upstream.push, cache=cache.url,
                    signatures=signatures.write(folder / "signatures"),
                )  # fmt: skip
                seconds, peak = run(config)
            proxy.close()
    blobs = sum(nine_cells.unique_blobs(images).values())
    read = sum(proxy.log.blob_bytes().values())
    size = nine_cells.image_bytes(images)
    print(f"nine cells in {seconds:.1f} s, all images cold")
    print(f"{'':<40} {'bytes':>12} {'÷ unique':>9}")
    print(f"{'unique blobs':<40} {blobs:>12}")
    print(f"{'read from upstream':<40} {read:>12} {read / blobs:>9.3f}")
    print(f"{'unique images':<40} {size:>12}")
    print(f"{'tarballs on the volume, at the peak':<40} {peak:>12} {peak / size:>9.3f}")
    return 0


def run(config: Path) -> tuple[float, int]:
    """Run the matrix; seconds, and the most bytes its tarballs took at once."""
    began, peak = time.perf_counter(), 0
    process = subprocess.Popen([COMMAND, "run", "--config", config, "--run-id", "nine"], cwd=config.parent)
    while process.poll() is None:
        peak = max(peak, nine_cells.occupied(config.parent / "volume"))
        time.sleep(0.02)
    if process.returncode:
        sys.exit("the run failed")
    return time.perf_counter() - began, peak


if __name__ == "__main__":
    sys.exit(main())
