"""`scanmatrix install`: a stream on stdout, or a folder for `kubectl apply -k`."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.errors import UsageError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "scanmatrix.yaml"
    file.write_text("argo: {namespace: scanning}\n")
    return file


@pytest.mark.parametrize("render", [[], ["--render"]])
def test_a_stream_without_argo_itself(config: Path, render: list[str]) -> None:
    done = CliRunner().invoke(app, ["install", "--config", str(config), *render])
    assert done.exit_code == 0
    found = list(yaml.safe_load_all(done.stdout))
    assert {"WorkflowTemplate", "NetworkPolicy", "PersistentVolumeClaim"} <= {one["kind"] for one in found}
    assert {one["metadata"].get("namespace", "scanning") for one in found} == {"scanning", "scanning-volume"}


@pytest.mark.parametrize("overlay", ["single-node", "production"])
def test_a_folder_with_argo_and_one_overlay(config: Path, tmp_path: Path, overlay: str) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["install", "-c", str(config), "--overlay", overlay, "--out", str(out)])
    assert done.exit_code == 0
    assert done.stdout == ""
    assert f"kubectl apply -k {out}/argo-install/overlays/{overlay}" in done.stderr
    assert [path.name for path in (out / "argo-install" / "overlays").iterdir()] == [overlay]
    assert (out / "argo-install" / "argo" / "kustomization.yaml").exists()


@pytest.mark.parametrize("part", ["controller", "service"])
def test_optional_parts_alone_as_a_stream_or_as_a_folder(config: Path, tmp_path: Path, part: str) -> None:
    done = CliRunner().invoke(app, ["install", "-c", str(config), f"--{part}"])
    assert done.exit_code == 0
    found = {(one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all(done.stdout)}
    assert ("Deployment", f"scanmatrix-{part}") in found
    assert not any(kind == "WorkflowTemplate" for kind, _ in found)
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["install", "-c", str(config), f"--{part}", "--out", str(out)])
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"kubectl apply --server-side -k {out}/argo-install/{part}" in done.stderr
    written = yaml.safe_load((out / "argo-install" / part / "kustomization.yaml").read_text())["resources"]
    objects = [one for name in written for one in yaml.safe_load_all((out / "argo-install" / part / name).read_text())]
    assert {(one["kind"], one["metadata"]["name"]) for one in objects} == found
    assert not (out / "argo-install" / "base").exists()


def test_optional_parts_are_not_compared_with_a_cluster(config: Path) -> None:
    done = CliRunner().invoke(app, ["install", "-c", str(config), "--service", "--prune"])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == "--service prints or writes manifests: give it without --prune"
