"""Targets as other systems name them, and which of them a run looked at wholly."""

import pytest

from orchestrator.exports.targets import fingerprint, run_targets, split_reference
from orchestrator.model import Outcome
from tests.exports import make_row, put_run


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("nginx:1.25", ("docker.io/library/nginx", "1.25")),
        ("registry.example:5000/team/app:1", ("registry.example:5000/team/app", "1")),
        ("registry.example/app@sha256:" + "a" * 64, ("registry.example/app", "")),
        ("https://git.example/team/app.git#main", ("https://git.example/team/app.git", "main")),
        ("archives/Image (1).tar", ("archives/Image (1).tar", "")),
    ],
)
def test_what_stays_and_what_names_this_state(reference, parts):
    assert split_reference(reference) == parts


def test_a_fingerprint_outlives_a_tag_but_tells_repositories_apart():
    assert fingerprint("nginx:1", "k") == fingerprint("docker.io/library/nginx:2", "k")
    assert fingerprint("nginx:1", "k") != fingerprint("nginx:1", "l")
    assert fingerprint("nginx:1", "k") != fingerprint("httpd:1", "k")


def test_names(tmp_path):
    digest = "sha256:" + "b" * 64
    row = make_row(references=(f"app@{digest}",), digest=digest, owners=())
    (target,) = run_targets(put_run(tmp_path, [row], []))
    assert target.name("{repository} {tag}") == f"docker.io/library/app {digest}"
    assert target.name("{owner}") == target.reference  # a name is never empty
    assert target.name("{run}\n\x1b[31m{target}") == "run-1 [31mapp-1"
    assert len(target.name("x" * 300)) == 255


@pytest.mark.parametrize(
    ("outcome", "standing", "whole", "scanned"),
    [
        (Outcome.OK, False, True, True),
        (Outcome.FAILED, False, False, True),
        (Outcome.SKIPPED, False, True, True),  # left out for good: there is nothing it could have found
        (Outcome.SKIPPED, True, False, True),  # an earlier run's findings still stand
    ],
)
def test_whole_is_what_was_looked_at_wholly(tmp_path, outcome, standing, whole, scanned):
    rows = [make_row(), make_row(scan="dependency", outcome=outcome)]
    results = put_run(tmp_path, rows, [], standing={"app-1/dependency"} if standing else ())
    (target,) = run_targets(results)
    assert (target.whole, target.scanned) == (whole, scanned)


def test_without_its_plan_a_skipped_cell_may_have_findings(tmp_path):
    results = put_run(tmp_path, [make_row(), make_row(scan="dependency", outcome=Outcome.SKIPPED)], [])
    results.volume.plan("run-1").unlink()
    assert not run_targets(results)[0].whole


def test_nothing_is_known_of_what_only_failed(tmp_path):
    (target,) = run_targets(put_run(tmp_path, [make_row(outcome=Outcome.FAILED)], []))
    assert not target.scanned
