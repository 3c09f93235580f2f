"""Source repositories from real git servers: resolved, fetched, unpacked, scanned by the local engine."""

import os
import shutil
import subprocess
import sys
import tarfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import default_config
from orchestrator.engines.interface import Silent
from orchestrator.engines.local.engine import LocalEngine
from orchestrator.errors import Cancelled, PermanentError, VolumeFullError
from orchestrator.findings.scanmatrix import encode_report
from orchestrator.inventory import Entry, SourceBrokenError, SourceUnavailableError
from orchestrator.model import (
    Decision,
    Ledger,
    LedgerRow,
    Limits,
    Online,
    OnRepository,
    Outcome,
    Plan,
    Scan,
    Severity,
    TargetKind,
)
from orchestrator.planning.repositories import GitResolver
from orchestrator.repositories.bounds import RepositoryError
from orchestrator.repositories.resolve import resolve
from orchestrator.results import read_findings
from orchestrator.steps.pull import pull, pull_held
from orchestrator.steps.stage import stage
from orchestrator.upkeep.links import release
from orchestrator.volume.layout import Volume
from tests.integration.engine import start_engine, wait_for
from tests.planned import plan_here
from tests.tools import repositories, require
from tests.tools.git_servers import GitHttp, git, start_sshd
from tests.tools.repositories import commit, make, raw_commit, shop

REPORT = encode_report("fake", "1", [])


@pytest.fixture(autouse=True)
def _fresh_machine(monkeypatch, tmp_path_factory):
    """Git's own configuration out of the way."""
    require("git")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path_factory.mktemp("git") / "none"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "volume")


@pytest.fixture
def folder(tmp_path):
    """What the server has."""
    (tmp_path / "git" / "team").mkdir(parents=True)
    return tmp_path / "git"


@pytest.fixture
def http(folder):
    server = GitHttp(folder)
    yield server
    server.close()


def url(http: GitHttp, name: str = "shop") -> str:
    return f"http://127.0.0.1:{http.port}/team/{name}.git"


def scan(name: str, script: str = "open(report, 'wb').write(good)", **fields: object) -> Scan:
    """A scan of repositories whose scanner is Python code; `checkout`, `report` and `good` are there."""
    head = f"import os, sys, time; checkout, report = sys.argv[1:]; good = {REPORT!r}\n"
    command = (sys.executable, "-c", head + script, "{checkout}", "{report}")
    return Scan(name=name, image="localhost/fake:1", command=(), format="scanmatrix", timeout=60, retries=0,
                repository=OnRepository(command=command), **fields)  # fmt: skip


def plan_of(urls, *scans: Scan, run: str = "r1", **config: object) -> Plan:
    catalog = {each.name: each for each in scans or (scan("files"),)}
    entries = [
        Entry(reference=one.partition("#")[0], scans=tuple(catalog), kind=TargetKind.REPOSITORY,
              ref=one.partition("#")[2] or "HEAD", origin="test")
        for one in ([urls] if isinstance(urls, str) else urls)
    ]  # fmt: skip
    settings = default_config(environment={}, **config)
    return plan_here(settings, entries, catalog, run=run, now=datetime.now(UTC))


def run(plan: Plan, volume: Volume) -> Ledger:
    return LocalEngine(volume, runner="process").run(plan, Silent())


def row_of(plan: Plan, volume: Volume) -> LedgerRow:
    (row,) = run(plan, volume).rows
    return row


def checkout_of(plan: Plan, volume: Volume, name: str = "files") -> Path:
    """Fetched and staged."""
    (target,) = plan.targets
    stage(plan, target.id, name, volume)
    return volume.checkout(plan.run, target.id, name)


# --- planning ---------------------------------------------------------------------------------------------------------


def test_a_branch_a_tag_and_a_commit_are_resolved_to_the_same_target(http, folder):
    made = make(folder / "team" / "shop.git", shop())
    bare = folder / "team" / "shop.git"
    git("tag", "-a", "v1", "-m", "x", cwd=bare)
    git("branch", "feature/main", cwd=bare)
    refs = ("HEAD", "main", "v1", "refs/heads/main", "feature/main", made)
    assert {resolve(url(http), ref).commit for ref in refs} == {made}
    (target,) = plan_of([f"{url(http)}#{ref}" for ref in refs]).targets
    assert (target.digest, target.commit, target.pull) == (f"git:{made}", made, url(http))
    assert len(target.names) == len(refs)
    assert len(target.id) <= 63


