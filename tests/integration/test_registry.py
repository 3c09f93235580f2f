"""The registry client against real registries, behind a proxy that misbehaves as told."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.errors import Cancelled
from orchestrator.images.digests import digest_of
from orchestrator.images.manifests import read_image
from orchestrator.images.platforms import parse_platform
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.registry.resolve import resolve, resolve_manifests
from orchestrator.model import Platform
from orchestrator.net.errors import Broken, Busy, Denied, NoPlatform, NotFound, Unsupported, Untrusted, WrongBytes
from tests.integration.pulls import fast_client
from tests.tools import faults
from tests.tools.bearer import Bearer
from tests.tools.certificates import self_signed
from tests.tools.images import Image, Index, layer
from tests.tools.proxy import Proxy
from tests.tools.servers import PASSWORD, USER, Registry
from tests.tools.upstream import Upstream

IMAGE = Image.build([layer({"a": "b"}), layer({"c": "d"})])
AMD, ARM = (Image.build([layer({"p": p})], platform=p) for p in ("linux/amd64", "linux/arm64/v8"))
ATTESTATION = {
    "mediaType": IMAGE.media_type,
    "digest": IMAGE.digest,
    "size": len(IMAGE.manifest),
    "platform": {"os": "unknown", "architecture": "unknown"},
}
LINUX = [Platform()]

MakeProxy = Callable[..., Proxy]
Login = Callable[..., None]


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    with fast_client() as found:
        yield found


@pytest.fixture
def pushed(registry: Registry, repository: str) -> str:
    registry.push(f"{repository}:1", IMAGE)
    return repository


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Login:
    """Write Docker's config.json: as it is given, or its members."""

    def write(text: str = "", **content: object) -> None:
        (tmp_path / "config.json").write_text(text or json.dumps(content))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    return write


@pytest.fixture
def private(upstream: Upstream, repository: str) -> str:
    """Location of a repository that wants basic auth."""
    upstream.push(f"{repository}:1", IMAGE)
    return f"{upstream.url}/{repository}"


# Resolving


def test_a_tag_and_a_digest_give_the_image(client: RegistryClient, registry: Registry, pushed: str) -> None:
    location = f"{registry.url}/{pushed}"
    (by_tag,) = resolve(location, "1", LINUX, client)
    (by_digest,) = resolve(location, IMAGE.digest, LINUX, client)
    assert by_tag == by_digest
    assert by_tag == read_image(IMAGE.manifest, origin="test")


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_an_index_gives_each_wanted_platform(
    client: RegistryClient, registry: Registry, repository: str, kind: str
) -> None:
    members = [Image.build([layer({"p": p})], platform=p, kind=kind) for p in ("linux/amd64", "linux/arm64/v8")]  # type: ignore[arg-type]
    registry.push(f"{repository}:1", IMAGE)
    registry.push(f"{repository}:1", Index.build(members, kind=kind, extra=[ATTESTATION]))  # type: ignore[arg-type]
    location = f"{registry.url}/{repository}"
    wanted = [parse_platform("linux/arm64"), parse_platform("linux/amd64"), parse_platform("linux/s390x")]
    found = resolve(location, "1", wanted, client)
    assert [(str(each.platform), each.manifest.digest) for each in found] == [
        ("linux/arm64", members[1].digest),
        ("linux/amd64", members[0].digest),
    ]
    with pytest.raises(NoPlatform) as error:
        resolve(location, "1", wanted[2:], client)
    assert "linux/arm64" in str(error.value)
    assert "unknown" not in str(error.value)


def test_a_single_image_s_platform_is_its_config_s(client: RegistryClient, registry: Registry, repository: str) -> None:
    registry.push(f"{repository}:1", ARM)
    location = f"{registry.url}/{repository}"
    (found,) = resolve(location, "1", [Platform(architecture="arm64")], client)
    assert found.platform == Platform(architecture="arm64")
    with pytest.raises(NoPlatform, match="linux/arm64"):
        resolve(location, "1", LINUX, client)


