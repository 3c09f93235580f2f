"""Databases fetched by our own code from real servers, and read by the real scanners."""

import gzip
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator import databases
from orchestrator.databases import clamav
from orchestrator.databases.interface import DatabaseRefused, FetchLimit, Order, OutOfTime, sum_of
from orchestrator.engines.local.launch import Launcher
from orchestrator.engines.local.scanners import Scanners
from orchestrator.errors import PermanentError, ScanmatrixError
from orchestrator.findings import formats
from orchestrator.model import Cache, Database, DatabaseFetch, Scan
from orchestrator.net.errors import Broken, NotFound, Untrusted
from orchestrator.steps.refresh import refresh
from orchestrator.upkeep.databases import current
from orchestrator.upkeep.versions import read_facts
from orchestrator.volume.layout import Volume
from tests.cluster import databases as written
from tests.tools import cvds, find, require, samples
from tests.tools.certificates import self_signed
from tests.tools.images import Image, Layer, sha256
from tests.tools.mirror import ARCHIVE, LISTING, Mirror, grype_files, mirror, tar
from tests.tools.servers import Registry

NOW = datetime.now(UTC).replace(microsecond=0)
LIMIT = 8 * 1024 * 1024
_DB = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"
_JAVA = "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip"


@pytest.fixture
def served() -> Iterator[Mirror]:
    with mirror() as found:
        yield found


@pytest.fixture
def order(tmp_path: Path) -> Callable[..., Order]:
    """An order for a kind; each call has an empty folder of its own."""
    count = iter(range(99))

    def make(seconds: float = 30, limit: int = LIMIT, retries: int = 2, **settings: str) -> Order:
        folder = tmp_path / f"order-{next(count)}"
        folder.mkdir()
        return Order(settings, folder, limit, FetchLimit(time.monotonic() + seconds), retries=retries, now=NOW)

    return make


def put_grype(served: Mirror, content: bytes = b"sqlite", since: datetime = NOW, **changes: str) -> None:
    """Serve a database as Grype's listing has it, with whatever else it may say."""
    served.files |= grype_files(content, since, **changes)


def put_clamav(served: Mirror, version: int = 5, **changes: int) -> None:
    """Serve all databases of ClamAV."""
    for name in clamav.DATABASES:
        served.files[f"/{name}.cvd"] = cvds.cvd(name, version=version, built=changes.get("built", int(NOW.timestamp())))


def sums(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sum_of(path) for path in folder.rglob("*") if path.is_file()}


def artifact(layer: bytes, media_type: str = _DB) -> Image:
    blob = Layer(b"", layer)
    config = b"{}"
    described = {"mediaType": media_type, "digest": blob.digest, "size": len(layer)}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.aquasec.trivy.config.v1+json", "digest": sha256(config), "size": 2},
        "layers": [described],
    }
    return Image(json.dumps(manifest).encode(), config, (blob,), {}, str(manifest["mediaType"]))


def trivy_layer(content: bytes = b"bolt", updated: datetime = NOW, name: str = "trivy_db") -> bytes:
    metadata = {"Version": 2, "UpdatedAt": updated.isoformat(), "NextUpdate": updated.isoformat(), "DownloadedAt": "x"}
    return gzip.compress(tar(**{name: content, "metadata_json": json.dumps(metadata).encode()}), mtime=0)


# --- by HTTP


def test_a_cut_download_is_resumed_where_it_was_cut(served: Mirror, order: Callable[..., Order]) -> None:
    put_grype(served, os.urandom(300_000))
    served.cut[ARCHIVE] = [100_000, 50_000]
    wanted = order(url=f"{served.url}/databases")
    assert databases.fetch("grype", wanted) is not None
    assert (wanted.folder / "vulnerability.db").stat().st_size == 300_000
    ranges = [each for where, each in served.asked if "db_2026" in where]
    assert ranges == ["", "bytes=100000-", "bytes=150000-"]


@pytest.mark.parametrize("without", ["ranges", "tags"])
def test_without_ranges_or_versions_it_begins_again(served: Mirror, order: Callable[..., Order], without: str) -> None:
    put_grype(served, os.urandom(300_000))
    setattr(served, without, False)
    served.cut = {ARCHIVE: [100_000]}
    wanted = order(url=f"{served.url}/databases")
    databases.fetch("grype", wanted)
    assert (wanted.folder / "vulnerability.db").stat().st_size == 300_000


