"""Rendered Workflows with source repositories run to their ledger: fetched from a real git server, then scanned."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import Config, load_config
from orchestrator.inventory import collect
from orchestrator.model import Ledger, Outcome, Plan
from orchestrator.model.documents import read
from orchestrator.planning.venue import CLUSTER
from orchestrator.results import read_findings
from orchestrator.volume.layout import Volume
from orchestrator.workflows import ManifestKind, render
from tests.integration.manifest_runner import Run
from tests.planned import plan_here
from tests.tools import require
from tests.tools.git_servers import GitHttp
from tests.tools.repositories import make, shop
from tests.unit.workflows.examples import NOW

# What it was given becomes its findings; no braces with a name in them, which would be a placeholder.
_TELLS = """
import json, os, pathlib, sys
report, told = pathlib.Path(sys.argv[1]), sys.argv[2:]
files = sorted(str(path.relative_to(told[0])) for path in pathlib.Path(told[0]).rglob("*") if path.is_file())
told = files or [*told, os.environ["TOKEN"]]
findings = [dict(id=one, kind="check") for one in told]
report.write_text(json.dumps(dict(format="scanmatrix/1", scanner=dict(name="tells"), findings=findings)))
"""


@pytest.fixture
def http(tmp_path: Path) -> Iterator[GitHttp]:
    require("git")
    (tmp_path / "git" / "team").mkdir(parents=True)
    server = GitHttp(tmp_path / "git")
    yield server
    server.close()


@pytest.fixture
def prepared(tmp_path: Path, http: GitHttp) -> tuple[Plan, Config, str]:
    """A plan of a repository that is there and one that is gone, its configuration, and the commit."""
    commit = make(tmp_path / "git" / "team" / "shop.git", shop(), links={"out": "/etc/passwd"})
    reads = ["python3", "-c", _TELLS, "{report}", "{checkout}"]
    asks = {
        "command": ["python3", "-c", _TELLS, "{report}", "{repository}", "{commit}"],
        "tokens": {"127.0.0.1": "TOKEN"},
    }
    common = {"description": "x", "image": "example.com/tells:1", "format": "scanmatrix"}
    for name, way in {"reads": {"command": reads}, "asks": {"command": reads, "online": asks}}.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, **common, "repository": way}))
    base = f"http://127.0.0.1:{http.port}/team"
    settings = {
        "targets": [{"repository": {"url": f"{base}/{name}.git"}} for name in ("shop", "gone")],
        "scans": {"templates": ["reads.yaml", "asks.yaml"], "repositoryDefault": ["reads", "asks"]},
        "engine": "argo",
        "argo": {"tokenSecrets": {"127.0.0.1": "api-token"}},
        "policy": {"warnOnly": True},
    }
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump(settings))
    config = load_config(tmp_path / "scanmatrix.yaml")
    return plan_here(config, collect(config), load_catalog(config), run="run-1", now=NOW, venue=CLUSTER), config, commit


def start(text: str, tmp_path: Path, **parameters: str) -> Run:
    manifest = yaml.safe_load(text)
    given = {one["name"]: one["value"] for one in manifest["spec"]["arguments"]["parameters"]}
    for name in ("volume", "scratch"):
        (tmp_path / name).mkdir()
    return Run(manifest, tmp_path / "volume", tmp_path / "scratch", given | parameters)


@pytest.mark.parametrize(("kind", "layout"), [("workflow", "cell"), ("template", "image")])
def test_a_repository_is_fetched_once_and_each_cell_gets_what_is_its_own(prepared, tmp_path, http, kind, layout):
    plan, config, commit = prepared
    config = config.model_copy(update={"layout": layout})
    text = render(plan, config, kind=ManifestKind(kind))
    more = {}
    if kind == "template":
        brought = yaml.safe_load(render(plan, config, kind=ManifestKind.SUBMISSION))["spec"]["arguments"]["parameters"]
        more = {one["name"]: one["value"] for one in brought}
    run = start(text, tmp_path, **more)
    http.paths.clear()
    assert run.start() == "Succeeded", run.output
    volume = Volume(run.volume)
    rows = {
        (row.references[0].rpartition("/")[2], row.scan): row
        for row in read(volume.results("run-1") / "ledger.json", Ledger).rows
    }
    assert {key: row.outcome for key, row in rows.items()} == {
        ("shop.git", "reads"): Outcome.OK, ("shop.git", "asks"): Outcome.OK,
        ("gone.git", "reads"): Outcome.FAILED, ("gone.git", "asks"): Outcome.FAILED,
    }, [row.reason for row in rows.values()]  # fmt: skip
    found = {scan: set(group["id"]) for scan, group in read_findings(volume, "run-1").groupby("scan", observed=True)}
    assert found["reads"] == set(shop())
    assert found["asks"] == {"127.0.0.1/team/shop", commit, "token of api-token"}
    assert len(http.paths) == 2
    assert not list(run.volume.glob("runs/*/*/*/checkout"))
    ended = {
        name.partition("[")[0] + name.rpartition("]")[2]: how
        for name, how in run.ended.items()
        if "repositories" in name
    }
    assert ended["repositories/pull"] == ended["repositories/asks-online"] == "Succeeded"
    assert ended["repositories/asks"] == "Skipped"
