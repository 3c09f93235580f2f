"""The rules of `admission` as objects of the API server: pods that are made round us are held to them as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.admission.cel import VARIABLES, CelValidation, OwnPods, text, validations
from orchestrator.catalog.loading import load_catalog
from orchestrator.config.admission import AdmissionSection
from orchestrator.images.reference import parse
from orchestrator.workflows.install.accounts import account_names
from orchestrator.workflows.install.caches import caches
from orchestrator.workflows.install.images import own_images
from orchestrator.workflows.install.objects import Manifest, manifest

if TYPE_CHECKING:
    from orchestrator.config.loading import Config

#: Argo's own containers, beside each of a Workflow.
_EXECUTOR = "argoexec"
_API = "admissionregistration.k8s.io/v1"


def admission(config: Config) -> list[Manifest]:
    """A policy for the pods of the namespace, and what binds it to that; none where there are no rules.

    Args:
        config: has the rules, and names the namespace.
    """
    section = config.admission
    if section is None:
        if config.allow is None:
            return []
        section = AdmissionSection(forbidden=())
    namespace = config.argo.namespace
    name = f"{config.argo.service_account}-admission-{namespace}"
    rules = [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [resource]}
        for resource in ("pods", "pods/ephemeralcontainers")
    ]
    selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {**selector, "resourceRules": rules},
        # Labels of pods that began under other rules may change, or nothing could follow them to their end.
        "matchConditions": [
            {
                "name": "asks-for-something",
                "expression": "request.operation == 'CREATE' || object.spec != oldObject.spec",
            }
        ],
        "variables": [{"name": variable, "expression": expression} for variable, expression in VARIABLES],
        "validations": [_validation(one) for one in validations(config, section, own_pods(config))],
    }
    bound = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": selector,
    }
    return [
        manifest("ValidatingAdmissionPolicy", name, None, api=_API, spec=spec),
        manifest("ValidatingAdmissionPolicyBinding", name, None, api=_API, spec=bound),
    ]


def own_pods(config: Config) -> OwnPods:
    """What belongs to the installation itself."""
    parts = {parse(image) for image in own_images(config).digests}
    executors = (part for part in parts if part.repository.rpartition("/")[2] == _EXECUTOR)
    pods = (one["spec"]["template"]["spec"] for one in caches(config) if one["kind"] == "Deployment")
    scans = load_catalog(config).values()
    plain, *others = account_names(config)
    return OwnPods(
        images=tuple(dict.fromkeys((config.image, *(each["image"] for pod in pods for each in pod["containers"])))),
        repositories=tuple(sorted({f"{part.registry}/{part.repository}" for part in executors})),
        plain_accounts=("default", plain),
        accounts=tuple(others),
        digests=tuple(sorted({parse(scan.image).digest for scan in scans if scan.named})),
    )


def _validation(one: CelValidation) -> Manifest:
    found: Manifest = {"expression": one.expression, "message": one.message, "reason": "Forbidden"}
    if one.shown:
        found["messageExpression"] = f"{text(one.message + ' ')} + {one.shown}.join(', ')"
    return found
