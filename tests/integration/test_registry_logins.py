"""Logging in to registries as they are, side by side with crane and skopeo, from the same files."""

import base64
import json
import random
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.registry.resolve import resolve
from orchestrator.images.tarball.sources import RegistryBlobs
from orchestrator.model import Blob, Platform, ReadBudget
from orchestrator.net.allowance import Allowance
from orchestrator.net.errors import Denied, ImageError, NotFound, OverBudget, WrongBytes
from tests.integration.pulls import fast_client
from tests.tools import require
from tests.tools.certificates import self_signed
from tests.tools.images import Image, layer
from tests.tools.servers import PASSWORD, USER
from tests.tools.strangers import Asked, Send, Stranger, answer
from tests.tools.upstream import Upstream

IMAGE = Image.build([layer({"a": "b"})])
LAYER = layer({"data": random.Random(13).randbytes(50_000)})
SECRET = "correct-horse-battery"
AUTH = base64.b64encode(f"bob:{SECRET}".encode()).decode()
BASIC = f"Basic {AUTH}"
IDENTITY = "identity-token-of-bob"
BEARER = 'Bearer realm="{url}/token",service="s",scope="repository:lab/app:pull"'
UNAUTHORIZED = "401 Unauthorized"

Write = Callable[..., None]


def give(**members: object) -> Callable[[Asked], bytes]:
    """A token server that gives this to anyone who asks."""
    return lambda _: answer(json.dumps(members or {"token": "given"}).encode())


def to_bob(asked: Asked) -> bytes:
    """A token server that knows bob's password only."""
    good = asked.headers.get("authorization") == BASIC
    return answer(b'{"token": "given"}') if good else answer(status=UNAUTHORIZED)


@dataclass
class Guarded:
    """A registry of one image for those who show what it wants.

    Attributes:
        wants: the Authorization that lets in.
        fields: challenges of a 401; `{url}` is its own.
        status: what others are answered about the repository; the challenges come with 401 only.
        silent: whether that 401 has no challenge.
        ping: status of `/v2/` for others.
        token: answers for its token server.
    """

    wants: str = "Bearer given"
    fields: tuple[str, ...] = (BEARER,)
    status: str = UNAUTHORIZED
    silent: bool = False
    ping: str = UNAUTHORIZED
    token: Callable[[Asked], bytes] = field(default_factory=lambda: to_bob)
    url: str = ""

    def __call__(self, asked: Asked, send: Send) -> None:
        if asked.path.startswith("/token"):
            send(self.token(asked))
        elif asked.headers.get("authorization") == self.wants:
            pinged = asked.path in {"/v2/", "/v2"}
            send(answer(b"{}") if pinged else answer(IMAGE.manifest, f"Content-Type: {IMAGE.media_type}"))
        elif asked.path in {"/v2/", "/v2"}:
            send(answer(b"", *self._challenges(self.ping), status=self.ping))
        else:
            send(answer(b"", *([] if self.silent else self._challenges(self.status)), status=self.status))

    def _challenges(self, status: str) -> list[str]:
        if status != UNAUTHORIZED:
            return []
        return [f"WWW-Authenticate: {each.format(url=self.url)}" for each in self.fields]


@contextmanager
def serving(guarded: Guarded, **options: Any) -> Iterator[Stranger]:
    with Stranger(guarded, **options) as stranger:
        guarded.url = stranger.url
        yield stranger


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    (tmp_path / ".docker").mkdir()
    return tmp_path


@pytest.fixture
def logins(home: Path) -> Write:
    def write(entries: Mapping[str, object]) -> None:
        (home / ".docker" / "config.json").write_text(json.dumps({"auths": entries}))

    return write


def client(**options: Any) -> RegistryClient:
    return RegistryClient(**({"retries": 0, "backoff": 0.01, "timeout": (5, 5)} | options))


def read(stranger: Stranger, repository: str = "lab/app") -> bytes:
    with client() as reader:
        return reader.manifest(f"{stranger.url}/{repository}", "1").data


def crane_reads(stranger: Stranger, repository: str = "lab/app") -> bool:
    command = [require("crane"), "manifest", f"{stranger.host}/{repository}:1"]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).stdout == IMAGE.manifest


def tokens(stranger: Stranger) -> list[Asked]:
    return [asked for asked in stranger.asked if asked.path.startswith("/token")]


PASSWORDS = {"auth": AUTH}


