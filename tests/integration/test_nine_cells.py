"""The seed's nine cells, from a registry that wants a password through its cache, to the ledger: the main promise."""

import csv
import json
from pathlib import Path

import pytest

from tests.integration import nine_cells
from tests.integration.command import scanmatrix
from tests.tools import require
from tests.tools.images import Image
from tests.tools.servers import Registry
from tests.tools.signatures import NAME
from tests.tools.upstream import Upstream


def test_nine_cells_each_image_pulled_once(  # noqa: PLR0917 - fixtures
    tmp_path: Path, upstream: Upstream, cache: Registry, debian: Image, java_tool: Image, virus_signatures: Path
) -> None:
    require("clamscan")
    found = nine_cells.images(debian, java_tool)
    config = nine_cells.configure(tmp_path, found, push=upstream.push, cache=cache.url, signatures=virus_signatures)
    upstream.log.clear()

    done = scanmatrix("run", "--config", config, "--run-id", "nine", "--output", "json", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    rows = {(row["references"][0], row["scan"]): row for row in json.loads(done.stdout)["rows"]}
    assert {(name.split("/")[-1], scan) for name, scan in rows} == {
        ("ubuntu:20.04", "general"), ("ubuntu:20.04", "virus"), ("ubuntu:20.04", "image-lifetime"),
        ("centos:8", "general"), ("centos:8", "image-lifetime"),
        ("java-tool:12", "general"), ("java-tool:12", "virus"), ("java-tool:12", "dependency"),
        ("java-tool:12", "image-lifetime"),
    }  # fmt: skip
    assert {row["outcome"] for row in rows.values()} == {"ok"}
    viruses = {name: row["findings"] for (name, scan), row in rows.items() if scan == "virus"}
    assert viruses["docker.io/library/ubuntu:20.04"] == 0
    assert viruses["docker.io/library/java-tool:12"] > 0
    assert rows["docker.io/library/centos:8", "image-lifetime"]["findings"] == 1
    assert {row["attempts"] for row in rows.values()} == {1}

    results = tmp_path / "volume" / "results" / "nine"
    with (results / "findings.csv").open(newline="") as file:
        malware = [row for row in csv.DictReader(file) if row["kind"] == "malware"]
    assert {NAME in row["id"] for row in malware} == {True}
    assert {row["scan"] for row in malware} == {"virus"}
    bom = json.loads((results / "bom.cdx.json").read_text())
    java = next(each for each in bom["components"] if each["name"].endswith("java-tool"))
    purls = {each.get("purl", "").partition("?")[0] for each in java["components"]}
    assert {"pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", "pkg:npm/lodash@4.17.20"} <= purls

    blobs = nine_cells.unique_blobs(found)
    assert upstream.log.blob_reads() == dict.fromkeys(blobs, 1)
    assert upstream.log.blob_bytes() == blobs
    assert nine_cells.occupied(tmp_path / "volume") == pytest.approx(nine_cells.image_bytes(found), rel=0.01)

    upstream.log.clear()
    again = scanmatrix("run", "--config", config, "--run-id", "again", "--output", "json", cwd=tmp_path)
    assert again.returncode == 0
    assert upstream.log.blob_reads() == {}
