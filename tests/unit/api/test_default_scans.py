"""The default scans of an image have one for vulnerabilities, where its scanner is on this machine."""

import pytest

from orchestrator.api.plan import make_plan
from orchestrator.config.loading import default_config

IMAGE = f"r.example/i@sha256:{'a' * 64}"
USUAL = {"sbom", "image-lifetime", "root-user"}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """An empty PATH, and a way to put a program on it."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(name):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)

    return put


def planned(**sections):
    config = default_config(environment={}, **{"targets": [{"image": IMAGE}]} | sections)
    return {cell.scan for cell in make_plan(config, offline=True).cells}


@pytest.mark.parametrize(
    ("programs", "more"),
    [
        ((), ()),
        (("trivy",), ("general",)),
        (("grype",), ("dependency",)),
        (("trivy", "grype"), ("general", "dependency")),
    ],
)
def test_a_scanner_that_is_here_is_used(install, programs, more):
    for name in programs:
        install(name)
    assert planned() == USUAL | set(more)


def test_what_the_configuration_says_stays(install):
    install("trivy")
    assert planned(scans={"default": ["root-user"]}) == {"root-user"}
    assert planned(targets=[{"image": IMAGE, "scans": ["sbom"]}]) == {"sbom"}
    assert planned(engine="argo") == USUAL
