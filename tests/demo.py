"""`make demo`: a whole matrix on a fresh machine, with images assembled here and the scans that need nothing else.

The commands it shows are the ones it runs, so what a newcomer reads is what a newcomer can type.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.tools import layouts, samples

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "scanmatrix-data" / "demo"
CONFIG = "docs/examples/demo/scanmatrix.yaml"

NEXT = f"""
Every cell of the matrix is accounted for above. Look further:

  scanmatrix-data/results/   for each run: ledger.json, findings.parquet and .csv, bom.cdx.json, summary.md
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
    for name, image in {
        "web": samples.old("2025-01-15T08:00:00Z"),
        "java-tool": samples.java_tool(),
        "static": samples.distroless(),
    }.items():
        layouts.write_archive(IMAGES / f"{name}.tar", image, name=name)
    show("plan", "--config", CONFIG)
    status = show("run", "--config", CONFIG)
    sys.stdout.write(NEXT)
    return status


def show(*arguments: str) -> int:
    """Print a command as one would type it, then run it."""
    sys.stdout.write(f"$ scanmatrix {' '.join(arguments)}\n")
    sys.stdout.flush()
    command = shutil.which("scanmatrix", path=str(Path(sys.executable).parent)) or "scanmatrix"
    return subprocess.run([command, *arguments], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
