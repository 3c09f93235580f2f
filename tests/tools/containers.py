"""A podman that really runs containers, with storage of its own, and an image made of this machine's shell."""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

IMAGE = "localhost/scanmatrix-test/shell:1"
_RUNC = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
"""


def prepare(folder: Path) -> dict[str, str] | str:
    """Variables with which podman runs containers of `IMAGE`; or why it does not."""
    program = shutil.which("podman")
    if program is None:
        return "podman is not installed"
    storage = folder / "storage.conf"
    storage.write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{folder / "graph"}"\nrunroot = "{folder / "run"}"\n', encoding="utf-8"
    )
    archive = folder / "shell.tar"
    pack_shell(archive)
    (folder / "config.json").write_text(
        "{}", encoding="utf-8"
    )  # podman fails where DOCKER_CONFIG names an empty folder
    plain = {"CONTAINERS_STORAGE_CONF": str(storage), "DOCKER_CONFIG": str(folder)}
    # In a container itself, or on cgroups v1, crun may not work where runc does.
    (folder / "runc.conf").write_text(_RUNC, encoding="utf-8")
    said = ""
    for variables in (plain, {**plain, "CONTAINERS_CONF": str(folder / "runc.conf")}):
        environment = {**os.environ, **variables}
        for command in (
            ["import", str(archive), IMAGE],
            ["run", "--rm", "--network=none", IMAGE, "/bin/sh", "-c", "true"],
        ):
            done = subprocess.run([program, *command], env=environment, capture_output=True, check=False, timeout=120)
            if done.returncode != 0:
                said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
                break
        else:
            return variables
    return f"podman runs no containers here: {said}"


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