@pytest.mark.parametrize(
    ("guarded", "entry"),
    [
        # several challenges, in one header or two
        (Guarded(fields=('Basic realm="x", ' + BEARER,), wants=BASIC), PASSWORDS),
        (Guarded(fields=("Negotiate", BEARER)), PASSWORDS),
        (Guarded(fields=('Basic realm="x"', 'Bearer realm="{url}/token"'), wants=BASIC), PASSWORDS),
        (Guarded(fields=('Basic realm="x"', 'Bearer realm=""'), wants=BASIC), PASSWORDS),
        (
            Guarded(fields=('Basic realm="x"', BEARER), wants=BASIC, token=lambda _: answer(status="404 Not Found")),
            PASSWORDS,
        ),
        # service and scope
        (Guarded(fields=('Bearer realm="{url}/token",service=,scope="repository:lab/app:pull"',)), PASSWORDS),
        (Guarded(fields=('Bearer realm="{url}/token",service=""',)), PASSWORDS),
        (Guarded(fields=('Bearer realm="{url}/token",service=registry.example:5000,scope=a,b',)), PASSWORDS),
        (Guarded(fields=('Bearer realm="{url}/token",service=Docker Registry,scope="x"',)), PASSWORDS),
        (Guarded(fields=('Bearer realm="{url}/token"; service="s"',)), PASSWORDS),
        (Guarded(fields=('Bearer realm="{url}/token",\r\n service="s"',)), PASSWORDS),
        # answers of token servers
        (Guarded(token=give(access_token="given")), {}),
        (Guarded(token=give(token=None, access_token="given", expires_in=0, issued_at="")), {}),
        (Guarded(token=give(token="", access_token="given")), {}),
        (Guarded(token=give(token="given", expires_in=0)), PASSWORDS),
        # tokens instead of passwords
        (Guarded(wants="Bearer mine"), {"registrytoken": "mine"}),
        (Guarded(wants="Bearer mine", fields=('Basic realm="x"',)), {"registrytoken": "mine"}),
        (Guarded(wants="Bearer mine", status="404 Not Found", ping="200 OK"), {"registrytoken": "mine"}),
        # hidden from the anonymous
        (Guarded(wants=BASIC, silent=True, ping="200 OK"), PASSWORDS),
        (Guarded(wants=BASIC, status="403 Forbidden", ping="200 OK"), PASSWORDS),
        (Guarded(wants=BASIC, status="404 Not Found", ping="200 OK"), PASSWORDS),
        (Guarded(wants=BASIC, status="404 Not Found", fields=('Basic realm="x"',)), PASSWORDS),
        (Guarded(status="404 Not Found", fields=('Bearer realm="{url}/token",service="s"',)), PASSWORDS),
        (Guarded(status="403 Forbidden", fields=('Bearer realm="{url}/token",service="s"',)), PASSWORDS),
        (Guarded(silent=True, fields=('Bearer realm="{url}/token",service="s"',)), PASSWORDS),
        # hidden from those without a token, and challenges that say too little
        (Guarded(status="404 Not Found", token=give()), {}),
        (Guarded(silent=True, token=give()), {}),
        (Guarded(status="403 Forbidden", token=give()), {}),
        # entries that docker reads
        (Guarded(), {"auth": AUTH[:9] + "\n" + AUTH[9:]}),
        (Guarded(), {"auth": AUTH, "username": "eve", "password": "other"}),
        (Guarded(), {"username": "bob", "password": SECRET}),
    ],
    ids=lambda each: " ".join(each.fields)[:40] if isinstance(each, Guarded) else "",
)
def test_where_crane_is_let_in_so_are_we(logins: Write, guarded: Guarded, entry: dict[str, str]) -> None:
    with serving(guarded) as stranger:
        logins({stranger.host: entry})
        assert crane_reads(stranger)
        stranger.asked.clear()
        assert read(stranger) == IMAGE.manifest
        assert len(stranger.asked) <= 6


@pytest.mark.parametrize("named", ["", ',scope=""', ",scope="])
def test_a_challenge_without_scope_means_what_is_read(named: str) -> None:
    with serving(Guarded(fields=('Bearer realm="{url}/token",service=""' + named,), token=give())) as stranger:
        assert read(stranger) == IMAGE.manifest
        assert [asked.path for asked in tokens(stranger)] == ["/token?scope=repository%3Alab%2Fapp%3Apull"]


