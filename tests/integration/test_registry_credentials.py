"""Where a registry's credentials go: to it, and to the token server it may name, and nowhere else."""

import base64
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.images.registry.client import RegistryClient
from orchestrator.kit.addresses import Zone, literal_zone, zone_of
from orchestrator.net import guarded, transport
from orchestrator.net.errors import Broken, Denied, ImageError
from tests.tools.certificates import self_signed
from tests.tools.images import Image, layer
from tests.tools.strangers import Asked, Behaviour, Send, Stranger, answer

IMAGE = Image.build([layer({"a": "b"})])
PASSWORD = "correct-horse-battery"
BASIC = "Basic " + base64.b64encode(f"bob:{PASSWORD}".encode()).decode()
TOKEN = json.dumps({"token": "given"}).encode()
#: In tests of what the internet may name, this address of the machine stands for one of the internet.
OUTSIDE = "127.0.0.2"

Login = Callable[..., None]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The certificate, trusted by the client."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    return certificate


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Login:
    def write(*hosts: str, entry: dict[str, str] | None = None) -> None:
        auths = {host: entry or {"username": "bob", "password": PASSWORD} for host in hosts}
        (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    login = write
    login()
    return login


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address that counts as one of the internet."""

    def zone(of: Callable[[str], Zone]) -> Callable[[str], Zone]:
        return lambda address: Zone.PUBLIC if address == OUTSIDE else of(address)

    monkeypatch.setattr(guarded, "zone_of", zone(zone_of))
    monkeypatch.setattr(transport, "literal_zone", zone(literal_zone))
    return OUTSIDE


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have names resolve to addresses, one answer after the other, the last for good."""
    answers: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **options: Any) -> Any:
        known = answers.get(host)
        if known:
            host = known.pop(0) if len(known) > 1 else known[0]
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return lambda name, *addresses: answers.update({name: list(addresses)})


def registry(challenge: str, *, wants: str = "Bearer given") -> Behaviour:
    """A registry of one image that wants this Authorization, and hands out tokens."""

    def serve(asked: Asked, send: Send) -> None:
        if asked.path.startswith("/token"):
            send(answer(TOKEN))
        elif asked.headers.get("authorization") == wants:
            send(answer(IMAGE.manifest))
        else:
            send(answer(b"", f"WWW-Authenticate: {challenge}", status="401 Unauthorized"))

    return serve


def token_server(asked: Asked, send: Send) -> None:
    send(answer(TOKEN))


def shown(*servers: Stranger) -> set[str]:
    """Every Authorization that was shown to them."""
    return {asked.headers.get("authorization", "") for server in servers for asked in server.asked} - {""}


def client(**options: Any) -> RegistryClient:
    return RegistryClient(retries=0, timeout=(5, 5), **options)


@pytest.mark.parametrize("known", [True, False], ids=["with-login", "anonymous"])
@pytest.mark.parametrize("insecure", [True, False], ids=["insecure", "verified"])
def test_a_registry_of_tls_may_not_name_a_token_server_without(
    trusted: Path, login: Login, known: bool, insecure: bool
) -> None:
    with Stranger(token_server) as tokens:
        challenge = f'Bearer realm="{tokens.url}/token",service="s"'
        with Stranger(registry(challenge), certificate=trusted) as stranger:
            login(*([stranger.host] if known else []))
            hosts = [stranger.host, tokens.host] if insecure else []
            with client(insecure=hosts) as reader, pytest.raises(Denied) as error:
                reader.manifest(f"{stranger.url}/app", "1")
        assert tokens.asked == []
    assert PASSWORD not in str(error.value)


