"""Globs over references, and the allowlist made of them."""

import pytest

from orchestrator.config.allow import Allow
from orchestrator.images.reference import parse
from orchestrator.model import Scan
from orchestrator.planning.allow import refusal
from orchestrator.planning.patterns import matches

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("pattern", "reference"),
    [
        ("docker.io/library/ubuntu", "ubuntu:20.04"),
        ("ubuntu", "ubuntu:20.04"),
        ("ubuntu:20.*", "ubuntu:20.04"),
        ("anchore/*", "anchore/grype:v1"),
        ("ghcr.io/aquasecurity/*", "ghcr.io/aquasecurity/trivy:1"),
        ("localhost:5000/*", "localhost:5000/a/b:1"),
        ("localhost:5000/a:1", "localhost:5000/a:1"),
        ("*", "ghcr.io/x/y:1"),
        ("ubuntu", f"ubuntu@{DIGEST}"),
    ],
)
def test_matches(pattern: str, reference: str) -> None:
    assert matches(pattern, parse(reference))


@pytest.mark.parametrize(
    ("pattern", "reference"),
    [
        ("ubuntu", "ghcr.io/library/ubuntu:20.04"),
        ("ubuntu:20.*", "ubuntu:22.04"),
        ("anchore/*", "ghcr.io/anchore/grype:v1"),
        ("ghcr.io/aquasecurity/*", "ghcr.io/aquasecurity-evil/trivy:1"),
        ("ghcr.io/*", "docker.io/ghcr.io/evil:1"),
        ("localhost:5000/a:1", "localhost:5000/a:2"),
    ],
)
def test_does_not_match(pattern: str, reference: str) -> None:
    assert not matches(pattern, parse(reference))


def scan(image: str, *, builtin: bool = False) -> Scan:
    return Scan(name="s", image=image, command=("s",), format="grype", builtin=builtin)


def test_no_allowlist_allows_everything() -> None:
    assert not refusal(scan("evil/thing:1"), None)


def test_a_digest_is_allowed_wherever_it_comes_from() -> None:
    assert not refusal(scan(f"mirror.example/grype@{DIGEST}"), Allow(digests=(DIGEST,)))
    assert refusal(scan("mirror.example/grype:1"), Allow(digests=(DIGEST,)))


def test_a_tag_beside_a_digest_proves_nothing() -> None:
    allow = Allow(images=("anchore/grype:v1",))
    assert not refusal(scan("anchore/grype:v1"), allow)
    assert refusal(scan(f"anchore/grype:v1@{DIGEST}"), allow)
    assert not refusal(scan(f"anchore/grype:v1@{DIGEST}"), Allow(images=("anchore/grype",)))


def test_an_image_that_cannot_be_read_is_not_allowed() -> None:
    assert refusal(scan("Not An Image"), Allow(images=("*",)))


def test_built_in_scans_are_always_allowed() -> None:
    assert not refusal(scan("localhost/scanmatrix:1", builtin=True), Allow(images=("anchore/*",)))
