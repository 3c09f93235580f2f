"""Pull one large image from a loopback registry into a tarball: ours, `crane pull`, `skopeo copy … docker-archive:`.

    python -m tests.benchmarks.pull [--rounds 5] [--scale 1.0]

Each is a process of its own, started in turn, so that all see the same machine; ours is what a pull pod runs, its
Python's start, digest checks and fsync included, and its code compiled before, as it is in our image. With `--folder
/dev/shm` the files are in memory, and the disk is not what is measured.
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.registry.resolve import resolve
from orchestrator.images.tarball.archive import open_tarball, tarball_size
from orchestrator.model import Name, Plan, Platform, Target
from orchestrator.model.documents import encode
from orchestrator.volume.layout import Volume, write_atomic
from tests.benchmarks.contenders import MEGABYTE, Contender, compiled_in
from tests.tools import find
from tests.tools.images import Image, layer
from tests.tools.servers import Registry, start_registry

LAYERS = (240, 200, 170, 140, 110, 90, 50)  # megabytes, compressed
TARGET = "big"
CRANE = "crane pull"
LIMIT_MEMORY = 150
LIMIT_RATIO = 1.3
LIMIT_IMPORT = 0.25
WORDS = b"GET /v2/library/debian/manifests/bookworm HTTP/1.1 200 application/vnd.oci.image.index.v1+json\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Pull one large image: ours against crane and skopeo.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each (the median counts)")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the image, 1.0 for 1 GB")
    parser.add_argument("--folder", type=Path, help="where to work; by default a temporary folder")
    options = parser.parse_args(arguments)
    if find("registry") is None:
        sys.exit("skipped: there is no registry to pull from; get it by: python -m tests.tools")
    with tempfile.TemporaryDirectory(prefix="scanmatrix-pull-", dir=options.folder) as name:
        folder = Path(name)
        with start_registry(folder / "registry") as registry:
            size = _push(registry, options.scale)
            environment = compiled_in(folder / "compiled")
            cpu = _import_cpu(environment)  # compiles it, too
            contenders = list(_contenders(registry, folder, environment))
            for number in range(options.rounds):
                for contender in contenders[number % len(contenders) :] + contenders[: number % len(contenders)]:
                    contender.run()
                    if contender is not contenders[0]:
                        contender.output.unlink()
        with open_tarball(contenders[0].output) as tarball:
            tarball.verify()
        _print(contenders, size, cpu)


def _contenders(registry: Registry, folder: Path, environment: dict[str, str]) -> Iterator[Contender]:
    location = f"{registry.url}/big"
    with RegistryClient() as client:
        (image,) = resolve(location, "1", [Platform()], client)
    volume = Volume(folder / "volume")
    target = Target(
        id=TARGET,
        names=(Name(reference=f"{registry.host}/big:1"),),
        digest=image.manifest.digest,
        pull=location,
        size=tarball_size(image),
    )
    plan = Plan(run="bench", created="2026-01-01T00:00:00Z", version="0", scans=(), targets=(target,), cells=())
    write_atomic(volume.plan(plan.run), encode(plan))
    step = [sys.executable, "-m", "orchestrator.steps", "pull", "--run", plan.run, "--target", TARGET]
    yield Contender(
        "scanmatrix-step pull", [*step, "--volume", str(volume.root)], volume.blob(target.digest), environment
    )
    reference = f"{registry.host}/big:1"
    if crane := find("crane"):
        output = folder / "crane.tar"
        yield Contender(CRANE, [str(crane), "pull", "--insecure", reference, str(output)], output, environment)
    if skopeo := find("skopeo"):
        output = folder / "skopeo.tar"
        command = [str(skopeo), "copy", "--insecure-policy", "--src-tls-verify=false", f"docker://{reference}"]
        yield Contender("skopeo copy docker-archive:", [*command, f"docker-archive:{output}"], output, environment)


def _push(registry: Registry, scale: float) -> int:
    """Seven layers, four fifths of each incompressible, as binaries nearly are."""
    generator = random.Random(3)
    layers = []
    for number, megabytes in enumerate(LAYERS):
        size = int(megabytes * scale * MEGABYTE)
        text = WORDS * (size // 4 // len(WORDS))
        layers.append(layer({f"opt/{number}/data": generator.randbytes(size), f"opt/{number}/log": text}))
    image = Image.build(layers)
    registry.push("big:1", image)
    return image.size


def _import_cpu(environment: dict[str, str]) -> float:
    """Seconds of CPU that the import of the step takes, its files being in the page cache; the least of some."""
    code = "import time; at = time.process_time(); import orchestrator.steps.pull; print(time.process_time() - at)"
    command, kind = [sys.executable, "-c", code], subprocess.PIPE
    done = (subprocess.run(command, env=environment, stdout=kind, text=True, check=True) for _ in range(10))
    return min(float(each.stdout) for each in done)


def _print(contenders: list[Contender], size: int, import_cpu: float) -> None:
    ours = contenders[0]
    mine = statistics.median(ours.seconds)
    print(f"image: {size / MEGABYTE:.0f} MB in {len(LAYERS)} layers; median of {len(ours.seconds)} rounds")
    head = f"{'':<30} {'s':>7} {'all rounds':>30} {'× ours':>7} {'CPU s':>6} {'× ours':>7}"
    print(f"{head} {'peak MB':>8} {'written MB':>11}")
    for each in contenders:
        median = statistics.median(each.seconds)
        rounds = " ".join(f"{seconds:.2f}" for seconds in each.seconds)
        cpu = statistics.median(each.cpu)
        row = f"{each.name:<30} {median:>7.2f} {rounds:>30} {median / mine:>7.2f} {cpu:>6.2f}"
        row += f" {cpu / statistics.median(ours.cpu):>7.2f} {each.peak:>8.0f}"
        print(f"{row} {each.written / MEGABYTE:>11.0f}")
    for crane in (each for each in contenders if each.name == CRANE):
        ratio = statistics.median(crane.seconds) / mine
        print(f"against {CRANE}: {ratio:.2f}× as fast (at least {LIMIT_RATIO} wanted with --folder in memory)")
    print(f"peak memory: {ours.peak:.0f} MB (under {LIMIT_MEMORY} wanted)")
    print(f"import orchestrator.steps.pull: {import_cpu:.3f} s of CPU (at most {LIMIT_IMPORT} wanted)")


if __name__ == "__main__":
    main()
