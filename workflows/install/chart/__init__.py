"""The Helm chart: the objects of the controller and the service, with values in the place of what may differ.

A value stands in a template as JSON, which is YAML on one line; the defaults of the values are what the objects had.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import yaml

from orchestrator.config.argo import Argo
from orchestrator.config.resource import API_VERSION, KIND
from orchestrator.kit.own import own_version
from orchestrator.workflows.install.chart.schema import values_schema
from orchestrator.workflows.install.chart.templates import (
    CONTROLLER,
    EACH_NAMESPACE,
    SERVICE,
    container_of,
    of_controller,
    of_job_namespaces,
    of_service,
)
from orchestrator.workflows.install.chart.workers import SCRIPT, WORKERS, of_worker, script_of, working
from orchestrator.workflows.install.controller import NAMESPACE, controller, monitored
from orchestrator.workflows.install.jobs import job_namespaces
from orchestrator.workflows.install.service import TOKENS, name_of, service
from orchestrator.workflows.manifests import to_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.config.loading import Config
    from orchestrator.workflows.install.objects import Manifest

FOLDER: Final = "argo-install/chart"
_HEADER = "# Written by `scanmatrix install --out`; the values are what you change.\n"
#: A name that no user has, of which the service's objects are made before marks take the place of what they name.
_PLACE = "scanmatrix-chart"
_MATRICES = f"""\
{{{{- range .Values.matrices }}}}
---
apiVersion: {API_VERSION}
kind: {KIND}
metadata:
  name: {{{{ toJson .name }}}}
  namespace: {{{{ toJson (default $.Release.Namespace .namespace) }}}}
spec: {{{{ toJson .spec }}}}
{{{{- end }}}}
"""
_NOTES = """\
{{- if .Values.controller.enabled }}
The controller of ScanMatrix resources is installed in {{ .Release.Namespace }}.

    kubectl get scanmatrix -A
    kubectl explain scanmatrix.spec
{{- end }}
{{- if .Values.service.enabled }}
The service runs in {{ .Release.Namespace }} as soon as an installation or a ScanMatrix has made its configuration and
its volume there, and the Secret {{ .Values.service.tokensSecret }} has its tokens:

    scanmatrix token me --role admin --file tokens.json
    kubectl -n {{ .Release.Namespace }} create secret generic {{ .Values.service.tokensSecret }} --from-file=tokens.json
    kubectl -n {{ .Release.Namespace }} port-forward service/scanmatrix-service 8000:80
{{- end }}

