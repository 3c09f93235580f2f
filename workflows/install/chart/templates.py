"""Objects as templates of a chart: marks, then text, then what Helm fills in.

A mark stands in an object in the place of a value until the object is text; there it becomes the value as JSON.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Final

from orchestrator.workflows.install.accounts import JOBS
from orchestrator.workflows.install.controller import NAME, NAMESPACE
from orchestrator.workflows.manifests import to_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.workflows.install.objects import Manifest

CONTROLLER: Final = "controller"
SERVICE: Final = "service"
_RELEASE = "{{ .Release.Namespace }}"
_MARK = "@{}@"
_MARKED = re.compile(r"'?@([\w.]+)@'?")
_LABELS = re.compile(r"'@([\w.]+\.labels)@'")
#: By which a pod of the service ends when its configuration changes, so that the kubelet starts it again.
ENDS: Final = "--end-when-changed"
#: Secrets of pods, as the configuration names them: by their values, the variable and the volume of each.
SECRETS = {"registrySecret": ("DOCKER_CONFIG", "docker"), "gitSecret": ("SCANMATRIX_GIT_CREDENTIALS", "git")}
#: Those of the service's pods.
_SERVICE_SECRETS = SECRETS | {"kubeconfigSecret": ("KUBECONFIG", "kubeconfig")}
#: The namespace of objects that there are in each of several.
EACH_NAMESPACE: Final = "scanmatrix-jobs"


def of_controller(one: Manifest) -> str:
    """An object of the controller as a template."""
    found, condition, part = deepcopy(one), "", CONTROLLER
    if one["kind"] == "NetworkPolicy":
        condition, found["spec"]["egress"] = (
            f".Values.{part}.networkPolicy.enabled",
            mark(f"{part}.networkPolicy.egress"),
        )
    if one["kind"] == "PodDisruptionBudget":
        condition = f"gt (int .Values.{part}.replicas) 1"
    if one["kind"] == "Deployment":
        _mark_pods(found["spec"], part)
        container_of(found["spec"])["args"].append(mark("each"))
    if one["kind"] in {"Service", "ServiceMonitor"}:
        condition = f".Values.{part}.monitor.enabled"
    if one["kind"] == "ServiceMonitor":
        found["metadata"]["labels"][mark(f"{part}.monitor.labels")] = ""
    each = '{{ printf "--namespace=%s" . | toJson }}'
    return template(found, condition, {mark("each"): ("controller.namespaces", each)}, {})


def of_service(one: Manifest) -> str:
    """An object of the service as a template."""
    found, kind, part, condition = deepcopy(one), one["kind"], SERVICE, ""
    spec, optional = found.get("spec", {}), {}
    each = '{{ dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" .)) | toJson }}'
    if kind == "NetworkPolicy":
        condition, spec["egress"] = f".Values.{part}.networkPolicy.enabled", mark(f"{part}.networkPolicy.egress")
        spec["ingress"][0]["from"][1:] = [mark("each")]
    if kind == "PodDisruptionBudget":
        condition = f"gt (int .Values.{part}.replicas) 1"
    if kind == "Role":
        # A rule is known by its first line, which is that of this one alone.
        found["rules"] = [{"resources": one["resources"], **one} if one == JOBS[-1] else one for one in found["rules"]]
        optional["- resources:"] = f"{part}.jobs"
    if kind == "Deployment":
        _mark_pods(spec, part)
        del spec["template"]["metadata"]["annotations"]  # who changes the configuration does not know of this object
        container_of(spec)["args"].append(ENDS)
        pod = spec["template"]["spec"]
        next(each for each in pod["volumes"] if each["name"] == "tokens")["secret"]["secretName"] = mark(
            f"{part}.tokensSecret"
        )
        store = next(each for each in container_of(spec)["env"] if "valueFrom" in each)
        store["valueFrom"]["secretKeyRef"]["name"] = mark(f"{part}.storeSecret")
        optional[f"- name: {store['name']}"] = f"{part}.storeSecret"
        for secret, (variable, volume) in _SERVICE_SECRETS.items():
            mounted = next(each for each in pod["volumes"] if each["name"] == volume)
            mounted["secret"]["secretName"] = mark(f"{part}.{secret}")
            optional |= dict.fromkeys((f"- name: {variable}", f"- name: {volume}"), f"{part}.{secret}")
        container_of(spec)["envFrom"] = [{"secretRef": {"name": mark(f"{part}.environmentSecret")}}]
        optional["envFrom:"] = f"{part}.environmentSecret"
    if kind == "Ingress":
        condition, way = f".Values.{part}.ingress.enabled", f"{part}.ingress"
        spec["ingressClassName"] = mark(f"{way}.className")
        spec["tls"] = [{"hosts": [mark(f"{way}.host")], "secretName": mark(f"{way}.tlsSecret")}]
        spec["rules"][0]["host"] = mark(f"{way}.host")
        optional |= {f"ingressClassName: {_quoted(f'{way}.className')}": f"{way}.className", "tls:": f"{way}.tlsSecret"}
    if kind == "HTTPRoute":
        condition, way = f".Values.{part}.gateway.enabled", f"{part}.gateway"
        spec["parentRefs"] = [{key: mark(f"{way}.{key}") for key in ("name", "namespace")}]
        spec["hostnames"] = [mark(f"{way}.host")]
        optional |= {f"namespace: {_quoted(f'{way}.namespace')}": f"{way}.namespace", "hostnames:": f"{way}.host"}
    if kind == "ServiceMonitor":
        condition = f".Values.{part}.monitor.enabled"
        spec["endpoints"][0]["authorization"]["credentials"]["name"] = mark(f"{part}.monitor.tokenSecret")
        found["metadata"]["labels"][mark(f"{part}.monitor.labels")] = ""
    return template(found, condition, {mark("each"): (f"{part}.namespaces", each)}, optional)


def of_job_namespaces(objects: Iterable[Manifest]) -> str:
    """What there is in each namespace where tasks of jobs run beside that of the release."""
    text = "".join(template(one, "", {}, {}) for one in objects)
    text = text.replace(_RELEASE, _RELEASE.replace(".", "$.", 1)).replace(EACH_NAMESPACE, "{{ toJson . }}")
    return f"{{{{- range without .Values.{SERVICE}.jobNamespaces .Release.Namespace }}}}\n{text}{{{{- end }}}}\n"


def _mark_pods(spec: Manifest, part: str) -> None:
    """Marks in the Deployment of a part."""
    container_of(spec).update({"image": mark("image"), "resources": mark(f"{part}.resources")})
    spec["template"]["spec"] |= {key: mark(key) for key in ("imagePullSecrets", "nodeSelector", "tolerations")}
    spec["replicas"] = mark(f"{part}.replicas")


def template(one: Manifest, condition: str, ranges: dict[str, tuple[str, str]], optional: dict[str, str]) -> str:
    """An object as a template.

    Args:
        one: the object, with marks.
        condition: when there is one at all; empty for always.
        ranges: marks of items in whose place each item of a value stands: the value, and what the item becomes.
        optional: lines with all that is below them, which are there only if a value is not empty.
    """
    lease = f"{NAMESPACE}/{NAME}"
    text = to_yaml([one]).replace(lease, f"'{_RELEASE}/{NAME}'").replace(NAMESPACE, f"'{_RELEASE}'")
    lines: list[str] = []
    for line in _with_conditions(text.splitlines(), optional):
        bare, indent = line.strip(), line[: len(line) - len(line.lstrip())]
        value, item = ranges.get(bare.removeprefix("- ").strip("'"), ("", ""))
        if value:
            lines += [f"{indent}{{{{- range .Values.{value} }}}}", f"{indent}- {item}", f"{indent}{{{{- end }}}}"]
        elif labels := _LABELS.match(bare):
            lines += [
                f"{indent}{{{{- range $name, $value := .Values.{labels[1]} }}}}",
                f"{indent}{{{{ toJson $name }}}}: {{{{ toJson $value }}}}",
                f"{indent}{{{{- end }}}}",
            ]
        else:
            lines.append(_MARKED.sub(r"{{ toJson .Values.\1 }}", line))
    whole = "---\n" + "\n".join(lines) + "\n"
    return f"{{{{- if {condition} }}}}\n{whole}{{{{- end }}}}\n" if condition else whole


def _with_conditions(lines: Iterable[str], optional: dict[str, str]) -> Iterable[str]:
    """Lines, with conditions around those that are there only if a value is not empty."""
    depth, end = 0, ""
    for line in lines:
        bare, indent = line.strip(), len(line) - len(line.lstrip())
        # Items of a list stand as deep as its key; after an item, what is as deep is the next one.
        if end and (indent < depth or (indent == depth and not (end == "key" and bare.startswith("- ")))):
            yield f"{' ' * depth}{{{{- end }}}}"
            end = ""
        if bare in optional:
            depth, end = indent, "item" if bare.startswith("- ") else "key"
            yield f"{' ' * indent}{{{{- if .Values.{optional[bare]} }}}}"
        yield line
    if end:
        yield f"{' ' * depth}{{{{- end }}}}"


def mark(value: str) -> str:
    """What a value of that name takes the place of."""
    return _MARK.format(value)


def _quoted(value: str) -> str:
    return f"'{mark(value)}'"


def container_of(deployment: Manifest) -> Manifest:
    """The one container of a Deployment's specification."""
    (found,) = deployment["template"]["spec"]["containers"]
    container: Manifest = found
    return container
