"""`/scan-results`: what other tools put is a result like any other."""

import errno
import json
import logging
import os
from urllib.parse import quote

import pytest

from orchestrator.api import results as results_api
from orchestrator.api.delivering import export
from orchestrator.findings import decoding
from orchestrator.model import Name
from orchestrator.results.bom import BOM
from orchestrator.service.rest.settings import ServeSettings
from orchestrator.steps.account import TABLES
from orchestrator.steps.aggregate import aggregate
from orchestrator.upkeep.plans import read_plan
from orchestrator.volume.layout import Volume
from tests.failing import failing
from tests.page_volume import dependency_bom, write_boms
from tests.served import configured, served
from tests.stored_runs import LOG4J, day, write_run

IMAGE = f"docker.io/library/alpine@sha256:{'a' * 64}"


def bom(version="3.1.4-r5", *, vulnerable=True, **changes):
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"tools": [{"vendor": "anchore", "name": "grype", "version": "0.85.0"}]},
        "components": [
            {
                "bom-ref": "pkg:apk/alpine/libcrypto3",
                "type": "library",
                "name": "libcrypto3",
                "version": version,
                "purl": f"pkg:apk/alpine/libcrypto3@{version}",
            }
        ],
    }
    if vulnerable:
        document["vulnerabilities"] = [
            {
                "id": "CVE-2024-0727",
                "ratings": [{"severity": "medium"}],
                "affects": [{"ref": "pkg:apk/alpine/libcrypto3"}],
            }
        ]
    return document | changes


def path_of(image):
    return f"/scan-results/{quote(image, safe='')}"


@pytest.fixture
def empty(tmp_path):
    """A service without any configuration and without any run."""
    config = configured(Volume(tmp_path / "volume"))
    with served(config) as found:
        yield found


def put(client, image=IMAGE, report=None):
    return client.put("/scan-results", json={"imageId": image, "report": report or bom()})


def test_a_result_is_put_and_got_and_deleted(empty):
    assert empty.get("/scan-results").json() == []
    answer = put(empty)
    assert answer.status_code == 200, answer.text
    assert answer.json()["changed"] is True
    assert empty.get(path_of(IMAGE)).json() == {"imageId": IMAGE, "report": bom()}
    assert empty.get("/scan-results").json() == [{"imageId": IMAGE, "report": bom()}]
    assert empty.delete(path_of(IMAGE)).status_code == 204
    assert empty.get(path_of(IMAGE)).status_code == 404
    assert empty.delete(path_of(IMAGE)).status_code == 404
    state = empty.app.state.service
    state.kept.refresh()
    assert empty.get("/scan-results").json() == []
    assert list((state.volume.root / "results").iterdir()) == []


@pytest.fixture
def scanned(tmp_path):
    """Two images that our own scans know: of one, a later run found something else, and of the other, nothing."""
    volume = Volume(tmp_path / "volume")
    names = {each: [Name(f"registry.example/{each}:1", each)] for each in ("a", "b")}
    for number, version in ((1, "2.14.0"), (2, "2.14.1")):
        has = {"a/sbom": [LOG4J]} | ({"b/sbom": [LOG4J]} if number == 1 else {"b/sbom": "timed out"})
        write_run(volume, f"run-{number}", day(number), has, names=names)
        reports = {target: [dependency_bom(target, [("log4j-core", version)], {})] for target in names}
        write_boms(volume, f"run-{number}", reports, names)
    with served(configured(volume)) as found:
        yield found


def components_of(row):
    return [(each["name"], each["version"]) for each in row["report"]["components"]]


def test_what_our_own_scans_found_is_the_result_of_an_image_for_which_nobody_put_one(scanned):
    """Clients of the source hear of an image on `/subscribe`, and ask for its result then."""
    expected = {"registry.example/a:1": [("log4j-core", "2.14.1")], "registry.example/b:1": [("log4j-core", "2.14.0")]}
    for image, components in expected.items():
        answer = scanned.get(path_of(image))
        assert answer.status_code == 200, answer.text
        assert (answer.json()["imageId"], components_of(answer.json())) == (image, components)
    listed = scanned.get("/scan-results").json()
    assert {row["imageId"]: components_of(row) for row in listed} == expected
    put(scanned, "registry.example/a:1")
    assert scanned.get(path_of("registry.example/a:1")).json()["report"] == bom()
    assert {row["imageId"] for row in scanned.get("/scan-results").json()} == set(expected)


