"""Callers who answer for some owners act on their own targets, and on nobody else's: role × route × whose."""

import json
import time

import pytest

from orchestrator import load_config
from orchestrator.model import Name
from orchestrator.service.auth.guard import guard_of
from orchestrator.service.auth.token_file import add_token
from tests.served import NAMES, served
from tests.stored_runs import day, write_run

#: Not there, so that plans fail their cells at once and ask nobody.
HOST = "127.0.0.1:1"
WHO = {
    "reader": ("read", ("shop",)),
    "shop": ("submit", ("shop",)),
    "both": ("submit", ("shop", "bank")),
    "chief": ("admin", ("shop",)),
    "ghost": ("submit", ("ghost",)),
    "all": ("submit", None),
}
MAY_NOT, GONE = 403, 404


@pytest.fixture
def ask(volume, tmp_path):
    """Asks as somebody; of the configured targets one is the shop's, one the bank's, one nobody's."""
    write_run(volume, "run-of-shop", day(3), {"a/general": "timed out"}, names={"a": NAMES["a"]})
    path = tmp_path / "tokens.json"
    tokens = {who: add_token(path, who, role, owners=owners, seconds=None) for who, (role, owners) in WHO.items()}
    rows = [f"{HOST}/{team}/app:1,{team}" for team in ("shop", "bank", "")]
    (tmp_path / "targets.csv").write_text("\n".join(["image,owner", *rows]).replace("//", "/nobody/"))
    keys = {"targets": [{"csv": {"path": "targets.csv"}}], "limits": {"retries": 0}, "insecure": [HOST]}
    (tmp_path / "scanmatrix.yaml").write_text(json.dumps(keys | {"auth": {"tokens": str(path)}}))
    guarded = load_config(tmp_path / "scanmatrix.yaml", volume=volume.root)
    with served(guarded, guard=guard_of(guarded)) as client:

        def answer(who, method, path, **more):
            return client.request(method, path, headers={"Authorization": f"Bearer {tokens[who]}"}, **more)

        answer.service = client.app.state.service
        yield answer


def bom(number=1):
    tools = {"tools": [{"vendor": "anchore", "name": "grype", "version": "0.85.0"}]}
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": number, "metadata": tools, "components": []}


@pytest.mark.parametrize(
    ("image", "allowed"),
    [
        ("registry.example/shop/web:1", {"shop", "both", "chief", "all"}),
        ("registry.example/shop/web:2-of-today", {"shop", "both", "chief", "all"}),  # as all that is known of it
        ("registry.example/bank/api:1", {"both", "all"}),
        (f"{HOST}/shop/app:1", {"shop", "both", "chief", "all"}),  # configured, never scanned
        ("registry.example/shop", {"all"}),
        ("registry.example/shop/webs:1", {"all"}),
        ("registry.example/never/seen:1", {"all"}),
        (f"sha256:{'0' * 64}", {"all"}),
    ],
)
def test_a_result_is_put_for_an_image_of_theirs(ask, image, allowed):
    found = {who: ask(who, "PUT", "/scan-results", json={"imageId": image, "report": bom()}) for who in WHO}
    assert {who for who, answer in found.items() if answer.status_code == 200} == allowed
    refused = {who: answer for who, answer in found.items() if who not in allowed}
    assert {answer.status_code for answer in refused.values()} <= {MAY_NOT}
    assert all("application/problem+json" in answer.headers["content-type"] for answer in refused.values())


def test_what_they_put_is_theirs_to_see_and_nobody_else_s(ask):
    put = ask("shop", "PUT", "/scan-results", json={"imageId": "registry.example/shop/web:7", "report": bom()}).json()
    for who, there in {"shop": 200, "both": 200, "all": 200, "ghost": 404}.items():
        assert ask(who, "GET", f"/api/v1/targets/{put['target']}").status_code == there
        assert ask(who, "GET", "/scan-results/registry.example%2Fshop%2Fweb:7").status_code == there


def test_they_see_what_they_put_though_it_was_there_already(ask):
    sent = {"imageId": "registry.example/shop/web:8", "report": bom()}
    for who, is_news in (("all", True), ("shop", True), ("shop", False), ("all", False)):
        assert ask(who, "PUT", "/scan-results", json=sent).json()["changed"] is is_news
    assert ask("shop", "GET", "/scan-results/registry.example%2Fshop%2Fweb:8").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/plan", "/api/v1/runs"])