@pytest.mark.parametrize("said", ["Bearer", "Negotiate"])
def test_a_challenge_that_says_too_little_is_asked_for_at_the_registry_s_root(logins: Write, said: str) -> None:
    guarded = Guarded(fields=(BEARER,))

    def serve(asked: Asked, send: Send) -> None:
        if "/manifests/" in asked.path and "authorization" not in asked.headers:
            send(answer(b"", f"WWW-Authenticate: {said}", status=UNAUTHORIZED))
        else:
            guarded(asked, send)

    with Stranger(serve) as stranger:
        guarded.url = stranger.url
        logins({stranger.host: PASSWORDS})
        assert crane_reads(stranger)
        assert read(stranger) == IMAGE.manifest


# Identity tokens


def oauth(refusal: str = "", password: str = "") -> Callable[[Asked], bytes]:
    """A token server that exchanges an identity token, or refuses the POST and gives a token by a GET."""

    def serve(asked: Asked) -> bytes:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        if asked.method == "POST" and refusal:
            return answer(status=refusal)
        if asked.method == "POST":
            right = form == {
                "grant_type": "refresh_token", "refresh_token": IDENTITY, "service": "s",
                "scope": "repository:lab/app:pull", "client_id": form.get("client_id", ""),
            }  # fmt: skip
            return answer(b'{"access_token": "given"}') if right else answer(status="400 Bad Request")
        shown = asked.headers.get("authorization", "")
        return answer(b'{"token": "given"}') if shown == password else answer(status=UNAUTHORIZED)

    return serve


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("entry", "refusal", "password"),
    [
        ({"identitytoken": IDENTITY}, "", ""),
        ({"auth": base64.b64encode(b"0000:").decode(), "identitytoken": IDENTITY}, "", ""),
        ({"auth": base64.b64encode(f"<token>:{IDENTITY}".encode()).decode()}, "", ""),
        ({"auth": AUTH, "identitytoken": IDENTITY}, "404 Not Found", BASIC),
        ({"auth": AUTH, "identitytoken": IDENTITY}, "405 Method Not Allowed", BASIC),
        ({"auth": AUTH, "identitytoken": IDENTITY}, "401 Unauthorized", BASIC),
        ({"auth": AUTH, "identitytoken": IDENTITY}, "400 Bad Request", BASIC),
        ({"auth": base64.b64encode(b"0000:").decode(), "identitytoken": IDENTITY}, "404 Not Found",
         basic("0000", IDENTITY)),
        ({"identitytoken": IDENTITY}, "401 Unauthorized", basic("", IDENTITY)),
        ({"identitytoken": IDENTITY}, "404 Not Found", ""),  # as nobody, like crane
    ],
)  # fmt: skip
def test_an_identity_token_is_exchanged(logins: Write, entry: dict[str, str], refusal: str, password: str) -> None:
    with serving(Guarded(token=oauth(refusal, password))) as stranger:
        logins({stranger.host: entry})
        if not refusal and "<token>" not in base64.b64decode(entry.get("auth", "")).decode():
            assert crane_reads(stranger)
            stranger.asked.clear()
        assert read(stranger) == IMAGE.manifest
        assert tokens(stranger)[0].method == "POST"
        assert not any(IDENTITY in asked.path for asked in stranger.asked)


def test_an_identity_token_that_nobody_takes_is_said_without_it(logins: Write, home: Path) -> None:
    for guarded in (Guarded(token=oauth("401 Unauthorized", "x")), Guarded(fields=('Basic realm="x"',))):
        with serving(guarded) as stranger:
            logins({stranger.host: {"identitytoken": IDENTITY}})
            with pytest.raises(Denied) as error:
                read(stranger)
            assert IDENTITY not in str(error.value)
            assert str(home / ".docker" / "config.json") in str(error.value)
            assert stranger.host in str(error.value)


def test_an_identity_token_follows_no_redirect(logins: Write) -> None:
    with Stranger(lambda _, send: send(answer(b'{"token": "given"}'))) as thief:

        def redirect(asked: Asked) -> bytes:
            return answer(b"", f"Location: {thief.url}/token", status="307 Temporary Redirect")

        with serving(Guarded(token=redirect)) as stranger:
            logins({stranger.host: {"identitytoken": IDENTITY}})
            assert read(stranger) == IMAGE.manifest  # as nobody
        assert [(asked.method, asked.body, asked.headers.get("authorization")) for asked in thief.asked] == [
            ("GET", b"", None)
        ]


