"""The Job at the end of an install: it waits for Argo's kinds, and can be run again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cluster.errors import ForbiddenError, ObjectNotFoundError
from orchestrator.steps.install import NotReadyError, install

TEMPLATE = "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {name: scanmatrix}\nspec: {}\n"
CRON = "apiVersion: argoproj.io/v1alpha1\nkind: CronWorkflow\nmetadata: {name: nightly}\nspec: {}\n"


class FreshCluster:
    """A cluster that knows Argo's kinds only after some attempts."""

    def __init__(self, *, after: int = 0) -> None:
        self.after = after
        self.put_there: list[tuple[str, str]] = []

    def put(self, kind: str, manifest: Mapping[str, Any]) -> None:
        self.after -= 1
        if self.after >= 0:
            raise ObjectNotFoundError("the server could not find the requested resource")
        self.put_there.append((kind, manifest["metadata"]["name"]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "1-workflowtemplate.yaml").write_text(TEMPLATE)
    (tmp_path / "2-cronworkflow.yaml").write_text(CRON)
    # As Kubernetes mounts a ConfigMap: the files proper are in a hidden folder.
    (tmp_path / "..data").mkdir()
    return tmp_path


def test_the_template_comes_before_its_schedule(folder: Path) -> None:
    cluster = FreshCluster()
    assert install(folder, cluster) == ["WorkflowTemplate/scanmatrix", "CronWorkflow/nightly"]  # type: ignore[arg-type]
    assert cluster.put_there == [("workflowtemplates", "scanmatrix"), ("cronworkflows", "nightly")]


def test_it_waits_for_argo(folder: Path) -> None:
    cluster = FreshCluster(after=3)
    install(folder, cluster, pause=0.0)  # type: ignore[arg-type]
    assert len(cluster.put_there) == 2


def test_it_does_not_wait_forever(folder: Path) -> None:
    with pytest.raises(NotReadyError, match="argo-install/argo"):
        install(folder, FreshCluster(after=10**9), patience=0.0)  # type: ignore[arg-type]


def test_what_is_forbidden_is_reported_at_once(folder: Path) -> None:
    class Closed(FreshCluster):
        def put(self, kind: str, manifest: Mapping[str, Any]) -> None:
            raise ForbiddenError("cannot create resource")

    with pytest.raises(ForbiddenError):
        install(folder, Closed())  # type: ignore[arg-type]