def test_a_token_server_of_tls_gets_the_registry_s_login_and_no_other(trusted: Path, login: Login) -> None:
    with Stranger(token_server, certificate=trusted) as tokens:
        challenge = f'Basic realm="x", Bearer realm="{tokens.url}/token?a=1",service="s",scope="repository:app:pull,x"'
        with Stranger(registry(challenge), certificate=trusted) as stranger:
            login(stranger.host)
            with client() as reader:
                assert reader.manifest(f"{stranger.url}/app", "1").data == IMAGE.manifest
            assert shown(stranger) == {"Bearer given"}
        assert [asked.path for asked in tokens.asked] == ["/token?a=1&service=s&scope=repository%3Aapp%3Apull%2Cx"]
        assert shown(tokens) == {BASIC}
        with Stranger(registry(challenge), certificate=trusted) as other, client() as reader:
            login(tokens.host)  # a login to the token server's own host is not the registry's
            assert reader.manifest(f"{other.url}/app", "1").data == IMAGE.manifest
        assert [asked.headers.get("authorization") for asked in tokens.asked] == [BASIC, None]


@pytest.mark.parametrize("challenge", ['Basic realm="x"', 'Bearer realm="{url}/token"'])
def test_an_insecure_registry_without_tls_is_shown_nothing(login: Login, challenge: str) -> None:
    stranger: Stranger

    def serve(asked: Asked, send: Send) -> None:
        registry(challenge.format(url=stranger.url))(asked, send)

    with Stranger(serve) as stranger:
        login(stranger.host)
        with client(insecure=[stranger.host]) as reader:
            for _ in range(2):
                with pytest.raises(Denied, match="plain HTTP"):
                    reader.manifest(f"https://{stranger.host}/app", "1")
        assert stranger.asked
        assert shown(stranger) == set()
        with client(insecure=[stranger.host]) as reader:  # by a URL that says so, it may go in the clear
            wants = BASIC if challenge.startswith("Basic") else "Bearer given"
            behaviour = registry(challenge.format(url=stranger.url), wants=wants)
            with Stranger(behaviour) as plain:
                login(plain.host)
                assert reader.manifest(f"{plain.url}/app", "1").data == IMAGE.manifest


def test_a_registry_that_stops_speaking_tls_is_shown_nothing_any_more(certificate: Path, login: Login) -> None:
    """Known credentials are not sent again when somebody in between takes TLS away."""
    with Stranger(registry('Basic realm="x"', wants=BASIC), certificate=certificate) as stranger:
        login(stranger.host)
        with client(insecure=[stranger.host]) as reader:
            assert reader.manifest(f"{stranger.url}/app", "1").data == IMAGE.manifest
            reader._transport._plain.add(stranger.host)  # what the client notes when TLS fails
            before = len(stranger.asked)
            with pytest.raises(Denied):
                reader.manifest(f"{stranger.url}/app", "1")
            assert len(stranger.asked) == before


@pytest.mark.parametrize(
    "realm",
    ["", "/token", "token", "ftp://127.0.0.1/", "file:///etc/passwd", "https://", "https://[::1", "https://a b/",
     "https://bob:secret@127.0.0.1/", "https://127.0.0.1:99999/", "https://127.0.0.1/\x1b[31m", "javascript:x"],
)  # fmt: skip
def test_realms_that_are_no_url_of_a_token_server(login: Login, realm: str) -> None:
    with Stranger(registry(f'Bearer realm="{realm}"')) as stranger, client() as reader:
        login(stranger.host)
        with pytest.raises(Denied) as error:
            reader.manifest(f"{stranger.url}/app", "1")
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.0.0.1", "192.168.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[fd00::1]",
     "0.0.0.0", "2130706433", "0x7f.1", "127.1", "inside.test", "both.test"],
)  # fmt: skip
@pytest.mark.parametrize("by", ["realm", "redirect", "exchange"])
def test_a_registry_of_the_internet_names_no_insider(
    outside: str, resolves: Callable[..., None], login: Login, host: str, by: str
) -> None:
    resolves("inside.test", "127.0.0.1")
    resolves("both.test", "10.0.0.1", "127.0.0.1")
    with Stranger(token_server) as inside:
        port = inside.host.rpartition(":")[2]
        url = f"http://{host}:{port}/token"

        def serve(asked: Asked, send: Send) -> None:
            if by == "redirect":
                send(answer(b"", f"Location: {url}", status="302 Found"))
            else:
                registry(f'Bearer realm="{url}"')(asked, send)

        with Stranger(serve, address=outside) as stranger, client() as reader:
            login(stranger.host, entry={"identitytoken": PASSWORD} if by == "exchange" else None)
            with pytest.raises(Denied):
                reader.manifest(f"{stranger.url}/app", "1")
        assert inside.asked == []