def test_every_image_with_a_result_is_on_just_one_page(scanned):
    for number in range(3):
        put(scanned, f"registry.example/put:{number}")
    url, seen = "/scan-results?limit=2&fields=imageId", []
    while url:
        answer = scanned.get(url)
        seen += [row["imageId"] for row in answer.json()]
        url = answer.links.get("next", {}).get("url")
    assert sorted(seen) == [
        "registry.example/a:1", "registry.example/b:1", *(f"registry.example/put:{number}" for number in range(3)),
    ]  # fmt: skip


def test_a_bom_that_is_gone_or_damaged_costs_only_its_own_image(scanned, caplog):
    volume = scanned.app.state.service.volume
    (volume.results("run-2") / BOM).write_text("{")
    assert [row["imageId"] for row in scanned.get("/scan-results").json()] == ["registry.example/b:1"]
    assert "registry.example/a:1" in caplog.text
    assert scanned.get(path_of("registry.example/a:1")).status_code == 404
    (volume.results("run-1") / BOM).unlink()
    assert scanned.get("/scan-results").json() == []


def test_the_same_again_changes_nothing(empty):
    first, again = put(empty).json(), put(empty).json()
    assert (again["run"], again["changed"]) == (first["run"], False)
    other = put(empty, report=bom("3.1.5-r0", vulnerable=False)).json()
    assert other["changed"] is True
    back = put(empty).json()
    assert back["changed"] is True
    assert empty.get(path_of(IMAGE)).json()["report"] == bom()


def test_it_is_in_searches_policy_and_exports_like_any_other(empty, tmp_path):
    run = put(empty).json()["run"]
    config = empty.app.state.service.config
    [found] = results_api.find_holders(config, "CVE-2024-0727").rows
    assert (found.references, found.finding.found_by, found.finding.package) == ((IMAGE,), ("external",), "libcrypto3")
    ledger = results_api.open_results(config, run).ledger
    [row] = ledger.rows
    assert (row.outcome, row.scan, row.put_by, row.scanner) == ("ok", "external", "local", "grype")
    assert ledger.verdict.remark
    written = export(config, run, "csv", to=str(tmp_path / "out.csv"))
    assert "CVE-2024-0727" in (tmp_path / "out.csv").read_text(), written
    sheet = empty.app.state.service.volume.results(run) / "merged.csv"
    assert not sheet.exists()  # until somebody asks for it
    assert export(config, run, "csv") == str(sheet)
    assert sheet.read_bytes() == (tmp_path / "out.csv").read_bytes()


def test_its_html_report_is_made_when_somebody_asks_for_it(empty):
    run = put(empty).json()["run"]
    folder = empty.app.state.service.volume.results(run)
    assert {path.name for path in folder.iterdir()} == {*TABLES, "ledger.json", "summary.md"}
    report = empty.get(f"/api/v1/runs/{run}/report")
    assert (report.status_code, report.content) == (200, (folder / "report.html").read_bytes())
    assert b"CVE-2024-0727" in report.content
    assert empty.get(f"/api/v1/runs/{run}/report").content == report.content
    assert empty.get("/api/v1/runs/none/report").status_code == 404


@pytest.mark.parametrize(
    "ask",
    [
        lambda client, done, to: client.get(f"/api/v1/runs/{done['run']}/bom").json(),
        lambda client, done, to: client.get(f"/api/v1/targets/{done['target']}/bom").json(),
        lambda client, done, to: _exported(client, done, "cyclonedx", to),
        lambda client, done, to: _exported(client, done, "spdx", to),
    ],
    ids=["of the run", "of the target", "cyclonedx", "spdx"],
)
def test_its_bom_is_made_when_somebody_asks_for_it(empty, tmp_path, ask):
    done = put(empty).json()
    text = json.dumps(ask(empty, done, tmp_path / "bom.json"))
    made = (empty.app.state.service.volume.results(done["run"]) / BOM).exists()
    assert ("pkg:apk/alpine/libcrypto3@3.1.4-r5" in text, made) == (True, True), text
    assert "libcrypto3" in json.dumps(ask(empty, done, tmp_path / "again.json"))


def _exported(client, done, kind, to):
    export(client.app.state.service.config, done["run"], kind, to=str(to))
    return json.loads(to.read_text())


@pytest.mark.parametrize("lacks", ["plan", "report", "ledger's report"])
def test_a_bom_is_not_made_of_another_report(empty, lacks):
    run, volume = put(empty).json()["run"], empty.app.state.service.volume
    [report] = (volume.root / "runs" / run).rglob("report.cdx.json")
    if lacks == "ledger's report":
        report.write_text(json.dumps(bom("9")))
    else:
        (volume.plan(run) if lacks == "plan" else report).unlink()
    assert empty.get(f"/api/v1/runs/{run}/bom").status_code == 404
    assert not (volume.results(run) / BOM).exists()