def test_a_tag_counts_before_a_branch_of_its_name_as_for_git(http, folder):
    first = make(folder / "team" / "shop.git", {"a": "1"})
    work = folder / "team" / "shop.git.work"
    second = commit(work, {"a": "2"})
    git("push", "-q", str(folder / "team" / "shop.git"), "main:refs/heads/both", "HEAD~1:refs/tags/both", cwd=work)
    assert (resolve(url(http), "both").commit, resolve(url(http), "refs/heads/both").commit) == (first, second)


def test_two_repositories_with_the_same_commit_are_two_targets_with_one_tarball(http, folder, volume):
    made = make(folder / "team" / "shop.git", shop())
    shutil.copytree(folder / "team" / "shop.git", folder / "team" / "fork.git")
    plan = plan_of([url(http), url(http, "fork")])
    assert len({target.id for target in plan.targets}) == 2
    assert {row.outcome for row in run(plan, volume).rows} == {Outcome.OK}
    assert [path.name for path in (volume.root / "blobs").iterdir()] == [f"git-{made}.tar"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone", "no such repository"),
        ("empty", "is empty: it has no commit"),
        ("empty#main", "is empty: it has no commit"),
        ("shop#nothing", "no ref 'nothing'; name a branch, a tag or a full commit"),
    ],
)
def test_what_is_not_available_fails_in_the_plan_and_says_what_to_do(http, folder, volume, name, words):
    make(folder / "team" / "shop.git", shop())
    git("init", "-q", "--bare", str(folder / "team" / "empty.git"), cwd=folder)
    name, _, ref = name.partition("#")
    plan = plan_of(f"{url(http, name)}#{ref}")
    assert [cell.decision for cell in plan.cells] == [Decision.FAIL]
    row = row_of(plan, volume)
    assert (row.outcome, words in row.reason) == (Outcome.FAILED, True), row.reason


def test_a_repository_that_may_not_be_read_says_how_to_give_a_token(folder):
    make(folder / "team" / "shop.git", shop())
    server = GitHttp(folder, "bot", "s3cr3t-t0ken")
    try:
        (target,) = plan_of(url(server)).targets
        assert "SCANMATRIX_GIT_TOKEN" in target.error
        credentials = os.environ | {"SCANMATRIX_GIT_USERNAME": "bot", "SCANMATRIX_GIT_TOKEN": "s3cr3t-t0ken",
                                    "SCANMATRIX_GIT_HOST": f"127.0.0.1:{server.port}"}  # fmt: skip
        assert GitResolver(environment=credentials)(url(server), "main").digest
    finally:
        server.close()


def test_a_host_that_does_not_answer_properly_fails_its_own_cells_only(http, folder, volume):
    make(folder / "team" / "shop.git", shop())
    other = GitHttp(folder)
    other.fail = 404
    try:
        rows = run(plan_of([url(http), url(other)]), volume).rows
    finally:
        other.close()
    assert [row.outcome for row in rows] == [Outcome.OK, Outcome.FAILED]


def test_a_renamed_repository_is_followed_and_its_new_place_is_reported(http, folder, volume):
    made = make(folder / "team" / "shop.git", shop())
    old = GitHttp(folder)
    old.redirect = f"http://127.0.0.1:{http.port}"
    try:
        plan = plan_of(url(old))
        (target,) = plan.targets
        assert (target.commit, target.pull) == (made, url(old))
        assert target.names[0].labels == {"redirectedTo": url(http)}
        assert row_of(plan, volume).outcome is Outcome.OK
    finally:
        old.close()


def test_offline_only_a_full_commit_is_planned(http):
    entries = [
        Entry(reference=url(http), kind=TargetKind.REPOSITORY, ref=ref, scans=("files",)) for ref in ("main", "a" * 40)
    ]
    catalog = {"files": scan("files")}
    plan = plan_here(default_config(environment={}), entries, catalog, run="r", now=datetime.now(UTC), offline=True)
    assert [cell.decision for cell in plan.cells] == [Decision.FAIL, Decision.RUN]
    assert "full commit" in plan.targets[0].error
    assert http.seen == []


