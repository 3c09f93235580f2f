"""Source repositories in a cluster: fetched from a git host once, scanned offline; one kind of cell goes out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model import Outcome
from tests.cluster.images import ORCHESTRATOR
from tests.cluster.state import NODE_IP
from tests.e2e import nine, quick
from tests.e2e.site import Site, make_site
from tests.tools import artifacts, repositories
from tests.tools.certificates import self_signed
from tests.tools.git_servers import GitHttp
from tests.tools.upstream import Upstream

SECRET, USER, PASSWORD = "git-login", "bot", "battery-staple"
API_SECRET, API_TOKEN = "api-token", "correct-horse"
HOST = f"https://{NODE_IP}"  # on 443, which pods that fetch reach
SHOP, GONE, EMPTY = (f"{HOST}/team/{name}.git" for name in ("shop", "gone", "empty"))
CSV = f"""repository,ref,scans,owner
{SHOP},main,scorecard;dependency;secrets;probe;asks,shop@example.com
{GONE},,secrets,shop@example.com
{EMPTY},,secrets,shop@example.com
"""
PROBE = (Path(__file__).parent / "probe.py").read_text()
# Says what it was given, and whether it gets out; no braces with a name in them, which would be a placeholder.
_ASKS = """
import json, os, pathlib, socket, sys
report, host, told = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:5]
told.append("token " + str(len(os.environ.get("API_TOKEN", ""))))
try:
    socket.create_connection((host, 443), 5).close()
    told.append("gets out")
except OSError as error:
    told.append("stays in: " + str(error))
findings = [dict(id=one, kind="check") for one in told]
report.write_text(json.dumps(dict(format="scanmatrix/1", scanner=dict(name="asks"), findings=findings)))
"""


def scan(name: str, reads: list[str], **online: Any) -> dict[str, Any]:
    """A template that reads repositories by a few lines of Python."""
    found = quick.scan(name)
    found["repository"] = {"command": reads, **({"online": online} if online else {})}
    del found["command"]
    return found | {"image": ORCHESTRATOR, "resources": {"cpu": "20m", "memory": "32Mi", "memoryLimit": "128Mi"}}


def templates(mirror: str) -> dict[str, dict[str, Any]]:
    """The shipped scans for repositories, and two that look what they may."""
    reads = ["python3", "-c", PROBE, "{report}", f"{NODE_IP},443", "{checkout}"]
    asks = ["python3", "-c", _ASKS, "{report}", NODE_IP, "{repository}", "{commit}"]
    return {
        "dependency": nine.dependency(mirror),
        "secrets": nine.shipped("secrets"),
        "probe": scan("probe", reads),
        "asks": scan("asks", reads, command=asks, tokens={NODE_IP: "API_TOKEN"}, atOnce=1),
    }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHttp]:
    """A git host that wants a login, with one repository to scan and an empty one."""
    folder = tmp_path_factory.mktemp("git")
    files = repositories.shop() | {"lib/log4j-core-2.14.1.jar": artifacts.log4j_jar()}
    repositories.make(folder / "team" / "shop.git", files)
    repositories.git("init", "-q", "--bare", str(folder / "team" / "empty.git"), cwd=folder)
    certificate = self_signed(folder, NODE_IP)
    server = GitHttp(folder, USER, PASSWORD, address=(NODE_IP, 443), certificate=certificate)
    yield server
    server.close()


@pytest.fixture(scope="module")
def site(upstream: Upstream, mirror: str, served: GitHttp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {
        "argo": {"gitSecret": SECRET, "network": {"private": [f"{NODE_IP}/32"]}, "tokenSecrets": {NODE_IP: API_SECRET}}
    }
    folder = tmp_path_factory.mktemp("repositories")
    scans = templates(mirror)
    with make_site(folder, "e2e-repositories", upstream, csv=CSV, templates=scans, settings=settings) as found:
        certificate = served.root / "server.pem"
        login = f"--from-literal={NODE_IP}.username={USER}", f"--from-literal={NODE_IP}.password={PASSWORD}"
        found.kubectl("create", "secret", "generic", SECRET, *login, f"--from-file=ca.crt={certificate}")
        found.kubectl("create", "secret", "generic", API_SECRET, f"--from-literal=token={API_TOKEN}")
        yield found


@pytest.fixture(scope="module")
def run(site: Site) -> str:
    """A run that is planned in the cluster."""
    name = site.submit()
    site.wait(name)
    return name


def test_every_scan_reads_the_checkout_and_what_is_not_available_fails_with_a_reason(site: Site, run: str):
    rows = {(row.references[0], row.scan): row for row in site.ledger(run).rows}
    shop = {scan: row for (name, scan), row in rows.items() if name == f"{SHOP}#main"}
    assert {row.outcome for row in shop.values()} == {Outcome.OK}, [(row.scan, row.reason) for row in shop.values()]
    assert {row.digest for row in shop.values()} == {f"git:{_commit(site, run)}"}
    findings = site.findings(run)
    found = {scan: set(group["id"]) for scan, group in findings.groupby("scan", observed=True)}
    assert "Token-Permissions" in found["scorecard"]
    assert "github-pat" in found["secrets"]
    assert any("jfh8" in each for each in found["dependency"])
    assert "no such repository" in rows[GONE, "secrets"].reason
    assert "is empty" in rows[EMPTY, "secrets"].reason


def test_a_cell_that_reads_files_gets_nothing_and_one_that_asks_an_api_gets_out_with_its_token(site: Site, run: str):
    findings = site.findings(run)
    probed = set(findings[findings["scan"].eq("probe")]["id"])
    assert probed == set()
    asked = set(findings[findings["scan"].eq("asks")]["id"])
    assert {f"{NODE_IP}/team/shop", _commit(site, run), f"token {len(API_TOKEN)}", "gets out"} == asked


def test_the_host_was_asked_for_the_commit_once_and_one_tarball_is_there(site: Site, run: str, served: GitHttp):
    blobs = [path.name for path in (site.storage / "blobs").iterdir()]
    assert blobs == [f"git-{_commit(site, run)}.tar"]
    packs = [path for path in served.paths if path.endswith("/git-upload-pack") and "shop" in path]
    # Of the plan's ls-remote and of one fetch: protocol 2 asks for the refs by a request of its own.
    assert len(packs) <= 4
    assert not list(site.storage.glob("runs/*/*/*/checkout"))


def _commit(site: Site, run: str) -> str:
    return next(row.digest for row in site.ledger(run).rows if row.digest).removeprefix("git:")