def test_what_a_name_resolves_to_later_changes_nothing(
    outside: str, resolves: Callable[..., None], login: Login
) -> None:
    """The address that was checked is the one that is connected to."""
    resolves("rebinds.test", outside, "127.0.0.1")
    with Stranger(token_server) as inside:
        port = inside.host.rpartition(":")[2]
        challenge = f'Bearer realm="http://rebinds.test:{port}/token"'
        with Stranger(registry(challenge), address=outside) as stranger, client() as reader:
            login(stranger.host)
            with pytest.raises(ImageError):  # at the first answer nobody listens, at the second is an insider
                reader.manifest(f"{stranger.url}/app", "1")
            with pytest.raises(Denied):
                reader.manifest(f"{stranger.url}/app", "1")
        assert inside.asked == []


def test_a_detour_over_the_internet_leads_no_nearer(outside: str) -> None:
    """A registry on this machine may redirect to itself, but whom it redirects to may not redirect back inside."""
    with (
        Stranger(token_server) as inside,
        Stranger(lambda _, send: _redirect(send, f"{inside.url}/x"), address=outside) as far,
        Stranger(lambda _, send: _redirect(send, f"{far.url}/x")) as near,
        client() as reader,
    ):
        with pytest.raises(Denied):
            reader.manifest(f"{near.url}/app", "1")
        assert len(far.asked) == 1
        assert inside.asked == []


def test_an_insider_may_name_insiders(login: Login) -> None:
    with Stranger(token_server) as tokens, Stranger(registry(f'Bearer realm="{tokens.url}/token"')) as stranger:
        login(stranger.host)
        with client() as reader:
            assert reader.manifest(f"{stranger.url}/app", "1").data == IMAGE.manifest
        assert shown(tokens) == {BASIC}


def _redirect(send: Send, url: str) -> None:
    send(answer(b"", f"Location: {url}", status="307 Temporary Redirect"))


def test_credentials_follow_no_redirect_and_do_not_come_back_by_one(login: Login) -> None:
    stranger: Stranger
    with Stranger(lambda _, send: _redirect(send, f"{stranger.url}/v2/other/manifests/1")) as thief:

        def serve(asked: Asked, send: Send) -> None:
            if asked.path.startswith("/v2/other"):
                send(answer(IMAGE.manifest))
            elif asked.headers.get("authorization") != BASIC:
                send(answer(b"", 'WWW-Authenticate: Basic realm="x"', status="401 Unauthorized"))
            else:
                _redirect(send, f"{thief.url}/x")

        with Stranger(serve) as stranger:
            login(stranger.host)
            with client() as reader:
                assert reader.manifest(f"{stranger.url}/app", "1").data == IMAGE.manifest
            assert stranger.asked[-1].path == "/v2/other/manifests/1"
            assert "authorization" not in stranger.asked[-1].headers
        assert shown(thief) == set()


def test_tls_leads_to_plain_http_for_nobody_but_hosts_named_insecure(trusted: Path) -> None:

    def serve(_: Asked, send: Send) -> None:
        send(answer(IMAGE.manifest))

    with (
        Stranger(serve) as plain,
        Stranger(lambda _, send: _redirect(send, f"{plain.url}/x"), certificate=trusted) as stranger,
    ):
        with client() as reader, pytest.raises(Broken, match="insecure"):
            reader.manifest(f"{stranger.url}/app", "1")
        assert plain.asked == []
        with client(insecure=[plain.host]) as reader:
            assert reader.manifest(f"{stranger.url}/app", "1").data == IMAGE.manifest
