"""How a scan's program is found, and what stands in its command line."""

import json
import os
import sys
from pathlib import Path

import pytest

from orchestrator.engines.local.containers import NOBODY, Mount, Runtime, give_away
from orchestrator.engines.local.launch import Launcher
from orchestrator.engines.local.programs import find_program, search_path
from orchestrator.model import Resources, Scan


def scan(*command: str, **fields: object) -> Scan:
    return Scan(**{"name": "s", "image": "anchore/grype:v1", "command": command, "format": "grype", **fields})


def program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_program_is_found_by_its_name_whatever_its_path_in_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = program(tmp_path / "bin", "scanner-of-ours")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_program("scanner-of-ours") == str(found)
    assert find_program("/usr/local/bin/scanner-of-ours") == str(found)
    assert find_program("/scanner-of-nowhere") is None


def test_what_is_installed_beside_us_is_found_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert search_path().split(":") == [str(tmp_path), str(Path(sys.executable).parent)]


def test_a_missing_scanner_is_named_with_the_way_to_get_it() -> None:
    launcher = Launcher("process", "label")
    assert launcher.missing(scan("scanmatrix-step")) == ""
    assert "grype-of-nowhere not found; install it with brew" in launcher.missing(
        scan("/grype-of-nowhere", install="brew")
    )
    assert "anchore/grype:v1" in launcher.missing(scan("/grype-of-nowhere"))


def test_a_container_s_command_line() -> None:
    command = Runtime("/usr/bin/podman", "r1@/v").command(
        image="anchore/grype:v1",
        argv=("/grype", "oci-archive:/image.tar"),
        environment={"HOME": "/work"},
        mounts=[Mount(Path("/v/cell"), "/work", read_only=False), Mount(Path("/v/a,b.tar"), "/image.tar")],
        name="n",
    )
    assert command[:2] == ("/usr/bin/podman", "run")
    assert command[-2:] == ("docker.io/anchore/grype:v1", "oci-archive:/image.tar")
    options = set(command[2:-2])
    assert options >= {
        "--rm", "--name=n", "--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges",
        "--entrypoint=/grype", "--workdir=/work", "--env=HOME=/work",
        "--mount=type=bind,source=/v/cell,target=/work",
        '--mount=type=bind,"source=/v/a,b.tar",target=/image.tar,readonly',
    }  # fmt: skip
    assert any(option.startswith("--user=") and not option.startswith("--user=0") for option in options)


@pytest.mark.parametrize(
    ("said", "limited"),
    [
        ({"host": {"cgroupControllers": ["cpuset", "cpu", "memory", "pids"]}}, {"memory", "cpu", "pids"}),
        ({"host": {"cgroupControllers": []}}, set()),
        ({"MemoryLimit": True, "CpuCfsQuota": True, "PidsLimit": True}, {"memory", "cpu", "pids"}),
        ({"MemoryLimit": True, "CpuCfsQuota": False}, {"memory"}),
        ({}, set()),
        ([], set()),
    ],
)
def test_a_container_gets_the_template_s_limits_as_far_as_its_runtime_has_them(
    tmp_path: Path, said: object, limited: set[str]
) -> None:
    podman = program(tmp_path / "bin", "podman")
    podman.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(said)}\nE\n")
    runtime = Runtime(str(podman), "label")
    assert runtime.limited == limited
    command = runtime.command(
        image="a:1",
        argv=("x",),
        environment={},
        mounts=[Mount(Path("/d"), "/work", read_only=False)],
        name="n",
        limits=Resources(cpu="250m", memory_limit="1Gi", cpu_limit="500m", pids=77),
    )
    options = {
        "memory": {f"--memory={1 << 30}", f"--memory-swap={1 << 30}"},
        "cpu": {"--cpus=0.5", "--cpu-shares=256"},
        "pids": {"--pids-limit=77"},
    }
    for name, wanted in options.items():
        assert wanted & set(command) == (wanted if name in limited else set())
        assert (name in runtime.isolation()) == (name not in limited)


def test_only_a_refresh_has_a_network() -> None:
    runtime = Runtime("docker", "label")
    mounts = [Mount(Path("/d"), "/database", read_only=False)]
    command = runtime.command(image="a:1", argv=("x",), environment={}, mounts=mounts, name="n", network=True)
    assert not any(option.startswith("--network") for option in command)


@pytest.mark.skipif(os.getuid() != 0, reason="only root is somebody else than the container's user")
@pytest.mark.parametrize("whole", [False, True])
def test_what_a_database_begins_with_is_given_to_the_container(tmp_path: Path, *, whole: bool) -> None:
    folder, other = tmp_path / "database", tmp_path / "other"
    (folder / "6").mkdir(parents=True)
    (folder / "6" / "db").touch()
    other.touch()
    (folder / "link").symlink_to(other)
    give_away(folder, whole=whole)
    assert folder.stat().st_uid == NOBODY
    owners = {(folder / name).lstat().st_uid for name in ("6", "6/db", "link")}
    assert owners == {NOBODY if whole else 0}
    assert other.stat().st_uid == 0
