"""`scanmatrix doctor`: what is missing is said with the line to install it, in bounded time, and without secrets."""

import json
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Event

import jsonschema_rs
import pytest
import yaml
from typer.testing import CliRunner

from orchestrator.api.doctor import examine
from orchestrator.api.doctor.diagnosis import Check, CheckState
from orchestrator.api.doctor.probes import Probe, Seen, run_probes
from orchestrator.api.json_documents import document_schema
from orchestrator.api.plan import load_config
from orchestrator.cli import MISSING
from orchestrator.cli.app import app
from orchestrator.errors import PermanentError
from tests.tools.strangers import Asked, Send, Stranger, answer

PASSWORD = "correct-horse-battery"
IMAGE = f"r.example/i@sha256:{'a' * 64}"

Write = Callable[..., Path]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any program, nor a cluster; returns its PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr("orchestrator.engines.local.programs.search_path", lambda: str(programs))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    return programs


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(**sections: object) -> Path:
        path = tmp_path / "scanmatrix.yaml"
        path.write_text(yaml.safe_dump({"volume": {"path": str(tmp_path / "volume")}, **sections}))
        return path

    return make


def found(path: Path, area: str, name: str = "") -> Check:
    checks = examine(load_config(path)).checks
    return next(check for check in checks if check.area == area and name in check.name)


def program(folder: Path, name: str, does: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)


def test_looks_go_side_by_side_and_none_waits_for_one_that_hangs() -> None:
    together = Barrier(8)

    def late() -> Seen:
        together.wait(60)  # ends only when all eight are asked at the same time
        return Seen(CheckState.OK, "late")

    def broken() -> Seen:
        raise PermanentError(f"https://bob:{PASSWORD}@r.example is away")

    def hang() -> Seen:
        Event().wait(60)
        return Seen(CheckState.OK)

    probes = [Probe("a", "hangs", True, hang, "do")]
    probes += [Probe("a", f"late {number}", False, late) for number in range(8)]
    probes.append(Probe("a", "broken", True, broken, "mind it"))
    start = time.monotonic()
    hanging, *others, wrong = run_probes(probes, 3)
    assert time.monotonic() - start < 30
    assert (hanging.state, hanging.advice, hanging.is_fault) == (CheckState.BROKEN, "do", True)
    assert "did not answer within 3 seconds" in hanging.found
    assert {check.state for check in others} == {CheckState.OK}
    assert wrong.state is CheckState.BROKEN
    assert "r.example is away" in wrong.found
    assert PASSWORD not in wrong.found


