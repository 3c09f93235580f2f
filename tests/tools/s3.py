"""A real S3-speaking server on loopback (versitygw over a folder), ended by its own process id.

It takes only signed requests, checks checksums, and keeps an object's metadata in the file's extended attributes, or
beside the files where the filesystem has none.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tools import require
from tests.tools.listening import free_ports
from tests.tools.servers import ServerError, _dies_with_us

ACCESS_KEY, SECRET_KEY = "reader", "correct-horse-battery"  # of a server that lives for one session
REGION = "us-east-1"


@dataclass(frozen=True, eq=False)
class S3Server:
    """A running server.

    Attributes:
        url: its endpoint.
        folder: its buckets, as folders.
        log: file with its output.
        certificate: what to trust; None without TLS.
    """

    url: str
    folder: Path
    log: Path
    certificate: Path | None = None

    def make_bucket(self, name: str) -> str:
        """Make an empty bucket."""
        self.client().create_bucket(Bucket=name)
        return name

    def client(self) -> Any:
        """A plain client, for what a test looks at."""
        import boto3  # noqa: PLC0415 - heavy
        from botocore.config import Config  # noqa: PLC0415

        return boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION).client(
            "s3",
            endpoint_url=self.url,
            verify=str(self.certificate) if self.certificate else None,
            config=Config(s3={"addressing_style": "path"}),
        )

    def keys(self, bucket: str) -> list[str]:
        """Names of the objects in a bucket."""
        found = self.client().list_objects_v2(Bucket=bucket).get("Contents", [])
        return [each["Key"] for each in found]

    def parts_left(self, bucket: str) -> list[str]:
        """Uploads in parts that were neither ended nor given up."""
        return [each["Key"] for each in self.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


@contextmanager
def start_s3(folder: Path, certificate: Path | None = None) -> Iterator[S3Server]:
    """Run a server in this empty folder, with TLS when there is a PEM file of its key and certificate."""
    buckets, beside = folder / "buckets", folder / "metadata"
    buckets.mkdir()
    beside.mkdir()
    log = folder / "s3.log"
    [port] = free_ports(1)
    command = [require("versitygw"), "--port", f"127.0.0.1:{port}", "--region", REGION]
    command += ["--cert", certificate, "--key", certificate] if certificate else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_dies_with_us(), *map(str, command), "posix", "--sidecar", str(beside), str(buckets)],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY},
        )
    try:
        _wait_until_ready(process, port, log)
        yield S3Server(f"{'https' if certificate else 'http'}://127.0.0.1:{port}", buckets, log, certificate)
    finally:
        process.kill()  # told politely, it waits for connections that clients keep open
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise ServerError(f"the S3 server did not start; its log:\n{log.read_text(errors='replace')}")