def test_an_index_in_an_index_and_entries_that_state_no_platform(
    client: RegistryClient, registry: Registry, repository: str
) -> None:
    inner = Index.build([AMD, ARM])
    bare = {key: value for key, value in ARM.descriptor.items() if key != "platform"}
    outer = Index.build([], extra=[inner.descriptor, bare])
    for name, pushed in (("inner", inner), ("outer", outer)):
        registry.push(f"{repository}:{name}", pushed)
    found = resolve_manifests(f"{registry.url}/{repository}", "outer", [Platform(architecture="arm64")], client)
    ((image, _),) = found.images
    assert image.manifest.digest == ARM.digest
    assert found.indexes == {ARM.digest: (outer.digest, inner.digest)}
    by_digest = resolve_manifests(f"{registry.url}/{repository}", inner.digest, LINUX, client)
    assert by_digest.indexes == {AMD.digest: (inner.digest,)}
    alone = resolve_manifests(f"{registry.url}/{repository}", AMD.digest, LINUX, client)
    assert alone.indexes == {AMD.digest: ()}


def test_artifacts_and_schema_1_are_refused_by_name(
    client: RegistryClient, registry: Registry, make_proxy: MakeProxy, repository: str
) -> None:
    chart = json.loads(IMAGE.manifest)
    chart["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    artifact = Image(json.dumps(chart).encode(), IMAGE.config, IMAGE.layers, {}, IMAGE.media_type)
    registry.push(f"{repository}:chart", artifact)
    with pytest.raises(Unsupported, match="helm"):
        resolve(f"{registry.url}/{repository}", "chart", LINUX, client)
    proxy = make_proxy()
    proxy.faults.add(faults.answer(200, body=b'{"schemaVersion": 1, "name": "x", "fsLayers": []}'))
    with pytest.raises(Unsupported, match="schema 1"):
        resolve(f"{proxy.url}/{repository}", "old", LINUX, client)


def test_what_is_not_there(client: RegistryClient, registry: Registry, proxy: Proxy, pushed: str) -> None:
    with pytest.raises(NotFound, match="nosuchtag"):
        resolve(f"{proxy.url}/{pushed}", "nosuchtag", LINUX, client)
    with pytest.raises(NotFound):
        resolve(f"{proxy.url}/no/such/repository", "1", LINUX, client)
    with pytest.raises(NotFound):
        resolve(f"{proxy.url}/{pushed}", "sha256:" + "0" * 64, LINUX, client)
    assert proxy.log.count(status=404) == 3  # nothing was tried twice


# A registry in trouble


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_trouble_that_passes_is_waited_for(client: RegistryClient, proxy: Proxy, pushed: str, status: int) -> None:
    proxy.faults.add(faults.answer(status, times=3))
    assert resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)
    assert proxy.log.count(status=status) == 3


def test_trouble_that_stays_is_reported(proxy: Proxy, pushed: str) -> None:
    proxy.faults.add(faults.answer(429, times=3), faults.answer(500, times=None))
    with fast_client(retries=2) as client:
        with pytest.raises(Busy, match="429"):
            resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)
        with pytest.raises(Broken, match="500"):
            resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)
    assert len(proxy.log) == 6


def test_retry_after_in_seconds_and_as_a_date(client: RegistryClient, proxy: Proxy, pushed: str) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    proxy.faults.add(faults.answer(429, retry_after=1), faults.answer(503, retry_after=soon))
    began = time.time()
    assert resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)
    assert time.time() >= max(began + 1, soon.timestamp())


def test_a_registry_that_asks_for_an_hour_is_not_waited_for(client: RegistryClient, proxy: Proxy, pushed: str) -> None:
    proxy.faults.add(faults.answer(429, retry_after=3600))
    with pytest.raises(Busy) as error:
        resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)
    assert error.value.retry_after == 3600
    assert len(proxy.log) == 1


def test_a_wait_ends_when_it_is_cancelled(client: RegistryClient, proxy: Proxy, pushed: str) -> None:
    proxy.faults.add(faults.answer(429, retry_after=60))
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(Cancelled):
        resolve(f"{proxy.url}/{pushed}", "1", LINUX, client, cancelled=stop)


def test_resets_and_polite_cuts_of_a_manifest(client: RegistryClient, proxy: Proxy, pushed: str) -> None:
    proxy.faults.add(faults.reset("*", after_bytes=10), faults.short("*", after_bytes=20), faults.reset("*"))
    assert resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)


def test_nobody_listens(client: RegistryClient) -> None:
    with pytest.raises(Broken) as error:
        resolve("http://127.0.0.1:1/app", "1", LINUX, client)
    assert "refused" in str(error.value)


def test_a_server_that_says_nothing(proxy: Proxy, pushed: str) -> None:
    proxy.faults.add(faults.slow("*", delay=30))
    with RegistryClient(retries=0, timeout=(5, 0.3)) as client, pytest.raises(Broken, match="no answer in time"):
        resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)