# --- the tarball ------------------------------------------------------------------------------------------------------


def test_the_same_commit_gives_the_same_tarball_and_any_tar_reads_it(http, folder, tmp_path):
    make(folder / "team" / "shop.git", shop(), links={"link": "src/settings.py"})
    plan = plan_of(url(http))
    (target,) = plan.targets
    tarballs = [pull(plan, target.id, Volume(tmp_path / name)) for name in ("one", "two")]
    assert tarballs[0].read_bytes() == tarballs[1].read_bytes()
    assert tarballs[0].stat().st_mode & 0o777 == 0o444
    with tarfile.open(tarballs[0]) as archive:
        assert {member.name for member in archive} == {*shop(), "link"}
        assert archive.pax_headers["comment"] == target.commit


def test_what_is_checked_out_is_what_git_checks_out(http, folder, volume):
    links = {"inside": "src/settings.py", "folder": "src", "src/up": "../README.md", "self": "."}
    files = shop() | {"empty": "", "large": os.urandom(3_000_000), "a/b/c/d/e/f": "deep", "tar.gz": bytes(1024)}
    make(folder / "team" / "shop.git", files, links=links)
    (folder / "team" / "shop.git.work" / "run").write_text("#!/bin/sh\n")
    (folder / "team" / "shop.git.work" / "run").chmod(0o755)
    commit(folder / "team" / "shop.git.work", {})
    git("push", "-q", str(folder / "team" / "shop.git"), "main", cwd=folder / "team" / "shop.git.work")
    checkout = checkout_of(plan_of(url(http)), volume)
    done = subprocess.run(
        ["diff", "--recursive", "--no-dereference", "--exclude=.git", str(folder / "team" / "shop.git.work"), checkout],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert os.access(checkout / "run", os.X_OK)
    assert not os.access(checkout / "empty", os.X_OK)


def test_two_scans_share_one_tarball_and_one_fetch(http, folder, volume):
    made = make(folder / "team" / "shop.git", shop())
    asked = "assert 'TOKEN' in open(checkout + '/src/settings.py').read()\nopen(report, 'wb').write(good)"
    plan = plan_of(url(http), scan("one", asked), scan("two", asked))
    http.paths.clear()
    assert {row.outcome for row in run(plan, volume).rows} == {Outcome.OK}
    assert [path.name for path in (volume.root / "blobs").iterdir()] == [f"git-{made}.tar"]
    # Protocol 2: one request says what the host can, one asks for the commit.
    assert len(http.paths) == 2
    assert not list(volume.root.glob("runs/*/*/*/checkout"))  # it is the cell's, and ends with it


def test_the_cells_links_and_files_go_when_the_run_is_released(http, folder, volume):
    make(folder / "team" / "shop.git", shop())
    plan = plan_of(url(http))
    (target,) = plan.targets
    pull_held(plan, target.id, volume)
    checkout = checkout_of(plan, volume)
    blob = volume.blob(target.digest)
    assert (blob.stat().st_nlink, checkout.is_dir()) == (2, True)
    release(plan, [target.id], volume)
    assert (blob.stat().st_nlink, checkout.exists()) == (1, False)


@pytest.mark.parametrize("harm", ["truncated", "written to", "another commit's"])
def test_a_tarball_that_was_changed_is_fetched_again(http, folder, volume, harm):
    make(folder / "team" / "shop.git", shop())
    plan = plan_of(url(http))
    blob = pull(plan, plan.targets[0].id, volume)
    whole, stamp = blob.read_bytes(), blob.stat().st_mtime_ns
    blob.chmod(0o644)
    other = whole.replace(plan.targets[0].commit.encode(), b"0" * 40)
    blob.write_bytes({"truncated": whole[:-1024], "written to": whole, "another commit's": other}[harm])
    if harm != "written to":
        os.utime(blob, ns=(stamp, stamp))
    assert pull(plan, plan.targets[0].id, volume).read_bytes() == whole


# --- hostile and huge -------------------------------------------------------------------------------------------------


def test_links_that_lead_out_of_the_checkout_are_left_out(http, folder, volume):
    links = {
        "passwd": "/etc/passwd", "up": "../../../../../../etc/passwd", "src/out": "../../x", "nowhere": "not/there",
        "round": "round", "a": "b", "b": "a", "through": "out/passwd", "out": "/etc", "beside": "../image.tar",
        "kept": "src/settings.py",
    }  # fmt: skip
    make(folder / "team" / "shop.git", shop(), links=links)
    checkout = checkout_of(plan_of(url(http)), volume)
    found = {str(path.relative_to(checkout)) for path in checkout.rglob("*") if path.is_symlink()}
    assert found == {"kept"}


@pytest.mark.parametrize(
    "name",
    ["../outside", "a/../../outside", "/outside", ".git/config", ".GIT/hooks/post-checkout", "a/.git", "..", "."],
)
def test_a_file_whose_name_leads_elsewhere_fails_the_repository(http, folder, volume, name):
    bare = folder / "team" / "shop.git"
    make(bare, shop())
    raw_commit(bare, [("100644", name, b"harm")])
    row = row_of(plan_of(url(http)), volume)
    assert (row.outcome, "made to do harm" in row.reason) == (Outcome.FAILED, True), row.reason
    assert not list(volume.root.parent.rglob("outside"))
    assert not list(volume.root.glob("blobs/*"))


def test_a_file_within_a_symbolic_link_of_the_same_name_fails_the_repository(http, folder, volume, tmp_path):
    bare = folder / "team" / "shop.git"
    make(bare, shop())
    raw_commit(bare, [("120000", "src", str(tmp_path).encode()), ("100644", "src/written", b"harm")])
    row = row_of(plan_of(url(http)), volume)
    assert row.outcome is Outcome.FAILED
    assert not (tmp_path / "written").exists()


def test_nothing_of_a_repository_is_run_and_its_attributes_hide_nothing(http, folder, volume, tmp_path, monkeypatch):
    """Hooks, filters, attributes, a configuration, submodules with a helper of their own."""
    ran = tmp_path / "ran"
    (tmp_path / "gitconfig").write_text(f'[filter "evil"]\n smudge = touch {ran}\n required = true\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    bare = folder / "team" / "shop.git"
    make(bare, {"a": "b"})
    content = {
        ".gitattributes": b"* filter=evil\nhidden export-ignore\nsubst export-subst\n",
        ".gitmodules": f'[submodule "x"]\n path = x\n url = ext::sh -c "touch {ran}"\n'.encode(),
        "hidden": b"still here", "subst": b"$Format:%H$", "hooks": b"x", "text": b"a\r\nb\r\n",
    }  # fmt: skip
    entries = [("100644", name, data) for name, data in sorted(content.items())]
    raw_commit(bare, [*entries, ("160000", "x", b"1" * 40)])
    (bare / "hooks" / "post-upload-pack").write_text("exit 1")
    checkout = checkout_of(plan_of(url(http)), volume)
    assert {path.name: path.read_bytes() for path in checkout.iterdir()} == content
    assert not ran.exists()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"repositorySize": "1Mi"}, "larger than 1.0 MiB: raise limits.repositorySize"),
        ({"repositoryFiles": 3}, "more than 3 files: raise limits.repositoryFiles"),
    ],
)
def test_a_huge_repository_fails_and_leaves_nothing(http, folder, volume, limits, words):
    make(folder / "team" / "shop.git", shop() | {"large": os.urandom(4_000_000)})
    row = row_of(plan_of(url(http), limits=limits), volume)
    assert (row.outcome, words in row.reason) == (Outcome.FAILED, True), row.reason
    assert list((volume.root / "blobs").iterdir()) == []


