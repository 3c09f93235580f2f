"""A scanner that tries to run in the containers of others, to end for them, and to end well when it did not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.argo import names as labels
from orchestrator.argo.names import Component
from orchestrator.model import Outcome
from orchestrator.workflows.patches import EXECUTOR
from tests.e2e import quick
from tests.e2e.site import Site, make_site
from tests.tools.upstream import Upstream

#: Namespaces by layout.
SITES = {"cell": "e2e-forgery", "image": "e2e-forgery-image"}
VICTIMS = ("victim-1", "victim-2", "victim-3")
COMMON = """
import json, os, pathlib, sys, time
report, argo = pathlib.Path(sys.argv[1]), pathlib.Path("/var/run/argo")
own = [each for each in (argo / "ctr").iterdir() if os.access(each, os.W_OK)]
def end(found):
    findings = [dict(id=each, kind="check") for each in sorted(found)]
    report.write_text(json.dumps(dict(format="scanmatrix/1", scanner=dict(name="forgery"), findings=findings)))
    sys.exit()
"""
#: Puts a program of its own into the place of everything in Argo's folder, in every way there is.
FORGER = """
program = "#!/bin/sh" + chr(10) + "echo forged > /scan/report.json; echo taken > /mainctrfs/scan/taken" + chr(10)
new, found = argo / "new", set()
def works(way, *arguments):
    new.write_text(program)
    new.chmod(0o777)
    try:
        way(*arguments)
    except OSError:
        return False
    return True
for name in ("forged", "report.json"):
    for folder in ("/tmp", "/dev/shm"):
        pathlib.Path(folder, name).write_text("forged")
until = time.monotonic() + 4
while time.monotonic() < until:
    others = [each / name for each in set((argo / "ctr").iterdir()) - set(own) for name in ("exitcode", "signal")]
    for path in (argo / "argoexec", argo / "template", argo / "ctr", argo / "ctr" / "later", *own, *others):
        if path.exists():
            ways = ((path.chmod, 0o777), (os.rename, path, argo / "away"), (path.rmdir,), (path.unlink,))
            found |= set(way[0].__name__ + " " + path.name for way in ways if works(*way))
        found |= set(["replace " + path.name] if works(os.replace, new, path) else [])
        found |= set(["write " + path.name] if works(path.write_text, program) else [])
end(found)
"""
_VICTIM = """
time.sleep(8)
found = set(folder + " is not its own" for folder in ("/tmp", "/dev/shm") if pathlib.Path(folder, "forged").exists())
end(found | set(["genuine"]))
"""
#: Says itself that it ended well, keeps Argo from writing how it ended, and fails.
_LIAR = """
for each in own:
    (each / "exitcode").write_text("0")
    time.sleep(3)
    (each / "exitcode").unlink()
    (each / "exitcode").mkdir()
report.write_text(json.dumps(dict(format="scanmatrix/1", scanner=dict(name="forgery"), findings=[])))
sys.exit(3)
"""


def _scan(name: str, program: str) -> dict[str, Any]:
    return quick.scan(name, retries=0) | {"command": ["python3", "-c", COMMON + program, "{report}", "{tarball}"]}


@pytest.fixture(scope="module", params=SITES)
def site(
    request: pytest.FixtureRequest, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    quick.push(upstream, "forged", "lied")
    # The forger's container is the first to start.
    scans = {name: _scan(name, _VICTIM) for name in VICTIMS}
    scans |= {"forger": _scan("forger", FORGER), "liar": _scan("liar", _LIAR)}
    csv = f"image,scans\nforged:1,{';'.join(['forger', *VICTIMS])}\nlied:1,liar;{VICTIMS[0]}\n"
    settings = {"layout": request.param, "limits": {"deadline": "10m"}}
    folder = tmp_path_factory.mktemp("forgery")
    with make_site(folder, SITES[request.param], upstream, csv=csv, templates=scans, settings=settings) as found:
        yield found


@pytest.fixture(scope="module")
def pods(site: Site) -> list[dict[str, Any]]:
    """The pods with scanners in them that there are while a run has begun, as Argo made them; the run has ended."""
    run, component = site.submit(), {"cell": Component.SCAN, "image": Component.IMAGE}[site.config.layout]
    quick.await_pod(site, run, component)
    selector = f"{labels.RUN}={run},{labels.COMPONENT}={component}"
    found: list[dict[str, Any]] = json.loads(site.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
    assert site.wait(run) == "Failed"  # by the policy: one cell has
    return found


@pytest.fixture(scope="module")
def run(pods: list[dict[str, Any]]) -> str:
    return str(pods[0]["metadata"]["labels"][labels.RUN])


def test_a_scanner_changes_nothing_of_what_others_run_or_report(site: Site, run: str) -> None:
    table = site.findings(run)
    found = {cell.rpartition("/")[2]: set(some["id"]) for cell, some in table.groupby("cell")}
    assert found == {name: {"genuine"} for name in VICTIMS}
    rows = quick.rows(site.ledger(run))
    assert {rows["forged", name].outcome for name in ("forger", *VICTIMS)} == {Outcome.OK}


def test_a_scanner_that_failed_has_failed_whatever_it_tells_argo(site: Site, run: str) -> None:
    rows = quick.rows(site.ledger(run))
    assert rows["lied", "liar"].outcome is Outcome.FAILED
    assert "exit code 3" in rows["lied", "liar"].reason
    assert rows["lied", VICTIMS[0]].outcome is Outcome.OK
    assert not list((site.storage / "runs").rglob("taken"))


def test_argo_s_container_has_none_of_the_scanner_s_mounts(pods: list[dict[str, Any]]) -> None:
    for pod in pods:
        (wait,) = (each for each in pod["spec"]["containers"] if each["name"] == labels.WAIT)
        assert {mount["name"] for mount in wait["volumeMounts"]}.isdisjoint({"volume", "scratch", "scratch-main"})
        for container in pod["spec"]["containers"]:
            of_argo = {each["mountPath"]: each for each in container["volumeMounts"] if each["name"] == "var-run-argo"}
            closed = {path for path, mount in of_argo.items() if mount.get("readOnly")}
            if container["name"] not in {labels.WAIT, labels.KEEP}:
                assert closed == {f"{EXECUTOR}/{name}" for name in ("argoexec", "template", "ctr")}
