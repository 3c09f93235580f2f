"""Debian packages of the tests, installed when root and when something is missing."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.tools import find
from tests.tools._catalog import CLIENTS

POLICY = Path("/usr/sbin/policy-rc.d")


def missing(packages: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Packages of which a command is missing, with these commands."""
    fetched = {client for client, made in CLIENTS.items() if all(find(name) is not None for name in made)}
    wanted = {package: names for package, names in packages.items() if package not in fetched}
    lacking = {package: [name for name in names if find(name) is None] for package, names in wanted.items()}
    return {package: names for package, names in lacking.items() if names}


def possible() -> bool:
    """Whether this is a Debian whose packages we may install."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: list[str]) -> None:
    """Update the lists and install; services that come along (sshd, a registry) are not started."""
    _apt("update")
    with _no_services():
        _apt("install", "--yes", "--no-install-recommends", *packages)


@contextmanager
def _no_services() -> Iterator[None]:
    """Debian's own way to install without starting anything; a policy that is already there stays."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Another apt may be at work; wait for it rather than fail.
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "--quiet", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"`apt-get {arguments[0]}` failed:\n{(done.stdout + done.stderr)[-2000:]}")
