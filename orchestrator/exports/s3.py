"""All files of a run's results to a bucket: `<prefix>/<run>/…`, the ledger last.

Every file is sent with its SHA-256 (of a file in parts, of each part), which the server checks, and which is asked for
again afterwards. A file that is there with the same checksum is not sent. Who sees `ledger.json` sees all the rest.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import TemporaryError, UsageError
from orchestrator.exports.interface import ExportUnavailableError
from orchestrator.exports.s3_checksums import Sum, sum_file
from orchestrator.exports.s3_errors import explain
from orchestrator.results.provisional import LEDGER

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.config.exports import S3Section
    from orchestrator.config.loading import Config
    from orchestrator.results.run import RunResults

name = "s3"
description = "all files of the results to a bucket of an S3-speaking server"
text = False

_log = logging.getLogger(__name__)
_TYPES = {
    ".csv": "text/csv",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".sarif": "application/sarif+json",
}


def export(results: RunResults, config: Config, to: str = "") -> str:
    """Send the results; see `orchestrator.exports.interface.Export`.

    Args:
        results: of a run that has ended.
        config: its `exports.s3` says where to.
        to: another prefix than the configured one.

    Returns:
        `s3://<bucket>/<prefix>/<run>/`.
    """
    section = config.exports.s3
    if section is None:
        raise UsageError("exports.s3 is not set; name at least its `bucket`")
    results.ledger  # noqa: B018 - raises where the run has none
    prefix = "/".join(part for part in ((to or section.prefix).strip("/"), results.run) if part)
    if section.attempts is None:
        section = section.model_copy(update={"attempts": config.limits.retries + 1})
    upload = _Upload(section, str(config.base), prefix)
    files = sorted(path for path in results.folder.rglob("*") if _belongs(path, results.folder))
    ledger = results.folder / LEDGER
    with_checksums = {path: sum_file(path, section.part_size) for path in files}
    upload.send({path: total for path, total in with_checksums.items() if path != ledger}, results.folder)
    upload.send({ledger: with_checksums[ledger]}, results.folder)
    return f"s3://{section.bucket}/{prefix}/"


def _belongs(path: Path, folder: Path) -> bool:
    """Whether it is one of the results: a regular file, and not one that is just being written."""
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and not path.is_symlink() and path.is_file()


class _Upload:
    """One export on its way; ends by its deadline."""

    def __init__(self, section: S3Section, base: str, prefix: str) -> None:
        self._section = section
        self._prefix = prefix
        self._where = f"bucket {section.bucket!r} at {section.endpoint or 'Amazon S3'}"
        self._end = time.monotonic() + section.deadline
        self._client = self._asking(lambda: _client(section, base))

    def send(self, files: dict[Path, Sum], folder: Path) -> None:
        """Send what is not there yet, several files at a time, and see that all of it has arrived."""
        keys = {path: f"{self._prefix}/{path.relative_to(folder).as_posix()}" for path in files}
        lacking = {path: total for path, total in files.items() if not self._is_there(keys[path], total)}
        for path in files.keys() - lacking.keys():
            _log.info("%s is there already", keys[path])
        self._transfer(lacking, keys)
        for path, total in lacking.items():
            if not self._is_there(keys[path], total):
                raise ExportUnavailableError(
                    f"{self._where}: {keys[path]} was sent, but what is there has another checksum than the file; "
                    "was it changed meanwhile? export again"
                )
            _log.info("%s sent, %d bytes", keys[path], total.size)

    def _transfer(self, files: dict[Path, Sum], keys: dict[Path, str]) -> None:
        from boto3.s3.transfer import TransferConfig, create_transfer_manager  # noqa: PLC0415 - heavy

        for part_size in sorted({total.part_size for total in files.values()}):
            settings = TransferConfig(
                multipart_threshold=part_size,
                multipart_chunksize=part_size,
                max_concurrency=self._section.concurrency,
                max_io_queue=10,
            )
            chosen = [path for path, total in files.items() if total.part_size == part_size]
            # When one fails, the manager ends the others, and takes back what was sent of files in parts.
            with create_transfer_manager(self._client, settings) as manager:
                futures = [
                    manager.upload(
                        str(path),
                        self._section.bucket,
                        keys[path],
                        extra_args=self._arguments(path, files[path]),
                        subscribers=[_watch(self._in_time)],
                    )
                    for path in chosen
                ]
                for future in futures:
                    self._asking(future.result)

    def _arguments(self, path: Path, total: Sum) -> dict[str, Any]:
        section = self._section
        arguments = {
            "ChecksumAlgorithm": "SHA256",
            "ContentType": _TYPES.get(path.suffix, "application/octet-stream"),
            "Metadata": {"sha256": total.whole},
            "StorageClass": section.storage_class,
            "ServerSideEncryption": section.encryption,
            "SSEKMSKeyId": section.kms_key,
        }
        return {key: value for key, value in arguments.items() if value is not None}

    def _is_there(self, key: str, total: Sum) -> bool:
        """Whether an object of this name has this content."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - heavy

        self._in_time()

        def ask() -> dict[str, Any] | None:
            try:
                found: dict[str, Any] = self._client.head_object(
                    Bucket=self._section.bucket, Key=key, ChecksumMode="ENABLED"
                )
            except ClientError as error:
                # Without the right to list a bucket, an object that is not there is forbidden too.
                if error.response["ResponseMetadata"].get("HTTPStatusCode") in {403, 404}:
                    return None
                raise
            return found

        head = self._asking(ask)
        if head is None or head["ContentLength"] != total.size:
            return False
        said = head.get("ChecksumSHA256")
        return bool(said == total.checksum if said else head.get("Metadata", {}).get("sha256") == total.whole)

    def _asking(self, ask: Callable[[], Any]) -> Any:
        """Call something of boto3; what it raises becomes ours."""
        from boto3.exceptions import Boto3Error  # noqa: PLC0415 - heavy
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - heavy

        try:
            return ask()
        except (BotoCoreError, ClientError, Boto3Error, OSError, ValueError) as error:
            self._in_time()  # a transfer that was stopped for its time fails in many ways
            ours = explain(error, self._where)
            if isinstance(ours, TemporaryError):
                ours.given_up = True  # boto3 has made all attempts, see `_client`
            raise ours from error

    def _in_time(self) -> None:
        """Raises ExportUnavailableError when the export has taken too long."""
        if time.monotonic() > self._end:
            raise ExportUnavailableError(
                f"{self._where}: not done within {self._section.deadline} s; raise exports.s3.deadline, or look "
                "why it is slow"
            )


