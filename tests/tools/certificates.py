"""Certificates of servers that live for one test."""

import subprocess
from pathlib import Path

from tests.tools import require


def self_signed(folder: Path, address: str = "127.0.0.1") -> Path:
    """A certificate for an IP address, its own authority; its key is in the same PEM file."""
    file, key = folder / "server.pem", folder / "server.key"
    subprocess.run(
        [str(require("openssl")), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
         "-addext", f"subjectAltName=IP:{address}", "-keyout", str(key), "-out", str(file)],
        check=True, capture_output=True,
    )  # fmt: skip
    file.write_bytes(key.read_bytes() + file.read_bytes())
    return file


class Authority:
    """A certificate authority of one test.

    Attributes:
        file: its certificate.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file, self._key = folder / "ca.crt", folder / "ca.key"
        self._folder = folder
        _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={folder.name}",
                 "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", self._key, "-out", self.file)  # fmt: skip

    def sign(self, name: str) -> tuple[Path, Path]:
        """A server's certificate and key; the name is a host or an IPv4 address."""
        certificate, key, request = (self._folder / f"{name}.{end}" for end in ("crt", "key", "csr"))
        kind = "IP" if name.replace(".", "").isdigit() else "DNS"
        extensions = self._folder / "extensions"
        extensions.write_text(f"subjectAltName={kind}:{name}\n")
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key, "-CAcreateserial", "-days", "2",
                 "-extfile", extensions, "-out", certificate)  # fmt: skip
        return certificate, key


def _openssl(*arguments: str | Path) -> None:
    subprocess.run([str(require("openssl")), *map(str, arguments)], check=True, capture_output=True)
