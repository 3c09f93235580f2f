"""Who may look at the pages: a token typed once, kept as a cookie; and what a team sees of them."""

from urllib.parse import quote

import msgspec
import pytest

from orchestrator.model import CellState, CellStatus, Name, RunStatus
from orchestrator.service.auth.guard import TokenGuard
from orchestrator.service.auth.token_file import TokenFile, add_token
from orchestrator.service.page import questions
from orchestrator.service.rest.caller import COOKIE
from orchestrator.volume.layout import Volume
from tests.served import configured, served, volume_in
from tests.stored_runs import day, write_run

HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """Their file, and tokens by name: of a reader, an admin, and of one who sees the shop's targets only."""
    path = tmp_path_factory.mktemp("tokens") / "tokens.json"
    who = {"reader": ("read", None), "admin": ("admin", None), "shop": ("read", ("shop",))}
    return path, {
        name: add_token(path, name, role, owners=owners, seconds=None) for name, (role, owners) in who.items()
    }


@pytest.fixture(scope="module")
def service(tokens, tmp_path_factory):
    config = configured(volume_in(tmp_path_factory.mktemp("guarded")))
    with served(config, guard=TokenGuard(TokenFile(tokens[0]), None)) as client:
        client.follow_redirects = False
        yield client


@pytest.fixture
def client(service):
    service.cookies.clear()
    return service


def log_in(client, token, after="/"):
    return client.post("/login", data={"token": token, "next": after})


@pytest.mark.parametrize("path", ["/", "/runs", "/targets/a?kind=vulnerability", "/search?q=x%26y"])
def test_who_opens_a_page_without_a_token_is_led_to_it_by_way_of_the_login(client, tokens, path):
    away = client.get(path, headers=HTML)
    assert (away.status_code, away.headers["location"].split("?")[0]) == (303, "/login")
    form = client.get(away.headers["location"])
    assert form.status_code == 200
    back = log_in(
        client, tokens[1]["reader"], form.text.split('name="next" value="')[1].split('"')[0].replace("&amp;", "&")
    )
    assert (back.status_code, back.headers["location"]) == (303, path)
    assert client.get(path, headers=HTML).status_code == 200


def test_programs_are_not_led_there(client):
    assert client.get("/", headers={"Accept": "*/*"}).status_code == 401
    assert client.get("/api/v1/events", headers=HTML).status_code == 401


def test_a_browser_keeps_the_token_where_no_script_and_no_other_site_has_it(client, tokens):
    cookie = log_in(client, tokens[1]["reader"]).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.post("/logout").headers["location"] == "/login"
    assert client.get("/", headers=HTML).status_code == 303


def test_who_logged_in_is_named_and_can_log_out(client, tokens):
    log_in(client, tokens[1]["admin"])
    page = client.get("/").text
    assert '<span title="role admin">token:admin</span><form method="post" action="/logout">' in page
    assert client.post("/logout").headers["location"] == "/login"
    client.cookies.clear()
    bearer = {"Authorization": f"Bearer {tokens[1]['admin']}"}
    assert "Log out" not in client.get("/", headers=bearer).text
    assert "Log out" not in client.get("/login").text


@pytest.mark.parametrize("token", ["", "smx_wrong", "x" * 5000, "a\r\nX-Evil: 1", "\u00e9", "' OR 1=1"])
def test_a_token_that_does_not_hold_is_not_kept(client, token):
    answer = log_in(client, token)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize(
    "after", ["//evil.example", "https://evil.example", "/\\evil.example", "", "javascript:alert(1)", "/a\r\nb"]
)
def test_a_login_leads_to_this_service_alone(client, tokens, after):
    assert log_in(client, tokens[1]["reader"], after).headers["location"] == "/"


