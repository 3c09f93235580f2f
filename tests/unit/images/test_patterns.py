"""Globs over references."""

import pytest

from orchestrator.images.patterns import matches
from orchestrator.images.reference import parse

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