def test_what_is_cut_forever_ends_with_the_retries(served: Mirror, order: Callable[..., Order]) -> None:
    put_grype(served, os.urandom(300_000))
    served.cut = {ARCHIVE: [1000] * 1000}
    with pytest.raises(Broken):
        databases.fetch("grype", order(url=f"{served.url}/databases"))
    assert len(served.asked) <= 2 + 3  # the listing twice, and an attempt and two retries
    assert served.sent < 100_000


def test_a_mirror_that_drips_ends_with_the_time_out(served: Mirror, order: Callable[..., Order]) -> None:
    put_grype(served)
    served.drip = 0.2
    begun = time.monotonic()
    with pytest.raises(OutOfTime):
        databases.fetch("grype", order(url=f"{served.url}/databases", seconds=1))
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("lengths", [True, False])
def test_a_download_ends_at_the_limit(served: Mirror, order: Callable[..., Order], *, lengths: bool) -> None:
    put_grype(served, os.urandom(2 * LIMIT))
    served.lengths = lengths
    wanted = order(url=f"{served.url}/databases")
    with pytest.raises(DatabaseRefused, match="limit"):
        databases.fetch("grype", wanted)
    assert sum(path.stat().st_size for path in wanted.folder.rglob("*")) <= LIMIT


def test_a_listing_without_end(served: Mirror, order: Callable[..., Order]) -> None:
    served.files[LISTING] = b" " * (4 * LIMIT)
    with pytest.raises(DatabaseRefused, match="small document"):
        databases.fetch("grype", order(url=f"{served.url}/databases"))


