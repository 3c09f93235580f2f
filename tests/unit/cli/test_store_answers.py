"""`scanmatrix store stale`, `targets` and `overview`: what the store answers on the command line."""

import json

import msgspec
import pytest
import yaml

from orchestrator.cli.app import app
from orchestrator.errors import NotKnownError, UsageError
from orchestrator.model import Ledger, Name, Severity
from orchestrator.model.documents import encode, read
from orchestrator.model.labels import CLUSTER, NAMESPACE, WORKLOAD
from orchestrator.volume.layout import Volume, write_atomic
from tests.stored_runs import day, finding, write_run

WEB, PAY, JOB = (f"registry.example/{name}:1.0" for name in ("shop/web", "pay/api", "job"))
RUNS_IN = {CLUSTER: "prod", NAMESPACE: "shop", WORKLOAD: "Deployment/web"}
NAMES = {
    "a": [Name(WEB, owner="shop", labels=RUNS_IN)],
    "b": [Name(PAY, owner="pay")],
    "c": [Name(JOB, owner="pay")],
    "d": [Name(PAY, owner="pay")],
    "e": [Name(WEB, owner="shop")],
}
#: Long enough for results of these tests, until the year 2100.
ALWAYS = "27000d"


def named(ids):
    return {target: NAMES[target] for target in ids}


@pytest.fixture
def volume(tmp_path):
    """`shop/web` twice, `pay/api` under whose name another image comes, `job` without any result."""
    volume = Volume(tmp_path)
    first = {"a/dependency": [finding(1)], "b/dependency": [finding(2)], "b/virus": [], "c/dependency": "it crashed"}
    write_run(volume, "run-1", day(1), first, names=named("abc"))
    second = {"a/dependency": [finding(1), finding(3, severity=Severity.CRITICAL)], "c/dependency": "it crashed again"}
    second |= {"d/dependency": "skipped: excluded: too large", "d/virus": []}
    write_run(volume, "run-2", day(2), second, names=named("acd"), ignored={"CVE-2025-1"})
    return volume


@pytest.fixture
def ask(tmp_path, volume, capfd):
    config = tmp_path / "scanmatrix.yaml"
    config.write_text(f"volume: {{path: '{tmp_path}'}}\n")

    def ask(*words):
        status = app(["store", *words, "--config", str(config)], standalone_mode=False)
        told = capfd.readouterr()
        return told.out, told.err, status or 0

    return ask


def due(ask, *words):
    return [
        (row["references"], row["scan"], row["why"]) for row in json.loads(ask("stale", "-o", "json", *words)[0])["due"]
    ]


class TestStale:
    def test_first_what_never_ended_ok_then_the_oldest(self, ask):
        out, err, status = ask("stale", "--age", "1d")
        rows = [line.split()[:4] for line in out.splitlines()[1:-1]]
        assert rows == [
            [JOB, "dependency", "pay", "never"],
            [WEB, "dependency", "shop", "old"],
            [PAY, "virus", "pay", "old"],
        ]
        assert out.splitlines()[-1] == (
            "3 scans of 3 targets due; the answer covers 2 of 3 targets; nothing is known of 1: "
            f"{JOB}: dependency failed: it crashed again"
        )
        assert (err, status) == ("", 0)

    def test_what_is_excluded_or_whose_name_means_another_image_is_not_due(self, ask):
        assert (PAY, "dependency") not in {(*names, scan) for names, scan, _ in due(ask)}
        assert due(ask, "--age", ALWAYS) == [([JOB], "dependency", "never")]

    def test_a_scan_that_no_longer_is_planned_is_not_due(self, ask, volume):
        write_run(volume, "run-3", day(3), {"a/virus": []}, names=named("a"))
        assert due(ask) == [([WEB], "virus", "old")]

    def test_a_new_image_of_a_name_is_due_for_scans_that_have_not_seen_it(self, ask, volume):
        write_run(volume, "run-3", day(3), {"a/dependency": [], "a/virus": []}, names=named("a"))
        write_run(volume, "run-4", day(4), {"e/virus": []}, names=named("e"))
        path = volume.results("run-4") / "ledger.json"
        write_atomic(path, encode(msgspec.structs.replace(read(path, Ledger), partial=True)))
        assert due(ask, "--age", ALWAYS, "--target", "shop/web") == [([WEB], "dependency", "never")]

    def test_since_when_and_after_how_many_failures(self, ask):
        never, web, _ = json.loads(ask("stale", "-o", "json", "--age", "1d")[0])["due"]
        assert (never["due"], never["scanned"], never["outcome"], never["failures"]) == (None, None, "failed", 2)
        assert (web["scanned"], web["due"]) == ("2025-03-03T10:00:00Z", "2025-03-04T10:00:00Z")

    def test_only_some(self, ask):
        assert due(ask, "--owner", "pay", "--scan", "virus") == [([PAY], "virus", "old")]
        assert due(ask, "--target", "shop/web:1.0") == due(ask, "--target", "shop/web")
        assert due(ask, "--target", "shop/web") == [([WEB], "dependency", "old")]
        assert f"{JOB}: never scanned by virus" in ask("stale", "--scan", "virus")[0]
        assert ask("stale", "--scan", "virus", "--target", "job")[0].splitlines()[-1].startswith("nothing is due")

    @pytest.mark.parametrize(
        ("words", "hint"),
        [
            (["--target", "shop/wed:1.0"], r"did you mean 'shop/web:1\.0'"),
            (["--owner", "shopp"], "did you mean 'shop'"),
            (["--scan", "viruss"], "did you mean 'virus'"),
        ],
    )
    def test_a_misspelt_name_is_not_known(self, ask, words, hint):
        with pytest.raises(NotKnownError, match=hint):
            ask("stale", *words)

    def test_a_result_of_another_question_is_due(self, ask, volume):
        write_run(volume, "run-3", day(3), {"a/dependency": []}, names=named("a"), asked="another")
        assert due(ask, "--age", ALWAYS) == [([WEB], "dependency", "question")]

    def test_without_any_age_everything_is_due_which_is_said(self, ask):
        _, err, _ = ask("stale")
        assert "rescanAfter is not set" in err
        with pytest.raises(UsageError, match="--age: '7' is not a duration"):
            ask("stale", "--age", "7")


