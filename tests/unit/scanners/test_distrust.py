"""Whether a scanner is believed: by image, version, digest and time, however it is named."""

import pytest

from orchestrator.scanners.distrust import Made, why, why_refused
from tests.unit.scanners.samples import NOW, A, B, C, rule, scan

DIGEST = f"@{A}"


@pytest.mark.parametrize(
    "image",
    [
        "aquasec/trivy:0.69.4",
        "docker.io/aquasec/trivy:0.69.5",
        "index.docker.io/aquasec/trivy:0.69.6",
        "ghcr.io/aquasecurity/trivy:v0.69.4",
        "public.ecr.aws/aquasecurity/trivy:0.69.4",
        "mirror.corp/aquasec/trivy:0.69.4",
        "mirror.corp:5000/hub/docker.io/aquasec/trivy:0.69.4",
        "mirror.corp/hub-aquasec-trivy:0.69.4",
        "mirror.corp/hub__aquasec__trivy:0.69.4",
        "mirror.corp/security/trivy:0.69.4",
        "mirror.corp/trivy:V0.69.4",
        "aquasec/trivy:0.69.4-amd64",
        "aquasec/trivy:0.69.4_corp.1",
        f"aquasec/trivy:0.69.4{DIGEST}",
    ],
)
def test_the_compromised_trivy_is_denied_by_whatever_name(image):
    reason = why_refused(scan(image), (), NOW)
    assert "CVE-2026-33634" in reason
    assert "GHSA-69fq-xp46-6x23" in reason


@pytest.mark.parametrize(
    "image",
    [
        "aquasec/trivy:0.68.2",
        "aquasec/trivy:0.69.3",
        "aquasec/trivy:0.69.40",
        "aquasec/trivy:0.70.0",
        "aquasec/trivy:10.69.4",
        "aquasec/trivy-db:0.69.4",
        "corp/trivy-operator:0.69.4",
        "corp/notrivy:0.69.4",
        "anchore/grype:v0.69.4",
        f"aquasec/trivy{DIGEST}",
        "not an image",
    ],
)
def test_what_is_not_that_release_may_run(image):
    assert why_refused(scan(image), (), NOW) == ""


def test_our_own_checks_are_nobody_elses_scanner():
    assert why_refused(scan("corp/trivy:0.69.4", builtin=True), (rule(scan="*"),), NOW) == ""


@pytest.mark.parametrize(("scanner", "version"), [("trivy", "0.69.4"), ("Trivy", "v0.69.6"), ("trivy", "0.69.5+corp")])
def test_a_report_that_tells_of_a_denied_version_is_not_believed(scanner, version):
    assert "CVE-2026-33634" in why(Made("anything", scanner=scanner, version=version), ())
    assert "CVE-2026-33634" in why(Made("anything", "corp/tools:1", scanner=scanner, version=version), ())


def test_another_scanner_of_that_version_is_believed():
    assert why(Made("dependency", scanner="grype", version="0.69.4"), ()) == ""
    assert why(Made("general", scanner="trivy", version=""), ()) == ""


@pytest.mark.parametrize("written", ["aquasec/trivy", "docker.io/aquasec/trivy", "ghcr.io/aquasecurity/trivy"])
@pytest.mark.parametrize("used", ["aquasec/trivy:1.0", "ghcr.io/aquasecurity/trivy:v1.0", "mirror/x/aquasec/trivy:1.0"])
def test_a_rule_is_about_all_names_of_an_image(written, used):
    denied = rule(denied=True, images=(written,), versions=("1.*",))
    assert why_refused(scan(used), (denied,), NOW)
    assert not why_refused(scan("aquasec/trivy:2.0"), (denied,), NOW)


def test_a_rule_without_versions_is_about_its_own_image_alone():
    denied = rule(denied=True, images=("corp/scanner",))
    assert why_refused(scan("mirror.example/corp/scanner:1"), (denied,), NOW)
    assert not why_refused(scan("other/scanner:1"), (denied,), NOW)


def test_a_denied_digest_is_refused_under_any_name():
    denied = rule(denied=True, images=("aquasec/trivy",), digests=(A,))
    assert why_refused(scan(f"corp/whatever:1@{A}"), (denied,), NOW)
    assert why_refused(scan(f"corp/whatever:1@{B}", digests=(B, A)), (denied,), NOW)  # of one of its platforms
    assert not why_refused(scan(f"corp/whatever:1@{B}"), (denied,), NOW)
    assert not why_refused(scan("aquasec/trivy:0.70.0"), (denied,), NOW)  # nobody knows which digest that is


PERIOD = {"since": "2026-03-19T00:00:00Z", "until": "2026-03-24T23:59:59Z"}


@pytest.mark.parametrize(
    ("started", "finished", "suspect"),
    [
        ("2026-03-20T10:00:00Z", "2026-03-20T10:05:00Z", True),
        ("2026-03-18T23:59:00Z", "2026-03-19T00:01:00Z", True),
        ("2026-03-24T23:59:00Z", "2026-03-25T00:01:00Z", True),
        ("2026-03-25T00:30:00+01:00", "2026-03-25T00:40:00+01:00", True),
        ("2026-03-18T10:00:00Z", "2026-03-18T10:05:00Z", False),
        ("2026-03-25T10:00:00Z", "2026-03-25T10:05:00Z", False),
        ("", "2026-03-18T10:05:00Z", False),
        ("", "", True),
        ("yesterday", "", True),
    ],
)
def test_a_period_is_about_what_ran_in_it(started, finished, suspect):
    made = Made("general", f"aquasec/trivy:1@{A}", started=started, finished=finished)
    assert bool(why(made, (rule(scan="general", digests=(A,), **PERIOD),))) is suspect


def test_what_cannot_be_cleared_is_suspect():
    of_scan, of_digest = rule(scan="general", digests=(A,)), rule(digests=(A,))
    assert why(Made("general", "aquasec/trivy:1"), (of_scan,))
    assert why(Made("general"), (of_scan,))
    assert not why(Made("general", f"aquasec/trivy:1@{B}"), (of_scan,))
    assert not why(Made("virus", "clamav/clamav:1"), (of_scan,))
    assert not why(Made("general"), (of_digest,))


def test_everything_a_rule_gives_must_hold():
    exact = rule(scan="gen*", images=("aquasec/trivy",), versions=("0.68.2",))
    assert why(Made("general", "aquasec/trivy:0.68.2"), (exact,))
    assert not why(Made("secrets", "aquasec/trivy:0.68.2"), (exact,))
    assert not why(Made("general", "anchore/grype:0.68.2"), (exact,))
    assert not why(Made("general", "aquasec/trivy:0.68.3"), (exact,))
    assert why(Made("general", f"corp/x:9@{C}"), (rule(digests=(C,), versions=("1",)),))
