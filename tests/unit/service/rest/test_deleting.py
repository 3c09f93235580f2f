"""What somebody deleted is shown by no answer any more, though the volume keeps what runs wrote, until a newer scan."""

import json
from datetime import UTC, datetime

from orchestrator.api.delivering import export
from orchestrator.api.results import open_results
from orchestrator.queries import Store
from orchestrator.results.ledger import history, read_ledger
from tests.scope_suite import _seen as everything
from tests.served import NAMES
from tests.stored_runs import LOG4J, write_run

WEB = "/scan-results/registry.example%2Fshop%2Fweb:1"


def told(client):
    """What the service says of what the target `a` has."""
    paths = ["/api/v1/findings", "/api/v1/cells", "/api/v1/who-has?id=CVE-2021-44228", "/api/v1/changes?run=run-2"]
    paths += ["/api/v1/runs/run-2/findings", "/api/v1/runs/run-2/highlights", "/", "/search?q=CVE-2021-44228"]
    paths += ["/scan-results?fields=imageId"]
    found = {path: client.get(path) for path in paths}
    assert {answer.status_code for answer in found.values()} == {200}, found
    return {path for path, answer in found.items() if _names_log4j(path, answer.text)}


def _names_log4j(path, text):
    if path in {"/", "/api/v1/cells", "/scan-results?fields=imageId"}:
        return "shop/web" in text
    return "GHSA-jfh8-c2jp-5v3q" in text or "log4j" in text


def test_it_is_gone_from_every_answer_and_the_ledger_says_so(client, config, volume):
    assert len(told(client)) >= 6
    assert client.delete(WEB).status_code == 204
    assert told(client) == set()
    assert client.get("/api/v1/targets/a").status_code == client.get("/api/v1/targets/a/bom").status_code == 404
    assert client.delete(WEB).status_code == 404
    assert client.get("/api/v1/targets/b").status_code == 200
    rows = client.get("/api/v1/runs/run-2/ledger").json()["rows"]
    assert {(row["cell"], row["outcome"]) for row in rows if row["target"] == "a"} == {
        ("a/general", "ok"),
        ("a/virus", "ok"),
    }
    assert all(row["suspect"].startswith("deleted by local on 20") for row in rows if row["target"] == "a")
    assert not any(row["suspect"] for row in rows if row["target"] == "b")
    assert '"suspect":"deleted' not in (volume.results("run-2") / "ledger.json").read_text()
    said = json.loads(volume.deletion("a").read_text())
    assert (said["deletions"][0]["by"], said["deletions"][0]["image"]) == ("local", "registry.example/shop/web:1")


def test_exports_and_tables_of_past_runs_leave_it_out(client, config, tmp_path):
    before = open_results(config, "run-2")
    assert set(before.merged["target"]) == {"a", "b"}
    client.delete(WEB)
    results = open_results(config, "run-2")
    assert set(results.merged["target"]) == {"b"}
    with results.open_merged() as merged:
        assert {row.target for row in merged} == {"b"}
        assert {row.target for _, row in merged.following(0)} == {"b"}
        assert (merged.by_target()("a"), len(merged.by_target()("b"))) == ([], 2)
    for name in ("csv", "sarif"):
        export(config, "run-2", name, to=str(tmp_path / name))
        written = (tmp_path / name).read_text()
        assert "CVE-2021-44228" not in written
        assert "bank/api" in written


def test_a_store_that_is_made_again_of_the_volume_says_the_same(client, config, volume, tmp_path):
    client.delete(WEB)
    kept = client.app.state.service.kept.store
    with Store(f"sqlite:///{tmp_path / 'again.sqlite3'}") as again:
        again.take_in_all(volume)
        assert again.target("a") is None
        assert again.who_has("CVE-2021-44228").rows == ()
        assert everything(again) == everything(kept)


def test_nothing_rests_on_it_and_a_newer_scan_brings_the_image_back(client, config, volume):
    since = datetime(2020, 1, 1, tzinfo=UTC)
    assert ("a", "general") in history(volume, since)
    client.delete(WEB)
    assert {target for target, _ in history(volume, since)} == {"b"}
    now = datetime.now(UTC)
    write_run(volume, "run-9", now, {"a/general": [LOG4J]}, names={"a": NAMES["a"]})
    client.app.state.service.kept.refresh()
    found = client.get("/api/v1/findings?target=registry.example/shop/web:1").json()["findings"]
    assert [row["id"] for row in found] == ["CVE-2021-44228"]
    assert read_ledger(volume, "run-9").rows[0].suspect == ""
    assert client.delete(WEB).status_code == 204  # and once more
    assert len(json.loads(volume.deletion("a").read_text())["deletions"]) == 2
    assert told(client) == set()


def test_what_was_put_goes_with_what_was_scanned(client, volume):
    tools = {"tools": [{"vendor": "anchore", "name": "grype", "version": "0.85.0"}]}
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": tools, "components": []}
    put = client.put("/scan-results", json={"imageId": "registry.example/shop/web:1", "report": bom}).json()
    assert client.delete(WEB).status_code == 204
    assert not volume.results(put["run"]).exists()
    assert client.get(WEB).status_code == 404
    assert told(client) == set()
    again = client.put("/scan-results", json={"imageId": "registry.example/shop/web:1", "report": bom}).json()
    assert again["changed"]
    assert client.get(WEB).status_code == 200  # in the same second, and newer


def test_a_deletion_that_cannot_be_read_brings_nothing_back(client, volume, tmp_path):
    client.delete(WEB)
    volume.deletion("a").write_text("{")
    with Store(f"sqlite:///{tmp_path / 'again.sqlite3'}") as again:
        done = again.take_in_all(volume)
        assert set(done.damaged) == {"run-1", "run-2"}
        assert "what was deleted of it cannot be read" in done.damaged["run-1"]


def test_the_page_deletes_and_says_what_that_means(client):
    assert "Delete its results" in client.get("/targets/b").text
    assert "ledgers of past runs keep" in client.get("/targets/b/delete").text
    assert client.post("/targets/b/delete", follow_redirects=False).status_code == 303
    assert client.get("/targets/b").status_code == 404
    assert client.post("/targets/b/delete").status_code == 404