# Bytes that are not what they should be


def test_a_flipped_bit_is_read_again_and_two_are_an_error(client: RegistryClient, proxy: Proxy, pushed: str) -> None:
    location = f"{proxy.url}/{pushed}"
    proxy.faults.add(faults.corrupt(faults.MANIFESTS, at=300))
    assert resolve(location, IMAGE.digest, LINUX, client)
    proxy.faults.add(faults.corrupt(faults.MANIFESTS, at=300, times=2))
    with pytest.raises(WrongBytes, match=IMAGE.digest):
        resolve(location, IMAGE.digest, LINUX, client)
    proxy.faults.clear()
    proxy.faults.add(faults.corrupt(faults.MANIFESTS, at=300, times=2))  # by tag, the registry's own digest tells
    with pytest.raises(WrongBytes):
        resolve(location, "1", LINUX, client)


def test_a_digest_header_that_lies(client: RegistryClient, proxy: Proxy, pushed: str) -> None:
    lie = "sha256:" + "0" * 64
    proxy.faults.add(faults.rewrite({"Docker-Content-Digest": lie}, times=2))
    with pytest.raises(WrongBytes):
        resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)
    proxy.faults.add(faults.rewrite({"Docker-Content-Digest": None}))
    assert client.manifest(f"{proxy.url}/{pushed}", "1").digest == IMAGE.digest


def test_a_manifest_without_end(client: RegistryClient, proxy: Proxy, pushed: str) -> None:
    proxy.faults.add(faults.answer(200, body=b"[" * (5 * 1024 * 1024)))
    with pytest.raises(WrongBytes):
        client.manifest(f"{proxy.url}/{pushed}", "1")


# Credentials


def test_basic_auth_out_of_docker_s_config(
    client: RegistryClient, upstream: Upstream, repository: str, login: Login
) -> None:
    upstream.push(f"{repository}:1", IMAGE)
    location = f"{upstream.url}/{repository}"
    with pytest.raises(Denied) as error:
        resolve(location, "1", LINUX, client)
    assert "config.json" in str(error.value)
    login(auths={f"http://{upstream.host}/v1/": {"username": USER, "password": PASSWORD}})
    assert resolve(location, "1", LINUX, client)
    upstream.log.clear()
    assert resolve(location, "1", LINUX, client)
    assert upstream.log.count(status=401) == 0  # known by now
    for shown in (repr(client), repr(client._authenticator), repr(vars(client._authenticator).keys())):
        assert PASSWORD not in shown


def test_wrong_credentials_are_reported_without_repeating_them(
    client: RegistryClient, upstream: Upstream, repository: str, login: Login
) -> None:
    upstream.push(f"{repository}:1", IMAGE)
    login(auths={upstream.host: {"username": "someone", "password": "hunter2-secret"}})
    with pytest.raises(Denied) as error:
        resolve(f"{upstream.url}/{repository}", "1", LINUX, client)
    assert "hunter2-secret" not in str(error.value)
    assert upstream.log.count() == 2


@pytest.mark.parametrize("store", ["credHelpers", "credsStore"])
def test_a_credential_helper(
    client: RegistryClient, private: str, login: Login, credential_helper: Callable[[str], None], store: str
) -> None:
    host = private.split("/")[2]
    answer = json.dumps({"Username": USER, "Secret": PASSWORD})
    credential_helper(f"read host; [ \"$1 $host\" = 'get {host}' ] || exit 1; echo '{answer}'")
    login(**{store: {host: "test"} if store == "credHelpers" else "test"})
    assert resolve(private, "1", LINUX, client)


@pytest.mark.parametrize("script", ["echo nonsense", "exit 1", 'echo \'{"Username": "<token>", "Secret": "x"}\''])
def test_a_credential_helper_that_does_not_help(
    client: RegistryClient, private: str, login: Login, credential_helper: Callable[[str], None], script: str
) -> None:
    credential_helper(script)
    login(credHelpers={private.split("/")[2]: "test"})
    with pytest.raises(Denied):
        resolve(private, "1", LINUX, client)


@pytest.mark.parametrize("content", ["{", "[]", '{"auths": {"x": 1}}', '{"auths": []}'])
def test_a_config_that_cannot_be_read(client: RegistryClient, upstream: Upstream, login: Login, content: str) -> None:
    login(content)
    with pytest.raises(Denied, match=r"config\.json"):
        resolve(f"{upstream.url}/app", "1", LINUX, client)


