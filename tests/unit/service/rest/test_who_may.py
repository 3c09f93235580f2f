"""Who may what: tokens, roles, owners, and the log of changes, by HTTP."""

import json
import logging
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from orchestrator.config.auth import AuthSection
from orchestrator.service.auth.guard import guard_of
from orchestrator.service.auth.token_file import add_token
from orchestrator.service.rest import app as app_module
from orchestrator.service.rest import routers as routers_module
from orchestrator.service.rest.caller import ADMINISTERS, OWNERS_MAY, READS, SUBMITS
from orchestrator.service.rest.state import ServiceState, state_of
from tests.live_server import Changes, listening, told
from tests.oidc_issuer import issuing
from tests.served import served


@pytest.fixture
def tokens(tmp_path):
    """A token of each role, and one of each owner."""
    path = tmp_path / "tokens.json"
    made = {role: add_token(path, role, role, owners=None, seconds=None) for role in ("read", "submit", "admin")}
    return made | {owner: add_token(path, owner, "admin", owners=(owner,), seconds=None) for owner in ("shop", "bank")}


@pytest.fixture
def guarded(config, tokens, tmp_path):
    return config.model_copy(update={"auth": AuthSection(tokens=str(tmp_path / "tokens.json"))})


_router = APIRouter()


@_router.get("/test/targets", dependencies=[READS, OWNERS_MAY])
async def _targets(state: Annotated[ServiceState, Depends(state_of)]) -> list[str]:
    return await state.ask(lambda: state.once("targets", lambda: [one.target for one in state.store.known_targets()]))


@_router.get("/test/whole", dependencies=[READS])
async def _whole() -> str:
    return "of everybody"


@_router.post("/test/runs", dependencies=[SUBMITS])
async def _submit() -> str:
    return "submitted"


@_router.delete("/test/runs/{run}", dependencies=[ADMINISTERS])
async def _delete(run: str) -> str:
    return f"deleted {run}"


@pytest.fixture
def client(guarded, monkeypatch):
    monkeypatch.setattr(app_module, "routers", lambda: (*routers_module.routers(), _router))
    with served(guarded, guard=guard_of(guarded)) as found:
        yield found


def _by(token):
    return {"Authorization": f"Bearer {token}"}


def test_nobody_is_let_in_without_a_token(client):
    for headers in (
        {},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
        _by("smx_x"),
        _by("a.b.c"),
        _by("x" * 50_000),
    ):
        answer = client.get("/test/targets", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/nowhere").status_code == 401
    assert client.get("/api/v1/openapi.json").status_code == 401
    assert client.get("/healthz").status_code == 200


def test_the_contract_says_that_a_token_is_needed(client, tokens):
    document = client.get("/api/v1/openapi.json", headers=_by(tokens["read"])).json()
    assert document["security"] == [{"bearer": []}]
    assert [path for path, one in document["paths"].items() if one.get("get", {}).get("security") == []] == [
        "/healthz",
        "/readyz",
    ]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/test/targets", {"read", "submit", "admin", "shop", "bank"}),
        ("GET", "/test/whole", {"read", "submit", "admin"}),
        ("POST", "/test/runs", {"submit", "admin"}),
        ("DELETE", "/test/runs/r1", {"admin"}),
    ],
)
def test_each_role_may_what_it_may(client, tokens, method, path, allowed):
    found = {who: client.request(method, path, headers=_by(token)).status_code for who, token in tokens.items()}
    assert found == {who: 200 if who in allowed else 403 for who in tokens}


def test_owners_see_their_own_whatever_was_asked_before(client, tokens):
    """Though the answer is kept, and asked for by the same name."""
    expected = {"shop": ["a", "c"], "bank": ["b"], "read": ["a", "b", "c"]}
    for who in ("read", "shop", "bank", "shop", "read"):
        answer = client.get("/test/targets", headers=_by(tokens[who]))
        assert sorted(answer.json()) == expected[who]
        others = {
            client.get("/test/targets", headers=_by(tokens[each])).headers["etag"] for each in expected if each != who
        }
        assert answer.headers["etag"] not in others


def test_each_change_is_in_the_log_with_its_caller(client, tokens, caplog):
    caplog.set_level(logging.INFO, logger="scanmatrix.audit")
    client.get("/test/targets", headers=_by(tokens["read"]))
    client.delete("/test/runs/r1", headers=_by(tokens["admin"]))
    client.delete("/test/runs/r2", headers=_by(tokens["read"]))
    found = [record for record in caplog.records if record.name == "scanmatrix.audit"]
    assert [(each.caller, each.role, each.action, each.status, each.run) for each in found] == [
        ("token:admin", "admin", "DELETE /test/runs/{run}", 200, "r1"),
        ("token:read", "read", "DELETE /test/runs/{run}", 403, "r2"),
    ]
    assert not any(token in caplog.text for token in tokens.values())


def test_a_token_file_that_breaks_lets_nobody_in_for_now(client, tokens, tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrator.service.auth.token_file._LOOK_SECONDS", 0.0)
    (tmp_path / "tokens.json").write_text("{")
    answer = client.get("/test/targets", headers=_by(tokens["admin"]))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_a_provider_s_tokens_hold_beside_those_of_the_file(config, guarded, tokens, monkeypatch):
    monkeypatch.setattr(app_module, "routers", lambda: (*routers_module.routers(), _router))
    with issuing() as issuer:
        oidc = {"issuer": issuer.url, "audience": "scanmatrix", "ownerClaim": "teams"}
        auth = {"tokens": guarded.auth.tokens, "oidc": oidc | {"roles": {"read": ["dev"], "admin": ["root"]}}}
        both = config.model_copy(update={"auth": AuthSection.model_validate(auth)})
        with served(both, guard=guard_of(both)) as client:
            assert client.get("/test/targets", headers=_by(tokens["read"])).status_code == 200
            own = client.get("/test/targets", headers=_by(issuer.token(teams=["bank"])))
            assert own.json() == ["b"]
            assert len(client.get("/test/targets", headers=_by(issuer.token(roles=["root"]))).json()) == 3
            assert client.get("/test/targets", headers=_by(issuer.token(aud="other"))).status_code == 401
            assert client.get("/test/targets", headers=_by(issuer.token(roles=["x"]))).status_code == 403


def test_live_events_are_of_their_own_targets(guarded, tokens):
    with listening(guarded, guard=guard_of(guarded)) as service:
        changes = Changes(f"sqlite:///{service.state.kept.store.file}")
        assert service.events().status == 401
        streams = {who: service.events(token=tokens[who]) for who in ("shop", "bank", "read")}
        begun = {who: iter(stream) for who, stream in streams.items()}
        place = {who: next(events)["id"] for who, events in begun.items()}
        protocols = ["scanmatrix", f"bearer.{tokens['bank']}"]
        with pytest.raises(InvalidStatus), connect(service.url()):
            pass
        with connect(service.url(), subprotocols=protocols) as socket:
            changes.of("s1", owner="shop")
            changes.of("b1", owner="bank")
            changes.of("s1", "b1")
            assert [json.loads(socket.recv(10)) for _ in range(2)] == ["registry.example/b1"] * 2
        expected = {"shop": ["s1", "s1"], "bank": ["b1", "b1"], "read": ["s1", "b1", "s1", "b1"]}
        assert {who: told(begun[who], len(expected[who])) for who in expected} == expected
        again = service.events(token=tokens["bank"], Last_Event_ID=place["bank"])
        assert told(iter(again), 2) == ["b1", "b1"]
        for stream in (*streams.values(), again):
            stream.close()
        changes.close()