def _watch(check: Callable[[], None]) -> Any:
    """A subscriber of a transfer that looks at the clock with every piece."""
    from s3transfer.subscribers import BaseSubscriber  # noqa: PLC0415 - heavy

    class Watch(BaseSubscriber):  # type: ignore[misc] # has no types
        """Stops a transfer whose time is over."""

        def on_progress(self, **_: Any) -> None:
            """A piece has been read to be sent."""
            check()

    return Watch()


def _client(section: S3Section, base: str) -> Any:
    """A client of boto3; its credentials come from wherever boto3 looks for them."""
    import boto3  # noqa: PLC0415 - takes a fifth of a second
    import urllib3  # noqa: PLC0415 - only with `insecure`
    from botocore.config import Config as Settings  # noqa: PLC0415 - as above

    if section.insecure:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # it was asked for, by name
    session = boto3.session.Session(profile_name=section.profile, region_name=section.region)
    if session.get_credentials() is None:
        raise UsageError(
            "no credentials for S3; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in "
            "exports.s3.profile, or give the pod's service account a role"
        )
    return session.client(
        "s3",
        endpoint_url=section.endpoint,
        verify=False if section.insecure else _beside(base, section.ca_bundle),
        config=Settings(
            connect_timeout=section.timeout,
            read_timeout=section.timeout,
            retries={"mode": "standard", "total_max_attempts": section.attempts},
            max_pool_connections=max(10, section.concurrency),
            s3={"addressing_style": section.addressing},
        ),
    )


def _beside(base: str, file: str | None) -> str | None:
    """A file of the configuration: relative to its folder."""
    return str(Path(base) / Path(file).expanduser()) if file else None
