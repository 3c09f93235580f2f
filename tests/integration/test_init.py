"""`scanmatrix init` from a registry and from a cluster: what is there now, and how to follow it."""

from pathlib import Path

import pytest
import yaml

from orchestrator.api.init import init
from orchestrator.api.lint import lint_file
from orchestrator.config.loading import load_config
from orchestrator.errors import UsageError
from orchestrator.inventory import collect
from orchestrator.inventory.annotations import OWNER, SKIP
from tests.integration.kube_api import KubeApi
from tests.integration.test_cluster_inventory import DIGEST, named, pod
from tests.tools.images import Image, layer
from tests.tools.servers import Registry

IMAGE = Image.build([layer({"a": "b"})])


def followed(folder: Path) -> set[str]:
    """Images of the source that is commented out, in place of the list."""
    path = folder / "scanmatrix.yaml"
    text = path.read_text().replace("  - csv: {path: targets.csv}\n", "").replace("  # - ", "  - ")
    path.write_text(text)
    assert lint_file(path) == []
    return {entry.reference for entry in collect(load_config(path, environment={}))}


def test_the_images_of_a_registry(registry: Registry, repository: str, tmp_path: Path) -> None:
    for name in ("shop/web:1.0", "shop/web:2.0", "bank:1"):
        registry.push(f"{repository}/{name}", IMAGE)
    done = init(tmp_path, registry=f"{registry.host}/{repository}/shop/*")
    assert done.targets == 2
    assert [problem for path in done.paths for problem in lint_file(path)] == []
    listed = {entry.reference for entry in collect(load_config(tmp_path / "scanmatrix.yaml", environment={}))}
    assert listed == {f"{registry.host}/{repository}/shop/web:{tag}" for tag in ("1.0", "2.0")}
    registry.push(f"{repository}/shop/api:1", IMAGE)
    assert followed(tmp_path) == listed | {f"{registry.host}/{repository}/shop/api:1"}


def test_a_registry_without_such_images_writes_nothing(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no image: none was found"):
        init(tmp_path, registry=f"{registry.host}/no-such-folder/*")
    assert list(tmp_path.iterdir()) == []


def test_the_images_that_run_in_a_cluster(api: KubeApi, tmp_path: Path) -> None:
    api.others = {"namespaces": [named("shop")], "replicasets": [], "deployments": [], "jobs": []}
    api.kinds = {"apps/v1": {"ReplicaSet": "replicasets", "Deployment": "deployments"}, "batch/v1": {"Job": "jobs"}}
    api.others["namespaces"][0]["metadata"]["annotations"] = {OWNER: "shop@example.com"}
    api.pods = [*(pod(f"web-{number}") for number in range(3)), pod("tool", image="tool", annotations={SKIP: "true"})]
    done = init(tmp_path, cluster=True)
    (entry,) = collect(load_config(tmp_path / "scanmatrix.yaml", environment={}))
    assert (entry.reference, entry.owner) == (f"docker.io/library/app:1@{DIGEST}", "shop@example.com")
    assert done.targets == 1
    (left_out,) = done.left_out
    assert left_out.startswith(f"docker.io/library/tool:1@{DIGEST}: ")
    assert f"# left out: {left_out}" in (tmp_path / "targets.csv").read_text()
    assert yaml.safe_load((tmp_path / "scanmatrix.yaml").read_text())["targets"] == [{"csv": {"path": "targets.csv"}}]
    assert len(followed(tmp_path)) == 2
