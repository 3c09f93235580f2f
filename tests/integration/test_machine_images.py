"""Images that the real tools of this machine keep: podman by its program and by its Docker API, containerd by `ctr`."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.command import scanmatrix
from tests.tools import containers, layouts, samples

NAME = "shop/web:dev"
SHOWN = f"docker.io/{NAME}"


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert process.poll() is None, "it ended"
        assert time.monotonic() < end, "it does not listen"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables for a podman that keeps an image under a name without a registry."""
    with containers.podman(tmp_path_factory.mktemp("podman")) as prepared:
        if isinstance(prepared, str):
            pytest.skip(prepared)
        environment = {**os.environ, **prepared}
        subprocess.run(["podman", "tag", containers.IMAGE, f"localhost/{NAME}"], env=environment, check=True)
        yield prepared


@pytest.fixture
def docker_api(podman: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Podman's own service, which speaks Docker's API; its URL."""
    path = tmp_path / "d.sock"
    environment = {**os.environ, **podman}
    process = subprocess.Popen(["podman", "system", "service", "--time=0", f"unix://{path}"], env=environment)
    try:
        wait_for(path, process)
        yield f"unix://{path}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def containerd(tmp_path: Path) -> Iterator[str]:
    """A containerd of our own with an image in Kubernetes' namespace; its address."""
    if not shutil.which("containerd") or os.geteuid():
        pytest.skip("containerd is not installed, or we are not root")
    address = tmp_path / "c.sock"
    (tmp_path / "config.toml").write_text(
        f'version = 2\nroot = "{tmp_path}/root"\nstate = "{tmp_path}/state"\n'
        f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{address}"\n'
    )
    with (tmp_path / "log").open("wb") as log:
        command = ["containerd", "--config", str(tmp_path / "config.toml")]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(address, process)
        archive = layouts.write_archive(tmp_path / "i.tar", samples.system(), name="dev")
        ctr = ["ctr", "--address", str(address), "--namespace", "k8s.io", "images"]
        subprocess.run([*ctr, "import", "--base-name", "docker.io/shop/web", str(archive)], check=True)
        yield str(address)
    finally:
        process.terminate()
        process.wait(20)


def planned(cwd: Path, name: str, **environment: str) -> str:
    done = scanmatrix("plan", name, "--scan", "root-user", cwd=cwd, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_podman_by_its_program(podman: dict[str, str], tmp_path: Path) -> None:
    assert f"taken from podman on this machine: {SHOWN}" in planned(tmp_path, f"podman:{NAME}", **podman)


def test_a_plain_name_is_looked_for_here_first(podman: dict[str, str], tmp_path: Path) -> None:
    assert f"taken from podman on this machine: {SHOWN}" in planned(tmp_path, NAME, **podman)


def test_docker_by_its_api_comes_before_podman(docker_api: str, podman: dict[str, str], tmp_path: Path) -> None:
    environment = {"DOCKER_HOST": docker_api, **podman}
    assert f"taken from docker on this machine: {SHOWN}" in planned(tmp_path, NAME, **environment)
    done = scanmatrix(
        "run", f"docker:{NAME}", "--scan", "root-user", "--quiet", "-o", "json", cwd=tmp_path, environment=environment
    )
    assert done.returncode == 0, done.stderr
    assert '"outcome": "ok"' in done.stdout


def test_containerd_in_whichever_namespace(containerd: str, tmp_path: Path) -> None:
    found = planned(tmp_path, f"containerd:{NAME}", CONTAINERD_ADDRESS=containerd)
    assert f"taken from containerd on this machine: {SHOWN}" in found
    none = planned(tmp_path, "containerd:no/such:1", CONTAINERD_ADDRESS=containerd)
    assert "containerd has no image docker.io/no/such:1 in its namespaces default, k8s.io, moby" in none


def test_an_archive_on_standard_input(tmp_path: Path) -> None:
    archive = layouts.write_archive(tmp_path / "i.tar", samples.system())
    command = ["run", "-", "--scan", "root-user", "--quiet", "--output", "json"]
    done = scanmatrix(*command, cwd=tmp_path, stdin=archive)
    assert done.returncode == 0, done.stderr
    assert '"outcome": "ok"' in done.stdout
    (tmp_path / "nothing").write_bytes(b"no archive")
    failed = scanmatrix("plan", "-", "--scan", "root-user", cwd=tmp_path, stdin=tmp_path / "nothing")
    assert "not a tar file" in failed.stdout
    (left,) = (tmp_path / "scanmatrix-data" / "kept").iterdir()
    assert left.read_bytes() == archive.read_bytes()