def test_a_team_sees_its_own_targets_on_every_page(client, tokens):
    log_in(client, tokens[1]["shop"])
    for path in ("/", "/runs", "/runs/run-2", "/runs/run-2/progress", "/changes", "/changes?since=2025-03-03",
                 "/search?q=CVE-2025-*", "/trends"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "bank" not in answer.text, path
    assert client.get("/targets/b").status_code == 404
    assert client.get("/targets/a").status_code == 200
    rows = client.get("/matrix/rows", params={"target": ["a", "b"], "scan": ["general", "virus"]}).text
    assert 'id="t-a"' in rows
    assert 'id="t-b"' not in rows


def test_a_team_reads_of_a_shared_target_and_a_run_what_is_its_own(tokens, tmp_path):
    volume = volume_in(tmp_path)
    names = {"s": [Name("registry.example/bank/base:1", "bank"), Name("registry.example/shop/base:1", "shop")]}
    write_run(volume, "run-3", day(3), {"s/general": "timed out"}, names=names)
    write_run(
        volume, "run-4", day(4), {"t/general": "timed out"}, names={"t": [Name("registry.example/bank/t", "bank")]}
    )
    ledger = volume.results("run-3") / "ledger.json"
    verdict = {"passed": False, "broken": ["registry.example/bank/base:1 is bad"], "remark": "bank/api: not judged"}
    ledger.write_bytes(msgspec.json.encode(msgspec.json.decode(ledger.read_bytes()) | {"verdict": verdict}))
    with served(configured(volume), guard=TokenGuard(TokenFile(tokens[0]), None)) as client:
        everything = {"Authorization": f"Bearer {tokens[1]['reader']}"}
        assert "bank/api: not judged" in client.get("/runs/run-3", headers=everything).text
        own = {"Authorization": f"Bearer {tokens[1]['shop']}"}
        for path in ("/runs/run-3", "/changes?run=run-3"):
            text = client.get(path, headers=own).text
            assert "registry.example/shop/base:1" in text, path
            assert "bank" not in text, path
        assert "bank" not in client.get("/runs", headers=own).text
        assert client.get("/runs/run-4", headers=own).status_code == 404


def test_a_team_hears_of_a_run_that_is_not_over_what_is_of_its_own_targets(client, tokens, monkeypatch):
    cells = tuple(CellStatus(each, "general", f"registry.example/bank/{each}", CellState.RUNNING) for each in "ab")
    known = {run: RunStatus(run=run, state="running", message="bank/api: no such tag", cells=some)
             for run, some in (("theirs", cells[1:]), ("both", cells))}  # fmt: skip
    monkeypatch.setattr(questions.runs, "status", lambda _, run: known[run])
    monkeypatch.setattr(questions.runs, "list_runs", lambda _: tuple(known.values()))
    log_in(client, tokens[1]["shop"])
    text = client.get("/runs/both").text
    assert "registry.example/shop/web:1" in text
    assert "bank" not in text
    assert client.get("/runs/theirs").status_code == client.get("/runs/theirs/progress").status_code == 404
    assert "theirs" not in client.get("/runs").text


@pytest.mark.parametrize(("origin", "secure"), [("https://127.0.0.1", True), ("http://127.0.0.1", False)])
def test_what_a_browser_got_by_tls_it_sends_by_tls_only(client, tokens, origin, secure):
    """Also where a proxy ends TLS."""
    answer = client.post("/login", data={"token": tokens[1]["reader"]}, headers={"Origin": origin})
    assert answer.status_code == 303
    assert ("; Secure" in answer.headers["set-cookie"]) is secure


def test_another_site_s_page_deletes_nothing(client, tokens):
    log_in(client, tokens[1]["admin"])
    assert client.post("/targets/a/delete", headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post("/targets/a/delete", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_only_an_admin_deletes(client, tokens):
    log_in(client, tokens[1]["reader"])
    assert client.get("/targets/a/delete").status_code == 403
    assert client.post("/targets/a/delete").status_code == 403
    assert COOKIE in client.cookies


def test_what_was_put_is_deleted_once_that_is_confirmed(client, tokens):
    log_in(client, tokens[1]["admin"])
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": []}
    put = client.put("/scan-results", json={"imageId": "registry.example/put:1", "report": bom})
    assert put.status_code == 200, put.text
    page = f"/targets/{put.json()['target']}"
    assert "delete" in client.get(page).text
    assert "Delete the results of" in client.get(f"{page}/delete").text
    assert client.get("/scan-results/registry.example%2Fput:1").status_code == 200
    assert client.post(f"{page}/delete").headers["location"] == "/"
    assert client.get("/scan-results/registry.example%2Fput:1").status_code == 404


def test_a_form_with_more_than_the_login_s_fields_is_refused(client):
    answer = client.post("/login", data={f"field-{number}": "x" for number in range(30)})
    assert answer.status_code == 400
    assert "more than 10 fields" in answer.text


def test_only_what_was_put_for_this_very_target_is_deleted(tmp_path):
    """Though it has the name of another one, for which something was put, too."""
    digest, tag = "d" * 64, "registry.example/shop/web:1"
    volume = Volume(tmp_path / "volume")
    write_run(volume, "run-1", day(1), {f"{digest}/general": []}, names={digest: [Name(tag, "shop")]})
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": []}
    with served(configured(volume)) as client:
        by_digest, by_tag = f"registry.example/shop/web@sha256:{digest}", tag
        for image in (by_digest, by_tag):
            put = client.put("/scan-results", json={"imageId": image, "report": bom})
            assert put.status_code == 200
        assert client.post(f"/targets/{digest}/delete", follow_redirects=False).headers["location"] == "/"
        assert client.get(f"/scan-results/{quote(by_digest, safe='')}").status_code == 404
        assert client.get(f"/scan-results/{quote(by_tag, safe='')}").status_code == 200
        assert client.post("/targets/nobody/delete").status_code == 404
