"""Which image a container runtime is given."""

from pathlib import Path

import pytest

from orchestrator.engines.local.containers import WORK, Mount, Runtime

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("image", "given"),
    [
        ("aquasec/trivy:0.68.2", "docker.io/aquasec/trivy:0.68.2"),
        (f"aquasec/trivy:0.68.2@{DIGEST}", f"docker.io/aquasec/trivy@{DIGEST}"),
        (f"ghcr.io/x/y@{DIGEST}", f"ghcr.io/x/y@{DIGEST}"),
    ],
)
def test_a_digest_decides_beside_a_tag(image, given):
    runtime = Runtime("/usr/bin/podman", "run-1")
    command = runtime.command(
        image=image, argv=("trivy", "x"), environment={}, mounts=[Mount(Path("/w"), WORK)], name="n"
    )
    assert command[-2:] == (given, "x")