def test_the_bom_of_a_run_that_scanned_is_not_made_again(tmp_path):
    volume = Volume(tmp_path / "volume")
    write_run(volume, "run-1", day(1), {"a/general": [LOG4J]})
    with served(configured(volume)) as client:
        assert client.get("/api/v1/runs/run-1/bom").status_code == 404


def test_the_page_of_what_was_put_leads_to_the_files_that_are_made_then(empty):
    run = put(empty).json()["run"]
    files = [f"/api/v1/runs/{run}/{name}" for name in ("report", "bom")]
    assert [path in empty.get(f"/runs/{run}").text for path in files] == [True, True]
    empty.app.state.service.volume.results(run).joinpath("merged.parquet").unlink()
    assert [path in empty.get(f"/runs/{run}").text for path in files] == [False, False]
    assert empty.get(files[0]).status_code == 404


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 507), (errno.EROFS, 503)])
@pytest.mark.parametrize(
    ("file", "writer"),
    [("report", "orchestrator.exports.html.write_report"), ("bom", "orchestrator.results.bom.later.atomic_file")],
)
def test_a_file_that_cannot_be_written_is_asked_for_again_later(  # noqa: PLR0917 - by name
    empty, monkeypatch, file, writer, number, status
):
    run = put(empty).json()["run"]
    folder = empty.app.state.service.volume.results(run)
    with monkeypatch.context() as patch:
        patch.setattr(writer, failing(lambda: None, lambda *_: True, OSError(number, os.strerror(number))))
        answer = empty.get(f"/api/v1/runs/{run}/{file}")
    assert (answer.status_code, "Retry-After" in answer.headers) == (status, True), answer.text
    assert {path.name for path in folder.iterdir()} == {*TABLES, "ledger.json", "summary.md"}
    assert empty.get(f"/api/v1/runs/{run}/{file}").status_code == 200


def test_a_document_that_is_put_is_read_once_and_is_the_same_result_as_that_of_a_run(empty, monkeypatch):
    read = []
    monkeypatch.setattr(
        decoding, "check_json", lambda data, check=decoding.check_json: read.append(data) or check(data)
    )
    run = put(empty).json()["run"]
    assert len(read) == 1
    volume = empty.app.state.service.volume
    assert empty.get(f"/api/v1/runs/{run}/bom").status_code == 200
    first = {path.name: path.read_bytes() for path in volume.results(run).iterdir()}
    aggregate(read_plan(run, volume), volume)
    assert {name: (volume.results(run) / name).read_bytes() for name in first} == first


def test_the_same_document_again_is_not_even_read(empty, monkeypatch):
    put(empty)
    monkeypatch.setattr(decoding, "check_json", lambda data: pytest.fail("it was read"))
    assert put(empty).json()["changed"] is False


def test_what_was_put_joins_the_target_that_has_the_digest(tmp_path):
    volume = Volume(tmp_path / "volume")
    write_run(volume, "run-1", day(1), {"a/general": [LOG4J]})
    with served(configured(volume)) as client:
        digest = client.app.state.service.store.target("a").digest
        assert digest == "sha256:a"  # no digest of an image: nobody can mean it
        assert put(client, image=f"alpine@sha256:{'b' * 64}").json()["target"].startswith("sha256-bbbb")


def test_a_tag_is_an_image_too_and_is_answered_as_it_was_put(empty):
    assert put(empty, image="alpine:3.20").status_code == 200
    assert empty.get(path_of("alpine:3.20")).json()["imageId"] == "alpine:3.20"
    assert empty.get(path_of("docker.io/library/alpine:3.20")).json()["imageId"] == "alpine:3.20"
    assert put(empty, image=f"docker-pullable://alpine@sha256:{'c' * 64}").status_code == 200
    assert put(empty, image=f"sha256:{'d' * 64}").status_code == 200
    assert empty.get(path_of(f"sha256:{'d' * 64}")).status_code == 200


def test_pages_have_every_result_once_while_others_are_put(empty):
    images = [f"alpine:3.{number}" for number in range(5)]
    for image in images:
        assert put(empty, image=image, report=bom(vulnerable=False)).status_code == 200
    found, url = [], "/scan-results?limit=2&fields=imageId"
    while url:
        answer = empty.get(url)
        found += [row["imageId"] for row in answer.json()]
        url = answer.links.get("next", {}).get("url")
        put(empty, image=images[0], report=bom(f"9.{len(found)}"))
    assert sorted(found) == images
    cursor = empty.get("/scan-results?limit=2&fields=imageId").links["next"]["url"].partition("cursor=")[2]
    assert empty.get(f"/scan-results?limit=2&cursor={cursor}").status_code == 400
    for made_up in ("1", "AAAA", "%00", "x" * 2048, cursor[:-2]):
        answer = empty.get(f"/scan-results?fields=imageId&cursor={made_up}")
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), made_up


