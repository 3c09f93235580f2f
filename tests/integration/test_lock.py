"""`scanmatrix lock` against a real registry: what is locked is what runs, whatever its tag stands for later."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.integration.forked import scanmatrix
from tests.tools import samples
from tests.tools.images import Index
from tests.tools.servers import Registry
from tests.tools.upstream import Upstream

TEMPLATE = {
    "name": "own",
    "description": "a scanner of our own",
    "command": ["own", "{tarball}", "{report}"],
    "format": "scanmatrix",
}


@pytest.fixture(scope="module")
def _shipped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lock file of all shipped scans, by digests nobody has to look up."""
    listed = json.loads(scanmatrix("templates", "--output", "json", cwd=tmp_path_factory.mktemp("shipped")).stdout)
    entries = {
        scan["name"]: {"image": scan["image"], "digest": f"sha256:{'a' * 64}"}
        for scan in listed["scans"]
        if not scan.get("builtin")
    }
    return json.dumps({"schema": 1, "scans": entries})


@pytest.fixture
def folder(tmp_path: Path, _shipped: str) -> Path:
    """A configuration whose shipped scans are all locked already."""
    (tmp_path / "scanmatrix.lock").write_text(_shipped)
    return tmp_path


def configure(folder: Path, image: str, **settings: object) -> None:
    (folder / "own.yaml").write_text(yaml.safe_dump({**TEMPLATE, "image": image}))
    target = {"image": f"x.example/a@sha256:{'b' * 64}", "scans": ["own"]}
    config = {"targets": [target], "scans": {"templates": ["own.yaml"]}, "limits": {"retries": 0}, **settings}
    (folder / "scanmatrix.yaml").write_text(yaml.safe_dump(config))


def entry(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "scanmatrix.lock").read_text())["scans"]["own"]
    return found


def lock(folder: Path, *options: str, status: int = 0) -> str:
    done = scanmatrix("lock", "--update", "own", *options, cwd=folder)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_an_index_is_locked_with_its_platforms_and_stays_when_the_tag_moves(
    folder: Path, registry: Registry, repository: str
) -> None:
    index = samples.multi_platform(attestation=True)
    assert isinstance(index, Index)
    configure(folder, registry.push(f"{repository}:1", index))
    lock(folder)
    assert entry(folder)["digest"] == index.digest
    assert set(entry(folder)["platforms"].values()) == {one.digest for one in index.images[:2]}  # type: ignore[attr-defined]
    written = (folder / "scanmatrix.lock").read_bytes()
    lock(folder)
    lock(folder, "--check")
    assert (folder / "scanmatrix.lock").read_bytes() == written
    moved = samples.small()
    registry.push(f"{repository}:1", moved)
    assert "own" in lock(folder, "--check", status=2)
    assert (folder / "scanmatrix.lock").read_bytes() == written
    plan = json.loads(scanmatrix("plan", "--offline", "--strict", "--output", "json", cwd=folder).stdout)
    assert [scan["image"] for scan in plan["scans"]] == [f"{registry.host}/{repository}:1@{index.digest}"]
    rendered = scanmatrix("render", "--offline", "--strict", cwd=folder).stdout
    assert f"{registry.host}/{repository}:1@{index.digest}" in rendered
    assert moved.digest in lock(folder)
    assert entry(folder)["digest"] == moved.digest


def test_images_are_looked_up_through_the_cache(
    folder: Path, upstream: Upstream, cache: Registry, repository: str
) -> None:
    image = samples.system()
    upstream.push(f"{repository}:1", image)
    configure(folder, f"registry.example/{repository}:1", cache=[{"upstream": "registry.example", "url": cache.url}])
    lock(folder)
    assert entry(folder)["digest"] == image.digest


def test_what_cannot_be_looked_up_leaves_the_file_alone(folder: Path, registry: Registry, repository: str) -> None:
    configure(folder, f"{registry.host}/{repository}:none")
    before = (folder / "scanmatrix.lock").read_bytes()
    told = lock(folder, status=3)
    assert "own" in told
    assert f"{repository}:none" in told
    assert (folder / "scanmatrix.lock").read_bytes() == before


