"""A real MariaDB server, started for some tests."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pymysql

from tests.tools import require
from tests.tools.servers import PASSWORD, ServerError

_SECONDS = 60
# What was committed must outlive the server, as in earnest, but not the machine.
_OPTIONS = (
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--innodb-file-per-table=0",
    "--innodb-buffer-pool-size=256M",
    "--skip-name-resolve",
)


@dataclass
class MariaDb:
    """A server; `start` it, and `kill` it as often as a test likes.

    Attributes:
        folder: with its data.
        user: may do everything.
        tls: certificate and key; with them, nobody is let in without TLS.
    """

    host: str
    port: int
    folder: Path
    user: str = "scanmatrix"
    password: str = PASSWORD
    tls: tuple[Path, Path] | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def url(self, database: str) -> str:
        """The URL of a database, as `store.url` takes it."""
        return f"mariadb://{self.user}:{self.password}@{self.host}:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make a database; returns its URL."""
        self._execute("root", f"create database {database}")
        return self.url(database)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(require("mariadbd")),
                    "--no-defaults",
                    *_ACCOUNT,
                    f"--datadir={self.folder / 'data'}",
                    f"--tmpdir={self.folder}",
                    f"--socket={self.folder / 'socket'}",
                    f"--bind-address={self.host}",
                    f"--port={self.port}",
                    *_OPTIONS,
                    *self._tls_options(),
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise ServerError(f"mariadbd did not start:\n{(self.folder / 'log').read_text()[-2000:]}")

    def _tls_options(self) -> list[str]:
        if self.tls is None:
            return ["--skip-ssl"]
        return [f"--ssl-cert={self.tls[0]}", f"--ssl-key={self.tls[1]}", "--require-secure-transport=ON"]

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def _execute(self, user: str, *statements: str) -> None:
        where = {"unix_socket": str(self.folder / "socket")} if user == "root" else {"port": self.port}
        login = {"password": self.password} if user != "root" else {}
        connection = pymysql.connect(host=self.host, user=user, **login, **where)
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


#: Only root can start it as a user, and must say which.
_ACCOUNT = ["--user=root"] if os.geteuid() == 0 else []


@contextmanager
def start_mariadb(address: str = "127.0.0.1", tls: tuple[Path, Path] | None = None) -> Iterator[MariaDb]:
    """Run one on a port of this address.

    Args:
        address: of this machine.
        tls: certificate and key; with them, nobody is let in without TLS.

    Raises:
        ServerError: it did not start.
    """
    installer = require("mariadb-install-db")
    require("my_print_defaults")
    with tempfile.TemporaryDirectory(prefix="mariadb-") as made:
        folder = Path(made)
        install = [str(installer), "--no-defaults", *_ACCOUNT, f"--datadir={folder / 'data'}"]
        # A server that starts removes the temporary tables of every other one in the same folder.
        install += [
            f"--tmpdir={folder}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        ]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerError(f"mariadb-install-db failed:\n{(done.stdout + done.stderr)[-2000:]}")
        with socket.socket() as probe:
            probe.bind((address, 0))
            port = probe.getsockname()[1]
        server = MariaDb(address, port, folder, tls=tls)
        server.start()
        try:
            grant = f"grant all on *.* to '{server.user}'@'%' identified by '{server.password}'"
            server._execute("root", grant)
            yield server
        finally:
            server.kill()