class TestTargets:
    def test_names_owners_workloads_and_scans(self, ask):
        out, _, status = ask("targets")
        web = next(line for line in out.splitlines() if line.startswith(WEB))
        for word in ("shop", "dependency", "2025-03-03T10:00:00Z", "grype 1", "prod/shop/Deployment/web", "sha256:a"):
            assert word in web
        assert f"3 targets; the answer covers 2 of 3 targets; nothing is known of 1: {JOB}: dependency failed" in out
        assert status == 0

    def test_a_name_means_what_it_means_now(self, ask):
        [found] = json.loads(ask("targets", "pay/api", "-o", "json")[0])["targets"]
        assert (found["digest"], found["current"]) == ("sha256:d", True)
        assert [(state["scan"], state["outcome"]) for state in found["states"]] == [
            ("dependency", "skipped"),
            ("virus", "ok"),
        ]

    def test_a_digest_finds_an_image_that_no_name_means_any_more(self, ask):
        out, _, status = ask("targets", "sha256:b")
        assert f"{PAY}, (earlier)" in out
        assert (
            out.splitlines()[-1]
            == "1 target, of which no name means 1 any more (earlier); the answer covers 1 of 1 targets"
        )
        assert status == 0
        found = yaml.safe_load(ask("targets", "sha256:b", "-o", "yaml")[0])
        assert [(of["references"], of["current"]) for of in found["targets"]] == [([PAY], False)]

    def test_all_of_them(self, ask):
        found = json.loads(ask("targets", "--all", "-o", "json")[0])["targets"]
        assert [(of["digest"], of["current"]) for of in found if of["references"] == [PAY]] == [
            ("sha256:b", False),
            ("sha256:d", True),
        ]

    def test_of_an_image_without_any_result_nothing_is_known(self, ask):
        assert ask("targets", "job")[2] == 4

    def test_a_misspelt_name_is_not_known(self, ask):
        with pytest.raises(NotKnownError, match=r"did you mean 'shop/web:1\.0'"):
            ask("targets", "shop/wed:1.0")

    def test_no_more_than_are_asked_for(self, ask):
        out = ask("targets", "--most", "1")[0]
        assert "… and 2 more: --most 3 shows all" in out
        assert WEB not in out


class TestOverview:
    def test_scans_and_findings_in_numbers(self, ask):
        out, _, status = ask("overview", "--age", "1d")
        rows = [line.split() for line in out.splitlines()[1:-2]]
        assert rows == [
            ["dependency", "2", "0", "1", "never,", "1", "old", "1", "2025-03-03T10:00:00Z"],
            ["virus", "1", "0", "1", "old", "0", "2025-03-03T10:00:00Z"],
        ]
        assert out.splitlines()[-2] == "findings: 1 critical, 1 high; 1 suppressed"
        assert out.splitlines()[-1].startswith("2 runs, the latest run-2; the answer covers 2 of 3 targets")
        assert status == 0

    def test_for_programs(self, ask):
        found = json.loads(ask("overview", "--age", ALWAYS, "-o", "json")[0])
        assert found["coverage"] == {"targets": 3, "covered": 2}
        assert [(each["scan"], each["fresh"], each["due"]) for each in found["overview"]["scans"]] == [
            ("dependency", 1, {"never": 1}),
            ("virus", 1, {}),
        ]


@pytest.mark.parametrize("command", ["stale", "targets", "overview"])
def test_where_no_run_has_finished_the_answer_says_what_to_do(tmp_path, command):
    config = tmp_path / "scanmatrix.yaml"
    config.write_text(f"volume: {{path: '{tmp_path}'}}\n")
    with pytest.raises(UsageError, match="no run has finished"):
        app(["store", command, "--config", str(config)], standalone_mode=False)
