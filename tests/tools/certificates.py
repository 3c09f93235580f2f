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
