"""`make demo`: a whole matrix on a fresh machine, with images assembled here and the scans that need nothing else.

The commands it shows are the ones it runs, so what a newcomer reads is what a newcomer can type.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.tools import layouts, samples

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "scanmatrix-data" / "demo"
CONFIG = "docs/examples/demo/scanmatrix.yaml"

COMMAND = shutil.which("scanmatrix", path=str(Path(sys.executable).parent)) or "scanmatrix"

NEXT = f"""
Every cell of the matrix is accounted for above. Look further:

  scanmatrix-data/results/   for each run: report.html (open it), summary.md, merged.csv, ledger.json, bom.cdx.json, …
  scanmatrix results show    what was found, the worst first; `scanmatrix results` has diff, who-has and export
  {CONFIG}   what ran; docs/configuration.md explains every key

To use it on your own images (the command is in .venv/bin):

  scanmatrix run registry.example/app:1.2          an image from a registry; credentials come from docker login
  scanmatrix run app.tar --scan sbom               an OCI archive, an OCI layout folder, a `docker save` tar
  scanmatrix templates                             all scans; put a scanner on PATH and its scan runs:
                                                   trivy (general, secrets), grype (dependency), clamscan (virus)
  scanmatrix render -c scanmatrix.yaml             the same matrix as an Argo Workflow
"""


def main() -> int:
    """Assemble the images, show the plan, run it; the exit status is that of the run."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    lately = datetime.now(UTC) - timedelta(days=30)
    for name, image in {
        "web": samples.old("2025-01-15T08:00:00Z"),
        "java-tool": samples.java_tool(),
        "static": samples.distroless(created=f"{lately:%Y-%m-%dT00:00:00Z}"),
    }.items():
        layouts.write_archive(IMAGES / f"{name}.tar", image, name=name)
    if sys.argv[1:] == ["--picture"]:
        return draw(ROOT / "docs" / "images" / "demo.svg")
    show("plan", "--config", CONFIG)
    status = show("run", "--config", CONFIG)
    sys.stdout.write(NEXT)
    return status


def show(*arguments: str) -> int:
    """Print a command as one would type it, then run it."""
    sys.stdout.write(f"$ scanmatrix {' '.join(arguments)}\n")
    sys.stdout.flush()
    return subprocess.run([COMMAND, *arguments], cwd=ROOT, check=False).returncode


def draw(path: Path) -> int:
    """What a terminal shows of the demo, as the README's picture (`python -m tests.demo --picture`)."""
    shown = Text()
    with tempfile.TemporaryDirectory() as volume:
        environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": "80", "SCANMATRIX_VOLUME__PATH": volume}
        for command in ("plan", "run"):
            done = subprocess.run(
                [COMMAND, command, "--config", ROOT / CONFIG, "--run-id", "demo"],
                cwd=IMAGES,
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            shown.append(f"$ scanmatrix {command} --config {CONFIG}\n", style="bold")
            printed = done.stdout.replace(volume, "scanmatrix-data").replace(f"{ROOT}/", "")
            shown.append(Text.from_ansi(printed)).append("\n")
    width = max(len(line) for line in shown.plain.splitlines())
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    console.print(shown)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the fonts that Rich would load from elsewhere: the reader's own monospace one will do.
    path.write_text(re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="make demo"), flags=re.DOTALL))
    return 0


if __name__ == "__main__":
    sys.exit(main())