def test_a_small_pack_that_unfolds_to_a_huge_tree_fails(http, folder, volume):
    """Folders that hold the same folder ten times, nine levels deep: a thousand million files in a few kilobytes."""
    bare = folder / "team" / "shop.git"
    make(bare, {"a": "b"})
    tree = repositories._object(bare, "blob", b"x")
    mode = "100644"
    for _ in range(9):
        entries = b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(tree) for name in "abcdefghij")
        tree, mode = repositories._object(bare, "tree", entries), "40000"
    made = git("commit-tree", "-m", "bomb", tree, cwd=bare)
    git("update-ref", "refs/heads/main", made, cwd=bare)
    row = row_of(plan_of(url(http), limits={"repositoryFiles": 1000}), volume)
    assert (row.outcome, "more than 1,000 files" in row.reason) == (Outcome.FAILED, True), row.reason
    assert list((volume.root / "blobs").iterdir()) == []


def test_a_commit_that_has_gone_since_the_plan_fails_with_a_reason(http, folder, volume):
    make(folder / "team" / "shop.git", shop())
    plan = plan_of(url(http))
    shutil.rmtree(folder / "team" / "shop.git")
    make(folder / "other.git", {"other": "x"})
    (folder / "other.git").rename(folder / "team" / "shop.git")
    row = row_of(plan, volume)
    assert (row.outcome, "no ref" in row.reason) == (Outcome.FAILED, True), row.reason


