"""The scanner's container of a worker's pod, as processes of this machine: its mounts, its first process, its restarts.

Namespaces of Linux do what a container runtime does with them; `Container` starts it again when it ends, and ends it
when its probe fails, as the kubelet does.
"""

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

from orchestrator.argo import beside
from orchestrator.argo.commands import BesideStep
from orchestrator.argo.supervisor import PIPES
from orchestrator.steps.beside import make_folders

#: Of this machine, for scanners that are shell scripts.
_SYSTEM = [path for path in ("/bin", "/lib", "/lib64", "/usr", "/proc", "/dev/null") if Path(path).exists()]
_USER = 65532
#: What `busybox` is where there is none.
_STAND_IN = '#!/bin/sh\n[ "$1" != sh ] || { shift; set -- bash "$@"; }\nexec "$@"\n'


def why_not() -> str:
    """Why no such container can be made here; empty where it can."""
    done = subprocess.run([*_apart(), "true"], capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def _apart() -> list[str]:
    mapped = [] if os.getuid() == 0 else ["--map-root-user"]
    return ["unshare", *mapped, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


class Container:
    """A scanner's container, and the folders of its pod.

    Attributes:
        folder: what a worker is given as `--beside`.
        starts: how often it began.
    """

    def __init__(self, pod: Path, volume: Path, *, scan: str, worker: str) -> None:
        self.folder, self.starts = pod / "beside", 0
        programs = pod / "programs"
        programs.mkdir(parents=True)
        if shutil.which("busybox") is None:
            (programs / "busybox").write_text(_STAND_IN)
            (programs / "busybox").chmod(0o755)
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{programs}:{before}"
        try:
            make_folders(BesideStep(scan=scan, worker=worker, to=self.folder, volume=volume))
        finally:
            os.environ["PATH"] = before
        self._root = pod / "root"
        read = {beside.INPUTS_AT: self.folder / beside.INPUTS, beside.LAYERS_AT: self.folder / beside.LAYERS}
        read |= {beside.CELL_AT: volume / "workers" / worker, beside.DATABASES_AT: volume / "databases" / scan}
        own = {place: self.folder / beside.OWN / name for name, place in beside.OWN_AT.items()}
        if os.getuid() == 0:  # all containers of a pod have one user; here the worker may be root
            for path in (*own.values(), *(self.folder / beside.INPUTS / name for name in PIPES)):
                os.chown(path, _USER, _USER)
        self._command = [*_apart(), "sh", "-ec", self._script(read, own), "sh", *beside.scanner_command(30)]
        self._ends = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def _script(self, read: dict[str, Path], own: dict[str, Path]) -> str:
        lines = []
        for path in _SYSTEM:
            there = f"{self._root}{path}"
            make = f"mkdir -p {there}" if Path(path).is_dir() else f"mkdir -p {Path(there).parent}; : > {there}"
            lines.append(f"{make}; mount --rbind {path} {there}")
        for place, source in (read | own).items():
            lines.append(f"mkdir -p {self._root}{place}; mount --bind {source} {self._root}{place}")
        lines += [f"mount -o remount,bind,ro {self._root}{place}" for place in read]
        user = f"setpriv --reuid={_USER} --regid={_USER} --clear-groups --no-new-privs" if os.getuid() == 0 else ""
        lines.append(f'exec chroot {self._root} {user} /usr/bin/env -i HOME=/tmp PATH=/usr/bin:/bin "$@"')
        return "\n".join(lines)

    def __enter__(self):
        self._root.mkdir(exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self.kill()
        self._thread.join(30)

    def kill(self) -> None:
        """End it as the kernel does that lacks memory."""
        if self._process is not None:
            self._process.kill()

    def _keep(self) -> None:
        while not self._ends.is_set():
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            self.starts += 1
            while self._process.poll() is None:
                if self._ends.is_set() or (self.folder / beside.INPUTS / beside.STUCK).exists():
                    self._process.kill()
                time.sleep(0.05)
            self._ends.wait(0.2)