Helm installs definitions and never changes them: after an upgrade of this chart, apply its folder crds/ yourself.
"""


def chart(config: Config) -> dict[str, str]:
    """The files of the chart: text by path.

    Args:
        config: names the image and the API server of the default values.
    """
    definition, *controlling = [*controller(config), *monitored()]
    shown = _shown(config)
    serving, at_work = service(shown, {}, shared=True), working(config)
    about = {
        "apiVersion": "v2",
        "name": "scanmatrix",
        "description": "The controller of ScanMatrix resources, and the service with its page",
        "type": "application",
        "version": own_version(),
        "appVersion": own_version(),
        "kubeVersion": ">=1.29.0-0",
    }
    templates = {
        CONTROLLER: [of_controller(one) for one in controlling if one["kind"] != "Namespace"],
        SERVICE: [*map(of_service, serving), of_job_namespaces(job_namespaces(shown, name_of(shown)))],
        WORKERS: [of_worker(one) for one in at_work],
    }
    return {
        f"{FOLDER}/Chart.yaml": _HEADER + yaml.safe_dump(about, sort_keys=False, width=200),
        f"{FOLDER}/values.yaml": _HEADER + to_yaml([_values(controlling, serving, at_work)]),
        f"{FOLDER}/values.schema.json": json.dumps(values_schema(), indent=1, ensure_ascii=False) + "\n",
        f"{FOLDER}/crds/definition.yaml": _HEADER + to_yaml([definition]),
        **{
            f"{FOLDER}/templates/{name}.yaml": f"{{{{- if .Values.{name}.enabled }}}}\n{''.join(found)}{{{{- end }}}}\n"
            for name, found in templates.items()
        },
        f"{FOLDER}/{SCRIPT}": script_of(at_work),
        f"{FOLDER}/templates/matrices.yaml": _MATRICES,
        f"{FOLDER}/templates/NOTES.txt": _NOTES,
    }


def _shown(config: Config) -> Config:
    """What makes the objects of the service, with all that is optional, in a namespace of which it sees what runs."""
    argo = Argo.model_validate(
        {
            "namespace": NAMESPACE,
            "apiServer": config.argo.api_server.model_dump(mode="json", by_alias=True),
            "scheduler": {"storeSecret": _PLACE, "environmentSecret": _PLACE, "kubeconfigSecret": _PLACE},
            "registrySecret": _PLACE,
            "gitSecret": _PLACE,
            "service": {
                "replicas": 2,
                "tokensSecret": TOKENS,
                "namespaces": [_PLACE],
                "ingress": {"host": _PLACE, "className": _PLACE, "tlsSecret": _PLACE},
                "gateway": {"name": _PLACE, "host": _PLACE},
                "monitor": {"tokenSecret": _PLACE},
            },
        }
    )
    whole = type(config).model_validate(
        {
            "targets": [{"cluster": {"namespaces": [NAMESPACE]}}],
            "events": {"jobs": {"git": {"url": "https://git.example/jobs.git"}, "namespaces": [EACH_NAMESPACE]}},
        }
    )
    shown = {"argo": argo, "targets": whole.targets, "events": whole.events, "cache": ()}
    return config.model_copy(update=shown)


def _values(controlling: Sequence[Manifest], serving: Sequence[Manifest], at_work: Sequence[Manifest]) -> Manifest:
    """The default values: what the objects have."""
    acting, answering = (_one(objects, "Deployment")["spec"] for objects in (controlling, serving))
    return {
        "image": container_of(acting)["image"],
        "imagePullSecrets": [],
        "nodeSelector": {},
        "tolerations": [],
        "controller": {
            "enabled": True,
            "replicas": acting["replicas"],
            "namespaces": [],
            "resources": container_of(acting)["resources"],
            "networkPolicy": _network(_one(controlling, "NetworkPolicy")),
            "monitor": {"enabled": False, "labels": {}},
        },
        "service": {
            "enabled": False,
            "replicas": 1,
            "resources": container_of(answering)["resources"],
            "tokensSecret": TOKENS,
            "storeSecret": "",
            "environmentSecret": "",
            "gitSecret": "",
            "registrySecret": "",
            "kubeconfigSecret": "",
            "jobs": False,
            "jobNamespaces": [],
            "namespaces": [],
            "networkPolicy": _network(_one(serving, "NetworkPolicy")),
            "ingress": {"enabled": False, "host": "", "className": "", "tlsSecret": ""},
            "gateway": {"enabled": False, "name": "", "namespace": "", "host": ""},
            "monitor": {"enabled": False, "tokenSecret": "", "labels": {}},
        },
        "workers": {
            "enabled": False,
            "scans": [],
            "replicas": 1,
            "most": 10,
            "scaling": "none",
            "resources": _one(at_work, "Deployment")["spec"]["template"]["spec"]["containers"][0]["resources"],
            "storeSecret": "",
            "environmentSecret": "",
            "gitSecret": "",
            "registrySecret": "",
            "networkPolicy": _network(_one(at_work, "NetworkPolicy")),
        },
        "matrices": [],
    }


def _one(objects: Sequence[Manifest], kind: str) -> Manifest:
    return next(one for one in objects if one["kind"] == kind)


def _network(policy: Manifest) -> Manifest:
    return {"enabled": True, "egress": policy["spec"]["egress"]}