def test_an_image_changed_in_its_template_is_reported_and_runs_nothing(
    folder: Path, registry: Registry, repository: str
) -> None:
    configure(folder, registry.push(f"{repository}:1", samples.small()))
    lock(folder)
    configure(folder, registry.push(f"{repository}:2", samples.small()))
    for command in (["plan", "--offline"], ["run", "--offline"], ["render", "--offline"], ["install"]):
        done = scanmatrix(*command, cwd=folder)
        assert done.returncode == 2
        assert "scanmatrix lock --update own" in done.stderr
    lock(folder)
    assert scanmatrix("plan", "--offline", cwd=folder).returncode == 0


def test_the_compromised_trivy_in_a_mirror_is_not_locked_and_does_not_run(
    folder: Path, registry: Registry, repository: str
) -> None:
    image = registry.push(f"{repository}/hub/aquasecurity/trivy:0.69.4", samples.small())
    configure(folder, image)
    before = (folder / "scanmatrix.lock").read_bytes()
    assert "CVE-2026-33634" in lock(folder, status=2)
    assert (folder / "scanmatrix.lock").read_bytes() == before
    done = scanmatrix("run", "--offline", "--output", "json", cwd=folder)
    (row,) = json.loads(done.stdout)["rows"]
    assert row["outcome"] == "skipped"
    assert "CVE-2026-33634" in row["reason"]
    assert "CVE-2026-33634" in done.stderr


def test_strict_refuses_a_tag_in_every_command(folder: Path) -> None:
    configure(folder, "corp/own:1")
    for command in (["plan", "--offline"], ["run", "--offline"], ["render", "--offline"], ["install"], ["schedule"]):
        done = scanmatrix(*command, "--strict", cwd=folder)
        assert (done.returncode, done.stdout) == (2, "")
        assert "own (corp/own:1)" in done.stderr, command


SHIPPED = {
    "docker.io": [
        "aquasec/trivy:0.68.2",
        "anchore/grype:v0.110.0",
        "anchore/syft:v1.18.1",
        "anchore/syft:v1.42.3",
        "clamav/clamav:1.4.3_base",
    ],
    "ghcr.io": ["ossf/scorecard:v5.1.1"],
}


def test_the_commands_of_the_documentation(registry: Registry, tmp_path: Path) -> None:
    """Every command of docs/supply-chain.md, in its order, with caches that hold the shipped scanners' images."""
    for images in SHIPPED.values():
        for image in images:
            registry.push(image, samples.small())
    caches = [{"upstream": upstream, "url": registry.url} for upstream in SHIPPED]
    target = {"image": f"x.example/a@sha256:{'b' * 64}", "scans": ["general", "virus"]}
    config = {"targets": [target], "cache": caches, "limits": {"retries": 0}, "scanners": {"unsigned": ["*"]}}
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump(config))
    page = (Path(__file__).parents[2] / "docs" / "supply-chain.md").read_text()
    commands = [
        shlex.split(line, comments=True)
        for block in re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(commands) == 7
    for program, *arguments in commands:
        assert program == "scanmatrix"
        done = scanmatrix(*arguments, cwd=tmp_path)
        assert done.returncode == 0, (arguments, done.stderr)
    locked = json.loads((tmp_path / "scanmatrix.lock").read_text())["scans"]
    assert {entry["digest"] for entry in locked.values()} == {samples.small().digest}
    assert len(locked) == 8
    assert yaml.safe_load((tmp_path / "scanmatrix.distrusted.yaml").read_text()) == []
    plan = json.loads(scanmatrix("plan", "--offline", "--strict", "--output", "json", cwd=tmp_path).stdout)
    assert all(scan["image"].endswith(f"@{samples.small().digest}") for scan in plan["scans"])


def test_one_switch_drops_a_scanner_and_lifting_it_brings_it_back(folder: Path) -> None:
    configure(folder, f"corp/own@sha256:{'c' * 64}")
    lock(folder, "--offline")

    def decisions() -> set[str]:
        made = json.loads(scanmatrix("plan", "--offline", "--output", "json", cwd=folder).stdout)
        return {cell["decision"] for cell in made["cells"]}

    assert decisions() == {"run"}
    assert scanmatrix("distrust", "own", "--reason", "odd", cwd=folder).returncode == 0
    assert decisions() == {"skip"}
    [listed] = json.loads(scanmatrix("distrust", "--output", "json", cwd=folder).stdout)["distrusted"]
    assert {key: value for key, value in listed.items() if value} == {"scan": "own", "reason": "odd"}
    assert scanmatrix("distrust", "own", "--lift", cwd=folder).returncode == 0
    assert decisions() == {"run"}
    assert scanmatrix("distrust", "own", cwd=folder).returncode == 2  # no reason