def test_redirects_never_leave_tls(
    tmp_path: Path, served: Mirror, order: Callable[..., Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_grype(served)
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with mirror(certificate) as safe:
        safe.redirects[LISTING] = served.url + LISTING
        with pytest.raises(Broken, match="from TLS to plain"):
            databases.fetch("grype", order(url=f"{safe.url}/databases"))
    assert not served.asked


def test_a_mirror_with_another_certificate_is_refused(tmp_path: Path, order: Callable[..., Order]) -> None:
    with mirror(self_signed(tmp_path)) as other, pytest.raises(Untrusted):
        databases.fetch("grype", order(url=f"{other.url}/databases"))


def test_redirects_to_other_hosts_are_followed(served: Mirror, order: Callable[..., Order]) -> None:
    with mirror() as cdn:
        put_grype(cdn)
        served.redirects = {path: cdn.url + path for path in cdn.files}
        assert databases.fetch("grype", order(url=f"{served.url}/databases")) is not None


# --- Grype


@pytest.mark.parametrize(
    "changes",
    [
        {"checksum": f"sha256:{'0' * 64}"},
        {"checksum": ""},
        {"checksum": "md5:" + "0" * 32},
        {"schemaVersion": "5.0.0"},
        {"schemaVersion": ""},
        {"built": "soon"},
        {"path": "../../elsewhere.tar.zst"},
        {"path": "/etc/passwd"},
        {"path": ""},
        {"path": "a/./b"},
        {"path": "https://evil.example/db.tar.zst"},
        {"Checksum": "sha256:" + "1" * 64},
    ],
)
def test_a_listing_that_is_not_right(served: Mirror, order: Callable[..., Order], changes: dict[str, str]) -> None:
    put_grype(served, **changes)
    wanted = order(url=f"{served.url}/databases")
    with pytest.raises(PermanentError):
        databases.fetch("grype", wanted)
    assert not (wanted.folder / "vulnerability.db").exists()


@pytest.mark.parametrize("listing", [b"", b"[]", b"{", b"\xff\xfe", b"null", b"[" * 100_000])
def test_what_is_no_listing(served: Mirror, order: Callable[..., Order], listing: bytes) -> None:
    served.files[LISTING] = listing
    with pytest.raises(PermanentError):
        databases.fetch("grype", order(url=f"{served.url}/databases"))


def test_no_listing_at_all(served: Mirror, order: Callable[..., Order]) -> None:
    with pytest.raises(NotFound):
        databases.fetch("grype", order(url=f"{served.url}/databases"))


def grype(served: Mirror, load: tuple[str, ...] = ("cp", "{fetched}/vulnerability.db", "{database}/loaded")) -> Scan:
    fetch = DatabaseFetch("grype", {"url": f"{served.url}/databases", "max_age": "5d"}, LIMIT)
    return Scan("dependency", "anchore/grype:1", ("sh",), "grype", database=Database(max_age=0, fetch=fetch, load=load))


def run(scan: Scan, folder: Path, fetched: Path | None) -> None:
    """A runner as an engine has it, of a `load` that must not write what it reads."""
    Scanners(Launcher("process", "test")).refresh(scan, folder, fetched, str)


def test_an_unchanged_database_is_not_fetched_again(tmp_path: Path, served: Mirror) -> None:
    put_grype(served)
    volume = Volume(tmp_path / "volume")
    first = refresh(grype(served), volume, runner=run, now=NOW)
    asked = len(served.asked)
    second = refresh(grype(served), volume, runner=run, now=NOW + timedelta(minutes=1))
    assert (first.error, second.error, second.refreshed) == ("", "", True)
    assert second.version != first.version == NOW.strftime("%Y%m%dT%H%M%SZ")
    assert [path for path, _ in served.asked[asked:]] == [LISTING]
    folder = volume.databases("dependency")
    assert (folder / second.version / "loaded").samefile(folder / first.version / "loaded")
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {first.version, second.version, "current"}


def test_what_somebody_changed_is_not_taken_over(tmp_path: Path, served: Mirror) -> None:
    put_grype(served)
    volume = Volume(tmp_path / "volume")
    first = refresh(grype(served), volume, runner=run, now=NOW)
    for number, change in enumerate((b"forged", None), start=1):
        loaded = volume.databases("dependency") / current(volume, "dependency") / "loaded"
        (loaded if change else loaded.with_name("added")).write_bytes(change or b"x")
        state = refresh(grype(served), volume, runner=run, now=NOW + timedelta(minutes=number))
        assert state.version != first.version
        folder = volume.databases("dependency") / state.version
        assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."} == {
            "loaded": b"sqlite"
        }


def test_another_image_of_the_scanner_loads_it_again(tmp_path: Path, served: Mirror) -> None:
    put_grype(served)
    volume = Volume(tmp_path / "volume")
    scan = grype(served)
    first = refresh(scan, volume, runner=run, now=NOW)
    newer = Scan("dependency", "anchore/grype:2", ("sh",), "grype", database=scan.database)
    second = refresh(newer, volume, runner=run, now=NOW + timedelta(minutes=1))
    folder = volume.databases("dependency")
    assert not (folder / second.version / "loaded").samefile(folder / first.version / "loaded")


@pytest.mark.parametrize("days", [1, 10])
def test_a_mirror_that_goes_back_leaves_the_database_there_is(tmp_path: Path, served: Mirror, days: int) -> None:
    put_grype(served)
    volume = Volume(tmp_path / "volume")
    first = refresh(grype(served), volume, runner=run, now=NOW)
    put_grype(served, b"older", since=NOW - timedelta(days=days))
    second = refresh(grype(served), volume, runner=run, now=NOW + timedelta(minutes=1))
    assert (second.version, second.refreshed) == (first.version, False)
    assert "older" in second.error


def test_a_mirror_that_stands_still_is_reported_after_a_time(tmp_path: Path, served: Mirror) -> None:
    put_grype(served)
    volume = Volume(tmp_path / "volume")
    refresh(grype(served), volume, runner=run, now=NOW)
    late = refresh(grype(served), volume, runner=run, now=NOW + timedelta(days=6))
    assert not late.refreshed
    assert "5d" in late.error


def test_what_a_scanner_loads_cannot_forge_what_is_known_of_it(tmp_path: Path, served: Mirror) -> None:
    put_grype(served)
    volume = Volume(tmp_path / "volume")
    forge = 'cp "$1/vulnerability.db" "$2/loaded"; echo "{}" > "$2/.scanmatrix.json"'
    state = refresh(grype(served, ("sh", "-c", forge, "sh", "{fetched}", "{database}")), volume, runner=run, now=NOW)
    facts = read_facts(volume.databases("dependency") / state.version)
    assert facts is not None
    assert facts.parts[0].version == "v6.1.4"


@pytest.mark.parametrize("command", ["ln -s /etc/passwd", "mkfifo"])
def test_what_a_scanner_loads_is_files_and_nothing_else(tmp_path: Path, served: Mirror, command: str) -> None:
    put_grype(served)
    volume = Volume(tmp_path / "volume")
    load = ("sh", "-c", f'cp "$1/vulnerability.db" "$2/loaded"; {command} "$2/link"', "sh", "{fetched}", "{database}")
    state = refresh(grype(served, load), volume, runner=run, now=NOW)
    assert "links" in state.error
    assert current(volume, "dependency") == ""


def test_grype_reads_what_was_fetched_and_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = find("grype")
    if binary is None:
        pytest.skip("grype takes minutes to build; get it by: python -m tests.tools --all")
    from orchestrator.catalog.loading import load_catalog  # noqa: PLC0415
    from orchestrator.config.loading import default_config  # noqa: PLC0415

    root = written.grype(tmp_path / "mirror")
    monkeypatch.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")
    volume = Volume(tmp_path / "volume")
    with mirror() as served:
        served.files = {f"/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()}
        config = default_config(
            environment={}, scans={"parameters": {"dependency": {"databaseUrl": f"{served.url}/databases"}}}
        )
        scan = load_catalog(config)["dependency"]
        state = refresh(scan, volume, runner=run)
    assert state.error == ""
    folder = volume.databases("dependency") / state.version
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GRYPE_DB_CACHE_DIR": str(folder),
                   "GRYPE_DB_AUTO_UPDATE": "false", "GRYPE_DB_VALIDATE_BY_HASH_ON_START": "true",
                   "GRYPE_CHECK_FOR_APP_UPDATE": "false"}  # fmt: skip
    jar = tmp_path / "log4j-core-2.14.1.jar"
    jar.write_bytes(_log4j())
    report, same = tmp_path / "report.json", tmp_path / "report.sarif"
    subprocess.run([binary, str(jar), f"--output=json={report}", f"--output=sarif={same}"], env=environment, check=True)
    (found,) = formats()["grype"].parse(report.read_bytes()).findings
    assert found.id == "GHSA-jfh8-c2jp-5v3q"
    # SARIF says the same of it, and above all Grype's own severity.
    (other,) = formats()["sarif"].parse(same.read_bytes()).findings
    for field in ("id", "severity", "package", "version", "fixed_version", "purl"):
        assert getattr(other, field) == getattr(found, field), field
    ignoring = tmp_path / "grype.yaml"
    ignoring.write_text("ignore: [{vulnerability: GHSA-jfh8-c2jp-5v3q, reason: not reachable}]\n")
    subprocess.run([binary, str(jar), f"--output=json={report}", "--config", ignoring], env=environment, check=True)
    (ignored,) = formats()["grype"].parse(report.read_bytes()).findings
    assert (ignored.id, ignored.suppressed.reason) == (found.id, "not reachable")
    with (folder / "6" / "vulnerability.db").open("ab") as file:
        file.write(b"more")
    done = subprocess.run([binary, str(jar)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0


def _log4j() -> bytes:
    from tests.tools import artifacts  # noqa: PLC0415

    return artifacts.log4j_jar()


# --- Trivy


def trivy(order: Callable[..., Order], registry: Registry, repository: str, **more: str) -> Order:
    return order(repository=f"{registry.host}/{repository}:2", **more)


def test_the_layer_of_an_artifact_lies_where_trivy_looks(
    order: Callable[..., Order], registry: Registry, repository: str
) -> None:
    registry.push(f"{repository}:2", artifact(trivy_layer()))
    registry.push(f"{repository}-java:1", artifact(trivy_layer(b"index", name="trivy-java_db"), _JAVA))
    wanted = trivy(order, registry, repository, java_repository=f"{registry.host}/{repository}-java:1")
    facts = databases.fetch("trivy", wanted)
    assert facts is not None
    found = {str(path.relative_to(wanted.folder)) for path in wanted.folder.rglob("*") if path.is_file()}
    assert found == {"db/trivy.db", "db/metadata.json", "java-db/trivy-java.db", "java-db/metadata.json"}
    metadata = json.loads((wanted.folder / "db" / "metadata.json").read_text())
    assert metadata["Version"] == 2
    assert metadata["DownloadedAt"] == NOW.isoformat().replace("+00:00", "Z")
    assert [part.name for part in facts.parts] == ["db", "java-db"]


def test_it_is_read_through_the_cache_that_stands_for_its_registry(
    order: Callable[..., Order], registry: Registry, repository: str
) -> None:
    pushed = artifact(trivy_layer())
    registry.push(f"{repository}:2", pushed)
    wanted = replace(order(repository=f"ghcr.io/{repository}:2"), caches=(Cache(upstream="ghcr.io", url=registry.url),))
    facts = databases.fetch("trivy", wanted)
    assert facts is not None
    assert (facts.parts[0].origin, facts.parts[0].digest) == (f"ghcr.io/{repository}:2", pushed.digest)


def test_an_unchanged_artifact_is_taken_over(order: Callable[..., Order], registry: Registry, repository: str) -> None:
    registry.push(f"{repository}:2", artifact(trivy_layer()))
    first = trivy(order, registry, repository)
    facts = databases.fetch("trivy", first)
    assert facts is not None
    second = replace(
        trivy(order, registry, repository),
        before={part.name: part for part in facts.parts},
        previous=first.folder,
        sums=sums(first.folder),
    )
    assert databases.fetch("trivy", second) == facts
    assert (second.folder / "db" / "trivy.db").samefile(first.folder / "db" / "trivy.db")


@pytest.mark.parametrize(
    "pushed",
    [
        artifact(trivy_layer(), _JAVA),
        artifact(trivy_layer(), "application/vnd.oci.image.layer.v1.tar+gzip"),
        artifact(b"not an archive"),
        artifact(gzip.compress(tar(trivy_db=b"bolt"))),
        artifact(gzip.compress(tar(trivy_db=b"bolt", metadata_json=b"[]"))),
        artifact(gzip.compress(tar(trivy_db=b"bolt", metadata_json=b"{}"))),
        artifact(gzip.compress(tar(trivy_db=bytes(2 * LIMIT), metadata_json=b"{}"))),
        artifact(trivy_layer(updated=NOW + timedelta(days=9))),
        Image.build([]),
    ],
    ids=range(9),
)
def test_what_is_no_database_of_trivy(
    order: Callable[..., Order], registry: Registry, repository: str, pushed: Image
) -> None:
    registry.push(f"{repository}:2", pushed)
    with pytest.raises(PermanentError):
        databases.fetch("trivy", trivy(order, registry, repository))


def test_a_layer_of_other_bytes_than_its_digest_stands_for(
    order: Callable[..., Order], make_proxy: Callable[..., object], registry: Registry, repository: str
) -> None:
    pushed = artifact(trivy_layer(os.urandom(10_000)))
    registry.push(f"{repository}:2", pushed)
    blob = pushed.layers[0]
    stored = registry.storage / "docker/registry/v2/blobs/sha256" / blob.digest[7:9] / blob.digest[7:] / "data"
    content = bytearray(stored.read_bytes())
    content[-20] ^= 1
    stored.write_bytes(content)
    wanted = trivy(order, registry, repository)
    with pytest.raises(ScanmatrixError):
        databases.fetch("trivy", wanted)
    assert not (wanted.folder / "db").exists()


def test_a_tag_that_goes_back_is_refused(order: Callable[..., Order], registry: Registry, repository: str) -> None:
    registry.push(f"{repository}:2", artifact(trivy_layer()))
    first = databases.fetch("trivy", trivy(order, registry, repository))
    assert first is not None
    registry.push(f"{repository}:2", artifact(trivy_layer(b"old", updated=NOW - timedelta(days=1))))
    back = replace(trivy(order, registry, repository), before={part.name: part for part in first.parts})
    with pytest.raises(DatabaseRefused, match="older"):
        databases.fetch("trivy", back)


def test_trivy_reads_what_was_fetched(tmp_path: Path, order: Callable[..., Order], registry: Registry) -> None:
    binary = require("trivy")
    for name, pushed in written.trivy(tmp_path).items():
        registry.push(name, pushed)
    wanted = order(
        limit=LIMIT * 8,
        repository=f"{registry.host}/aquasecurity/trivy-db:2",
        java_repository=f"{registry.host}/aquasecurity/trivy-java-db:1",
    )
    databases.fetch("trivy", wanted)
    root = tmp_path / "scanned"
    root.mkdir()
    (root / "log4j-core-2.14.1.jar").write_bytes(_log4j())
    done = subprocess.run(
        [binary, "rootfs", "--scanners=vuln", "--format=json", f"--cache-dir={wanted.folder}", "--cache-backend=memory",
         "--skip-db-update", "--skip-java-db-update", "--offline-scan", str(root)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "CVE-2021-44228" in done.stdout


# --- ClamAV


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clamav, "_KEYS", cvds.KEYS)


@pytest.mark.usefixtures("trusting")
def test_signed_databases_are_found_by_clamav(tmp_path: Path, served: Mirror, order: Callable[..., Order]) -> None:
    put_clamav(served)
    wanted = order(mirror=served.url, user_agent="ClamAV/1 (tests)")
    facts = databases.fetch("clamav", wanted)
    assert facts is not None
    assert {(part.name, part.number) for part in facts.parts} == {("main", 5), ("daily", 5), ("bytecode", 5)}
    assert served.headers["User-Agent"] == "ClamAV/1 (tests)"
    (tmp_path / "eicar").write_bytes(samples.EICAR)
    clamscan = cvds.trusting_clamscan(tmp_path / "library")
    done = subprocess.run(
        [*clamscan, f"--database={wanted.folder}", str(tmp_path / "eicar")], capture_output=True, text=True, check=False
    )
    assert cvds.NAME in done.stdout
    path = wanted.folder / "daily.cvd"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")  # and ClamAV refuses what we would
    done = subprocess.run(
        [*clamscan, f"--database={path}", str(tmp_path / "eicar")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2


@pytest.mark.usefixtures("trusting")
def test_scanners_of_other_users_read_it_whatever_our_umask(tmp_path: Path, served: Mirror) -> None:
    put_clamav(served)
    fetch = DatabaseFetch("clamav", {"mirror": served.url, "user_agent": "ClamAV/1 (tests)"}, LIMIT)
    scan = Scan("virus", "clamav/clamav:1", ("sh",), "clamav", database=Database(max_age=0, fetch=fetch))
    volume = Volume(tmp_path / "volume")
    before = os.umask(0o077)
    try:
        for minutes in (0, 1):  # the second is taken over
            state = refresh(scan, volume, runner=run, now=NOW + timedelta(minutes=minutes))
            assert state.error == ""
            folder = volume.databases("virus") / state.version
            read = {path.name: path.stat().st_mode & 0o007 for path in (folder, *folder.rglob("*"))}
            assert len(read) > 3
            assert read.pop(folder.name) == 5
            assert set(read.values()) == {4}
    finally:
        os.umask(before)


def test_the_key_is_that_of_the_installed_clamav(tmp_path: Path) -> None:
    cvds.trusting_clamscan(tmp_path / "library")  # which asserts that it stands in the library


def test_databases_that_somebody_else_signed(served: Mirror, order: Callable[..., Order]) -> None:
    put_clamav(served)
    with pytest.raises(DatabaseRefused, match="signature"):
        databases.fetch("clamav", order(mirror=served.url))


@pytest.mark.usefixtures("trusting")
def test_only_what_has_changed_is_fetched(served: Mirror, order: Callable[..., Order]) -> None:
    put_clamav(served)
    first = order(mirror=served.url)
    facts = databases.fetch("clamav", first)
    assert facts is not None
    served.asked.clear()
    served.files["/daily.cvd"] = cvds.cvd("daily", version=6, built=int(NOW.timestamp()))
    second = replace(
        order(mirror=served.url),
        before={part.name: part for part in facts.parts},
        previous=first.folder,
        sums=sums(first.folder),
    )
    after = databases.fetch("clamav", second)
    assert after is not None
    assert [part.number for part in after.parts] == [5, 6, 5]
    whole = [path for path, wanted in served.asked if not wanted]
    assert whole == ["/daily.cvd"]
    assert (second.folder / "main.cvd").samefile(first.folder / "main.cvd")


@pytest.mark.usefixtures("trusting")
def test_an_older_version_is_refused(served: Mirror, order: Callable[..., Order]) -> None:
    put_clamav(served)
    facts = databases.fetch("clamav", order(mirror=served.url))
    assert facts is not None
    put_clamav(served, version=4)
    with pytest.raises(DatabaseRefused, match="older"):
        databases.fetch("clamav", replace(order(mirror=served.url), before={part.name: part for part in facts.parts}))


@pytest.mark.usefixtures("trusting")
def test_an_old_one_under_a_newer_header_is_refused(served: Mirror, order: Callable[..., Order]) -> None:
    put_clamav(served)
    served.files["/daily.cvd"] = cvds.cvd("daily", version=4, header={2: "9"})
    with pytest.raises(DatabaseRefused, match="signed"):
        databases.fetch("clamav", order(mirror=served.url))


@pytest.mark.usefixtures("trusting")
def test_signatures_of_last_month(served: Mirror, order: Callable[..., Order]) -> None:
    put_clamav(served, built=int((NOW - timedelta(days=31)).timestamp()))
    databases.fetch("clamav", order(mirror=served.url))
    with pytest.raises(DatabaseRefused, match="30d"):
        databases.fetch("clamav", order(mirror=served.url, max_age="30d"))
