"""Registries that want to be waited for, read, followed and believed without end: each costs its budget and no more."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import default_config
from orchestrator.errors import PermanentError
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.registry.resolve import resolve
from orchestrator.images.tarball.sources import RegistryBlobs
from orchestrator.inventory import Entry, collect
from orchestrator.model import Blob, Decision, Plan, Platform, ReadBudget
from orchestrator.net.allowance import Allowance
from orchestrator.net.errors import (
    Broken,
    Busy,
    Denied,
    ImageError,
    NotFound,
    OverBudget,
    TooSlow,
    Unsupported,
    WrongBytes,
)
from orchestrator.planning import targets as planning_targets
from tests.planned import plan_here
from tests.tools.images import Image, layer
from tests.tools.strangers import Asked, Behaviour, Send, Stranger, answer, digest, index

LINUX = [Platform()]
IMAGE = Image.build([layer({"a": "b"})])
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MEGABYTE = 1024 * 1024


@contextmanager
def quick(retries: int = 1, patience: float = 0.4) -> Iterator[RegistryClient]:
    """A client that waits little."""
    with RegistryClient(retries=retries, backoff=0.01, timeout=(5, patience)) as client:
        yield client


def documents(*known: bytes, tag: bytes, fields: tuple[str, ...] = ()) -> Behaviour:
    """Serve these by digest, and one of them under every tag."""
    by_digest = {digest(each): each for each in known}

    def serve(asked: Asked, send: Send) -> None:
        found = by_digest.get(asked.reference) if ":" in asked.reference else tag
        send(answer(found, *fields) if found is not None else answer(status="404 Not Found"))

    return serve


def always(data: bytes) -> Behaviour:
    """Answer everything alike."""

    def serve(_: Asked, send: Send) -> None:
        send(data)

    return serve


def drip(closing: Callable[[], threading.Event], head: bytes, piece: bytes = b" ", pause: float = 0.05) -> Behaviour:
    """Send the beginning at once, then the same piece again and again."""

    def serve(_: Asked, send: Send) -> None:
        send(head)
        while send(piece) and not closing().wait(pause):
            pass

    return serve


# Indexes


def test_an_index_of_indexes_costs_what_its_documents_cost_however_often_it_names_them() -> None:
    inner = index(IMAGE.manifest, copies=14)
    middle = index(inner, copies=14)
    outer = index(middle, copies=14)
    known = (IMAGE.manifest, IMAGE.config, inner, middle)
    with Stranger(documents(*known, tag=outer)) as stranger, quick() as client:
        (found,) = resolve(f"{stranger.url}/app", "1", LINUX, client)
    assert found.manifest.digest == IMAGE.digest
    assert len(stranger.asked) == 5


@pytest.mark.parametrize(
    ("budget", "named"),
    [
        (ReadBudget(requests=20), "requests"),
        (ReadBudget(entries=60), "entries"),
        (ReadBudget(bytes=20_000), "bytes"),
        (ReadBudget(seconds=0), "time"),
    ],
)
def test_many_different_indexes_end_with_the_budget_that_they_exceed(budget: ReadBudget, named: str) -> None:
    inner = [index(IMAGE.manifest, annotations={"number": str(number)}) for number in range(50)]
    outer = index(*inner)
    allowance = Allowance(budget, "limits.lookup")
    with Stranger(documents(*inner, IMAGE.manifest, IMAGE.config, tag=outer)) as stranger, quick() as client:
        with pytest.raises(OverBudget, match=f"limits.lookup.{named}"):
            resolve(f"{stranger.url}/app", "1", LINUX, client, allowance=allowance)
        assert len(stranger.asked) <= 52


def test_indexes_nested_too_deeply_are_refused() -> None:
    nested = [IMAGE.manifest]
    for _ in range(5):
        nested.append(index(nested[-1]))
    with Stranger(documents(*nested, tag=nested[-1])) as stranger, quick() as client, pytest.raises(Unsupported):
        resolve(f"{stranger.url}/app", "1", LINUX, client)
    assert len(stranger.asked) <= 5


# Time


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 ",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4000;",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 4000\r\n\r\n",
    ],
    ids=["status", "status-2", "header", "body", "chunk", "until-closed", "error"],
)
def test_an_answer_that_comes_byte_by_byte_ends_and_is_not_tried_forever(head: bytes) -> None:
    stranger: Stranger
    with Stranger(drip(lambda: stranger.closing, head)) as stranger, quick(retries=4) as client:
        began = time.monotonic()
        with pytest.raises((TooSlow, NotFound)):
            client.manifest(f"{stranger.url}/app", "1")
        assert time.monotonic() - began < 30
        assert len(stranger.asked) <= 2


def test_a_layer_that_comes_byte_by_byte_ends() -> None:
    stranger: Stranger
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    blob = Blob(digest=IMAGE.digest, size=100000, media_type="")
    with Stranger(drip(lambda: stranger.closing, head)) as stranger, quick(retries=1) as client:
        with pytest.raises(TooSlow):
            RegistryBlobs(client, f"{stranger.url}/app").fetch(blob, Nowhere())
        assert len(stranger.asked) <= 2


def test_a_slow_token_server_ends_too() -> None:
    stranger: Stranger

    def serve(asked: Asked, send: Send) -> None:
        if asked.path.startswith("/token"):
            drip(lambda: stranger.closing, b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")(asked, send)
        challenge = f'WWW-Authenticate: Bearer realm="{stranger.url}/token"'
        send(answer(b"", challenge, status="401 Unauthorized"))

    with Stranger(serve) as stranger, quick() as client, pytest.raises(TooSlow):
        client.manifest(f"{stranger.url}/app", "1")


@pytest.mark.parametrize("wish", ["1000000000", "9" * 5000, "-1", "soon", "Fri, 31 Dec 9999 23:59:59 GMT", "1e9", ""])
def test_waits_that_nobody_would_wait_are_not_waited(wish: str) -> None:
    busy = answer(b"", f"Retry-After: {wish}", status="429 Too Many Requests")
    with Stranger(always(busy)) as stranger, quick() as client, pytest.raises(Busy):
        client.manifest(f"{stranger.url}/app", "1")
    assert len(stranger.asked) <= 2


# Bytes


class Nowhere:
    """A sink that counts."""

    def __init__(self) -> None:
        self.taken = 0

    def write(self, _offset: int, data: bytes) -> None:
        self.taken += len(data)


@pytest.mark.parametrize("more", [0, MEGABYTE // 2])
def test_a_layer_cut_again_and_again_by_a_server_without_range_costs_a_few_copies(more: int) -> None:
    """It sends more each time, so that every attempt brings something new, and all from the start."""
    size, sent = 4 * MEGABYTE, []

    def serve(_: Asked, send: Send) -> None:
        sent.append(1)
        end = min(size - 1, MEGABYTE + MEGABYTE // 2 + more * len(sent))
        send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(end))
        raise ConnectionAbortedError

    sink = Nowhere()
    with Stranger(serve) as stranger, quick(retries=4) as client, pytest.raises((Broken, WrongBytes)):
        RegistryBlobs(client, f"{stranger.url}/app").fetch(Blob(digest=IMAGE.digest, size=size, media_type=""), sink)
    assert sink.taken <= 5 * size
    assert len(stranger.asked) <= 12


@pytest.mark.parametrize(
    "endless",
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 400),
        (b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 8000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 8000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b" " * 4096 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 8000 + b"\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\n", b"T: " + b"y" * 8000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 8000),
    ],
    ids=["interim", "headers", "header", "chunks", "extensions", "trailers", "body"],
)
@pytest.mark.parametrize("what", ["manifest", "layer"])
def test_an_answer_without_end_costs_what_its_kind_may_cost(endless: tuple[bytes, bytes], what: str) -> None:
    stranger: Stranger
    head, piece = endless
    allowed = {"manifest": 20 * MEGABYTE, "layer": 40 * MEGABYTE}[what]
    with Stranger(drip(lambda: stranger.closing, head, piece, pause=0)) as stranger, quick(retries=0) as client:
        location, used = f"{stranger.url}/app", time.process_time()
        blob = Blob(digest=IMAGE.digest, size=5 * MEGABYTE, media_type="")
        read = {
            "manifest": lambda: client.manifest(location, "1"),
            "layer": lambda: RegistryBlobs(client, location).fetch(blob, Nowhere()),
        }
        with pytest.raises(ImageError):
            read[what]()
        assert stranger.sent < allowed
        assert time.process_time() - used < 10


def test_what_is_packed_is_not_unpacked() -> None:
    packed = answer(b"\x1f\x8b" + bytes(1000), "Content-Encoding: gzip")
    with Stranger(always(packed)) as stranger, quick() as client, pytest.raises(WrongBytes, match="gzip"):
        client.manifest(f"{stranger.url}/app", "1")
    error = packed.replace(b"200 OK", b"500 Oh")
    with Stranger(always(error)) as stranger, quick() as client, pytest.raises(Broken):
        client.manifest(f"{stranger.url}/app", "1")


@pytest.mark.parametrize(
    "field",
    [
        "Docker-Content-Digest: md5:" + "0" * 32,
        "Docker-Content-Digest: " + "x" * 60_000,
        "Docker-Content-Digest: sha256:../../../etc/passwd",
        "Docker-Content-Digest: sha512:" + "0" * 128,
        "Content-Length: " + "9" * 5000,
        "Content-Length: -5",
        "Content-Length: 99999",
        "Transfer-Encoding: chunked",
    ],
)
def test_headers_that_lie_are_typed_errors(field: str) -> None:
    head = answer(IMAGE.manifest, field).replace(f"Content-Length: {len(IMAGE.manifest)}\r\n".encode(), b"")

    def serve(_: Asked, send: Send) -> None:
        send(head)
        raise ConnectionAbortedError

    with Stranger(serve) as stranger, quick() as client:
        try:
            found = client.manifest(f"{stranger.url}/app", "1")
        except ImageError:
            return
    assert found.data == IMAGE.manifest  # a length that is none says nothing: the end of the connection then counts


@pytest.mark.parametrize("said", ["bytes 5-9/20", "bytes " + "9" * 5000 + "-9/20", "bytes */20", "x", ""])
def test_parts_that_nobody_asked_for(said: str) -> None:
    part = answer(IMAGE.manifest, f"Content-Range: {said}", status="206 Partial Content")
    with Stranger(always(part)) as stranger, quick() as client:
        with pytest.raises(ImageError):
            client.manifest(f"{stranger.url}/app", "1")
        with pytest.raises(ImageError), client.open_blob(f"{stranger.url}/app", IMAGE.digest, 10):
            pass


@pytest.mark.parametrize("status", ["204 No Content", "203 x", "226 x", "300 x", "102 Processing", "999 x", "0 x"])
def test_other_statuses_are_no_answer(status: str) -> None:
    with Stranger(always(answer(b"", status=status))) as stranger, quick(0) as client, pytest.raises(ImageError):
        client.manifest(f"{stranger.url}/app", "1")


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\0" * 1000, b"HTTP/9.9 200 OK\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 2e2 OK\r\n\r\n", b"\r\n\r\n"],
)
def test_what_is_no_http_is_a_broken_answer(garbage: bytes) -> None:
    def serve(_: Asked, send: Send) -> None:
        send(garbage)
        raise ConnectionAbortedError

    with Stranger(serve) as stranger, quick(0) as client, pytest.raises(ImageError):
        client.manifest(f"{stranger.url}/app", "1")


# Headers with a grammar


@pytest.mark.parametrize("name", ["Link", "WWW-Authenticate"])
@pytest.mark.parametrize("unit", ["<", "a=", 'a="', ",", " ", "<a>;", 'Bearer a="b",', "\\"])
def test_a_long_header_costs_what_its_length_costs(name: str, unit: str) -> None:
    value = f"x{(unit * 60_000)[:60_000]}x"
    body, status = (b'{"tags": []}', "200 OK") if name == "Link" else (b"", "401 Unauthorized")
    with Stranger(always(answer(body, f"{name}: {value}", status=status))) as stranger, quick() as client:
        used = time.process_time()
        with pytest.raises(PermanentError):
            client.tags(f"{stranger.url}/app")
        assert time.process_time() - used < 10
    assert len(stranger.asked) == 1


def test_a_registry_that_refuses_every_token_is_asked_a_few_times() -> None:
    stranger: Stranger

    def serve(asked: Asked, send: Send) -> None:
        challenge = f'WWW-Authenticate: Bearer realm="{stranger.url}/token",service="s",scope="repository:app:pull"'
        token = asked.path.startswith("/token")
        send(answer(b'{"token": "t"}') if token else answer(b"", challenge, status="401 Unauthorized"))

    with Stranger(serve) as stranger, quick() as client, pytest.raises(Denied):
        client.manifest(f"{stranger.url}/app", "1")
    assert len(stranger.asked) <= 8


@pytest.mark.parametrize(
    "token",
    [
        {"token": "a\r\nHost: evil"},
        {"token": "a b"},
        {"token": "é"},
        {"token": "x" * 100_000},
        {"token": ["x"]},
        {"token": None},
        {"token": 1},
        {"token": "x" * 3_000_000},
        {},
        [],
        "x",
        None,
    ],
    ids=lambda token: repr(token)[:20],
)
def test_odd_tokens_are_shown_to_nobody(token: object) -> None:
    stranger: Stranger

    def serve(asked: Asked, send: Send) -> None:
        challenge = f'WWW-Authenticate: Bearer realm="{stranger.url}/token"'
        given = answer(json.dumps(token).encode())
        send(given if asked.path.startswith("/token") else answer(b"", challenge, status="401 Unauthorized"))

    with Stranger(serve) as stranger, quick() as client, pytest.raises((Denied, WrongBytes)):
        client.manifest(f"{stranger.url}/app", "1")
    assert not any("authorization" in each.headers for each in stranger.asked)


@pytest.mark.parametrize("life", [-1, 0, 1e300, "long", None, [], pytest.param(10**400, id="400 digits")])
def test_how_long_a_token_says_it_lives_changes_nothing(life: object) -> None:
    stranger: Stranger

    def serve(asked: Asked, send: Send) -> None:
        if asked.path.startswith("/token"):
            send(answer(json.dumps({"token": "good", "expires_in": life}).encode()))
        elif asked.headers.get("authorization") == "Bearer good":
            send(answer(IMAGE.manifest))
        else:
            send(answer(b"", f'WWW-Authenticate: Bearer realm="{stranger.url}/token"', status="401 Unauthorized"))

    with Stranger(serve) as stranger, quick() as client:
        try:
            assert client.manifest(f"{stranger.url}/app", "1").data == IMAGE.manifest
        except Denied:
            assert life == 10**400  # JSON that no honest server writes


def test_header_fields_that_are_none_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    odd = b"HTTP/1.1 200 OK\r\n\x1b[31m stranger's text\r\nContent-Length: 2\r\n\r\n{}"

    def serve(_: Asked, send: Send) -> None:
        send(odd)
        raise ConnectionAbortedError

    with Stranger(serve) as stranger, quick(0) as client, contextlib.suppress(ImageError):
        client.manifest(f"{stranger.url}/app", "1")
    assert "stranger's text" not in caplog.text


# Redirects


@pytest.mark.parametrize(
    "location",
    [
        "/v2/app/manifests/1",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://user:secret@127.0.0.1/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[broken/",
        "http://127.0.0.1:99999/",
        "http:///path",
        "//",
        "x" * 20_000,
    ],
)
def test_redirects_to_nowhere_good(location: str) -> None:
    redirect = answer(b"", f"Location: {location}", status="302 Found")
    with Stranger(always(redirect)) as stranger, quick(0) as client, pytest.raises((Broken, Denied)) as error:
        client.manifest(f"{stranger.url}/app", "1")
    assert len(stranger.asked) <= 5
    assert "secret" not in str(error.value)


# Lists


def test_a_list_whose_pages_link_to_themselves_ends() -> None:
    page = answer(b'{"tags": ["a"]}', 'Link: </v2/app/tags/list?last=a>; rel="next"')
    with Stranger(always(page)) as stranger, quick() as client, pytest.raises(WrongBytes):
        client.tags(f"{stranger.url}/app")
    assert len(stranger.asked) == 2


@pytest.mark.parametrize(
    ("budget", "named"), [(ReadBudget(requests=30), "requests"), (ReadBudget(entries=25), "entries")]
)
def test_a_list_without_end_costs_its_budget(budget: ReadBudget, named: str) -> None:
    def serve(asked: Asked, send: Send) -> None:
        number = len(asked.path)
        link = f'Link: <{asked.path}x>; rel="next"'
        send(answer(json.dumps({"repositories": [f"a{number}"]}).encode(), link))

    with Stranger(serve) as stranger, quick() as client, pytest.raises(OverBudget, match=f"limits.listing.{named}"):
        client.catalogue(stranger.url, allowance=Allowance(budget, "limits.listing"))
    assert len(stranger.asked) <= 30


def test_a_link_to_another_server_leads_nowhere_else() -> None:
    with Stranger(always(answer(b'{"tags": ["b"]}'))) as other:

        def serve(asked: Asked, send: Send) -> None:
            first = "last" not in asked.path
            link = (f"Link: <{other.url}/v2/other?last=a>; rel=next",) if first else ()
            send(answer(b'{"tags": ["a"]}', *link))

        with Stranger(serve) as stranger, quick() as client:
            assert client.tags(f"{stranger.url}/app") == ["a"]
        assert [each.path for each in stranger.asked] == ["/v2/app/tags/list?n=1000", "/v2/app/tags/list?last=a"]
        assert other.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"tags": [1]}',
        b'{"tags": ["\xff\xfe"]}',
        b'{"tags": {"a": 1}}',
        b'{"tags": "a"}',
        b'{"tags": ["a"], "Tags": ["b"]}',
        b"[" * 100_000,
        b'{"tags": ["\\ud800"]}',
        b"",
        b"null",
        b"<html>",
        b'\xef\xbb\xbf{"tags": []}',
        b'{"tags": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_lists_that_are_none_are_typed_errors(body: bytes) -> None:
    with Stranger(always(answer(body))) as stranger, quick() as client:
        try:
            found = client.tags(f"{stranger.url}/app")
        except PermanentError:
            return
    assert (body, found) == (b"null", [])


# Planning


def plan_of(host: str, *references: str, **limits: object) -> tuple[Plan, dict[str, str]]:
    """A plan of images of one registry, and why each of them fails."""
    config = default_config(environment={}, limits={"retries": 0} | limits)
    entries = [Entry(reference=f"{host}/{each}", scans=("sbom",)) for each in references]
    plan = plan_here(config, entries, load_catalog(config), run="run", now=NOW)
    names = {target.id: target.reference.rpartition("/")[2] for target in plan.targets}
    failed = [cell for cell in plan.cells if cell.decision is Decision.FAIL]
    return plan, {names[cell.target]: cell.reason for cell in failed}


def test_an_image_over_its_budget_fails_and_the_others_are_planned() -> None:
    many = [index(IMAGE.manifest, annotations={"number": str(number)}) for number in range(30)]
    bomb, good = index(*many), documents(IMAGE.manifest, IMAGE.config, tag=IMAGE.manifest)
    bad = documents(*many, IMAGE.manifest, IMAGE.config, tag=bomb)
    with Stranger(lambda asked, send: (bad if "/bomb/" in asked.path else good)(asked, send)) as stranger:
        plan, failed = plan_of(stranger.host, "bomb:1", "good:1", lookup={"requests": 10})
        _, unharmed = plan_of(stranger.host, "bomb:1", "good:1")
    assert list(failed) == ["bomb:1"]
    assert "limits.lookup.requests" in failed["bomb:1"]
    assert len(plan.targets) == 2
    assert unharmed == {}  # by default it is no bomb: each of its documents is read once


def test_planning_has_a_deadline_and_its_threads_end() -> None:
    stranger: Stranger
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n{"
    with Stranger(drip(lambda: stranger.closing, head)) as stranger:
        began = time.monotonic()
        references = [f"app{number}:1" for number in range(40)]
        plan, failed = plan_of(stranger.host, *references, planning={"time": "1s"})
        assert time.monotonic() - began < 30
        assert set(failed) == set(references)
        assert all("limits.planning.time" in reason for reason in failed.values())
        assert len(plan.targets) == 40
        waited_for = time.monotonic() + 30
        while time.monotonic() < waited_for and _resolving():
            time.sleep(0.02)
        assert _resolving() == []


def _resolving() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("resolve")]


def test_who_closes_a_client_ends_what_other_threads_read_with_it() -> None:
    stranger: Stranger
    failures: list[Exception] = []

    def read(client: RegistryClient, path: str) -> None:
        try:
            client.manifest(f"{stranger.url}/{path}", "1")
        except ImageError as error:
            failures.append(error)

    def serve(asked: Asked, send: Send) -> None:
        if "/body/" in asked.path:
            send(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n{")
        stranger.closing.wait()

    with Stranger(serve) as stranger:
        with quick(retries=0, patience=60) as client:
            threads = [threading.Thread(target=read, args=(client, path)) for path in ("body", "head")]
            for thread in threads:
                thread.start()
            while len(stranger.asked) < 2:
                time.sleep(0.01)
            time.sleep(0.1)
        for thread in threads:
            thread.join(timeout=30)
    assert len(failures) == 2


def test_the_budget_of_a_plan_is_one_for_all_its_references(monkeypatch: pytest.MonkeyPatch) -> None:
    # Looked up one after the other: were all begun at once, the budget might be used up before any is through.
    monkeypatch.setattr(planning_targets, "PARALLEL", 1)
    with Stranger(documents(IMAGE.manifest, IMAGE.config, tag=IMAGE.manifest)) as stranger:
        references = [f"app{number}:1" for number in range(20)]
        _, failed = plan_of(stranger.host, *references, planning={"requests": 10})
    assert 10 < len(failed) < 20
    assert all("limits.planning.requests" in reason for reason in failed.values())
    assert len(stranger.asked) <= 10


def test_a_digest_that_many_references_share_is_read_once() -> None:
    both = index(IMAGE.manifest)
    names = (f"app:{number}" for number in range(20))
    with Stranger(documents(IMAGE.manifest, IMAGE.config, tag=both)) as stranger:
        _, failed = plan_of(stranger.host, *names)
    assert failed == {}
    assert len([each for each in stranger.asked if ":" in each.reference]) == 2


# Sources of targets


def entries_of(stranger: Stranger, *others: dict[str, object], **keys: object) -> list[str]:
    section = {"registry": {"host": stranger.host, "repositories": ["app"]} | keys}
    config = default_config(environment={}, targets=[section, *others], limits={"retries": 0})
    return [each.reference.removeprefix(f"{stranger.host}/") for each in collect(config)]


def test_tags_that_no_registry_may_have_are_targets_that_fail() -> None:
    tags = ["1.0", "9" * 5000, "-x", "a b", "../../x", "1" * 129 + ".0", "\x1b[31m", ""]
    good = documents(IMAGE.manifest, IMAGE.config, tag=IMAGE.manifest)
    listed = always(answer(json.dumps({"tags": tags}).encode()))
    with Stranger(lambda asked, send: (listed if "/tags/" in asked.path else good)(asked, send)) as stranger:
        section = {"registry": {"host": stranger.host, "repositories": ["app"]}}
        config = default_config(environment={}, targets=[section], limits={"retries": 0})
        plan = plan_here(config, collect(config), load_catalog(config), run="run", now=NOW)
    wanted = [target for target in plan.targets if not target.error]
    assert [target.reference for target in wanted] == [f"{stranger.host}/app:1.0"]
    assert len(plan.targets) == len(tags)
    assert all(len(target.reference) < 400 for target in plan.targets)


def test_names_in_a_catalogue_that_climb_are_never_asked_for() -> None:
    names = ["app", "../../etc", "/etc", "a/../b", "a//b", "A", "x:1", "x@sha256:0", "x?y", "x#y", "a" * 5000, "é", ""]

    def serve(asked: Asked, send: Send) -> None:
        known = {"repositories": names} if "_catalog" in asked.path else {"tags": ["1"]}
        send(answer(json.dumps(known).encode()))

    with Stranger(serve) as stranger:
        found = entries_of(stranger, repositories=["*"])
    assert "app:1" in found
    assert len(found) == len(names)
    assert [each.path.partition("?")[0] for each in stranger.asked] == ["/v2/_catalog", "/v2/app/tags/list"]


@pytest.mark.parametrize("body", [b'{"tags": [1]}', b'{"tags": ["\xff"]}', b"[" * 10_000])
@pytest.mark.parametrize("what", ["tags", "catalogue"])
def test_a_list_that_is_none_fails_as_a_target_and_the_other_sources_are_read(body: bytes, what: str) -> None:
    good = documents(IMAGE.manifest, IMAGE.config, tag=IMAGE.manifest)
    listed = always(answer(body.replace(b"tags", b"repositories") if what == "catalogue" else body))
    lists = ("/tags/", "_catalog")
    with Stranger(
        lambda asked, send: (listed if any(each in asked.path for each in lists) else good)(asked, send)
    ) as stranger:
        repositories = ["app"] if what == "tags" else ["*"]
        sources = [
            {"registry": {"host": stranger.host, "repositories": repositories}},
            {"image": f"{stranger.host}/good:1"},
        ]
        config = default_config(environment={}, targets=sources, limits={"retries": 0})
        plan = plan_here(config, collect(config), load_catalog(config), run="run", now=NOW)
    bad, fine = plan.targets
    assert bad.error
    assert fine.reference == f"{stranger.host}/good:1"
    assert not fine.error
