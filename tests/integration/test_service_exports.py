"""Exports to DefectDojo and Dependency-Track, against services that check what comes as their documented APIs say."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from orchestrator.config.loading import Config, default_config
from orchestrator.errors import UsageError
from orchestrator.exports import load
from orchestrator.exports.interface import ExportRefusedError, ExportUnavailableError
from orchestrator.model import Outcome, Severity
from orchestrator.results import NoResultsError
from orchestrator.results.run import RunResults
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests import aggregation
from tests.exports import make_finding, make_row, put_run, suppressed
from tests.tools.certificates import self_signed
from tests.tools.services import DefectDojo, DependencyTrack, Reply, Request, Service


@pytest.fixture
def dojo() -> DefectDojo:
    return DefectDojo()


@pytest.fixture
def track() -> DependencyTrack:
    return DependencyTrack()


@pytest.fixture
def at_dojo(dojo: DefectDojo) -> Iterator[Service]:
    with Service(dojo) as service:
        yield service


@pytest.fixture
def at_track(track: DependencyTrack) -> Iterator[Service]:
    with Service(track) as service:
        yield service


def to_dojo(service: Service, **changes: object) -> Config:
    section = {"url": service.url, "token": DefectDojo.token, "timeout": "2s", "attempts": 3}
    return default_config(environment={}, exports={"defectdojo": section | changes})


def to_track(service: Service, **changes: object) -> Config:
    section = {"url": service.url, "apiKey": DependencyTrack.key, "timeout": "2s", "attempts": 3}
    return default_config(environment={}, exports={"dependencyTrack": section | changes})


def export(name: str, results: RunResults, config: Config) -> str:
    return load(name).export(results, config)


# --- DefectDojo ---

TEST = ("scanmatrix", "registry.example/team/app-1", "scanmatrix", "registry.example/team/app-1:1.0")


def test_findings_arrive_in_a_test_of_their_target(tmp_path: Path, dojo: DefectDojo, at_dojo: Service) -> None:
    rows = [make_row(), make_row(target="app-2")]
    findings = [
        make_finding(aliases=("GHSA-1", "x" * 51), kev=True, epss=0.25),
        make_finding("app-2", 2, kind="secret", id="aws-key", package="", version="", purl="", fixed_version=""),
    ]
    where = export("defectdojo", put_run(tmp_path, rows, findings), to_dojo(at_dojo, tags=["{owner}", "nightly"]))
    assert where == at_dojo.url
    assert list(dojo.tests) == [TEST, tuple(part.replace("app-1", "app-2") for part in TEST)]
    (first,), (second,) = (test.values() for test in dojo.tests.values())
    assert first["vulnerability_ids"] == ["CVE-2024-0001", "GHSA-1"]
    assert (first["component_name"], first["component_version"]) == ("openssl", "3.0.1")
    assert (first["severity"], first["date"], first["active"]) == ("High", "2025-02-01", True)
    assert "3.0.2" in first["mitigation"]
    assert first["file_path"] == "/usr/lib/libssl.so.3"
    assert "registry.example/team/app-1:1.0" in first["description"]
    assert "kev" in first["tags"]
    assert "vulnerability_ids" not in second
    assert at_dojo.requests[0].form["tags"] == ["team@example.com", "nightly"]


def test_the_answer_is_the_tests_page(tmp_path: Path, at_dojo: Service) -> None:
    assert export("defectdojo", put_run(tmp_path), to_dojo(at_dojo)) == f"{at_dojo.url}/test/1"


@pytest.mark.parametrize("severity", list(Severity))
def test_severities_are_its_words(tmp_path: Path, dojo: DefectDojo, at_dojo: Service, severity: Severity) -> None:
    export("defectdojo", put_run(tmp_path, findings=[make_finding(severity=severity)]), to_dojo(at_dojo))
    (found,) = dojo.tests[TEST].values()
    word = "Info" if severity in {Severity.UNKNOWN, Severity.NONE} else severity.value.capitalize()
    assert found["severity"] == word


def test_what_is_below_the_least_severity_is_not_sent(tmp_path: Path, dojo: DefectDojo, at_dojo: Service) -> None:
    findings = [make_finding(number=n, severity=each) for n, each in enumerate(Severity)]
    export("defectdojo", put_run(tmp_path, findings=findings), to_dojo(at_dojo, minimumSeverity="high"))
    assert {each["severity"] for each in dojo.tests[TEST].values()} == {"High", "Critical"}
    assert len(json.loads(at_dojo.requests[0].form["file"][0])["findings"]) == 2


@pytest.mark.parametrize(
    ("how", "mark"),
    [("risk-accepted", "risk_accepted"), ("false-positive", "false_p"), ("out-of-scope", "out_of_scope")],
)
def test_what_is_suppressed_is_marked(tmp_path: Path, dojo: DefectDojo, at_dojo: Service, how: str, mark: str) -> None:
    results = put_run(tmp_path, findings=[make_finding(suppressed=suppressed())])
    export("defectdojo", results, to_dojo(at_dojo, suppressed=how, verified=True))
    (found,) = dojo.tests[TEST].values()
    assert (found[mark], found["active"], found["verified"]) == (True, False, False)
    assert "not reachable" in found["description"]


def test_what_is_suppressed_may_be_left_out(tmp_path: Path, dojo: DefectDojo, at_dojo: Service) -> None:
    findings = [make_finding(suppressed=suppressed()), make_finding(number=2)]
    export("defectdojo", put_run(tmp_path, findings=findings), to_dojo(at_dojo, suppressed="leave-out"))
    assert [each["vuln_id_from_tool"] for each in dojo.tests[TEST].values()] == ["CVE-2024-0002"]


def test_an_update_that_fixes_nothing_keeps_the_finding(tmp_path: Path, dojo: DefectDojo, at_dojo: Service) -> None:
    export("defectdojo", put_run(tmp_path / "1"), to_dojo(at_dojo))
    before = set(dojo.tests[TEST])
    findings = [make_finding(version="3.0.5"), make_finding(version="3.1.0", suppressed=suppressed())]
    export("defectdojo", put_run(tmp_path / "2", findings=findings), to_dojo(at_dojo))
    assert set(dojo.tests[TEST]) == before
    (found,) = dojo.tests[TEST].values()
    assert (found["component_version"], found["active"]) == ("3.0.5", True)


@pytest.mark.parametrize(
    ("outcome", "standing", "closed"),
    [(Outcome.OK, (), True), (Outcome.FAILED, (), False), (Outcome.SKIPPED, ("app-1/dependency",), False)],
)
def test_only_what_was_looked_at_is_closed(
    tmp_path: Path, dojo: DefectDojo, *, outcome: Outcome, standing: tuple[str, ...], closed: bool
) -> None:
    rows = [make_row(), make_row(scan="dependency", outcome=outcome)]
    with Service(dojo) as service:
        export("defectdojo", put_run(tmp_path / "1"), to_dojo(service))
        export("defectdojo", put_run(tmp_path / "2", rows, [], standing=standing), to_dojo(service))
    assert [each["closed"] for each in dojo.tests[TEST].values()] == [closed]


def test_a_target_of_which_nothing_is_known_stays_as_it_is(tmp_path: Path, at_dojo: Service) -> None:
    export("defectdojo", put_run(tmp_path, [make_row(outcome=Outcome.FAILED)], []), to_dojo(at_dojo))
    assert at_dojo.requests == []


def test_one_test_for_all_targets(tmp_path: Path, dojo: DefectDojo, at_dojo: Service) -> None:
    rows = [make_row(), make_row(target="app-2")]
    results = put_run(tmp_path, rows, [make_finding(), make_finding("app-2")])
    export("defectdojo", results, to_dojo(at_dojo, product="{owner}", test="all images"))
    assert list(dojo.tests) == [("scanmatrix", "team@example.com", "scanmatrix", "all images")]
    assert len(dojo.tests.popitem()[1]) == 2


def test_markup_in_names_does_not_come_alive(tmp_path: Path, dojo: DefectDojo, at_dojo: Service) -> None:
    evil = "<img src=x onerror=alert(1)>` [x](javascript:alert(1))"
    export("defectdojo", put_run(tmp_path, findings=[make_finding(title=evil, package=evil)]), to_dojo(at_dojo))
    (found,) = dojo.tests[TEST].values()
    outside = found["description"].split("`")[::2]
    assert not any("<" in part or "](" in part for part in outside)


# --- Dependency-Track ---


def components(*names: str) -> dict[str, object]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"tools": [{"name": "syft"}]},
        "components": [
            {"type": "library", "name": name, "version": "1", "purl": f"pkg:npm/{name}@1", "bom-ref": name}
            for name in names
        ],
        "dependencies": [{"ref": names[0], "dependsOn": list(names[1:])}],
    }


@pytest.fixture
def scanned(tmp_path: Path) -> RunResults:
    """A run of two targets that the real aggregate step wrote."""
    targets = [aggregation.make_target(1), aggregation.make_target(2)]
    scans = [scan for scan in aggregation.SCANS if scan.name == "sbom"]
    plan, volume = aggregation.make_plan(targets, scans), Volume(tmp_path / "volume")
    aggregation.put_clean_run(volume, plan)
    aggregation.put_report(volume, plan, "app-1", "sbom", components("a", "b"))
    aggregation.put_report(volume, plan, "app-2", "sbom", components("c"))
    aggregate(plan, volume)
    return RunResults(volume, plan.run)


def test_each_target_is_a_project(scanned: RunResults, track: DependencyTrack, at_track: Service) -> None:
    assert export("dependency-track", scanned, to_track(at_track)) == at_track.url
    assert set(track.projects) == {("registry.example/team/app", "1"), ("registry.example/team/app", "2")}
    for (_, version), bom in track.projects.items():
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom)) is None
        expected = {"a", "b"} if version == "1" else {"c"}
        assert {each["name"] for each in bom["components"]} == expected
        assert bom["metadata"]["component"]["type"] == "container"
        refs = {each["bom-ref"] for each in [*bom["components"], bom["metadata"]["component"]]}
        assert {each["ref"] for each in bom["dependencies"]} <= refs
    assert any(each["dependsOn"] for each in track.projects["registry.example/team/app", "1"]["dependencies"])
    assert all(form["autoCreate"] == "true" for form in track.forms)


def test_the_same_run_gives_the_same_bytes(scanned: RunResults, at_track: Service) -> None:
    for _ in range(2):
        export("dependency-track", scanned, to_track(at_track))
    boms = [request.form["bom"][0] for request in at_track.requests]
    assert boms[:2] == boms[2:]
    assert boms[0] != boms[1]


def test_names_parents_and_tags(scanned: RunResults, track: DependencyTrack, at_track: Service) -> None:
    track.parents.add(("images", "team"))
    names = {"project": "{reference}", "version": "latest", "parent": "images", "parentVersion": "{owner}"}
    export("dependency-track", scanned, to_track(at_track, **names, tags=["{owner}", "a,b"]))
    assert ("registry.example/team/app:1", "latest") in track.projects
    assert track.forms[0]["projectTags"] == "team,a b"


def test_it_waits_until_all_is_processed(scanned: RunResults, track: DependencyTrack, at_track: Service) -> None:
    track.busy = 1
    export("dependency-track", scanned, to_track(at_track, wait="30s"))
    assert [request.method for request in at_track.requests].count("GET") == 3


def test_it_does_not_wait_forever(scanned: RunResults, track: DependencyTrack, at_track: Service) -> None:
    track.busy = 10**6
    with pytest.raises(ExportUnavailableError):
        export("dependency-track", scanned, to_track(at_track, wait="1s"))
    assert len(track.projects) == 2


def test_what_is_not_there_and_may_not_be_made(scanned: RunResults, at_track: Service) -> None:
    with pytest.raises(ExportRefusedError) as refused:
        export("dependency-track", scanned, to_track(at_track, autoCreate=False))
    assert "could not be found" in str(refused.value)


def test_its_web_page_is_not_its_api(scanned: RunResults) -> None:
    with Service(lambda _: Reply(200, b"<!doctype html>")) as page, pytest.raises(ExportRefusedError):
        export("dependency-track", scanned, to_track(page))


@pytest.mark.parametrize("data", [None, b"", b'{"metadata": {}, "components": ['])
def test_a_damaged_bom_is_not_sent(scanned: RunResults, at_track: Service, data: bytes | None) -> None:
    scanned.bom.unlink()
    if data is not None:
        scanned.bom.write_bytes(data)
    with pytest.raises(NoResultsError):
        export("dependency-track", scanned, to_track(at_track))
    assert at_track.requests == []


# --- Both: what goes wrong on the way ---


@pytest.mark.parametrize("name", ["defectdojo", "dependency-track"])
def test_without_its_section_or_secret(scanned: RunResults, at_dojo: Service, name: str) -> None:
    with pytest.raises(UsageError):
        export(name, scanned, default_config(environment={}))
    config = to_dojo(at_dojo, token=None) if name == "defectdojo" else to_track(at_dojo, apiKey=None)
    with pytest.raises(UsageError) as told:
        export(name, scanned, config)
    assert "SCANMATRIX_EXPORTS__" in str(told.value)
    assert at_dojo.requests == []


def test_a_secret_that_is_refused_is_not_shown(tmp_path: Path, at_dojo: Service) -> None:
    with pytest.raises(ExportRefusedError) as refused:
        export("defectdojo", put_run(tmp_path), to_dojo(at_dojo, token="not-the-token"))
    assert "401" in str(refused.value)
    assert "not-the-token" not in str(refused.value)
    assert len(at_dojo.requests) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 413])
def test_a_refusal_is_reported_in_its_own_words_and_not_repeated(tmp_path: Path, at_dojo: Service, status: int) -> None:
    at_dojo.first = [Reply(status, {"message": "because\n\x1b[31m" + "x" * 5000})]
    with pytest.raises(ExportRefusedError) as refused:
        export("defectdojo", put_run(tmp_path), to_dojo(at_dojo))
    assert "because" in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 600
    assert len(at_dojo.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_busy_service_is_asked_again(tmp_path: Path, dojo: DefectDojo, at_dojo: Service, status: int) -> None:
    at_dojo.first = [Reply(status, b"wait", {"Retry-After": "0"})] * 2
    export("defectdojo", put_run(tmp_path), to_dojo(at_dojo))
    assert len(dojo.tests[TEST]) == 1
    assert len(at_dojo.requests) == 3


def test_it_is_asked_no_more_often_than_configured(tmp_path: Path) -> None:
    with Service(lambda _: Reply(503, b"maintenance")) as service, pytest.raises(ExportUnavailableError) as told:
        export("defectdojo", put_run(tmp_path), to_dojo(service, attempts=2))
    assert "maintenance" in str(told.value)
    assert len(service.requests) == 2


def test_who_asks_for_too_long_a_pause_is_not_waited_for(tmp_path: Path, at_dojo: Service) -> None:
    at_dojo.first = [Reply(429, b"", {"Retry-After": "7200"})]
    begun = time.monotonic()
    with pytest.raises(ExportUnavailableError) as told:
        export("defectdojo", put_run(tmp_path), to_dojo(at_dojo))
    assert told.value.retry_after == 7200
    assert time.monotonic() - begun < 30


def test_a_service_that_never_answers(tmp_path: Path, at_dojo: Service) -> None:
    at_dojo.first = [Reply(201, wait=3600)] * 2
    begun = time.monotonic()
    with pytest.raises(ExportUnavailableError):
        export("defectdojo", put_run(tmp_path), to_dojo(at_dojo, timeout="1s", attempts=2))
    assert time.monotonic() - begun < 30


def test_over_tls(tmp_path: Path, dojo: DefectDojo) -> None:
    certificate = self_signed(tmp_path)
    results = put_run(tmp_path / "volume")
    with Service(dojo, certificate) as service:
        with pytest.raises(ExportRefusedError) as refused:
            export("defectdojo", results, to_dojo(service))
        assert "caBundle" in str(refused.value)
        assert service.requests == []
        export("defectdojo", results, to_dojo(service, caBundle=str(certificate)))
        export("defectdojo", results, to_dojo(service, insecure=True))
        assert len(service.requests) == 2
        with pytest.raises(ExportRefusedError):
            export("defectdojo", results, to_dojo(service, caBundle=str(tmp_path / "missing.pem")))


def test_secrets_do_not_follow_a_redirect(tmp_path: Path, at_dojo: Service) -> None:
    with Service(lambda _: Reply(201, {"test": 1})) as elsewhere:
        at_dojo.first = [Reply(307, b"", {"Location": f"{elsewhere.url}/api/v2/reimport-scan/"})]
        with pytest.raises(ExportRefusedError):
            export("defectdojo", put_run(tmp_path), to_dojo(at_dojo))
        assert elsewhere.requests == []


def test_an_answer_that_says_nothing(tmp_path: Path) -> None:
    def html(_: Request) -> Reply:
        return Reply(200, b"<html>" + b"x" * 3_000_000)

    with Service(html) as service, pytest.raises(ExportRefusedError):
        export("defectdojo", put_run(tmp_path), to_dojo(service))
