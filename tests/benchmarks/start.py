"""What it costs to start: CPU of commands as a multiple of `python -c pass`, measured in turns; and a built-in scan.

python -m tests.benchmarks.start [--rounds 5]

Byte code is compiled before. A built-in scan's cost is that of a run with three of them less that of a run with one,
halved: what is the same for both is left out.
"""

import argparse
import compileall
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import orchestrator
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, write_run
from tests.tools import layouts, samples

COMMAND = str(Path(sys.executable).with_name("scanmatrix"))
COMMANDS = {
    "--help": "--help",
    "run --help": "run --help",
    "results list": "results list",
    "results who-has": "results who-has CVE-2025-1",
    "run, 1 built-in scan": "run app.tar --volume scans --scan distroless",
    "run, 3 built-in scans": "run app.tar --volume scans --scan distroless --scan root-user --scan image-lifetime",
}


def cpu(command: list[str], folder: Path) -> float:
    """Seconds of CPU of a process and of what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    compileall.compile_dir(str(Path(orchestrator.__file__).parent), quiet=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        volume = Volume(folder / "volume")
        volume.root.mkdir()
        write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)], "b/dependency": [finding(2)]})
        (folder / "scanmatrix.yaml").write_text("volume: {path: volume}\n")
        layouts.write_docker_save(folder / "app.tar", samples.system(), tags=("app:1",))
        found: dict[str, list[float]] = {each: [] for each in ("pass", *COMMANDS)}
        for _ in range(rounds + 1):  # the first fills caches
            found["pass"].append(cpu([sys.executable, "-c", "pass"], folder))
            for each, words in COMMANDS.items():
                found[each].append(cpu([COMMAND, *words.split()], folder))
                shutil.rmtree(folder / "scans", ignore_errors=True)
    least = {each: min(values[1:]) for each, values in found.items()}
    base = least.pop("pass")
    print(f"| command | CPU, ms | starts of Python ({base * 1000:.0f} ms) |\n|---|---:|---:|")
    for each, seconds in least.items():
        print(f"| `{each}` | {seconds * 1000:.0f} | {seconds / base:.1f} |")
    scan = (least["run, 3 built-in scans"] - least["run, 1 built-in scan"]) / 2
    print(f"| a built-in scan | {scan * 1000:.0f} | {scan / base:.1f} |")


if __name__ == "__main__":
    main()