def test_a_cluster_that_nothing_needs_is_not_waited_for(
    bare: Path, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.api.doctor.remote._UNASKED", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        server = f"https://127.0.0.1:{mute.getsockname()[1]}"
        named = {"clusters": [{"name": "c", "cluster": {"server": server}}], "users": [{"name": "u", "user": {}}]}
        named |= {"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "current-context": "c"}
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config"} | named))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        seen = found(write(), "cluster")
        assert (seen.needed, seen.found) == (False, "did not answer within 0.5 seconds")
        checks = examine(load_config(write(engine="argo")), patience=1).checks
        (seen,) = (check for check in checks if check.area == "cluster")
        assert (seen.needed, seen.found) == (True, "did not answer within 1 seconds")


def test_a_needed_scanner_that_is_not_here_has_the_line_that_installs_it(bare: Path, write: Write) -> None:
    path = write(targets=[{"archive": "a.tar", "scans": ["virus", "root-user"]}])
    virus, general = found(path, "scanner", "virus"), found(path, "scanner", "general")
    assert (virus.state, virus.needed, virus.advice) == (CheckState.MISSING, True, "apt-get install clamav")
    assert (general.state, general.needed) == (CheckState.MISSING, False)
    assert found(path, "scanner", "root-user").found.startswith("built in")
    done = CliRunner().invoke(app, ["doctor", "-c", str(path)])
    assert done.exit_code == MISSING
    assert "scanner virus is missing: apt-get install clamav" in done.output
    path = write(targets=[{"csv": {"path": "gone.csv"}}])
    assert "\ntargets is broken: " in CliRunner().invoke(app, ["doctor", "-c", str(path)]).output


def test_the_version_of_a_scanner_is_what_it_says_itself(bare: Path, write: Write) -> None:
    path = write(targets=[{"archive": "a.tar", "scans": ["virus", "general"]}], local={"sandbox": "off"})
    program(bare, "clamscan", "echo ClamAV 9.8.7/26000")
    program(bare, "trivy", '[ "$1" = version ] || exit 3; echo Version: 1.2.3')
    assert found(path, "scanner", "virus").found == f"ClamAV 9.8.7/26000 ({bare}/clamscan)"
    assert found(path, "scanner", "general").found == f"1.2.3 ({bare}/trivy)"
    program(bare, "trivy", "exit 1")
    broken = found(path, "scanner", "general")
    assert (broken.state, broken.is_fault) == (CheckState.BROKEN, True)


def test_json_has_all_of_it_and_a_status_of_its_own(bare: Path, write: Write) -> None:
    path = write(targets=[{"archive": "a.tar", "scans": ["root-user"]}])
    done = CliRunner().invoke(app, ["doctor", "-c", str(path), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    assert (next(iter(said.items())), said["engine"]) == (("schema_version", 1), "local")
    assert jsonschema_rs.is_valid(document_schema("diagnosis"), said)
    assert {check["area"] for check in said["checks"]} >= {
        "scanner",
        "runtime",
        "volume",
        "database",
        "store",
        "cluster",
    }
    assert CliRunner().invoke(app, ["doctor", "-c", str(path), "--engine", "argo", "--json"]).exit_code == MISSING


def test_a_cluster_is_needed_where_it_runs_the_plans(bare: Path, write: Write) -> None:
    cluster = found(write(engine="argo", targets=[{"image": IMAGE}]), "cluster")
    assert (cluster.state, cluster.is_fault) == (CheckState.MISSING, True)
    assert f"{cluster.found} {cluster.advice}".count("KUBECONFIG") == 1
    assert cluster.advice.startswith("set KUBECONFIG to ")
    unneeded = found(write(targets=[{"archive": "a.tar"}]), "cluster")
    assert (unneeded.state, unneeded.needed) == (CheckState.MISSING, False)
    assert unneeded.found == "none, and nothing here needs one"
    named = found(write(targets=[{"cluster": {"contexts": ["nowhere"]}}]), "cluster", "nowhere")
    assert (named.state, named.advice.partition(" lists")[0]) == (CheckState.BROKEN, "kubectl config get-contexts")


def test_what_a_store_says_is_without_its_password(bare: Path, write: Write) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://bob:{PASSWORD}@127.0.0.1:{taken.getsockname()[1]}/x"
        store = found(write(targets=[{"archive": "a.tar"}], store={"url": url}), "store")
    assert (store.state, store.is_fault) == (CheckState.BROKEN, True)
    assert PASSWORD not in str(store)
    default = found(write(targets=[{"archive": "a.tar"}]), "store")
    assert default.state is CheckState.OK


def test_a_look_leaves_nothing_behind(bare: Path, write: Write, tmp_path: Path) -> None:
    path = write(targets=[{"archive": "a.tar"}])
    assert found(path, "volume").state is CheckState.OK
    assert not (tmp_path / "volume").exists()
    (tmp_path / "volume").mkdir()
    volume = found(path, "volume")
    assert (volume.state, "free" in volume.found) == (CheckState.OK, True)
    assert list((tmp_path / "volume").iterdir()) == []
    (tmp_path / "volume").rmdir()
    (tmp_path / "volume").write_text("")
    assert found(path, "volume").is_fault


def test_a_database_s_age_is_that_of_its_version(bare: Path, write: Write, tmp_path: Path) -> None:
    path = write(targets=[{"archive": "a.tar"}])
    assert found(path, "database", "virus").state is CheckState.MISSING
    folder = tmp_path / "volume" / "databases" / "virus"
    version = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - 3 * 86400 - 60))
    (folder / version).mkdir(parents=True)
    (folder / version / "main.cvd").write_text("x")
    (folder / "current").symlink_to(version)
    old = found(path, "database", "virus")
    assert (old.state, old.found) == (CheckState.OK, f"3d old ({version}); the next run asks for a newer one")
    (folder / version / "main.cvd").unlink()
    assert found(path, "database", "virus").state is CheckState.BROKEN


def test_a_database_that_nobody_may_fetch_is_needed(bare: Path, write: Write, tmp_path: Path) -> None:
    targets = [{"archive": "a.tar", "scans": ["virus"]}]
    none = found(write(targets=targets, databases={"update": False}), "database", "virus")
    assert (none.state, none.is_fault) == (CheckState.MISSING, True)
    path = write(targets=targets, databases={"paths": {"virus": "mine"}})
    assert found(path, "database", "virus").is_fault
    (tmp_path / "mine").mkdir()
    assert found(path, "database", "virus").state is CheckState.OK
    assert not found(path, "database", "dependency").needed


def test_targets_that_cannot_be_read_are_a_fault_and_hide_nothing_else(bare: Path, write: Write) -> None:
    path = write(targets=[{"csv": {"path": "no.csv"}}])
    targets = found(path, "targets")
    assert targets.is_fault
    assert "no.csv" in targets.found
    assert found(path, "volume").state is CheckState.OK


def test_log_ins_are_tried_and_never_shown(bare: Path, write: Write, tmp_path: Path, monkeypatch) -> None:
    def serve(asked: Asked, send: Send) -> None:
        if asked.headers.get("authorization") == f"Basic {b64encode(f'bob:{PASSWORD}'.encode()).decode()}":
            send(answer(b"{}", status="404 Not Found"))
        else:
            send(answer(b"{}", 'WWW-Authenticate: Basic realm="r"', status="401 Unauthorized"))

    def log_in(password: str | None) -> None:
        entry = {"username": "bob", "password": password}
        (tmp_path / "config.json").write_text(json.dumps({"auths": {host: entry} if password else {}}))

    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with Stranger(serve) as stranger:
        host = stranger.url.removeprefix("http://")
        path = write(targets=[{"image": f"{host}/lab/app:1"}, {"registry": {"host": host, "repositories": ["x"]}}])
        log_in(None)
        without = found(path, "registry", host)
        assert (without.state, without.is_fault) == (CheckState.MISSING, True)
        assert without.advice == f"docker login {host}"
        log_in("wrong-battery")
        wrong = found(path, "registry", host)
        assert (wrong.state, wrong.advice) == (CheckState.BROKEN, f"docker login {host}")
        assert "wrong-battery" not in str(wrong)
        log_in(PASSWORD)
        right = found(path, "registry", host)
        assert right.state is CheckState.OK
        assert str(tmp_path / "config.json") in right.found
        assert PASSWORD not in str(right)


def test_a_registry_that_nothing_is_read_from_is_not_asked(bare: Path, write: Write) -> None:
    image = {"image": "127.0.0.1:1/shop/web:1", "lookIn": ["docker", "podman"]}
    checks = examine(load_config(write(targets=[image]))).checks
    assert [check.name for check in checks if check.area == "registry"] == []
    path = write(targets=[image | {"lookIn": ["docker", "registry"]}])
    assert found(path, "registry").name == "127.0.0.1:1"
    assert "is it up and reachable? check the network" in CliRunner().invoke(app, ["doctor", "-c", str(path)]).output


def test_a_registry_of_which_only_a_list_is_wanted_is_greeted(bare: Path, write: Write) -> None:
    with Stranger(lambda asked, send: send(answer(b"{}"))) as stranger:
        host = stranger.url.removeprefix("http://")
        path = write(targets=[{"registry": {"host": host, "repositories": ["x"]}}])
        assert found(path, "registry", host).state is CheckState.OK
        assert {asked.path for asked in stranger.asked} == {"/v2/"}


@pytest.mark.parametrize("command", [["plan", "--offline"], ["templates"]], ids=lambda words: words[0])
def test_the_same_mark_stands_in_plan_and_templates(command: list[str], bare: Path, write: Write) -> None:
    targets = [{"image": IMAGE, "scans": ["virus", "root-user"]}]
    path = write(targets=targets, local={"runner": "process"})
    done = CliRunner().invoke(app, [*command, "-c", str(path)])
    assert done.exit_code == 0, done.output
    assert "! virus: clamscan not found; install it with apt-get install clamav" in done.output
    assert "! root-user" not in done.output
    program(bare, "clamscan", "exit 0")
    assert "! virus" not in CliRunner().invoke(app, [*command, "-c", str(path)]).output


def test_a_cluster_has_its_scanners_in_their_images(bare: Path, write: Write) -> None:
    path = write(targets=[{"image": IMAGE, "scans": ["virus"]}], local={"runner": "process"})
    done = CliRunner().invoke(app, ["plan", "--offline", "-c", str(path), "--engine", "argo"])
    assert (done.exit_code, "!" in done.output) == (0, False)


def test_what_a_cluster_lacks_is_said_with_the_line_that_brings_it(bare: Path, write: Write, tmp_path: Path) -> None:
    there: set[str] = set()

    def serve(asked: Asked, send: Send) -> None:
        if asked.path == "/version":
            send(answer(b'{"gitVersion": "v1.34.4"}', "Content-Type: application/json"))
        elif asked.path in there:
            send(answer(b"{}", "Content-Type: application/json"))
        else:
            send(answer(b'{"message": "no"}', "Content-Type: application/json", status="404 Not Found"))

    with Stranger(serve) as stranger:
        kubeconfig = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
            "clusters": [{"name": "k", "cluster": {"server": stranger.url}}],
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        }  # fmt: skip
        (tmp_path / "no-kubeconfig").write_text(yaml.safe_dump(kubeconfig))
        path = write(engine="argo", targets=[{"image": IMAGE}], argo={"namespace": "lab"})
        for more, state, said in (
            ("", CheckState.MISSING, "kubectl apply -k"),
            ("/apis/argoproj.io/v1alpha1", CheckState.MISSING, "scanmatrix install --render"),
            ("/apis/argoproj.io/v1alpha1/namespaces/lab/workflowtemplates/scanmatrix", CheckState.OK, ""),
        ):
            there.add(more)
            cluster = found(path, "cluster")
            assert (cluster.state, said in cluster.advice, "v1.34.4" in cluster.found) == (state, True, True)
            shown = CliRunner().invoke(app, ["doctor", "-c", str(path), "--json"]).output
            (check,) = (each for each in json.loads(shown)["checks"] if each["area"] == "cluster")
            assert (f"--config {path}" in check["advice"]) is (state is CheckState.MISSING)  # it works as it is printed