UNSOUND = [
    ({"bomFormat": "SPDX", "specVersion": "1.5"}, "CycloneDX"),
    (bom(specVersion="9.9"), "9.9"),
    (bom(components=[{"name": "x"}]), "components/0"),
    (bom(components=[{"type": "no such type", "name": "x"}]), "components/0/type"),
    (bom(unknown=1), "unknown"),
    ([], "report"),
    (None, "report"),
    ("text", "report"),
    ({}, "report"),
]


def test_what_is_not_valid_cyclonedx_is_refused(empty):
    for report, said in UNSOUND:
        answer = empty.put("/scan-results", json={"imageId": IMAGE, "report": report})
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text
        assert said in answer.json()["detail"]
    assert not (empty.app.state.service.volume.root / "plans").exists()


NO_IMAGES = [
    "",
    " ",
    "a b",
    "UPPER/Case:1",
    "x" * 513,
    "alpine\x00",
    "alpine\x1b[31m",
    "alpine\u202e:1",
    "../../etc/passwd",
]
NO_IMAGES += ["'; DROP TABLE states; --", "<script>alert(1)</script>", "alpine@sha256:zz", "https://example.org/a"]


def test_what_is_no_name_of_an_image_is_refused(empty):
    for image in (*NO_IMAGES, 5, None, ["a"]):
        answer = put(empty, image=image)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), answer.text
        assert "\\x1b" not in answer.text
    assert empty.get("/scan-results").json() == []


def test_hostile_texts_of_a_document_are_kept_as_they_are_and_do_nothing(empty):
    texts = ["<script>alert(1)</script>", "'; DROP TABLE states; --", "\x00\x1b[31m\u202e", "%s {0} ${x}", "\U0001f600"]
    for number, text in enumerate(texts):
        component = {"type": "library", "name": text, "version": text, "bom-ref": "c"}
        one = {"id": f"CVE-2025-{number}", "description": text, "affects": [{"ref": "c"}], "bom-ref": text}
        report = bom(components=[component], vulnerabilities=[one])
        answer = put(empty, image=f"alpine:{number}", report=report)
        assert answer.status_code == 200, answer.text
        assert empty.get(path_of(f"alpine:{number}")).json()["report"] == report
        assert len(results_api.find_holders(empty.app.state.service.config, f"CVE-2025-{number}").rows) == 1


BODIES = [b"", b"{", b"null", b"[]", b"5", b"\xff", b"{}", b'{"imageId":"a"}', b'{"report":{}}', b"[" * 1_000_000]
BODIES += [b'{"imageId":"alpine","report":' + b"[" * 100_000]


def test_a_body_of_another_shape_is_refused(empty):
    for body in BODIES:
        answer = empty.put("/scan-results", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), answer.text


def test_deep_json_is_refused(empty):
    deep = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
    body = b'{"imageId":"alpine:1","report":' + deep + b"}"
    answer = empty.put("/scan-results", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}, answer.text


def test_only_json_is_taken(empty):
    body = json.dumps({"imageId": IMAGE, "report": bom()}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = empty.put("/scan-results", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 415, kind


def test_a_body_of_100_megabytes_is_refused(config):
    with served(config, ServeSettings(report_bytes=1_000_000)) as client:
        chunks = (b"x" * 65_536 for _ in range(1_600))
        answer = client.put("/scan-results", content=chunks, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:scanmatrix:problem:body-too-large")


def test_the_volume_is_away(empty):
    assert put(empty).status_code == 200
    root = empty.app.state.service.volume.root
    (root / "plans").rename(root / "elsewhere")
    (root / "plans").write_text("in the way")
    answer = put(empty, image="alpine:2")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
    (root / "plans").unlink()
    (root / "elsewhere").rename(root / "plans")
    assert put(empty, image="alpine:2").status_code == 200


def test_the_log_of_changes_says_which_run_and_target(empty, caplog):
    caplog.set_level(logging.INFO, logger="scanmatrix.audit")
    put = empty.put("/scan-results", json={"imageId": IMAGE, "report": bom()}).json()
    assert empty.delete(path_of(IMAGE)).status_code == 204
    found = [record for record in caplog.records if record.name == "scanmatrix.audit"]
    assert [(each.action.partition(" ")[0], each.run) for each in found] == [
        ("PUT", put["run"]),
        ("DELETE", put["run"]),
    ]
    assert found[0].target == put["target"]