@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        ({"targets": [f"{HOST}/shop/app:1"]}, {"shop": {"shop"}, "both": {"shop"}, "ghost": MAY_NOT, "all": {"shop"}}),
        ({"targets": [f"{HOST}/bank/app:1"]}, {"shop": MAY_NOT, "both": {"bank"}, "ghost": MAY_NOT, "all": {"bank"}}),
        ({"targets": [f"{HOST}/shop/app:1", f"{HOST}/bank/app:1"]}, {"shop": MAY_NOT, "both": {"shop", "bank"}}),
        ({"targets": [f"{HOST}/x/app:1"]}, {"shop": MAY_NOT, "both": MAY_NOT}),
        ({"globs": ["*"]}, {"shop": {"shop"}, "both": {"shop", "bank"}, "ghost": 400}),
        ({"globs": ["*bank*"]}, {"shop": 400, "both": {"bank"}}),
        ({}, {"shop": {"shop"}, "both": {"shop", "bank"}}),
        ({}, {"reader": MAY_NOT}),
    ],
)
def test_runs_are_of_targets_of_theirs(ask, path, asked, answers):
    for who, expected in answers.items():
        answer = ask(who, "POST", path, json=asked | {"scans": ["root-user"]})
        if isinstance(expected, int):
            assert answer.status_code == expected, (who, answer.text)
            assert expected == MAY_NOT or "bank" not in answer.json()["detail"].replace("'*bank*'", "")
        elif path == "/api/v1/plan":
            plan = answer.json()
            assert {name["owner"] for target in plan["targets"] for name in target["names"]} == expected
        else:
            assert answer.json()["targets"] == len(expected)


@pytest.mark.parametrize("path", ["/api/v1/runs/{}/retry", "/api/v1/runs/{}/cancel", "/runs/{}/cancel"])
@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("run-of-shop", {"reader": MAY_NOT, "ghost": GONE, "shop": 200, "both": 200, "all": 200}),
        ("run-1", {"reader": MAY_NOT, "ghost": GONE, "shop": MAY_NOT, "both": 200, "all": 200}),
        ("run-never", {"shop": GONE, "all": GONE}),
    ],
)
def test_a_run_is_retried_and_cancelled_by_who_answers_for_all_of_it(ask, path, run, expected):
    for who, status in expected.items():
        answer = ask(who, "POST", path.format(run), follow_redirects=False)
        assert answer.status_code in ({200, 202, 303} if status == 200 else {status}), (who, answer.text)
        time.sleep(0.3 if path.endswith("retry") else 0)  # until it has ended again
        assert status != MAY_NOT or who == "reader" or "targets of others" in answer.text


def test_a_target_is_scanned_again_from_its_page(ask):
    for who, status in {"shop": 303, "ghost": 404, "reader": 403}.items():
        assert ask(who, "POST", "/targets/a/scan", follow_redirects=False).status_code == status


@pytest.mark.parametrize(("path", "image"), [("/scan-results/{}", "image"), ("/targets/{}/delete", "target")])
def test_results_are_deleted_by_the_chief_of_all_their_owners(ask, path, image):
    names = {"image": ("registry.example%2Fshop%2Fweb:1", "registry.example%2Fbank%2Fapi:1"), "target": ("a", "b")}
    own, others = names[image]
    method = "DELETE" if image == "image" else "POST"
    for who, of, status in (
        ("shop", own, MAY_NOT), ("all", own, MAY_NOT), ("chief", others, GONE), ("chief", own, 204),
        ("chief", own, GONE),
    ):  # fmt: skip
        answer = ask(who, method, path.format(of), follow_redirects=False)
        assert answer.status_code in {status, 303 if status == 204 else status}, (who, of)
    assert ask("all", "GET", "/api/v1/targets/b").status_code == 200


def test_what_is_of_others_too_is_not_deleted(ask, volume):
    write_run(volume, "run-shared", day(4), {"a/general": []}, names={"a": [*NAMES["a"], Name(f"{HOST}/x", "bank")]})
    ask.service.kept.refresh()
    answer = ask("chief", "DELETE", "/scan-results/registry.example%2Fshop%2Fweb:1")
    assert answer.status_code == MAY_NOT
    assert "of other owners, too" in answer.json()["detail"]
