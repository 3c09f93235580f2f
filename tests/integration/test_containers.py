"""Scanners in containers of their own, by a real podman where this machine has one that works."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from orchestrator.config.loading import default_config
from orchestrator.engines.local.containers import Runtime
from orchestrator.engines.local.engine import LocalEngine
from orchestrator.engines.local.launch import Launcher
from orchestrator.inventory import Entry
from orchestrator.model import (
    Database,
    DatabaseFetch,
    Ledger,
    LedgerRow,
    Online,
    OnRepository,
    Outcome,
    Plan,
    Resources,
    Scan,
    TargetKind,
)
from orchestrator.volume.layout import Volume
from tests.integration.engine import REPORT, Watch, kill, plan_of, rows, start_engine, wait_for
from tests.planned import plan_here
from tests.tools import containers, require, samples
from tests.tools.git_servers import GitHttp
from tests.tools.mirror import grype_files, mirror
from tests.tools.repositories import make, shop


@pytest.fixture(scope="session")
def _podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str] | str]:
    with containers.podman(tmp_path_factory.mktemp("podman")) as found:
        yield found


@pytest.fixture
def podman(_podman: dict[str, str] | str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine find this podman; skips where it does not run containers."""
    if isinstance(_podman, str):
        pytest.skip(_podman)
    for name, value in _podman.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


def shell(name: str, script: str, **fields: object) -> Scan:
    """A scan whose scanner is a shell script in a container; $1 is the tarball, $2 the report, $3 the database."""
    command = ("/bin/sh", "-c", script, "sh", "{tarball}", "{report}", "{database}")
    return Scan(
        **{"name": name, "image": containers.IMAGE, "command": command, "format": "scanmatrix", "timeout": 60, **fields}
    )


GOOD = f"echo '{REPORT.decode().strip()}' > \"$2\"\n"


def run(plan: Plan, volume: Volume, watch: Watch | None = None) -> Ledger:
    return LocalEngine(volume, runner="container").run(plan, watch or Watch())


def only(plan: Plan, volume: Volume) -> LedgerRow:
    (row,) = run(plan, volume).rows
    return row


