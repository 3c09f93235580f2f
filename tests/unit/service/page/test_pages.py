"""The pages, without a browser: what they say, what they never do, and what they answer to what is wrong."""

import asyncio
import contextlib
import re
import threading
from html.parser import HTMLParser

import pytest

from orchestrator.errors import TemporaryError
from orchestrator.model import Name
from orchestrator.service.page import questions
from orchestrator.service.page.views import matrix
from orchestrator.service.rest.settings import ServeSettings
from orchestrator.volume.layout import Volume
from tests.served import NAMES, configured, served, volume_in
from tests.stored_runs import day, finding, write_run

VIEWS = (
    "/",
    "/runs",
    "/runs/run-2",
    "/changes",
    "/trends",
    "/search",
    "/search?q=CVE-2021-44228",
    "/targets/a",
    "/targets/a/packages",
)
HOSTILE = ("<img src=x onerror=alert(1)>", '"><script>alert(2)</script>', "\x1b[31m\u202e\x00")


class Marks(HTMLParser):
    """What could run or load something."""

    def __init__(self, text):
        super().__init__()
        self.trouble, self.links, self.text, self._in_script = [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.trouble += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        self.trouble += [tag] if tag in {"style", "iframe", "object", "embed", "base"} else []
        changes = given.get("method") == "post"
        self.links += [given[name] for name in ("src", "href", "action") if given.get(name) and not changes]
        self._in_script = tag == "script"

    def handle_endtag(self, tag):
        self._in_script = False

    def handle_data(self, data):
        self.text.append(data)
        if self._in_script and data.strip():
            self.trouble.append("script with content")

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


@pytest.mark.parametrize("path", VIEWS)
def test_nothing_of_a_page_runs_or_comes_from_elsewhere(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    marks = Marks(answer.text)
    assert marks.trouble == []
    assert all(link.startswith(("/", "?", "#")) and not link.startswith("//") for link in marks.links)


def test_every_link_of_a_page_leads_somewhere(client):
    """From the matrix on, whatever a reader can click."""
    seen, waiting = set(), ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = client.get(path)
        assert answer.status_code == 200 or (path.endswith("/bom") and "bom" in answer.json()["detail"]), path
        if answer.headers["content-type"].startswith("text/html"):
            links = Marks(answer.text).links
            waiting += [link if link[0] == "/" else f"/{link}" for link in links if link[0] != "#"]
    assert {"/targets/a", "/targets/b", "/targets/c", "/runs/run-1", "/changes?run=run-2"} <= seen


@pytest.mark.parametrize("path", ["/", "/targets/a", "/changes", "/search"])
def test_a_form_in_which_nothing_is_chosen_is_answered(client, path):
    form = re.search(r'<form class="narrow"[^>]*>.*?</form>', client.get(path).text, re.DOTALL)
    fields = re.findall(r'<(?:select|input type="(?:search|date)")[^>]* name="(\w+)"', form[0]) if form else ["q"]
    assert fields
    assert client.get(path, params=dict.fromkeys(fields, "")).status_code == 200


def test_a_search_shows_more_rows_on_demand(client):
    few = Marks(client.get("/search?q=CVE-2025-*&most=1").text)
    assert "The 1 worst of 3. Show more" in few.words
    [more] = [link for link in few.links if "most=" in link]
    assert "worst of" not in Marks(client.get(more).text).words
    assert client.get("/search?q=CVE-2025-*&most=501").status_code == 400


def test_a_target_without_a_name_is_never_scanned_again_as_everything(tmp_path):
    volume = Volume(tmp_path / "volume")
    write_run(volume, "run-1", day(1), {"a/general": [finding(1)]}, names={"a": []})
    with served(configured(volume)) as client:
        assert "Scan again" not in client.get("/targets/a").text
        answer = client.post("/targets/a/scan")
        assert answer.status_code == 400
        assert "target a has no name" in answer.text


def test_the_matrix_says_how_each_cell_stands_and_what_it_rests_on(client):
    words = Marks(client.get("/").text).words
    assert "covers 2 of 3 targets; nothing is known of 1: registry.example/shop/idle:1: general failed" in words
    assert "registry.example/shop/web:1 shop 2 0" in words
    assert "registry.example/bank/api:1 bank 2 failed" in words


def test_laying_out_the_matrix_lets_others_be_answered(client, monkeypatch):
    in_threads = []

    def lay_out(*given):
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            return pytest.fail("the matrix is laid out where everybody's requests are answered")
        in_threads.append(threading.current_thread())
        return original(*given)

    original = matrix.lay_out
    monkeypatch.setattr(matrix, "lay_out", lay_out)
    assert client.get("/?name=asked-here-only").status_code == 200
    assert in_threads


def test_the_matrix_is_drawn_once_until_something_changes(tmp_path, monkeypatch):
    drawn = []
    original = matrix.lay_out
    monkeypatch.setattr(matrix, "lay_out", lambda *given: drawn.append(given) or original(*given))
    volume = volume_in(tmp_path)
    with served(configured(volume), ServeSettings(refresh_seconds=3600)) as client:
        before = [client.get("/").text for _ in range(3)]
        assert len(drawn) == 1
        assert len(set(before)) == 1
        write_run(volume, "run-3", day(3), {"a/general": "it crashed"}, names=NAMES)
        client.app.state.service.kept.refresh()
        after = client.get("/").text
    assert len(drawn) == 2
    assert ">failed<" in after.partition('id="t-a"')[2].partition('id="t-b"')[0]
    assert ">failed<" not in before[0].partition('id="t-a"')[2].partition('id="t-b"')[0]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("name=web", {"a"}),
        ("name=registry.example/shop/*", {"a", "c"}),
        ("owner=bank", {"b"}),
        ("cell=never", {"b", "c"}),
        ("cell=clean", {"a"}),
        ("owner=shop&cell=never", {"c"}),
        ("name=nothing-has-this", set()),
        ("cell=made-up", set()),
    ],
)
def test_the_matrix_shows_what_was_asked_for(client, query, shown):
    text = client.get(f"/?{query}").text
    assert set(re.findall(r'id="t-([a-z]+)"', text)) == shown
    assert ("No target fits" in text) == (not shown)


