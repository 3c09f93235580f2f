"""A podman that really runs containers, with storage of its own, and an image made of this machine's shell."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tools.podman import variables

IMAGE = "localhost/scanmatrix-test/shell:1"


@contextmanager
def podman(folder: Path) -> Iterator[dict[str, str] | str]:
    """Variables with which podman runs containers of `IMAGE`; or why it does not. Nothing of it is left afterwards."""
    # Podman takes no longer `--runroot`. It cleans up after a container by such a command, and where that fails,
    # `podman run` waits 20 s before it ends.
    with tempfile.TemporaryDirectory(prefix="podman-", dir="/tmp", ignore_cleanup_errors=True) as run_root:
        found = _prepare(folder, Path(run_root))
        yield found
        if isinstance(found, dict):
            command = ["podman", "system", "reset", "--force"]
            subprocess.run(command, env={**os.environ, **found}, capture_output=True, check=False)


def _prepare(folder: Path, run_root: Path) -> dict[str, str] | str:
    program = shutil.which("podman")
    if program is None:
        return "podman is not installed"
    archive = folder / "shell.tar"
    pack_shell(archive)
    said = _fails(program, variables(folder, run=run_root), "import", str(archive), IMAGE)
    # In a container itself, or on cgroups v1, podman's own choice may not work where runc does.
    for runtime in () if said else ("", "runc"):
        found = variables(folder, run=run_root, runtime=runtime)
        said = _fails(program, found, "run", "--rm", "--network=none", IMAGE, "/bin/sh", "-c", "true")
        if not said:
            return found
    return f"podman runs no containers here: {said}"


def _fails(program: str, chosen: dict[str, str], *command: str) -> str:
    """Why a command of podman fails; empty when it does not."""
    environment = {**os.environ, **chosen}
    done = subprocess.run([program, *command], env=environment, capture_output=True, check=False, timeout=120)
    said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return "" if done.returncode == 0 else said or f"exit code {done.returncode}"


def pack_shell(path: Path) -> None:
    """A root with this machine's /bin/sh and /bin/sleep, and the libraries they need."""
    programs = ["/bin/sh", "/bin/sleep"]
    needed = {library for program in programs for library in _libraries(program)}
    with tarfile.open(path, "w") as tar:
        for name in (*programs, *sorted(needed)):
            entry = tar.gettarinfo(str(Path(name).resolve()), arcname=name.removeprefix("/"))
            with Path(name).resolve().open("rb") as file:
                tar.addfile(entry, file)


def _libraries(program: str) -> list[str]:
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(?:=> |^\s*)(/\S+) \(0x", listed, flags=re.MULTILINE)
