"""The seed's nine cells: three images, four kinds of scans, with findings that are known."""

import shlex
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from orchestrator.kit.own import templates_folder
from orchestrator.model import Ledger, Outcome
from tests.cluster import databases
from tests.integration import nine_cells
from tests.tools import artifacts, samples, signatures
from tests.tools.images import Image, Index
from tests.tools.upstream import Upstream

CSV = nine_cells.SEED.read_text()
SETTINGS: dict[str, Any] = {"limits": {"imagesInFlight": 3, "deadline": "15m"}}
LOG4SHELL = "CVE-2021-44228"


def images() -> dict[str, Image | Index]:
    """By repository; the same each time."""
    debian = samples.debian(artifacts.debian_root())
    return nine_cells.images(debian, samples.java_tool(artifacts.log4j_jar(), artifacts.npm_package()))


def push(upstream: Upstream, folder: Path) -> None:
    """The images, as Docker Hub's official ones, and beside them Trivy's databases."""
    for repository, image in images().items():
        upstream.push(f"library/{repository}:{nine_cells.TAGS[repository]}", image)
    for name, artifact in databases.trivy(folder).items():
        upstream.push(name, artifact)


def templates(mirror: str) -> dict[str, dict[str, Any]]:
    """The shipped scans, told where databases are here; see each for what else differs.

    Args:
        mirror: URL of what serves Grype's database.
    """
    return {"general": general(), "dependency": dependency(mirror), "virus": virus()}


def general() -> dict[str, Any]:
    """Trivy, as it is shipped; its databases come through the cache of Docker Hub."""
    found = shipped("general")
    found["parameters"] |= {
        "databaseRepository": "docker.io/aquasecurity/trivy-db:2",
        "javaDatabaseRepository": "docker.io/aquasecurity/trivy-java-db:1",
    }
    return found


def dependency(mirror: str) -> dict[str, Any]:
    """Grype, as it is shipped."""
    found = shipped("dependency")
    found["parameters"]["databaseUrl"] = f"{mirror}/databases"
    return found


def virus() -> dict[str, Any]:
    """ClamAV with signatures of our own, EICAR and nothing else, by a command: they are not signed by its makers."""
    found = shipped("virus")
    with tempfile.TemporaryDirectory() as folder:
        files = {path.name: path.read_text() for path in sorted(signatures.write(Path(folder)).iterdir())}
    lines = [f'printf %s {shlex.quote(text)} > "$1"/{name}' for name, text in files.items()]
    found["database"] = {"refresh": ["sh", "-c", " && ".join(lines), "sh", "{database}"]}
    del found["parameters"]
    return found


def shipped(name: str) -> dict[str, Any]:
    """A shipped template."""
    return dict(yaml.safe_load((templates_folder() / f"{name}.yaml").read_text()))


def check(ledger: Ledger, findings: pd.DataFrame) -> None:
    """All nine cells ended ok, Log4Shell was found in the Java tool and nowhere else, the virus where it was put."""
    assert len(ledger.rows) == 9
    assert {row.outcome for row in ledger.rows} == {Outcome.OK}, [(row.cell, row.reason) for row in ledger.rows]
    by_target = {row.target: row.references[0] for row in ledger.rows}
    vulnerable = findings[findings["id"].eq(LOG4SHELL) | findings["aliases"].map(lambda found: LOG4SHELL in found)]
    assert {by_target[target] for target in vulnerable["target"]} == {"docker.io/library/java-tool:12"}
    assert set(vulnerable["scan"]) == {"general", "dependency"}
    viruses = findings[findings["scan"].eq("virus")]
    assert {by_target[target] for target in viruses["target"]} == {"docker.io/library/java-tool:12"}
