"""The S3 export against a real S3-speaking server, and through a proxy that misbehaves."""

import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.config.loading import Config, default_config
from orchestrator.errors import UsageError
from orchestrator.exports import load
from orchestrator.exports.interface import ExportRefusedError, ExportUnavailableError
from orchestrator.results.run import RunResults
from tests.exports import put_run
from tests.tools.certificates import self_signed
from tests.tools.faults import Fault
from tests.tools.proxy import Proxy
from tests.tools.s3 import ACCESS_KEY, REGION, SECRET_KEY, S3Server, start_s3

# s3transfer leaves the files of parts that it never came to send to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <_io.FileIO:pytest.PytestUnraisableExceptionWarning"
)

MIB = 1024 * 1024
PREFIX = "scanmatrix/run-1"
FILES = {"findings.parquet", "ledger.json", "merged.csv", "merged.parquet"}
UPLOADS = ("PUT", "POST")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with start_s3(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture
def bucket(server: S3Server, repository: str) -> str:
    return server.make_bucket(repository[:40].strip("-") + f"-{time.monotonic_ns() % 10**6}")


@pytest.fixture
def proxy(server: S3Server) -> Iterator[Proxy]:
    with Proxy(server.url) as found:
        yield found
        assert found.errors == []


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What a test leaves is collected in it, not in a later one."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture
def results(tmp_path: Path) -> RunResults:
    """A run with a file of three parts among its results, and what is none of them."""
    results = put_run(tmp_path / "volume")
    (results.folder / "findings.parquet").write_bytes(os.urandom(11 * MIB + 17))
    (results.folder / ".findings.csv.x1.tmp").write_bytes(b"half")
    (results.folder / "elsewhere").symlink_to("/etc/hostname")
    return results


def configure(endpoint: str, bucket: str, **changes: object) -> Config:
    section = {"bucket": bucket, "endpoint": endpoint, "region": REGION, "addressing": "path", "partSize": 5 * MIB}
    return default_config(environment={}, exports={"s3": section | {"timeout": "2s", "attempts": 3} | changes})


def export(results: RunResults, config: Config, to: str = "") -> str:
    return load("s3").export(results, config, to)


def test_all_results_arrive_as_they_are(server: S3Server, bucket: str, results: RunResults) -> None:
    assert export(results, configure(server.url, bucket)) == f"s3://{bucket}/{PREFIX}/"
    assert set(server.keys(bucket)) == {f"{PREFIX}/{name}" for name in FILES}
    client = server.client()
    for name in FILES:
        body = client.get_object(Bucket=bucket, Key=f"{PREFIX}/{name}", ChecksumMode="ENABLED")["Body"].read()
        assert body == (results.folder / name).read_bytes()
    head = client.head_object(Bucket=bucket, Key=f"{PREFIX}/findings.parquet", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"].endswith("-3")
    assert server.parts_left(bucket) == []


def test_the_ledger_is_sent_last(server: S3Server, bucket: str, results: RunResults, proxy: Proxy) -> None:
    export(results, configure(proxy.url, bucket))
    sent = [each for each in proxy.log if each.method in UPLOADS and not each.query.startswith("uploads")]
    ledger = [each for each in sent if each.path.endswith("/ledger.json")]
    others = [each for each in sent if not each.path.endswith("/ledger.json")]
    assert len(ledger) == 1
    assert ledger[0].started > max(each.ended for each in others if each.ended is not None)


def test_a_second_export_sends_nothing(server: S3Server, bucket: str, results: RunResults, proxy: Proxy) -> None:
    config = configure(proxy.url, bucket)
    export(results, config)
    proxy.log.clear()
    export(results, config)
    assert {each.method for each in proxy.log} == {"HEAD"}


def test_only_what_has_changed_is_sent_again(server: S3Server, bucket: str, results: RunResults, proxy: Proxy) -> None:
    config = configure(proxy.url, bucket)
    export(results, config)
    proxy.log.clear()
    data = bytearray((results.folder / "findings.parquet").read_bytes())
    data[-1] ^= 1  # of the same length, so only its checksum tells
    (results.folder / "findings.parquet").write_bytes(data)
    export(results, config)
    assert {each.path.rpartition("/")[2] for each in proxy.log if each.method in UPLOADS} == {"findings.parquet"}
    body = server.client().get_object(Bucket=bucket, Key=f"{PREFIX}/findings.parquet")["Body"].read()
    assert body == bytes(data)


def test_another_prefix(server: S3Server, bucket: str, results: RunResults) -> None:
    assert export(results, configure(server.url, bucket), "/a/b/") == f"s3://{bucket}/a/b/run-1/"
    assert "a/b/run-1/ledger.json" in server.keys(bucket)


@pytest.mark.parametrize("path", ["*/merged.csv", "*/findings.parquet"])
def test_a_byte_that_changes_on_its_way_is_noticed(
    server: S3Server, bucket: str, results: RunResults, proxy: Proxy, path: str
) -> None:
    proxy.faults.add(Fault(path=path, methods=("PUT",), times=None, upload_corrupt_at=100))
    with pytest.raises(ExportUnavailableError):
        export(results, configure(proxy.url, bucket))
    assert f"{PREFIX}/{path[2:]}" not in server.keys(bucket)
    assert f"{PREFIX}/ledger.json" not in server.keys(bucket)
    proxy.faults.clear()
    export(results, configure(proxy.url, bucket))
    assert f"{PREFIX}/ledger.json" in server.keys(bucket)


def test_a_missing_bucket_is_named(server: S3Server, results: RunResults) -> None:
    with pytest.raises(ExportRefusedError) as refused:
        export(results, configure(server.url, "no-such-bucket"))
    assert "no-such-bucket" in str(refused.value)
    assert server.url in str(refused.value)


def test_wrong_credentials_are_refused(
    server: S3Server, bucket: str, results: RunResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(ExportRefusedError) as refused:
        export(results, configure(server.url, bucket))
    assert "not-the-secret" not in str(refused.value)
    assert "credentials" in str(refused.value)
    assert server.keys(bucket) == []


def test_without_credentials_nothing_is_asked(
    bucket: str, results: RunResults, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UsageError):
        export(results, configure(proxy.url, bucket))
    with pytest.raises(UsageError):
        export(results, configure(proxy.url, bucket, profile="nobody"))
    assert len(proxy.log) == 0


def test_over_tls(results: RunResults, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    with start_s3(tmp_path, certificate) as server:
        server.make_bucket("results")
        with pytest.raises(ExportRefusedError) as refused:
            export(results, configure(server.url, "results"))
        assert "caBundle" in str(refused.value)
        for number, trust in enumerate(({"caBundle": str(certificate)}, {"insecure": True})):
            export(results, configure(server.url, "results", **trust), str(number))
            assert {f"{number}/run-1/{name}" for name in FILES} <= set(server.keys("results"))
            head = server.client().head_object(
                Bucket="results", Key=f"{number}/run-1/findings.parquet", ChecksumMode="ENABLED"
            )
            assert head["ChecksumSHA256"].endswith("-3")


def test_a_busy_server_is_waited_for(server: S3Server, bucket: str, results: RunResults, proxy: Proxy) -> None:
    proxy.faults.add(Fault(methods=("HEAD", *UPLOADS), times=2, status=503))
    export(results, configure(proxy.url, bucket))
    assert set(server.keys(bucket)) == {f"{PREFIX}/{name}" for name in FILES}


def test_a_server_that_stays_busy_ends_the_export(
    server: S3Server, bucket: str, results: RunResults, proxy: Proxy
) -> None:
    proxy.faults.add(Fault(path="*/findings.parquet", methods=UPLOADS, times=None, status=503))
    with pytest.raises(ExportUnavailableError) as unavailable:
        export(results, configure(proxy.url, bucket))
    assert bucket in str(unavailable.value)
    assert proxy.log.count("POST", status=503) == 3
    assert f"{PREFIX}/ledger.json" not in server.keys(bucket)


@pytest.mark.parametrize("methods", [("HEAD",), ("PUT",)])
def test_a_server_that_never_answers_ends_the_export(
    server: S3Server, bucket: str, results: RunResults, proxy: Proxy, methods: tuple[str, ...]
) -> None:
    proxy.faults.add(Fault(path="*/merged.csv", methods=methods, times=None, delay=3600))
    begun = time.monotonic()
    with pytest.raises(ExportUnavailableError):
        export(results, configure(proxy.url, bucket, timeout="1s", attempts=2))
    assert time.monotonic() - begun < 30
    assert f"{PREFIX}/ledger.json" not in server.keys(bucket)


def test_a_server_that_takes_bytes_slowly_ends_the_export(
    server: S3Server, bucket: str, results: RunResults, proxy: Proxy
) -> None:
    proxy.faults.add(Fault(path="*/findings.parquet", methods=("PUT",), times=None, upload_rate=500_000))
    begun = time.monotonic()
    with pytest.raises(ExportUnavailableError) as unavailable:
        export(results, configure(proxy.url, bucket, deadline="3s", concurrency=1))
    assert "deadline" in str(unavailable.value)
    assert time.monotonic() - begun < 30
    assert f"{PREFIX}/ledger.json" not in server.keys(bucket)


def test_a_connection_that_breaks_once_is_made_again(
    server: S3Server, bucket: str, results: RunResults, proxy: Proxy
) -> None:
    proxy.faults.add(Fault(path="*/findings.parquet", methods=("PUT",), upload_reset_after=MIB))
    export(results, configure(proxy.url, bucket))
    body = server.client().get_object(Bucket=bucket, Key=f"{PREFIX}/findings.parquet")["Body"].read()
    assert body == (results.folder / "findings.parquet").read_bytes()


def test_a_connection_that_always_breaks_leaves_nothing_half(
    server: S3Server, bucket: str, results: RunResults, proxy: Proxy
) -> None:
    proxy.faults.add(Fault(path="*/findings.parquet", methods=("PUT",), times=None, upload_reset_after=MIB))
    with pytest.raises(ExportUnavailableError):
        export(results, configure(proxy.url, bucket, attempts=2))
    assert not {f"{PREFIX}/ledger.json", f"{PREFIX}/findings.parquet"} & set(server.keys(bucket))
    assert server.parts_left(bucket) == []


def test_a_server_that_is_not_there(bucket: str, results: RunResults, server: S3Server) -> None:
    with Proxy(server.url) as gone:
        url = gone.url
    with pytest.raises(ExportUnavailableError) as unavailable:
        export(results, configure(url, bucket, attempts=1))
    assert url in str(unavailable.value)
