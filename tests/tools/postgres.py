"""A real PostgreSQL server, started for one test."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.tools import require
from tests.tools.servers import PASSWORD, ServerError

#: Of Debian's package, because the server refuses to be root's; otherwise it is ours.
ACCOUNT = "postgres" if os.geteuid() == 0 else None


@dataclass(frozen=True)
class Postgres:
    """A running server with a database `argo` and a role of that name.

    Attributes:
        host: address it listens on.
        tools: the folder of its programs.
        folder: with its data.
        tls: certificate and key; with them, nobody is let in without TLS.
    """

    host: str
    port: int
    tools: Path
    user: str = "argo"
    database: str = "argo"
    password: str = PASSWORD
    folder: Path = Path()
    tls: tuple[Path, Path] | None = None

    def url(self, database: str) -> str:
        """The URL of a database, as `store.url` takes it."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make a database; returns its URL."""
        replace(self, database="postgres").rows(f"create database {database}")
        return self.url(database)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-c listen_addresses={self.host} -c port={self.port} -c unix_socket_directories= -c fsync=off"
        if self.tls:
            options += f" -c ssl=on -c ssl_cert_file={self.tls[0]} -c ssl_key_file={self.tls[1]}"
        self._control("-w", "-t", "60", "-l", self.folder / "log", "-o", options, "start")

    def kill(self) -> None:
        """End it as a crash does: no checkpoint, every connection cut."""
        self._control("-w", "-t", "60", "-m", "immediate", "stop")

    def _control(self, *command: str | Path) -> None:
        _run(self.tools / "pg_ctl", "-D", self.folder / "data", *command)

    def rows(self, query: str) -> list[list[str]]:
        """What a query gives, each value as text."""
        url = f"postgresql://{self.user}@{self.host}:{self.port}/{self.database}"
        command = [str(self.tools / "psql"), "-X", "-At", "-F", "\t", url, "-c", query]
        environment = {**os.environ, "PGPASSWORD": self.password}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return [line.split("\t") for line in done.stdout.splitlines()]


@contextmanager
def start_postgres(address: str, tls: tuple[Path, Path] | None = None) -> Iterator[Postgres]:
    """Run one on a port of this address.

    Args:
        address: of this machine.
        tls: certificate and key; with them, nobody is let in without TLS.

    Raises:
        ServerError: it did not start.
    """
    tools = require("postgres").resolve().parent
    with tempfile.TemporaryDirectory(prefix="postgres-") as made, socket.socket() as probe:
        folder, data = Path(made), Path(made) / "data"
        probe.bind((address, 0))
        server = Postgres(address, probe.getsockname()[1], tools, folder=folder)
        probe.close()
        (folder / "password").write_text(server.password)
        if tls:
            server = replace(server, tls=(folder / "server.crt", folder / "server.key"))
            for source, copy in zip(tls, server.tls or (), strict=True):
                shutil.copyfile(source, copy)
                copy.chmod(0o600)
        for path in (folder, *folder.iterdir()) if ACCOUNT else ():
            shutil.chown(path, ACCOUNT, ACCOUNT)
        _run(tools / "initdb", "--username", server.user, "--auth=scram-sha-256", f"--pwfile={folder / 'password'}",
             "--no-sync", "-D", data)  # fmt: skip
        (data / "pg_hba.conf").write_text(f"host{'ssl' if tls else ''} all all 0.0.0.0/0 scram-sha-256\n")
        server.start()
        try:
            server.create("argo")
            yield server
        finally:
            server.kill()


def _run(*command: str | Path) -> None:
    # Nothing of its output is kept: a server that continues would hold the pipe open.
    done = subprocess.run(list(map(str, command)), user=ACCOUNT, group=ACCOUNT, cwd="/", stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)  # fmt: skip
    if done.returncode:
        raise ServerError(f"`{' '.join(map(str, command))}` ended with {done.returncode}")