@pytest.mark.parametrize("field", ["token", "access_token"])
def test_bearer_tokens_anonymous_and_with_a_password(
    client: RegistryClient,
    make_proxy: MakeProxy,
    pushed: str,
    login: Login,
    field: str,
) -> None:
    open_to_all, closed = (
        make_proxy(bearer=Bearer(field=field)),
        make_proxy(bearer=Bearer({"bob": "s3cret"}, field=field)),
    )
    assert resolve(f"{open_to_all.url}/{pushed}", "1", LINUX, client)
    with pytest.raises(Denied):
        resolve(f"{closed.url}/{pushed}", "1", LINUX, client)
    login(auths={closed.host: {"username": "bob", "password": "s3cret"}})
    assert resolve(f"{closed.url}/{pushed}", "1", LINUX, client)
    (asked,) = closed.log.select(path="/token", status=200)
    assert asked.scheme == "Basic"
    assert {each.scheme for each in closed.log.select(path="/v2/*", status=200)} == {"Bearer"}


def test_each_repository_has_a_token_of_its_own_fetched_once(
    client: RegistryClient, registry: Registry, make_proxy: MakeProxy, repository: str
) -> None:
    bearer = Bearer()
    proxy = make_proxy(bearer=bearer)
    names = [f"{repository}/{number}" for number in range(3)]
    for name in names:
        registry.push(f"{name}:1", IMAGE)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: resolve(f"{proxy.url}/{name}", "1", LINUX, client), names * 4))
    assert len(found) == 12
    assert bearer.issued == 3


def test_a_token_that_runs_out_is_renewed(client: RegistryClient, make_proxy: MakeProxy, pushed: str) -> None:
    bearer = Bearer(uses=1)
    proxy = make_proxy(bearer=bearer)
    assert resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)
    assert resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)
    assert bearer.issued > 1
    bearer.revoke_all()
    assert resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)


def test_a_token_server_in_trouble_is_waited_for(client: RegistryClient, make_proxy: MakeProxy, pushed: str) -> None:
    proxy = make_proxy(bearer=Bearer())
    proxy.faults.add(faults.answer(503, "/token", times=2))
    assert resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)
    proxy.faults.add(faults.answer(200, "/token", body=b"[]", times=None))
    with fast_client() as other, pytest.raises(Denied):
        resolve(f"{proxy.url}/{pushed}", "1", LINUX, other)


@pytest.mark.parametrize("with_bearer", [False, True])
def test_credentials_do_not_go_along_a_redirect(
    client: RegistryClient, make_proxy: MakeProxy, pushed: str, with_bearer: bool
) -> None:
    proxy = make_proxy(redirect_blobs=True, bearer=Bearer() if with_bearer else None)
    (image,) = resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)
    assert client.blob(f"{proxy.url}/{pushed}", image.config) == IMAGE.config
    store = [each for each in proxy.log if each.store]
    assert store
    assert {each.scheme for each in store} == {""}


def test_a_challenge_from_where_a_redirect_leads_is_not_answered(
    client: RegistryClient, make_proxy: MakeProxy, pushed: str, login: Login
) -> None:
    proxy, thief = make_proxy(redirect_blobs=True), make_proxy(bearer=Bearer())
    login(auths={proxy.host: {"username": "bob", "password": "s3cret"}})
    challenge = {"WWW-Authenticate": f'Bearer realm="{thief.realm}",service="x",scope="y"'}
    proxy.faults.add(faults.answer(401, faults.BLOBS, after=1, headers=challenge))
    assert resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)
    assert len(thief.log) == 0


def test_credentials_of_one_registry_are_not_shown_to_another(
    client: RegistryClient, private: str, make_proxy: MakeProxy, pushed: str, login: Login
) -> None:
    other = make_proxy(bearer=Bearer({"nobody": "x"}))
    login(auths={private.split("/")[2]: {"username": USER, "password": PASSWORD}})
    assert resolve(private, "1", LINUX, client)
    with pytest.raises(Denied):
        resolve(f"{other.url}/{pushed}", "1", LINUX, client)
    assert {each.scheme for each in other.log} == {""}


def test_redirects_without_end(client: RegistryClient, proxy: Proxy, pushed: str) -> None:
    proxy.faults.add(faults.answer(307, times=None, headers={"Location": f"{proxy.url}/v2/again"}))
    with fast_client(retries=0) as impatient, pytest.raises(Broken):
        resolve(f"{proxy.url}/{pushed}", "1", LINUX, impatient)
    proxy.faults.clear()
    proxy.faults.add(faults.answer(307, times=None, headers={"Location": "file:///etc/passwd"}))
    with fast_client(retries=0) as impatient, pytest.raises(Broken):
        resolve(f"{proxy.url}/{pushed}", "1", LINUX, impatient)