def test_cells_are_counted_of_the_targets_that_the_page_is_narrowed_to(client):
    def counts(query):
        page = client.get(f"/?{query}").text
        found = re.search(r'aria-label="Cells by state">.*?</ul>', page, re.DOTALL)[0]
        return {state: int(number) for state, number in re.findall(r"cell-(\w+).*?</a> (\d+)", found)}

    assert (counts("")["never"], counts("owner=bank")["never"], counts("owner=bank&cell=never")["never"]) == (2, 1, 1)
    assert counts("name=nothing-has-this") == dict.fromkeys(matrix.STATES, 0)


def test_a_path_that_there_is_not_is_a_page_for_people_and_a_problem_for_programs(client):
    page = client.get("/nowhere", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (404, "text/html")
    assert "there is no path /nowhere" in page.text
    assert client.get("/nowhere").headers["content-type"] == "application/problem+json"
    assert client.get("/api/v1/nowhere", headers={"Accept": "text/html"}).headers["content-type"] != "text/html"


def test_while_the_store_is_away_the_page_says_so_and_asks_again(client, monkeypatch):
    def away(*_):
        raise TemporaryError("the database does not answer")

    monkeypatch.setattr(questions, "holders", away)
    answer = client.get("/search?q=CVE-2025-1")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert 'data-again="5"' in answer.text
    assert '<a href="/search?q=CVE-2025-1" class="act">Try again</a>' in answer.text
    assert "Nothing is lost" in answer.text


def test_trends_have_a_line_of_how_old_results_were(client):
    words = Marks(client.get("/trends").text).words
    assert "Average age of the last results" in words
    assert re.search(r"\d+(\.\d)? d old", client.get("/trends").text)


def test_trends_say_how_old_results_are(client):
    words = Marks(client.get("/trends").text).words
    assert "older 3 of 5 3" in words
    assert "never 2 of 5 2" in words


def test_changed_rows_are_those_of_the_page(client):
    whole = client.get("/").text
    some = client.get("/matrix/rows", params={"target": ["a", "c", "unknown"], "scan": ["general", "virus"]})
    rows = [line for line in some.text.splitlines() if line.strip()]
    assert len(rows) == 2
    assert all(row in whole for row in rows)


def test_rows_for_a_page_without_a_scan_that_there_is_now_are_refused(client):
    assert client.get("/matrix/rows", params={"target": ["a"], "scan": ["general"]}).status_code == 409


def test_a_target_without_a_result_is_not_shown_as_clean(client):
    words = Marks(client.get("/targets/c").text).words
    assert "an empty list is not a clean image" in words
    assert "timed out; it never ended ok" in words


def test_a_target_shows_who_found_what_and_since_when(client):
    words = Marks(client.get("/targets/b").text).words
    assert "high CVE-2025-3 p3 3.1 general not scanned by virus 2025-03-03 10:00 UTC" in words
    assert "CVE-2025-1" not in words  # is ignored by a rule
    assert "CVE-2025-1 ignored" in Marks(client.get("/targets/b?suppressed=true").text).words
    assert "No finding fits" in Marks(client.get("/targets/b?severity=critical").text).words


@pytest.mark.parametrize(
    ("q", "targets"), [("cve-2021-44228", {"a"}), ("log4j*", {"a"}), ("p3", {"b"}), ("zlib", set())]
)
def test_a_search_names_who_has_it_and_what_that_rests_on(client, q, targets):
    text = client.get("/search", params={"q": q}).text
    assert set(re.findall(r"/targets/([a-z]+)", text)) == targets
    assert "covers 2 of 3 targets" in text


def test_changes_have_their_reasons(client):
    words = Marks(client.get("/changes").text).words
    assert "New 1 Fixed 1 Changed 2" in words
    assert "no longer found: the image is the same" in words
    assert "suppressed now: ignored" in words
    since = Marks(client.get("/changes?since=2025-03-03").text).words
    assert "since 2025-03-03" in since


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/targets/unknown", 404),
        ("/runs/unknown", 404),
        ("/runs/%2e%2e", 404),
        ("/runs/Not-An-Id", 404),
        ("/changes?run=unknown", 404),
        ("/changes?since=yesterday", 400),
        ("/?after=-1", 400),
        ("/?after=many", 400),
        (f"/?name={'x' * 501}", 400),
        ("/targets/a?severity=awful", 400),
        ("/matrix/rows", 400),
        ("/static/0/unknown.js", 404),
    ],
)
def test_what_is_wrong_is_answered_by_a_page_that_says_so(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status
    if not path.startswith("/static"):
        assert answer.headers["content-type"].startswith("text/html")
        assert 'role="alert"' in answer.text


def test_a_run_is_not_denied_while_its_engine_does_not_answer(client, monkeypatch):
    def status(_, run):
        raise TemporaryError(f"the API server does not say how {run} stands; try it again")

    monkeypatch.setattr(questions.runs, "status", status)
    answer = client.get("/runs/running-in-the-cluster")
    assert answer.status_code == 503
    assert "does not say how running-in-the-cluster stands" in Marks(answer.text).words
    assert client.get("/runs/run-2").status_code == 200


@pytest.mark.parametrize("text", HOSTILE)
def test_what_somebody_typed_is_shown_and_never_comes_alive(client, text):
    for path in ("/search", "/", "/changes"):
        answer = client.get(path, params={"q": text, "name": text, "since": text, "owner": text})
        assert Marks(answer.text).trouble == []
        assert not any(sign in answer.text for sign in "\x1b\x00\u202e")


def test_what_strangers_wrote_is_shown_and_never_comes_alive(tmp_path):
    volume = Volume(tmp_path / "volume")
    names = {"a": [Name(f"registry.example/{HOSTILE[0]}:1", HOSTILE[1])]}
    found = [finding(1, title=HOSTILE[0], package=HOSTILE[1], version=HOSTILE[2], fixed_version=HOSTILE[0])]
    write_run(volume, "run-1", day(1), {"a/general": found, "a/virus": f"failed: {HOSTILE[1]}"}, names=names)
    with served(configured(volume)) as client:
        for path in ("/", "/targets/a", "/search?q=CVE-2025-1", "/runs/run-1", "/changes"):
            text = client.get(path).text
            assert Marks(text).trouble == [], path
            assert not any(sign in text for sign in "\x1b\x00\u202e"), path
            assert "&lt;img" in text or "&lt;script" in text, path


@pytest.mark.parametrize("path", ["/", "/runs", "/changes", "/trends", "/search", "/search?q=x"])
def test_a_service_without_any_run_says_what_to_do(fresh, path):
    answer = fresh.get(path)
    assert answer.status_code == 200
    assert 'class="empty"' in answer.text
    assert "scanmatrix run" in answer.text or path == "/search"


def test_files_may_be_kept_because_others_have_other_addresses(client):
    [script] = re.findall(r'<script src="([^"]+)"', client.get("/").text)
    answer = client.get(script)
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")
