"""The first answer: `trivy image` against `scanmatrix run --scan general`, whose scanner is the same Trivy; all warm.

    python -m tests.benchmarks.first [--rounds 5]

A Debian image and Trivy's databases are in a registry on loopback. Both have pulled the databases before, and neither
asks for a newer one; Trivy keeps no cache of layers, so that both look at the whole image in each round.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.benchmarks.contenders import Contender, compiled_in
from tests.cluster import databases
from tests.e2e import nine
from tests.tools import artifacts, find, samples
from tests.tools.servers import Registry, start_registry

LIMIT_RATIO = 3.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The first answer: trivy image against scanmatrix run.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each (the median counts)")
    options = parser.parse_args(arguments)
    if missing := [name for name in ("registry", "trivy") if find(name) is None]:
        sys.exit(f"skipped: {' and '.join(missing)} missing; get them by: python -m tests.tools --images")
    with tempfile.TemporaryDirectory(prefix="scanmatrix-first-") as name:
        folder = Path(name)
        with start_registry(folder / "registry") as registry:
            registry.push("app:1", samples.debian(artifacts.debian_root()))
            for artifact, image in databases.trivy(folder / "databases").items():
                registry.push(artifact, image)
            contenders = _contenders(registry, folder)
            for _ in range(options.rounds + 1):  # the first round fills the caches of both, and does not count
                for contender in contenders:
                    contender.run()
    _print(contenders)


def _contenders(registry: Registry, folder: Path) -> tuple[Contender, Contender]:
    trivy, image = str(find("trivy")), f"{registry.host}/app:1"
    compiled = compiled_in(folder / "compiled")
    compiled["PATH"] = f"{Path(trivy).parent}:{compiled['PATH']}"
    repositories = {
        "databaseRepository": f"{registry.host}/aquasecurity/trivy-db:2",
        "javaDatabaseRepository": f"{registry.host}/aquasecurity/trivy-java-db:1",
    }
    template = nine.general()
    template["parameters"] |= repositories
    (folder / "general.yaml").write_text(yaml.safe_dump(template))
    config = folder / "scanmatrix.yaml"
    settings = {"scans": {"templates": ["general.yaml"]}, "insecure": [registry.host]}
    config.write_text(yaml.safe_dump(settings | {"volume": {"path": str(folder / "volume")}}))
    report = folder / "trivy.json"
    command = [trivy, "image", "--quiet", "--scanners=vuln", "--insecure", "--format=json", f"--output={report}"]
    command += [f"--cache-dir={folder / 'cache'}", "--cache-backend=memory", "--image-src=remote"]
    command += [f"--db-repository={repositories['databaseRepository']}", "--skip-java-db-update", image]
    # With a run of its own in each round, so that nothing is resumed.
    ours = [
        sys.executable,
        "-m",
        "scanmatrix",
        "run",
        image,
        "--scan",
        "general",
        "--config",
        str(config),
        "--output=json",
    ]
    return Contender("trivy image", command, report, compiled), Contender("scanmatrix run", ours, None, compiled)


def _print(contenders: Sequence[Contender]) -> None:
    print(f"{'':<16} {'s':>7} {'all rounds':>36} {'CPU s':>7} {'peak MB':>8}")
    for each in contenders:
        rounds = " ".join(f"{seconds:.2f}" for seconds in each.seconds[1:])
        seconds, cpu = statistics.median(each.seconds[1:]), statistics.median(each.cpu[1:])
        print(f"{each.name:<16} {seconds:>7.2f} {rounds:>36} {cpu:>7.2f} {each.peak:>8.0f}")
    theirs, ours = (statistics.median(each.seconds[1:]) for each in contenders)
    print(f"scanmatrix run takes {ours / theirs:.1f}× the time of trivy image (at most {LIMIT_RATIO} wanted)")


if __name__ == "__main__":
    main()
