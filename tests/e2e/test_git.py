"""Runs that are planned from a private git repository: the configuration and the list of targets of one commit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.state import NODE_IP
from tests.e2e import quick
from tests.e2e.site import Site, make_site
from tests.tools.certificates import self_signed
from tests.tools.git_servers import GitHttp, git
from tests.tools.upstream import Upstream

SECRET, USER, PASSWORD = "git-login", "bot", "battery-staple"
URL = f"https://{NODE_IP}/images.git"  # the pod that plans reaches git's usual ports only


@pytest.fixture
def site(upstream: Upstream, tmp_path: Path) -> Iterator[Site]:
    quick.push(upstream, "tagged", "later")
    scans = {"quick": quick.scan("quick")}
    csv = "image\nno-such-image:1\n"  # of the ConfigMap, which is not looked at
    settings = {"argo": {"gitSecret": SECRET, "network": {"private": [f"{NODE_IP}/32"]}}}
    (tmp_path / "site").mkdir()
    with make_site(tmp_path / "site", "e2e-git", upstream, csv=csv, templates=scans, settings=settings) as found:
        yield found


def test_a_commit_of_a_private_repository_is_planned_from(site: Site, tmp_path: Path):
    _repository(site, tmp_path / "git")
    certificate = self_signed(tmp_path, NODE_IP)
    login = f"--from-literal={NODE_IP}.username={USER}", f"--from-literal={NODE_IP}.password={PASSWORD}"
    site.kubectl("create", "secret", "generic", SECRET, *login, f"--from-file=ca.crt={certificate}")
    server = GitHttp(tmp_path / "git", USER, PASSWORD, address=(NODE_IP, 443), certificate=certificate)
    try:
        runs = [site.submit(**{"config-git": URL, "config-ref": ref}) for ref in ("v1", "main")]
        assert [site.wait(run) for run in runs] == ["Succeeded", "Succeeded"]
    finally:
        server.close()
    names = [[row.references[0] for row in site.ledger(run).rows] for run in runs]
    assert names == [["docker.io/library/tagged:1"], ["docker.io/library/later:1"]]


def _repository(site: Site, folder: Path) -> None:
    """Two commits, the first of which is a tag."""
    work = folder / "work"
    work.mkdir(parents=True)
    for file in site.folder.glob("*.yaml"):
        (work / file.name).write_text(file.read_text())
    git("init", "-q", "-b", "main", cwd=work)
    for ref in ("tagged", "later"):
        (work / "targets.csv").write_text(f"image,scans\n{ref}:1,quick\n")
        git("add", ".", cwd=work)
        git("commit", "-q", "-m", ref, cwd=work)
    git("tag", "v1", "HEAD~1", cwd=work)
    git("clone", "-q", "--bare", str(work), str(folder / "images.git"), cwd=folder)
