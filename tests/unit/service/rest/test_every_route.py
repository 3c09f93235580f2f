"""Role × route: every route that the service has, whichever it is, asked by everybody who may and who may not."""

import re

import pytest
from fastapi.routing import APIRoute

from orchestrator.config.auth import AuthSection
from orchestrator.service.auth.guard import guard_of
from orchestrator.service.auth.token_file import add_token
from orchestrator.service.rest.caller import owners_act, owners_may
from orchestrator.service.rest.routers import routers
from tests.served import served

#: Paths that nobody needs a token for; files that are the same for everybody; and a stream, which `test_live` asks.
OPEN = {"/healthz", "/readyz", "/login", "/logout"}
FILES, STREAMS = "/static/", {"/api/v1/events", "/api/v1/runs/{run}/progress/events"}
#: Where senders prove themselves in ways of their own: `tests/unit/service/events`.
SENDERS = "/events/"
#: Pages that show what was asked for.
REPEATS = {"/search": "CVE-2021-44228"}
#: Requests that change nothing, though they have a body.
ONLY_ASKS = {"/api/v1/plan"}
_SAFE = {"GET", "HEAD"}
ROUTES = [
    (method, route)
    for router in routers()
    for route in router.routes
    if isinstance(route, APIRoute) and route.path not in OPEN | STREAMS and not route.path.startswith((FILES, SENDERS))
    for method in sorted(route.methods)
]
#: What stands for the parameters of paths: all of it is the team's `shop`.
THEIRS = {"target": "a", "imageId": "registry.example/shop/web:1", "run": "run-1", "scan": "general"}
THEIR_SECRETS = ("registry.example/shop", "GHSA-jfh8-c2jp-5v3q", "CVE-2021-44228")


@pytest.fixture(scope="module")
def who(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "tokens.json"
    made = {role: add_token(path, role, role, owners=None, seconds=None) for role in ("read", "submit", "admin")}
    return path, made | {"bank": add_token(path, "bank", "admin", owners=("bank",), seconds=None)}


@pytest.fixture
def ask(config, who):
    path, tokens = who
    guarded = config.model_copy(update={"auth": AuthSection(tokens=str(path))})
    with served(guarded, guard=guard_of(guarded)) as client:
        tools = {"tools": [{"vendor": "anchore", "name": "grype", "version": "0.85.0"}]}
        bom = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": tools, "components": []}
        put = {"imageId": THEIRS["imageId"], "report": bom}
        done = client.put("/scan-results", json=put, headers={"Authorization": f"Bearer {tokens['submit']}"})
        assert done.status_code == 200

        def answer(method, route, by=None):
            place = re.sub(r"{(\w+)(:\w+)?}", lambda found: THEIRS.get(found[1], "x"), route.path)
            headers = {"Authorization": f"Bearer {tokens[by]}"} if by else {}
            return client.request(
                method, place, headers=headers, params={"q": "CVE-2021-44228", "id": "CVE-2021-44228"}
            )

        yield answer


def test_every_route_wants_to_know_who_asks(ask):
    assert {(method, route.path): ask(method, route).status_code for method, route in ROUTES} == {
        (method, route.path): 401 for method, route in ROUTES
    }


def test_who_only_reads_changes_nothing(ask):
    changing = [(method, route) for method, route in ROUTES if method not in _SAFE and route.path not in ONLY_ASKS]
    assert [route.path for method, route in changing if ask(method, route, "read").status_code != 403] == []
    deleting = [(method, route) for method, route in changing if method == "DELETE"]
    assert [route.path for method, route in deleting if ask(method, route, "submit").status_code != 403] == []


def _is_marked(route):
    return any(each.dependency is owners_may for each in route.dependencies)


def test_who_sees_some_owners_is_refused_where_all_are_shown(ask):
    """What they may change is in `test_owners_act`."""
    acting = [route.path for _, route in ROUTES if any(each.dependency is owners_act for each in route.dependencies)]
    assert len(acting) >= 5
    others = [(method, route) for method, route in ROUTES if not _is_marked(route) and route.path not in acting]
    assert others
    assert [route.path for method, route in others if ask(method, route, "bank").status_code != 403] == []


def test_who_sees_some_owners_sees_nothing_of_others(ask):
    marked = [(method, route) for method, route in ROUTES if _is_marked(route)]
    assert marked
    for method, route in marked:
        answer = ask(method, route, "bank")
        assert answer.status_code not in {403, 500}, route.path
        if "{" in route.path and not {"run", "scan"} & set(re.findall(r"{(\w+)", route.path)):
            assert answer.status_code == 404, route.path
        told = answer.text.replace(f"{THEIRS['imageId']}: ", "")  # as it was asked for
        told = told.replace(REPEATS.get(route.path, "nothing"), "")
        if answer.status_code == 200:
            assert [each for each in THEIR_SECRETS if each in told] == [], route.path
            everything = ask(method, route, "read")
            is_same = answer.content == everything.content
            assert (answer.headers["etag"] == everything.headers["etag"]) == is_same, route.path
