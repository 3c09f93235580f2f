"""The harness is what it says: servers, proxy, faults and images, checked with readers that are not ours."""

import hashlib
import http.client
import json
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from tests.integration.conftest import MakeProxy
from tests.tools import faults, layouts, require, samples
from tests.tools.bearer import Bearer
from tests.tools.images import Image, Index
from tests.tools.proxy import Proxy
from tests.tools.servers import PASSWORD, USER, Registry
from tests.tools.upstream import Upstream

BULKY = samples.bulky(layers=1, megabytes=1)
BLOB = BULKY.layers[0]


def fetch(url: str, **headers: str) -> bytes:
    with urlopen(Request(url, headers=headers), timeout=30) as response:
        content: bytes = response.read()
        return content


def blob_url(proxy: Proxy, repository: str) -> str:
    return f"{proxy.url}/v2/{repository}/blobs/{BLOB.digest}"


@pytest.fixture
def url(proxy: Proxy, registry: Registry, repository: str) -> str:
    """URL, through the proxy, of a blob of 1 MiB."""
    registry.push(f"{repository}:1", BULKY)
    return blob_url(proxy, repository)


class TestProxy:
    def test_counts_requests_and_bytes(self, proxy: Proxy, url: str) -> None:
        assert fetch(url) == BLOB.blob
        assert len(fetch(url, Range="bytes=10-19")) == 10
        assert proxy.log.blob_reads() == {BLOB.digest: 2}
        assert proxy.log.blob_bytes() == {BLOB.digest: len(BLOB.blob) + 10}
        assert [e.status for e in proxy.log] == [200, 206]

    def test_pushes_pass_through(self, proxy: Proxy, repository: str, tmp_path: Path) -> None:
        archive = layouts.write_archive(tmp_path / "bulky.tar", BULKY, name="1")
        command = [str(require("skopeo")), "copy", "--dest-tls-verify=false", f"oci-archive:{archive}:1"]
        subprocess.run([*command, f"docker://{proxy.host}/{repository}:1"], check=True, capture_output=True)
        assert proxy.log.count("PUT", status=201) == 3  # a layer, the config, the manifest
        assert fetch(blob_url(proxy, repository)) == BLOB.blob

    def test_status_then_better(self, proxy: Proxy, url: str) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=2)
        proxy.faults.add(faults.answer(429, retry_after=1), faults.answer(429, retry_after=soon), faults.answer(503))
        seen = []
        for _ in range(3):
            with pytest.raises(HTTPError) as caught:
                fetch(url)
            seen.append((caught.value.code, caught.value.headers["Retry-After"]))
            caught.value.close()
        assert seen == [(429, "1"), (429, soon.strftime("%a, %d %b %Y %H:%M:%S GMT")), (503, None)]
        assert fetch(url) == BLOB.blob

    def test_rules_wait_for_their_turn(self, proxy: Proxy, url: str) -> None:
        proxy.faults.add(faults.corrupt(BLOB.digest, after=1, times=1), faults.corrupt("sha256:other", times=None))
        assert [fetch(url) == BLOB.blob for _ in range(3)] == [True, False, True]

    def test_reset_after_bytes(self, proxy: Proxy, url: str) -> None:
        proxy.faults.add(faults.reset(after_bytes=100_000))
        with urlopen(url, timeout=30) as response:
            assert len(response.read(100_000)) == 100_000
            with pytest.raises(ConnectionResetError):
                response.read()
        assert proxy.log.blob_bytes() == {BLOB.digest: 100_000}
        assert fetch(url) == BLOB.blob

    def test_short_body(self, proxy: Proxy, url: str) -> None:
        proxy.faults.add(faults.short(after_bytes=1000))
        with pytest.raises(http.client.IncompleteRead) as caught:
            fetch(url)
        assert len(caught.value.partial) == 1000

    def test_wrong_bytes(self, proxy: Proxy, url: str) -> None:
        proxy.faults.add(faults.corrupt(at=500_000))
        wrong = fetch(url)
        assert [n for n, (a, b) in enumerate(zip(wrong, BLOB.blob, strict=True)) if a != b] == [500_000]

    def test_hanging(self, proxy: Proxy, url: str) -> None:
        proxy.faults.add(faults.stall(after_bytes=10))
        with urlopen(url, timeout=0.2) as response, pytest.raises(TimeoutError):
            response.read()

    def test_slow(self, proxy: Proxy, url: str) -> None:
        proxy.faults.add(faults.slow(rate=4 << 20, delay=0.1))
        started = time.monotonic()
        assert fetch(url) == BLOB.blob
        assert time.monotonic() - started > 0.3

    def test_range_ignored(self, proxy: Proxy, url: str) -> None:
        proxy.faults.add(faults.ignore_range())
        assert fetch(url, Range="bytes=10-19") == BLOB.blob
        assert [(e.status, e.range) for e in proxy.log] == [(200, "bytes=10-19")]

    def test_no_length(self, proxy: Proxy, url: str) -> None:
        proxy.faults.add(faults.no_length())
        with urlopen(url, timeout=30) as response:
            assert response.headers["Content-Length"] is None
            assert response.read() == BLOB.blob

    def test_blob_redirect_refuses_forwarded_credentials(
        self, make_proxy: MakeProxy, registry: Registry, repository: str
    ) -> None:
        registry.push(f"{repository}:1", BULKY)
        proxy = make_proxy(redirect_blobs=True)
        assert fetch(blob_url(proxy, repository)) == BLOB.blob
        assert [(e.status, e.store) for e in proxy.log] == [(307, False), (200, True)]
        with pytest.raises(HTTPError) as caught:  # urllib, unlike requests and curl, hands the header on
            fetch(blob_url(proxy, repository), Authorization="Bearer x")
        caught.value.close()
        assert caught.value.code == 400

    def test_bearer_flow(self, make_proxy: MakeProxy, upstream: Upstream, repository: str) -> None:
        bearer = Bearer({USER: PASSWORD}, uses=50)
        upstream.push(f"{repository}:1", BULKY)
        proxy = make_proxy(upstream.registry.url, bearer=bearer, credentials=upstream.credentials)
        with pytest.raises(HTTPError) as caught:
            fetch(blob_url(proxy, repository))
        caught.value.close()
        assert f'realm="{proxy.url}/token"' in caught.value.headers["WWW-Authenticate"]
        assert inspect(f"{proxy.host}/{repository}:1", f"--creds={USER}:{PASSWORD}")["Digest"] == BULKY.digest
        assert bearer.issued >= 1
        with pytest.raises(subprocess.CalledProcessError):
            inspect(f"{proxy.host}/{repository}:1", f"--creds={USER}:wrong")