def running(plan: Plan, volume: Volume) -> list[str]:
    command = ["podman", "ps", "--all", "--quiet", f"--filter=label=scanmatrix.run={plan.run}@{volume.root}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.usefixtures("podman")
def test_a_container_gets_nothing_it_does_not_need(
    tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "secret")
    script = (
        'say() { echo "$@" >&2; }\n'
        "say network /sys/class/net/*\n"
        "(echo x > /owned) 2>/dev/null && say root is writable\n"
        '(echo x > "$1") 2>/dev/null && say tarball is writable\n'
        '[ -s "$1" ] && say tarball is there\n'
        "echo x > scratch && say workdir is writable\n"
        "while read -r key value; do\n"
        "  case $key in CapEff:|CapBnd:|NoNewPrivs:|Uid:) say $key $value;; esac\n"
        "done < /proc/self/status\n"
        "say variables $(export -p | while read -r line; do line=${line#export }; echo ${line%%=*}; done)\n"
    )
    watch = Watch()
    ledger = run(plan_of(tmp_path, [samples.small()], [shell("looks", script + GOOD)]), volume, watch)
    assert rows(ledger)["looks"].outcome is Outcome.OK, rows(ledger)["looks"].reason
    (record,) = watch.finished.values()
    said = record.log.splitlines()
    assert "network /sys/class/net/lo" in said
    assert "root is writable" not in said
    assert "tarball is writable" not in said
    assert "tarball is there" in said
    assert "workdir is writable" in said
    assert "CapEff: 0000000000000000" in said
    assert "CapBnd: 0000000000000000" in said
    assert "NoNewPrivs: 1" in said
    assert not any(line.startswith("Uid: 0") for line in said)
    variables = next(line for line in said if line.startswith("variables")).split()[1:]
    assert set(variables) >= {"HOME", "TMPDIR"}
    assert "REGISTRY_PASSWORD" not in variables


@pytest.mark.usefixtures("podman")
def test_a_container_has_the_limits_of_its_template(tmp_path: Path, volume: Volume) -> None:
    if Runtime("podman", "").limited != {"memory", "cpu", "pids"}:
        pytest.skip("this podman cannot limit what its containers take")
    # Where the kernel's first version of control groups shows a container its own.
    script = 'n=0; while [ $n -lt 200 ]; do sleep 30 & n=$((n + 1)); done\nm=x; while :; do m="$m$m"; done\n'
    scans = [
        shell("forks", script.partition("\n")[0] + "\n" + GOOD, resources=Resources(pids=40), retries=0, timeout=30),
        shell("eats", script.partition("\n")[2], resources=Resources(memory_limit="64Mi"), retries=0, timeout=30),
    ]
    watch = Watch()
    ledger = run(plan_of(tmp_path, [samples.small()], scans), volume, watch)
    found = rows(ledger)
    assert found["eats"].outcome is Outcome.FAILED
    assert "timed out" not in found["eats"].reason
    assert found["forks"].outcome is Outcome.FAILED  # the shell itself gives up when it cannot fork
    assert "fork" in found["forks"].log + found["forks"].reason
    assert found["eats"].isolation == "podman container"


@pytest.mark.usefixtures("podman")
def test_a_hanging_container_is_ended_and_removed(tmp_path: Path, volume: Volume) -> None:
    plan = plan_of(tmp_path, [samples.small()], [shell("hang", "trap '' TERM; sleep 600", timeout=2)])
    row = only(plan, volume)
    assert row.outcome is Outcome.FAILED
    assert "timed out" in row.reason
    assert running(plan, volume) == []


@pytest.mark.usefixtures("podman")
def test_exit_codes_and_output_come_through(tmp_path: Path, volume: Volume) -> None:
    row = only(plan_of(tmp_path, [samples.small()], [shell("fails", "echo no such layer >&2; exit 4")]), volume)
    assert row.outcome is Outcome.FAILED
    assert "4" in row.reason
    assert "no such layer" in row.reason


@pytest.mark.usefixtures("podman")
def test_a_database_is_refreshed_in_the_scan_s_own_image(tmp_path: Path, volume: Volume) -> None:
    database = Database(refresh=("/bin/sh", "-c", 'echo data > "$0/db"', "{database}"))
    reads = 'read -r data < "$3/db"; [ "$data" = data ] || exit 5; (echo x > "$3/db") 2>/dev/null && exit 6\n'
    plan = plan_of(tmp_path, [samples.small()], [shell("knows", reads + GOOD, database=database)])
    row = only(plan, volume)
    assert row.outcome is Outcome.OK, row.reason
    assert row.database_version


@pytest.fixture(params=[0o022, 0o077], ids=["open", "closed"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Ours; with the second, nothing that we write is open to the user of containers unless we say so."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("podman", "umask")
def test_a_fetched_database_is_loaded_in_the_scan_s_own_image_without_a_network(tmp_path: Path, volume: Volume) -> None:
    load = (
        'while read -r name _; do case "$name" in lo:|*"|"*|Inter*|face) ;; *) exit 7;; esac; done < /proc/net/dev; '
        '(echo x > "$0/x") 2>/dev/null && exit 6; read -r data < "$0/vulnerability.db"; echo "$data" > "$1/db"'
    )
    with mirror() as served:
        served.files = grype_files(b"data\n", datetime.now(UTC))
        fetch = DatabaseFetch("grype", {"url": f"{served.url}/databases"})
        database = Database(fetch=fetch, load=("/bin/sh", "-c", load, "{fetched}", "{database}"))
        reads = 'read -r data < "$3/db"; [ "$data" = data ] || exit 5; (echo x > "$3/db") 2>/dev/null && exit 6\n'
        plan = plan_of(tmp_path, [samples.small()], [shell("knows", reads + GOOD, database=database)])
        row = only(plan, volume)
    assert row.outcome is Outcome.OK, (row.reason, row.note)
    assert row.database_version


@pytest.mark.usefixtures("podman")
def test_an_image_that_is_not_available_fails_its_cells(tmp_path: Path, volume: Volume) -> None:
    absent = shell("absent", GOOD, image="127.0.0.1:1/scanner:1", retries=0)
    row = only(plan_of(tmp_path, [samples.small()], [absent]), volume)
    assert row.outcome is Outcome.FAILED
    assert "127.0.0.1:1/scanner:1" in row.reason


@pytest.mark.usefixtures("podman")
def test_containers_of_a_killed_engine_are_removed_by_the_next(tmp_path: Path, volume: Volume) -> None:
    hang = shell("hang", "sleep 600", timeout=5)
    plan = plan_of(tmp_path, [samples.small()], [hang])
    engine = start_engine(plan, volume.root, runner="container")
    wait_for(lambda: running(plan, volume), engine)
    kill(engine)
    engine.communicate(timeout=10)
    left = running(plan, volume)
    assert left
    assert only(plan, volume).outcome is Outcome.FAILED
    assert not set(left) & set(running(plan, volume))


@pytest.mark.usefixtures("podman")
def test_what_is_on_path_runs_as_a_process_and_the_rest_in_containers(tmp_path: Path) -> None:
    chooses = Launcher("auto", "test")
    here = shell("here", "", command=(sys.executable,))
    elsewhere = shell("elsewhere", "", command=("/scanner-of-nowhere",))
    assert chooses.missing(here) == chooses.missing(elsewhere) == ""
    assert "scanner-of-nowhere not found" in Launcher("process", "test").missing(elsewhere)


def test_a_runtime_that_is_installed_but_does_not_work_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "podman"
    broken.write_text("#!/bin/sh\nexit 125\n")
    broken.chmod(0o755)
    shutil.copy(broken, tmp_path / "docker")
    monkeypatch.setenv("PATH", str(tmp_path))
    scan = shell("any", "", command=("/scanner-of-nowhere",))
    assert "not found" in Launcher("auto", "test").missing(scan)
    assert "podman" in Launcher("container", "test").missing(scan)


@pytest.mark.usefixtures("podman")
def test_a_container_reads_a_checkout_and_only_one_that_asks_an_api_has_a_network_and_a_token(
    tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tool in ("git", "iptables"):
        require(tool)
    (tmp_path / "team").mkdir()
    make(tmp_path / "team" / "shop.git", shop())
    server = GitHttp(tmp_path)
    say = '[ -n "$TOKEN" ] && echo "token of ${#TOKEN}" >&2; for one in /sys/class/net/*; do echo "$one" >&2; done\n'
    reads = 'read -r line < "$1/README.md" && echo "$line" >&2; (echo x > "$1/x") 2>/dev/null && echo written >&2\n'
    command = ("/bin/sh", "-c", reads + say + GOOD, "sh", "{checkout}", "{report}")
    asks = ("/bin/sh", "-c", say + 'echo "$1" >&2\n' + GOOD, "sh", "{repository}", "{report}")
    online = Online(command=asks, tokens={"127.0.0.1": "TOKEN"})
    scan = msgspec.structs.replace(
        shell("card", ""), command=(), repository=OnRepository(command=command, online=online)
    )
    entry = Entry(
        reference=f"http://127.0.0.1:{server.port}/team/shop.git",
        kind=TargetKind.REPOSITORY,
        scans=("card",),
        ref="main",
    )
    said = []
    try:
        for number, secret in enumerate(("", "s3cr3t")):
            monkeypatch.setenv("TOKEN", secret)
            settings = default_config(environment={})
            plan = plan_here(settings, [entry], {"card": scan}, run=f"r{number}", now=datetime.now(UTC))
            watch = Watch()
            (row,) = run(plan, volume, watch).rows
            assert row.outcome is Outcome.OK, row.reason
            (record,) = watch.finished.values()
            said.append(record.log.splitlines())
    finally:
        server.close()
    assert said[0] == ["A shop.", "/sys/class/net/lo"]
    assert {"token of 6", "127.0.0.1/team/shop"} < set(said[1])
    assert len([line for line in said[1] if line.startswith("/sys/class/net/")]) > 1
