"""The rules of `admission` as objects of the API server; what it makes of them is in the integration tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.admission.fields import risky_fields
from orchestrator.api import install as install_api
from orchestrator.config.loading import Config, load_config
from orchestrator.config.workers import WorkerPods
from orchestrator.errors import UsageError
from orchestrator.workflows.install import InstallPart, Overlay, files, objects, parts
from orchestrator.workflows.install.admission import admission, own_pods
from orchestrator.workflows.manifests import to_yaml
from tests.golden import check_golden

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "admission"


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(EXAMPLE / "scanmatrix.yaml", environment={})


def test_the_objects_of_the_example(config: Config) -> None:
    check_golden(EXAMPLE / "cluster.yaml", to_yaml(admission(config)))


def test_both_are_for_the_namespace_of_the_installation_alone(config: Config) -> None:
    policy, binding = admission(config)
    selector = {"matchLabels": {"kubernetes.io/metadata.name": config.argo.namespace}}
    assert policy["spec"]["matchConstraints"]["namespaceSelector"] == selector
    assert binding["spec"]["matchResources"]["namespaceSelector"] == selector
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert policy["metadata"]["name"].endswith(f"-{config.argo.namespace}")
    assert policy["spec"]["failurePolicy"] == "Fail"


def test_it_is_a_part_that_is_asked_for(config: Config, tmp_path: Path) -> None:
    printed = list(yaml.safe_load_all(install_api.install_parts(config, [InstallPart.ADMISSION])))
    assert {one["kind"] for one in printed} == {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    assert "ValidatingAdmissionPolicy" not in install_api.install(config)
    written = files(config, Overlay.SINGLE_NODE, contents={})
    assert "argo-install/admission/admission.yaml" in written
    assert [path.name for path in install_api.write_parts(config, [InstallPart.ADMISSION], tmp_path)] == [
        "kustomization.yaml",
        "admission.yaml",
    ]


def test_without_rules_there_is_nothing_to_install(tmp_path: Path) -> None:
    (tmp_path / "scanmatrix.yaml").write_text("targets: [{image: a}]\n")
    config = load_config(tmp_path / "scanmatrix.yaml", environment={})
    assert admission(config) == []
    assert not [path for path in files(config, contents={}) if path.startswith("argo-install/admission")]
    with pytest.raises(UsageError, match="there are no rules for a cluster"):
        install_api.install_parts(config, [InstallPart.ADMISSION])


def test_a_list_of_images_alone_is_a_rule(tmp_path: Path) -> None:
    (tmp_path / "scanmatrix.yaml").write_text("allow: {images: ['docker.io/*']}\n")
    policy, _ = admission(load_config(tmp_path / "scanmatrix.yaml", environment={}))
    assert [one["message"] for one in policy["spec"]["validations"]] == ["allow: not in the list"]


def _pods(one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the pods of an object will ask for; of templates as far as they decide it."""
    spec = one.get("spec", {})
    if one["kind"] in {"Deployment", "Job"}:
        yield spec["template"]["spec"]
    if one["kind"] not in {"WorkflowTemplate", "CronWorkflow"}:
        return
    whole = spec.get("workflowSpec", spec)
    for template in whole.get("templates", ()):
        lists = (template.get(name, []) for name in ("initContainers", "sidecars"))
        found = [template["container"]] if "container" in template else []
        found += template.get("containerSet", {}).get("containers", [])
        found += [each for several in lists for each in several]
        if found:
            yield {
                "containers": found,
                "volumes": [*whole.get("volumes", []), *template.get("volumes", [])],
                "securityContext": {**whole.get("securityContext", {}), **template.get("securityContext", {})},
                "serviceAccountName": template.get("serviceAccountName", whole.get("serviceAccountName", "default")),
            }


@pytest.mark.parametrize("layout", ["cell", "image"])
def test_nothing_of_the_installation_is_forbidden_or_has_an_account_that_is_not_its_own(
    config: Config, layout: str
) -> None:
    """Or it could not run with the rules that it makes."""
    working = config.argo.model_copy(update={"workers": WorkerPods(scans=("general",))})
    chosen = config.model_copy(update={"layout": layout, "argo": working})
    optional = [InstallPart.SERVICE, InstallPart.WORKERS]
    made = objects(chosen, Overlay.SINGLE_NODE, contents={"scanmatrix.yaml": "x"})
    made += [one for group in parts(chosen, optional, contents={}).values() for one in group]
    own = own_pods(chosen)
    seen = 0
    for one in made:
        if one["metadata"].get("namespace") != chosen.argo.namespace:
            continue
        for pod in _pods(one):
            seen += 1
            assert risky_fields(pod) == (), one["metadata"]["name"]
            account = pod.get("serviceAccountName", "default")
            images = [each["image"] for each in pod["containers"]]
            repositories = [image.partition("@")[0].rpartition(":")[0] for image in images]
            ours = set(images) <= set(own.images) or set(repositories) <= set(own.repositories)
            assert account in own.plain_accounts or (account in own.accounts and ours), (account, images)
    assert seen > 15