class TestRegistries:
    def test_upstream_wants_credentials(self, upstream: Upstream, repository: str) -> None:
        reference = upstream.push(f"{repository}:1", samples.small())
        with pytest.raises(subprocess.CalledProcessError):
            inspect(reference)
        assert inspect(reference, f"--creds={USER}:{PASSWORD}")["Digest"] == samples.small().digest

    def test_cache_reads_upstream_once(self, upstream: Upstream, cache: Registry, repository: str) -> None:
        upstream.push(f"{repository}:1", BULKY)
        url = f"{cache.url}/v2/{repository}/blobs/{BLOB.digest}"
        first = fetch(url)
        deadline = time.monotonic() + 20
        while not cache.serves(repository, BLOB.digest):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert first == fetch(url)
        assert hashlib.sha256(first).hexdigest() == BLOB.digest.removeprefix("sha256:")
        assert upstream.log.blob_reads()[BLOB.digest] == 1

    def test_servers_end(self, registry: Registry) -> None:
        assert fetch(f"{registry.url}/v2/") == b"{}"
        with pytest.raises(URLError):
            fetch("http://127.0.0.1:1/v2/")


SAMPLES: dict[str, Image | Index] = {
    "small": samples.small(),
    "docker": samples.system(kind="docker"),
    "zstd": samples.small("zstd"),
    "uncompressed": samples.small("none"),
    "mixed": samples.mixed(),
    "repeated": samples.repeated(),
    "multi-platform": samples.multi_platform(),
    "multi-platform-docker": samples.multi_platform(kind="docker"),
    "attestation": samples.multi_platform(attestation=True),
    "foreign": samples.foreign(),
    "java-tool": samples.java_tool(),
}