def test_a_repository_that_has_gone_since_the_plan_fails_with_a_reason(http, folder, volume):
    make(folder / "team" / "shop.git", shop())
    plan = plan_of(url(http))
    shutil.rmtree(folder / "team" / "shop.git")
    assert "no such repository" in row_of(plan, volume).reason


# --- cut off ----------------------------------------------------------------------------------------------------------


def test_a_fetch_that_is_cancelled_leaves_nothing(http, folder, volume):
    make(folder / "team" / "shop.git", shop())
    plan = plan_of(url(http))
    told = threading.Event()
    told.set()
    with pytest.raises(Cancelled):
        pull(plan, plan.targets[0].id, volume, cancelled=told)
    assert list((volume.root / "blobs").iterdir()) == []


def test_an_engine_that_is_killed_while_it_fetches_resumes_and_leaves_nothing(folder, tmp_path, volume):
    """The host holds its answer back until the engine has been killed."""
    make(folder / "team" / "shop.git", shop())
    server = GitHttp(folder)
    plan = plan_of(url(server))
    gate = threading.Event()
    server.hold = gate
    process = start_engine(plan, volume.root)
    try:
        wait_for(lambda: list(volume.root.glob("blobs/.*.clone")), process)
        process.kill()
        process.communicate()
        assert list(volume.root.glob("blobs/.*.clone"))
    finally:
        gate.set()
        server.hold = None
    try:
        assert row_of(plan, volume).outcome is Outcome.OK
    finally:
        server.close()
    assert [path.name for path in (volume.root / "blobs").iterdir()] == [f"git-{plan.targets[0].commit}.tar"]


def test_what_an_unpacking_that_was_killed_left_is_removed(http, folder, volume):
    make(folder / "team" / "shop.git", shop())
    plan = plan_of(url(http))
    checkout = checkout_of(plan, volume)
    (checkout.with_name(".checkout-0123456789ab") / "half").mkdir(parents=True)
    (checkout / "of an attempt before").write_text("x")
    again = checkout_of(plan, volume)
    assert sorted(path.name for path in again.parent.glob("*checkout*")) == ["checkout"]
    assert not list(again.parent.glob(".checkout-*"))
    assert not (again / "of an attempt before").exists()


# --- other ways to a host ---------------------------------------------------------------------------------------------


def test_by_ssh_and_by_file(folder, volume, tmp_path, monkeypatch):
    made = make(folder / "team" / "shop.git", shop())
    (tmp_path / "sshd").mkdir()
    with start_sshd(require("sshd"), tmp_path / "sshd") as (host, key, known):
        monkeypatch.setenv("SCANMATRIX_GIT_SSH_KEY", str(key))
        monkeypatch.setenv("SCANMATRIX_GIT_SSH_KNOWN_HOSTS", str(known))
        urls = [f"ssh://{host}{folder}/team/shop.git", f"file://{folder}/team/shop.git"]
        plan = plan_of(urls)
        assert {target.commit for target in plan.targets} == {made}
        assert {row.outcome for row in run(plan, volume).rows} == {Outcome.OK}


# --- the real scanners ------------------------------------------------------------------------------------------------


