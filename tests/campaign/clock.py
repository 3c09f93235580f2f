"""A clock of the day that steps, for some processes only: a library that the loader puts before the C library."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import __version__
from tests.cluster import containers
from tests.cluster.images import orchestrator
from tests.tools.images import File, layer

if TYPE_CHECKING:
    from tests.cluster.state import State

#: Our own image, in which all programs but static ones have such a clock.
IMAGE = f"localhost/scanmatrix-clock:{__version__}"


def library(folder: Path) -> Path:
    """The library, compiled into a folder."""
    made, source = folder / "clock.so", Path(__file__).with_name("clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", made, source, "-ldl"], check=True)
    return made


def import_image(state: State) -> None:
    """Bring the image into the cluster."""
    with tempfile.TemporaryDirectory() as folder:
        made = File(library(Path(folder)).read_bytes(), mode=0o755)
    containers.import_image(
        state, IMAGE, orchestrator(layer({"clock.so": made, "etc/ld.so.preload": "/clock.so\n"}, "none"))
    )
