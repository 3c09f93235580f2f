"""Images and scans for tests of what becomes of a run: they look for nothing, so what takes time is the test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import orchestrator
from orchestrator.argo import names as labels
from tests.cluster.images import ORCHESTRATOR
from tests.e2e.site import Site, await_
from tests.tools.images import Image, layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.config.loading import Config
    from orchestrator.model import Ledger, LedgerRow
    from tests.tools.upstream import Upstream

#: Has no `{{`, which is Argo's, and no braces around a name, which would be a placeholder.
_PROGRAM = """
import json, pathlib, sys, time
{}
pathlib.Path(sys.argv[1]).write_text(json.dumps(dict(format="scanmatrix/1", scanner=dict(name="quick"), findings=[])))
"""


def scan(name: str, program: str = "", **keys: Any) -> dict[str, Any]:
    """A template whose scanner runs a few lines of Python and then writes a report without findings.

    Args:
        name: of the scan.
        program: what it does before.
        keys: of the template, in the place of those below.
    """
    return {
        "name": name,
        "description": "Looks for nothing",
        "image": ORCHESTRATOR,
        "command": ["python3", "-c", _PROGRAM.format(program), "{report}", "{tarball}"],
        "format": "scanmatrix",
        "resources": {"cpu": "20m", "memory": "32Mi", "memoryLimit": "64Mi"},
        "timeout": "2m",
        **keys,
    }


def push(upstream: Upstream, *names: str, size: int = 1000) -> list[str]:
    """Images that nobody has pulled before, with a layer of this many bytes that cannot be compressed.

    Returns:
        Digests of the layers.
    """
    layers = [layer({"file": os.urandom(size)}, "none") for _ in names]
    for name, each in zip(names, layers, strict=True):
        upstream.push(f"library/{name}:1", Image.build([each]))
    return [each.digest for each in layers]


def plan(
    site: Site, run: str, images: Iterable[str], scans: Iterable[str], config: Config | None = None
) -> orchestrator.Plan:
    """A plan of these images with these scans, by the site's configuration unless another one is given."""
    rows = [f"{image}:1,{';'.join(scans)}" for image in images]
    (site.folder / "targets.csv").write_text("\n".join(["image,scans", *rows, ""]))
    return orchestrator.make_plan(config or site.config, run=run)


def start(site: Site, run: str, images: Iterable[str], scans: Iterable[str]) -> str:
    """Submit such a plan; its run's id."""
    return orchestrator.submit(plan(site, run, images, scans), site.config)


def rows(ledger: Ledger) -> Mapping[tuple[str, str], LedgerRow]:
    """Rows by the image's name and the scan's."""
    return {(row.references[0].rpartition("/")[2].partition(":")[0], row.scan): row for row in ledger.rows}


def pods(site: Site, run: str, component: str, *, phase: str = "Running") -> list[str]:
    """Names of a run's pods of one kind."""
    selector = f"{labels.RUN}={run},{labels.COMPONENT}={component}"
    found = site.kubectl("get", "pods", "-l", selector, f"--field-selector=status.phase={phase}", "-o", "name")
    return sorted(name.removeprefix("pod/") for name in found.split())


def await_pod(site: Site, run: str, component: str) -> str:
    """Wait for a pod of one kind to run; its name. It may have ended when this returns."""
    found: list[str] = []

    def running() -> bool:
        found[:] = pods(site, run, component)
        return bool(found)

    await_(running, 180, f"a {component} pod of {run} to run")
    return found[0]