def shipped(name: str) -> Scan:
    """A shipped scan, its scanner on PATH."""
    found = load_catalog()[name]
    os.environ["PATH"] = f"{require(Path(found.program).name).parent}{os.pathsep}{os.environ['PATH']}"
    return found


@pytest.fixture
def _own_path(monkeypatch):
    monkeypatch.setenv("PATH", os.environ["PATH"])


@pytest.mark.usefixtures("_own_path")
def test_scorecard_reads_a_checkout_and_its_scores_are_findings(http, folder, volume):
    make(folder / "team" / "shop.git", shop(), links={"out": "/etc/passwd"})
    plan = plan_of(url(http), shipped("scorecard"))
    row = row_of(plan, volume)
    assert (row.outcome, row.reason, row.scanner_version) == (Outcome.OK, "", "5.1.1")
    assert [cell.online for cell in plan.cells] == [False]
    found = read_findings(volume, plan.run).set_index("id")
    assert found.loc["Token-Permissions", "severity"] == Severity.HIGH
    assert found.loc["Binary-Artifacts", "severity"] == Severity.NONE
    assert "/10 in all" in found.loc["Score", "title"]


@pytest.mark.usefixtures("_own_path")
def test_secrets_are_found_in_a_checkout(http, folder, volume):
    make(folder / "team" / "shop.git", shop())
    plan = plan_of(url(http), shipped("secrets"))
    assert row_of(plan, volume).reason == ""
    (location,) = read_findings(volume, plan.run)["location"]
    assert location.startswith("src/settings.py")


def test_a_token_makes_a_cell_ask_the_api_and_stands_nowhere(volume, monkeypatch, folder, caplog):
    """The scanner is a script that prints its token: what is kept of that has none."""
    secret = "very-s3cr3t-token"
    script = "import os, sys; print('I have', os.environ['HOST_TOKEN'], file=sys.stderr); sys.exit(3)"
    online = Online(command=(sys.executable, "-c", script, "{repository}"), tokens={"127.0.0.1": "HOST_TOKEN"})
    reads = scan("asks")
    asks = msgspec.structs.replace(reads, repository=msgspec.structs.replace(reads.repository, online=online))
    make(folder / "team" / "shop.git", shop())
    server = GitHttp(folder)
    monkeypatch.setenv("HOST_TOKEN", secret)
    try:
        plan = plan_of(url(server), asks)
        assert [cell.online for cell in plan.cells] == [True]
        row = row_of(plan, volume)
        assert "I have ***" in row.reason
        monkeypatch.delenv("HOST_TOKEN")
        assert "HOST_TOKEN is not set here" in row_of(plan, volume).reason
    finally:
        server.close()
    kept = [path for path in volume.root.rglob("*") if path.is_file()]
    assert not [path for path in kept if secret.encode() in path.read_bytes()]
    assert secret not in caplog.text


def test_a_host_that_breaks_off_is_asked_again(folder, volume):
    make(folder / "team" / "shop.git", shop())
    server = GitHttp(folder)
    try:
        plan = plan_of(url(server))
        server.fail, server.failures = 503, 1
        assert row_of(plan, volume).outcome is Outcome.OK
    finally:
        server.close()


def test_a_full_volume_is_reported_as_such(http, folder, volume, monkeypatch):
    """Git's own words for it, in front of a real git: no filesystem of a few megabytes is available without root."""
    make(folder / "team" / "shop.git", shop())
    plan = plan_of(url(http))
    real = require("git")
    wrapper = volume.root.parent / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\ncase "$1" in fetch) echo "fatal: write error: No space left on device" >&2; exit 128;; esac\n'
        f'exec {real} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(VolumeFullError, match="no room"):
        pull(plan, plan.targets[0].id, volume)
    assert list((volume.root / "blobs").iterdir()) == []


def test_errors_are_of_the_kind_that_says_whether_to_try_again(http, folder):
    http.fail = 503
    with pytest.raises(SourceBrokenError):
        resolve(url(http), "main")
    http.fail = None
    with pytest.raises(SourceUnavailableError):
        resolve(url(http, "gone"), "main")
    assert issubclass(RepositoryError, PermanentError)
    assert Limits().repository_size > 0
