"""A rescan of images that have not changed, from stored SBOMs and from the images themselves; real Grype and Trivy.

    python -m tests.benchmarks.sboms [--images 200] [--stored 20000]

Every image is a Debian (150 MB, 88 packages) with a program of Python and what it needs (380 MB, 60 packages: this one,
as it is installed) and a layer of its own, in a registry on loopback; both scans look for vulnerabilities. The full
rescan has the databases and no tarball any more; the other has SBOMs of a run before. Then what the scanners' own
processes take of that, without us; and the plan alone, of a volume with many SBOMs.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from orchestrator.catalog.loading import load_catalog
from orchestrator.catalog.placeholders import fill_words
from orchestrator.catalog.question import question_of
from orchestrator.model import BomSource, StoredSbom, TargetKind
from orchestrator.model.documents import read
from orchestrator.volume.layout import Volume
from orchestrator.volume.sboms import keep_sbom, open_sbom
from tests.benchmarks.contenders import Contender, compiled_in
from tests.cluster import databases
from tests.tools import artifacts, find, samples
from tests.tools.images import Image, Layer, layer, sha256
from tests.tools.mirror import Mirror, mirror
from tests.tools.servers import Registry, start_registry

WALL_WANTED, CPU_WANTED = 20, 10
_ROUNDS = 5


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Rescans from stored SBOMs against full ones.")
    parser.add_argument("--images", type=int, default=200, help="images, each with two scans")
    parser.add_argument("--stored", type=int, default=20_000, help="stored SBOMs of the plan")
    options = parser.parse_args(arguments)
    need()
    with tempfile.TemporaryDirectory(prefix="scanmatrix-sboms-") as name, mirror() as served:
        folder = Path(name)
        environment = scanners(folder)
        with start_registry(folder / "registry") as registry:
            names = push(registry, samples.application(artifacts.debian_root()).layers, options.images)
            _compare(folder, registry, served, names, environment)
        _plan(folder, options.stored, environment)


def need() -> None:
    """End where a tool is missing."""
    needed = ("registry", "trivy", "grype", "syft-of-grype")
    if missing := [name for name in needed if find(name) is None]:
        sys.exit(f"skipped: {' and '.join(missing)} missing; get them by: python -m tests.tools --all")


def scanners(folder: Path) -> dict[str, str]:
    """The environment of a run: the scanners under their own names, everything compiled."""
    tools = folder / "tools"
    tools.mkdir()
    for name, tool in {"syft": "syft-of-grype", "grype": "grype", "trivy": "trivy"}.items():
        (tools / name).symlink_to(str(find(tool)))
    environment = compiled_in(folder / "compiled")
    return environment | {"PATH": f"{tools}:{environment['PATH']}"}


def push(registry: Registry, base: Sequence[Layer], count: int) -> list[str]:
    """Push images with this base and a layer each of their own; their names."""
    for number in range(count):
        registry.push(f"app-{number}:1", Image.build([*base, layer({"app/number": f"{number}\n"})]))
    return [f"{registry.host}/app-{number}:1" for number in range(count)]


def settings_of(folder: Path, registry: Registry, served: Mirror, names: list[str]) -> dict[str, object]:
    """A configuration of both scans, whose databases are there."""
    root, trivy = databases.grype(folder / "grype"), folder / "trivy"
    served.files = {f"/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()}
    trivy.mkdir()
    databases.trivy(trivy)
    return {
        "targets": [{"image": name} for name in names],
        "insecure": [registry.host],
        "scans": {
            "default": ["dependency", "general"],
            "parameters": {"dependency": {"databaseUrl": f"{served.url}/databases"}},
        },
        "databases": {"paths": {"general": str(trivy), "packages-trivy": str(trivy)}},
        "volume": {"path": str(folder / "volume")},
    }


def _compare(folder: Path, registry: Registry, served: Mirror, names: list[str], environment: dict[str, str]) -> None:
    settings = settings_of(folder, registry, served, names)
    full = contender("the images", folder, settings, environment)
    fast = contender("stored SBOMs", folder, settings | {"sboms": {"store": True}}, environment)
    first = contender("the images, SBOMs made", folder, settings | {"sboms": {"store": True}}, environment)
    first.run()
    forget_tarballs(folder)
    full.run()
    forget_tarballs(folder)
    fast.run()
    cells = 2 * len(names)
    print(f"{cells} cells of {len(names)} images\n")
    print("| scanned | s | CPU s | CPU ms a cell | peak MB |\n| --- | ---: | ---: | ---: | ---: |")
    for each in (first, full, fast):
        (seconds,), (cpu,) = each.seconds, each.cpu
        print(f"| {each.name} | {seconds:.1f} | {cpu:.1f} | {1000 * cpu / cells:.0f} | {each.peak:.0f} |")
    _alone(folder, environment)
    wall, cpu = full.seconds[0] / fast.seconds[0], full.cpu[0] / fast.cpu[0]
    print(f"\nfrom stored SBOMs it takes 1/{wall:.1f} of the time (1/{WALL_WANTED} wanted) and 1/{cpu:.1f} of the CPU"
          f" (1/{CPU_WANTED} wanted)")  # fmt: skip


def _alone(folder: Path, environment: dict[str, str]) -> None:
    """What the scanners' processes take without us: begun and ended at once, and reading one image's SBOM."""
    volume = Volume(folder / "volume")
    kept = {sbom.scan: sbom for path in volume.all_sboms.glob("*/*.json") if (sbom := read(path, StoredSbom))}
    databases_of = {"dependency": volume.databases("dependency") / "current", "general": folder / "trivy"}
    print("\n| program alone, CPU ms | begun | an SBOM of a Debian with a program of Python |\n| --- | ---: | ---: |")
    for name, start in (("dependency", ["version"]), ("general", ["--version"])):
        scan = load_catalog()[name]
        assert scan.sbom is not None
        file, sbom = folder / f"{name}.sbom", kept[scan.sbom.scan]
        open_sbom(volume, sbom.digest, sbom.source, file)
        places = {"sbom": str(file), "report": str(folder / "report"), "workdir": str(folder)}
        places["database"] = str(databases_of[name].resolve())
        program, *words = fill_words(scan.sbom.command, scan, places)
        program = str(folder / "tools" / Path(program).name)
        variables = dict(zip(scan.environment, fill_words(tuple(scan.environment.values()), scan, places), strict=True))
        begun = Contender(name, [program, *start], None, environment | variables)
        whole = Contender(name, [program, *words], None, environment | variables)
        for _ in range(_ROUNDS):
            begun.run()
            whole.run()
        print(f"| {Path(program).name} | {1000 * median(begun.cpu):.0f} | {1000 * median(whole.cpu):.0f} |")


def contender(name: str, folder: Path, settings: dict[str, object], environment: dict[str, str]) -> Contender:
    """A run with this configuration."""
    config = folder / f"{name.replace(' ', '-')}.yaml"
    config.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "scanmatrix", "run", "--config", str(config), "--output=json"]
    return Contender(name, command, None, environment)


def forget_tarballs(folder: Path) -> None:
    """As if others had taken the room: what a daily run of many images finds."""
    for name in ("blobs", "layers"):
        shutil.rmtree(folder / "volume" / name, ignore_errors=True)


def _plan(folder: Path, count: int, environment: dict[str, str]) -> None:
    """The plan of images that all have an SBOM, which asks no registry."""
    volume = Volume(folder / "many")
    scan = load_catalog()["packages"]
    asked = question_of(scan, TargetKind.IMAGE)
    lines = ["image"]
    data = json.dumps({"artifacts": [], "descriptor": {"name": "syft", "version": "1.42.3"}}).encode()
    source = BomSource(bom=sha256(data), made="2099-01-01T00:00:00Z", cataloguer="syft 1.42.3")
    for number in range(count):
        digest = sha256(str(number).encode())
        keep_sbom(volume, StoredSbom(digest, scan.name, asked, source, len(data), ("deb",)), data)
        lines.append(f"registry.example/app-{number}@{digest}")
    (folder / "targets.csv").write_text("\n".join(lines) + "\n")
    config = folder / "many.yaml"
    settings = {
        "targets": [{"csv": {"path": "targets.csv"}}],
        "scans": {"default": ["dependency"]},
        "sboms": {"store": True},
        "volume": {"path": str(volume.root)},
    }
    config.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "scanmatrix", "plan", "--offline", "--config", str(config), "--output=json"]
    plan = Contender("plan", command, None, environment)
    plan.run()
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    matched = json.loads(done.stdout)["budget"]["matched"]
    print(f"\nthe plan of {count:,} images, {matched:,} of them from stored SBOMs: {plan.seconds[0]:.1f} s,"
          f" CPU {plan.cpu[0]:.1f} s, {plan.peak:.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
