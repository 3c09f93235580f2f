"""`results show` without a run: what every target has now, whichever run says so."""

import json

import pytest

from orchestrator.cli.app import app
from orchestrator.errors import NotKnownError, UsageError
from orchestrator.model import Name, Severity
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, write_run

SHOP, PAY, JOB = (f"registry.example/{name}:1.0" for name in ("shop/web", "pay/api", "job"))


@pytest.fixture
def show(tmp_path, capfd):
    """The first run's finding of `a` was fixed by the second, which has no result of `b`; `c` never had one."""
    volume = Volume(tmp_path)
    names = {
        id_: [Name(reference, owner=f"team-{id_}")] for id_, reference in zip("abc", (SHOP, PAY, JOB), strict=True)
    }
    first = {"a/dependency": [finding(1)], "b/dependency": [finding(2), finding(3, severity=Severity.CRITICAL)]}
    write_run(volume, "run-1", day(1), first, names={id_: names[id_] for id_ in "ab"})
    second = {"a/dependency": [finding(4)], "b/dependency": "it crashed", "c/dependency": "it crashed"}
    write_run(volume, "run-2", day(2), second, names={id_: names[id_] for id_ in "abc"})
    config = tmp_path / "scanmatrix.yaml"
    config.write_text(f"volume: {{path: '{tmp_path}'}}\n")

    def ask(*words):
        status = app(["results", "show", *words, "--config", str(config)], standalone_mode=False)
        return capfd.readouterr().out, status

    return ask


def ids(out):
    return [word for line in out.splitlines() for word in line.split() if word.startswith("CVE-")]


def test_the_latest_of_every_target_the_worst_first(show):
    out, _ = show()
    assert ids(out)[0] == "CVE-2025-3"
    assert sorted(ids(out)) == ["CVE-2025-2", "CVE-2025-3", "CVE-2025-4"]
    assert f"3 findings; covers 2 of 3 targets; nothing is known of 1: {JOB}: dependency failed: it crashed" in out


def test_of_one_run_only_what_it_found(show):
    for words in (["--run", "run-2"], ["run-2"], ["run-2", "--run", "run-2"]):
        assert ids(show(*words)[0]) == ["CVE-2025-4"]
    with pytest.raises(UsageError, match="not both run-1 and --run run-2"):
        show("run-1", "--run", "run-2")


def test_what_is_asked_for_is_what_the_coverage_is_about(show):
    out, _ = show("--target", "registry.example/pay/*", "--severity", "critical")
    assert ids(out) == ["CVE-2025-3"]
    assert "1 finding; covers 1 of 1 targets" in out
    out, _ = show("--owner", "team-b")
    assert ids(out) == ["CVE-2025-3", "CVE-2025-2"]
    assert ids(show("--severity", "critical", "--kind", " Vulnerability ")[0]) == ["CVE-2025-3"]
    with pytest.raises(UsageError, match=r"no kind of finding 'secert', did you mean 'secret'\? \(there are"):
        show("--kind", "secert")
    out, status = show("--owner", "team-c")
    assert (ids(out), status) == ([], 4)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--target", "registry.example/shop/wbe:1.0"], f"did you mean '{SHOP}'"),
        (["--owner", "team-d"], "has no owner 'team-d'"),
        (["--scan", "dependancy"], "did you mean 'dependency'"),
    ],
)
def test_a_name_that_no_run_has_is_said(show, words, hint):
    with pytest.raises(NotKnownError, match=hint):
        show(*words)


def test_programs_get_findings_and_coverage(show):
    found = json.loads(show("--output", "json")[0])
    assert found["coverage"] == {"targets": 3, "covered": 2}
    assert [each["references"] for each in found["unknown"]] == [[JOB]]
    assert {(each["run"], each["id"]) for each in found["findings"]} == {
        ("run-1", "CVE-2025-2"), ("run-1", "CVE-2025-3"), ("run-2", "CVE-2025-4"),
    }  # fmt: skip


def test_where_no_run_has_finished_the_answer_says_what_to_do(tmp_path):
    config = tmp_path / "scanmatrix.yaml"
    config.write_text(f"volume: {{path: '{tmp_path}'}}\n")
    with pytest.raises(UsageError, match="no run has finished"):
        app(["results", "show", "--config", str(config)], standalone_mode=False)