class TestImages:
    @pytest.mark.parametrize("name", SAMPLES)
    def test_registry_takes_it_and_skopeo_reads_it(self, registry: Registry, repository: str, name: str) -> None:
        image = SAMPLES[name]
        found = inspect(registry.push(f"{repository}:1", image))
        assert found["Digest"] == image.digest
        assert found["Layers"] == [layer.digest for layer in image.images[0].layers]

    @pytest.mark.parametrize("name", ["small", "zstd", "mixed", "repeated", "multi-platform", "java-tool"])
    def test_skopeo_reads_layout_and_archive(self, tmp_path: Path, name: str) -> None:
        image = SAMPLES[name]
        layouts.write_layout(tmp_path / "layout", image)
        layouts.write_archive(tmp_path / "image.tar", image)
        for source in (f"oci:{tmp_path / 'layout'}", f"oci-archive:{tmp_path / 'image.tar'}"):
            assert inspect(source)["Layers"] == [layer.digest for layer in image.images[0].layers]

    def test_skopeo_reads_docker_save(self, tmp_path: Path) -> None:
        layouts.write_docker_save(tmp_path / "image.tar", samples.system(), tags=("app:1",))
        found = inspect(f"docker-archive:{tmp_path / 'image.tar'}:app:1")
        assert found["Layers"] == [layer.diff_id for layer in samples.system().layers]

    def test_same_call_same_digest(self) -> None:
        assert samples.mixed().digest == samples.mixed().digest

    def test_syft_finds_packages(self, tmp_path: Path) -> None:
        layouts.write_archive(tmp_path / "image.tar", samples.java_tool())
        found = syft(f"oci-archive:{tmp_path / 'image.tar'}")
        assert {("openssl", "3.0.11-1~deb12u2"), ("log4j-core", "2.14.1"), ("lodash", "4.17.20")} <= found

    def test_syft_finds_real_jar_and_npm_package(self, tmp_path: Path, java_tool: Image) -> None:
        layouts.write_docker_save(tmp_path / "image.tar", java_tool, tags=("java-tool:12",))
        found = syft(f"docker-archive:{tmp_path / 'image.tar'}")
        assert {("log4j-core", "2.14.1"), ("lodash", "4.17.20")} <= found

    def test_syft_reads_real_debian(self, tmp_path: Path, debian: Image) -> None:
        layouts.write_archive(tmp_path / "image.tar", debian)
        assert len(syft(f"oci-archive:{tmp_path / 'image.tar'}")) > 80

    def test_clamscan_finds_eicar_offline(self, tmp_path: Path, virus_signatures: Path) -> None:
        layouts.write_archive(tmp_path / "image.tar", samples.eicar())
        command = [
            str(require("clamscan")),
            f"--database={virus_signatures}",
            "--no-summary",
            str(tmp_path / "image.tar"),
        ]
        scan = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (scan.returncode, "Scanmatrix.Test.EICAR" in scan.stdout) == (1, True), scan.stdout + scan.stderr
        layouts.write_archive(tmp_path / "image.tar", samples.system())
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0


class TestTools:
    def test_argo_lints_offline(self, tmp_path: Path) -> None:
        workflow = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"generateName": "one-"},
            "spec": {"entrypoint": "one", "templates": [{"name": "one", "container": {"image": "none"}}]},
        }
        path = tmp_path / "workflow.json"
        command = [str(require("argo")), "lint", "--offline", str(path)]
        for entrypoint, status in (("one", 0), ("two", 1)):
            workflow["spec"]["entrypoint"] = entrypoint  # type: ignore[index]
            path.write_text(json.dumps(workflow))
            assert subprocess.run(command, capture_output=True, check=False).returncode == status

    def test_crane_pulls(self, registry: Registry, repository: str, tmp_path: Path) -> None:
        reference = registry.push(f"{repository}:1", samples.system())
        subprocess.run(
            [str(require("crane")), "pull", "--insecure", reference, str(tmp_path / "image.tar")], check=True
        )
        assert (tmp_path / "image.tar").stat().st_size > 0

    def test_missing_tool_skips_or_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SCANMATRIX_REQUIRE_TOOLS", raising=False)
        with pytest.raises(pytest.skip.Exception, match="no-such-tool is missing; get it by: "):
            require("no-such-tool")
        monkeypatch.setenv("SCANMATRIX_REQUIRE_TOOLS", "1")
        with pytest.raises(pytest.fail.Exception, match="no-such-tool is missing"):
            require("no-such-tool")


def inspect(reference: str, *options: str) -> dict[str, object]:
    """What skopeo says of an image of linux/amd64; a reference without transport is a registry's."""
    source = reference if reference.startswith(("oci", "docker-archive:")) else f"docker://{reference}"
    platform = ["--override-os=linux", "--override-arch=amd64"]
    command = [str(require("skopeo")), *platform, "inspect", "--tls-verify=false", *options, source]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, object] = json.loads(output)
    return found


def syft(source: str) -> set[tuple[str, str]]:
    """Name and version of each package syft finds."""
    output = subprocess.run(
        [str(require("syft")), "-q", "-o", "syft-json", source], check=True, capture_output=True
    ).stdout
    return {(each["name"], each["version"]) for each in json.loads(output)["artifacts"]}