def test_what_netrc_says_is_no_business_of_ours(
    client: RegistryClient, proxy: Proxy, pushed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert resolve(f"{proxy.url}/{pushed}", "1", LINUX, client)
    assert {each.scheme for each in proxy.log} == {""}


# TLS


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 and its key, in one file."""
    return self_signed(tmp_path_factory.mktemp("tls"))


class _Handler(BaseHTTPRequestHandler):
    """A registry of one image, for what real ones are too much work to set up."""

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        data = IMAGE.manifest if "/manifests/" in self.path else IMAGE.blobs.get(name, b"")
        self.send_response(200 if data else 404)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing on stderr."""


@contextmanager
def _server(certificate: Path | None) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # clients that give up are what is tested
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_certificate_nobody_vouches_for(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _server(certificate) as host:
        with fast_client() as client, pytest.raises(Untrusted, match="insecure"):
            resolve(f"https://{host}/app", "1", LINUX, client)
        with RegistryClient(insecure=[host]) as client:
            assert resolve(f"https://{host}/app", "1", LINUX, client)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with fast_client() as client:
            assert resolve(f"https://{host}/app", "1", LINUX, client)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.with_name("absent.pem")))
        with fast_client() as client, pytest.raises(Untrusted, match="absent"):
            resolve(f"https://{host}/app", "1", LINUX, client)


def test_plain_http_where_tls_was_expected_only_for_hosts_named_insecure() -> None:
    with _server(None) as host:
        with fast_client() as client, pytest.raises(Untrusted, match="TLS"):
            resolve(f"https://{host}/app", "1", LINUX, client)
        with RegistryClient(insecure=[host]) as client:
            assert resolve(f"https://{host}/app", "1", LINUX, client)
            assert resolve(f"https://{host}/app", "1", LINUX, client)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    client: RegistryClient, registry: Registry, pushed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert resolve(f"{registry.url}/{pushed}", "1", LINUX, client)


def test_a_proxy_of_the_environment_is_asked_and_exceptions_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    with _server(None) as host:
        monkeypatch.setenv("http_proxy", f"http://user:pass@{host}")
        with fast_client(retries=0) as client:
            assert resolve("http://registry.invalid/app", "1", LINUX, client)  # answered by the proxy
            monkeypatch.setenv("no_proxy", "registry.invalid,10.0.0.0/8")
            with pytest.raises(Broken, match="resolved"):
                resolve("http://registry.invalid/app", "1", LINUX, client)


# Blobs


def test_a_blob_from_an_offset(client: RegistryClient, proxy: Proxy, pushed: str) -> None:
    location = f"{proxy.url}/{pushed}"
    blob = IMAGE.layers[0].blob
    with client.open_blob(location, IMAGE.layers[0].digest, 10) as stream:
        assert stream.start == 10
        assert stream.promised == len(blob) - 10
        assert stream.read(1 << 20) == blob[10:]
    proxy.faults.add(faults.ignore_range())
    with client.open_blob(location, IMAGE.layers[0].digest, 10) as stream:
        assert stream.start == 0
        assert stream.read(1 << 20) == blob
    proxy.faults.clear()
    proxy.faults.add(faults.answer(416))
    with client.open_blob(location, IMAGE.layers[0].digest, 10) as stream:
        assert stream.start == 0
    proxy.faults.add(faults.rewrite({"Content-Range": "bytes 0-9/10"}, faults.BLOBS))
    with client.open_blob(location, IMAGE.layers[0].digest, 10) as stream:
        assert stream.start == 0


def test_connections_are_kept(client: RegistryClient, registry: Registry, pushed: str) -> None:
    location = f"{registry.url}/{pushed}"
    for _ in range(5):
        resolve(location, "1", LINUX, client)
    (pool,) = client._transport._pools.values()
    connections = pool.connection_from_url(registry.url)
    assert connections.num_requests == 10
    assert connections.num_connections == 1


def test_digests_are_computed_from_the_bytes(client: RegistryClient, registry: Registry, pushed: str) -> None:
    found = client.manifest(f"{registry.url}/{pushed}", "1")
    assert (found.digest, found.media_type) == (IMAGE.digest, IMAGE.media_type)
    assert digest_of(found.data) == IMAGE.digest
