"""A git repository served over HTTP (git's own `http-backend`, with basic auth) and over SSH (a real sshd)."""

import base64
import contextlib
import errno
import getpass
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def git(*arguments: str, cwd: Path) -> str:
    """Run git apart from the user's own configuration."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(cwd),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _PERSON},
    }
    done = subprocess.run(["git", *arguments], cwd=cwd, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


#: Seconds that another test may hold an address.
_PATIENCE = 300.0
_PERSON = (("NAME", "Test"), ("EMAIL", "test@example.com"), ("DATE", "2026-01-01T00:00:00Z"))


def _serve(address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """A server on an address, as soon as the server of another test that runs beside this one has left it."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return ThreadingHTTPServer(address, handler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > end:
                raise
        time.sleep(1)


class GitHttp:
    """`http-backend` behind basic auth.

    With a certificate (a PEM file that holds its key, too) it speaks HTTPS.

    Attributes:
        seen: `Authorization` header (empty when there was none) of each request, in order.
        fail: status with which to answer everything, instead of serving.
        failures: after this many such answers it serves again; None for never.
        hold: while it is there and not set, requests for packs wait for it.
        redirect: base URL to redirect everything to, instead of serving.
        redirect_known: the same, once the right login was given.
        paths: of each request, in order, without their queries.
    """

    def __init__(
        self,
        root: Path,
        user: str = "",
        password: str = "",
        *,
        address: tuple[str, int] = ("127.0.0.1", 0),
        certificate: Path | None = None,
    ) -> None:
        self.root = root
        self.seen: list[str] = []
        self.fail: int | None = None
        self.failures: int | None = None
        self.hold: threading.Event | None = None
        self.redirect: str | None = None
        self.redirect_known: str | None = None
        self.paths: list[str] = []
        self.wanted = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}" if password else ""
        self.server = _serve(address, self._handler())
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.server_address[1]

    def failure(self) -> int:
        """The status to fail with; serves again when that was often enough."""
        status = self.fail or 500
        if self.failures is not None:
            self.failures -= 1
            self.fail = self.fail if self.failures else None
        return status

    def wait(self, path: str) -> None:
        """Let a request for a pack wait as long as it should."""
        if self.hold is not None and path.endswith("git-upload-pack"):
            self.hold.wait(60)

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given = self.headers.get("Authorization", "")
                outer.seen.append(given)
                outer.paths.append(self.path.partition("?")[0])
                if outer.fail:
                    self._answer(outer.failure())
                elif outer.wanted and given != outer.wanted and not outer.redirect:
                    self._answer(401, WWW_Authenticate='Basic realm="git"')
                elif base := outer.redirect or outer.redirect_known:
                    self._answer(301, Location=base + self.path)
                else:
                    self._serve()

            do_POST = do_GET  # noqa: N815 - the name the base class looks for

            def _answer(self, status: int, **headers: str) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _serve(self) -> None:
                path, _, query = self.path.partition("?")
                environment = {
                    "PATH": os.environ["PATH"],
                    "GIT_PROJECT_ROOT": str(outer.root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "GIT_CONFIG_NOSYSTEM": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                    "REMOTE_USER": "test",
                }
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.wait(path)
                # It ends badly as well when it has told the client what is wrong.
                done = subprocess.run(
                    ["git", "http-backend"], env=environment, input=body, capture_output=True, check=False
                )
                head, _, content = done.stdout.partition(b"\r\n\r\n")
                fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
                self.send_response(int(fields.pop("Status", "200").split()[0]))
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
                """Nothing on stderr."""

        return Handler


@contextlib.contextmanager
def start_sshd(sshd: Path, folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """A real sshd for this very user.

    Yields:
        `user@127.0.0.1:port`, a private key it takes, and a known_hosts file with its own key.
    """
    keygen = shutil.which("ssh-keygen")
    assert keygen is not None
    for name in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    process, port = _start(sshd, folder)
    try:
        algorithm, key = (folder / "host.pub").read_text().split()[:2]
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {algorithm} {key}\n")
        yield f"{getpass.getuser()}@127.0.0.1:{port}", folder / "user", folder / "known_hosts"
    finally:
        _end(process)


def _start(sshd: Path, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """An sshd that answers, and its port; it takes no port 0, so another process may take a free one before it does."""
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (folder / "config").write_text(
            f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder / 'host'}\nPidFile none\nUsePAM no\n"
            f"StrictModes no\nAuthorizedKeysFile {folder / 'authorized_keys'}\nPermitRootLogin prohibit-password\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([str(sshd), "-D", "-e", "-f", str(folder / "config")], stderr=log)
        if _answers(port, process):
            return process, port
        _end(process)
    raise RuntimeError(f"sshd did not start: {(folder / 'log').read_text()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether it greets as an SSH server before ten seconds are over; False at once when it has ended."""
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            if connection.recv(4) == b"SSH-":
                return process.poll() is None
        time.sleep(0.02)
    return False