def test_an_identity_token_is_not_sent_in_the_clear(
    logins: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Stranger(lambda _, send: send(answer(b'{"token": "given"}'))) as plain:
        for realm in (f"{plain.url}/token", f"https://{plain.host}/token"):
            guarded = Guarded(fields=(f'Bearer realm="{realm}"',))
            with serving(guarded, certificate=certificate) as stranger:
                logins({stranger.host: {"identitytoken": IDENTITY}})
                with client(insecure=[plain.host]) as reader, pytest.raises(ImageError) as error:
                    reader.manifest(f"{stranger.url}/lab/app", "1")
                assert IDENTITY not in str(error.value)
        assert not any(asked.body or asked.headers.get("authorization") for asked in plain.asked)


def test_what_an_exchange_costs_is_metered(logins: Write) -> None:
    def endless(asked: Asked) -> bytes:
        return answer(b'{"token": "' + b"x" * 3_000_000)

    with serving(Guarded(token=endless)) as stranger:
        logins({stranger.host: {"identitytoken": IDENTITY}})
        with pytest.raises(WrongBytes):
            read(stranger)
        with client() as reader, pytest.raises(OverBudget):
            reader.manifest(
                f"{stranger.url}/lab/app", "1", allowance=Allowance(ReadBudget(requests=1), "limits.reading")
            )
        assert len(tokens(stranger)) == 1


# Paths


def test_a_team_is_never_shown_another_one_s_password(logins: Write, home: Path) -> None:
    def of(team: str) -> str:
        return base64.b64encode(f"{team}:{SECRET}".encode()).decode()

    def serve(asked: Asked, send: Send) -> None:
        team = asked.path.split("/")[2]
        if team and asked.headers.get("authorization") == f"Basic {of(team)}":
            send(answer(IMAGE.manifest, f"Content-Type: {IMAGE.media_type}"))
        else:
            send(answer(b"", 'WWW-Authenticate: Basic realm="x"', status=UNAUTHORIZED))

    with Stranger(serve) as stranger:
        entries = {f"{stranger.host}/{team}": {"auth": of(team)} for team in ("lab", "other")}
        logins(entries)
        (home / "auth.json").write_text(json.dumps({"auths": entries}))
        for repository in ("lab/app", "other/deep/app"):
            command = ["inspect", "--raw", "--tls-verify=false", f"--authfile={home / 'auth.json'}"]
            reference = f"docker://{stranger.host}/{repository}:1"
            skopeo = subprocess.run([require("skopeo"), *command, reference], capture_output=True, check=False)
            assert skopeo.stdout == IMAGE.manifest
            assert read(stranger, repository) == IMAGE.manifest
        stranger.asked.clear()
        for repository in ("third/app", "laboratory/app"):
            with pytest.raises(Denied, match=r"no login"):
                read(stranger, repository)
        assert not any(asked.headers.get("authorization") for asked in stranger.asked)


# Hidden


def test_what_is_hidden_costs_little_where_there_is_no_login_or_it_does_not_help(logins: Write, home: Path) -> None:
    with serving(Guarded(status="404 Not Found", wants="nothing", ping="200 OK")) as stranger:
        with pytest.raises(NotFound, match=r"no login for it in .*config\.json"):
            read(stranger)
        assert len(stranger.asked) == 2
        stranger.asked.clear()
        logins({stranger.host: PASSWORDS})
        with client() as reader:
            for _ in range(2):
                with pytest.raises(NotFound, match=stranger.host) as error:
                    reader.manifest(f"{stranger.url}/lab/app", "1")
                assert SECRET not in str(error.value)
        assert [asked.headers.get("authorization") for asked in stranger.asked] == [None, None, BASIC, BASIC]


def test_a_login_that_is_refused_leaves_what_the_anonymous_was_answered(logins: Write) -> None:
    guarded = Guarded(status="404 Not Found", token=lambda _: answer(status=UNAUTHORIZED))
    with serving(guarded) as stranger:
        logins({stranger.host: PASSWORDS})
        with pytest.raises(NotFound, match="gives no token"):
            read(stranger)


def test_a_config_that_is_broken_is_said_where_something_is_hidden(home: Path) -> None:
    (home / ".docker" / "config.json").write_text('{"auths": {"x": {"auth": "a\nb"}}}')
    with (
        serving(Guarded(status="403 Forbidden", ping="200 OK")) as stranger,
        pytest.raises(Denied, match=r"config\.json.*line 1.*line break"),
    ):
        read(stranger)


def test_nothing_hidden_is_asked_for_in_the_clear(logins: Write) -> None:
    with serving(Guarded(status="404 Not Found", wants=BASIC, ping="200 OK")) as stranger:
        logins({stranger.host: PASSWORDS})
        with client(insecure=[stranger.host]) as reader, pytest.raises(NotFound):
            reader.manifest(f"https://{stranger.host}/lab/app", "1")
        assert not any(asked.headers.get("authorization") for asked in stranger.asked)


@pytest.mark.parametrize("ping", ["200 OK", UNAUTHORIZED])
@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_a_catalogue_of_which_the_anonymous_see_a_part(logins: Write, ping: str, scheme: str) -> None:
    bearer = scheme == "Bearer" and ping != "200 OK"
    challenge = 'Bearer realm="{url}/token",service="s"' if bearer else 'Basic realm="x"'

    def serve(asked: Asked, send: Send) -> None:
        if asked.path.startswith("/v2/_catalog"):
            known = asked.headers.get("authorization") == guarded.wants
            send(answer(json.dumps({"repositories": ["private", "public"] if known else ["public"]}).encode()))
        else:
            guarded(asked, send)

    guarded = Guarded(fields=(challenge,), ping=ping, wants="Bearer given" if bearer else BASIC)
    with Stranger(serve) as stranger:
        guarded.url = stranger.url
        with client() as reader:
            assert reader.catalogue(stranger.url) == ["public"]
        logins({stranger.host: PASSWORDS})
        command = [require("crane"), "catalog", stranger.host]
        assert subprocess.run(command, capture_output=True, check=False).stdout.split() == [b"private", b"public"]
        with client() as reader:
            assert reader.catalogue(stranger.url) == ["private", "public"]
        if bearer:
            assert "scope=registry%3Acatalog%3A%2A" in tokens(stranger)[-1].path
        guarded.token = lambda _: answer(status=UNAUTHORIZED)
        if bearer:
            with client() as reader, pytest.raises(Denied, match="gives no token"):
                reader.catalogue(stranger.url)


def test_a_ping_names_no_token_server_that_must_not_be_asked(
    logins: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Stranger(lambda _, send: send(answer(b'{"token": "given"}'))) as thief:
        guarded = Guarded(status="404 Not Found", fields=(f'Bearer realm="{thief.url}/token"',))
        with serving(guarded, certificate=certificate) as stranger:
            logins({stranger.host: PASSWORDS})
            with pytest.raises(NotFound, match="without TLS"):
                read(stranger)
            assert not any(asked.headers.get("authorization") for asked in stranger.asked)
        assert thief.asked == []


def test_a_token_that_ran_out_without_a_challenge_is_renewed(logins: Write) -> None:
    guarded = Guarded(silent=True, token=give(token="first"), wants="Bearer first")
    with serving(guarded) as stranger, client() as reader:
        logins({stranger.host: PASSWORDS})
        assert reader.manifest(f"{stranger.url}/lab/app", "1").data == IMAGE.manifest
        guarded.wants, guarded.token = "Bearer second", give(token="second")
        assert reader.manifest(f"{stranger.url}/lab/app", "1").data == IMAGE.manifest


# A real registry


def test_a_line_break_in_the_password_is_said_and_crane_is_refused_too(
    upstream: Upstream, repository: str, logins: Write
) -> None:
    upstream.push(f"{repository}:1", IMAGE)

    def of(text: str) -> dict[str, dict[str, str]]:
        return {upstream.host: {"auth": base64.b64encode(text.encode()).decode()}}

    def crane() -> int:
        command = [require("crane"), "digest", f"{upstream.host}/{repository}:1"]
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode

    logins(of(f"{USER}:{PASSWORD}"))
    assert crane() == 0
    with fast_client() as reader:
        assert resolve(f"{upstream.url}/{repository}", "1", [Platform()], reader)
    logins(of(f"{USER}:{PASSWORD}\n"))
    assert crane() != 0
    with fast_client() as reader, pytest.raises(Denied, match=r"password .* has a line break at its end") as error:
        resolve(f"{upstream.url}/{repository}", "1", [Platform()], reader)
    assert PASSWORD not in str(error.value)


# Storage behind a registry


class _Sink:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, offset: int, data: bytes | memoryview) -> None:
        self.data[offset : offset + len(data)] = data


@contextmanager
def stored(blob: bytes, *answers: str) -> Iterator[tuple[Stranger, Stranger]]:
    """A registry that redirects blobs to signed URLs of its storage.

    Args:
        blob: whole.
        answers: what the storage does with one request after the other: a status, `cut` for half of what was asked
            for, or `whole`, which never ends.
    """
    behaviours = list(answers)

    def store(asked: Asked, send: Send) -> None:
        mood = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        begin = int(asked.headers.get("range", "bytes=0-")[6:-1])
        span = f"Content-Range: bytes {begin}-{len(blob) - 1}/{len(blob)}"
        good = answer(blob[begin:], span, status="206 Partial Content") if begin else answer(blob)
        if mood == "whole":
            send(good)
        elif mood == "cut":
            send(good[: len(good) - (len(blob) - begin) // 2])
            raise ConnectionResetError
        else:
            send(answer(b"<Error><Code>AccessDenied</Code></Error>", status=mood))

    def redirect(asked: Asked, send: Send) -> None:
        signed = len(registry.asked)
        send(answer(b"", f"Location: {storage.url}/signed/{signed}", status="307 Temporary Redirect"))

    with Stranger(store) as storage, Stranger(redirect) as registry:
        yield registry, storage


def fetch(registry: Stranger, *, retries: int = 0) -> bytes:
    sink = _Sink()
    blob = Blob(digest=LAYER.digest, size=len(LAYER.blob), media_type="")
    with client(retries=retries) as reader:
        RegistryBlobs(reader, f"{registry.url}/lab/app").fetch(blob, sink)
    return bytes(sink.data)


@pytest.mark.parametrize("status", ["403 Forbidden", "400 Bad Request", "410 Gone"])
def test_a_signed_url_that_ran_out_is_asked_for_again_once(logins: Write, status: str) -> None:
    with stored(LAYER.blob, status, "whole") as (registry, storage):
        logins({registry.host: PASSWORDS})
        assert fetch(registry) == LAYER.blob
        assert [asked.path for asked in storage.asked] == ["/signed/1", "/signed/2"]
        assert not any(asked.headers.get("authorization") for asked in [*registry.asked, *storage.asked])


def test_one_that_ran_out_in_the_middle_of_a_resumed_pull(logins: Write) -> None:
    with stored(LAYER.blob, "cut", "403 Forbidden", "cut", "403 Forbidden", "whole") as (registry, storage):
        assert fetch(registry, retries=2) == LAYER.blob
        begun = [asked.headers.get("range", "") for asked in storage.asked]
        assert begun[0] == ""
        assert begun[1] == begun[2] != begun[3] == begun[4]


def test_storage_under_the_registry_s_own_name_is_asked_for_again_too() -> None:
    signed: list[str] = []

    def serve(asked: Asked, send: Send) -> None:
        if asked.path.startswith("/v2/"):
            send(answer(b"", f"Location: /signed/{len(signed)}", status="307 Temporary Redirect"))
            return
        signed.append(asked.path)
        send(answer(LAYER.blob) if len(signed) > 1 else answer(status="403 Forbidden"))

    with Stranger(serve) as stranger:
        assert fetch(stranger) == LAYER.blob
    assert signed == ["/signed/0", "/signed/1"]


def test_storage_that_refuses_for_good_is_not_said_to_be_a_matter_of_the_login(logins: Write) -> None:
    with stored(LAYER.blob, "403 Forbidden") as (registry, storage):
        logins({registry.host: PASSWORDS})
        with pytest.raises(Denied, match=storage.host) as error:
            fetch(registry, retries=4)
        assert "config.json" not in str(error.value)
        assert len(registry.asked) == len(storage.asked) == 2
        assert not any(asked.headers.get("authorization") for asked in [*registry.asked, *storage.asked])


def test_storage_that_has_lost_a_blob_is_named(logins: Write) -> None:
    with stored(LAYER.blob, "404 Not Found") as (registry, storage):
        logins({registry.host: PASSWORDS})
        with pytest.raises(NotFound, match=storage.host):
            fetch(registry)
        assert len(storage.asked) == 1


def test_the_registry_s_own_403_is_a_matter_of_the_login(logins: Write) -> None:
    with serving(Guarded(status="403 Forbidden", wants="nothing", ping="200 OK")) as stranger:
        logins({stranger.host: PASSWORDS})
        with pytest.raises(Denied, match=r"config\.json"):
            read(stranger)
