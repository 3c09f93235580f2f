"""Workers as templates of a chart: of each scan, all of them off until its name is among the values."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Final

from orchestrator.argo import names
from orchestrator.catalog.loading import load_catalog
from orchestrator.config.argo import Argo
from orchestrator.workflows.install.chart.templates import SECRETS, mark, template
from orchestrator.workflows.install.controller import NAMESPACE
from orchestrator.workflows.install.workers import workers

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.workflows.install.objects import Manifest

WORKERS: Final = "workers"
#: The file of the chart with the script of scanners' containers, and what stands for it in a template.
SCRIPT: Final = "files/supervisor.sh"
_SCRIPT_MARK = "scanmatrix-supervisor"
#: A name that no user has, in whose place a value is put; and as many workers as the values may ask for.
_PLACE, _MOST = "scanmatrix-chart", 1000


def working(config: Config) -> list[Manifest]:
    """The objects of all scans that can have workers, with all that is optional."""
    every_scan = load_catalog(config).values()
    # A built-in scan takes no longer than a cell itself.
    scans = [one.name for one in every_scan if not (one.builtin or (one.repository and one.repository.online))]
    argo = Argo.model_validate(
        {
            "namespace": NAMESPACE,
            "scheduler": {"storeSecret": _PLACE},
            "registrySecret": _PLACE,
            "gitSecret": _PLACE,
            "workers": {"scans": scans, "most": _MOST, "scaling": "keda", "environmentSecret": _PLACE},
        }
    )
    shown = config.model_copy(update={"argo": argo, "cache": ()})
    every = workers(shown, {})
    by_cpu = argo.model_copy(update={"workers": argo.workers.model_copy(update={"scaling": "cpu"})})
    others = workers(shown.model_copy(update={"argo": by_cpu}), {})
    return [*every, *(one for one in others if one["kind"] == "HorizontalPodAutoscaler")]


def script_of(objects: list[Manifest]) -> str:
    """The script, which is the same in all of them."""
    first = next(one for one in objects if one["kind"] == "Deployment")
    return str(first["spec"]["template"]["spec"]["containers"][1]["args"][2])


def of_worker(one: Manifest) -> str:
    """An object of the workers of a scan as a template."""
    found, part = deepcopy(one), WORKERS
    scan = found["metadata"]["name"].removeprefix(f"scanmatrix-{names.Component.WORKER}-")
    spec, condition, optional = found["spec"], "", {}
    if one["kind"] == "Deployment":
        optional = _mark_pod(spec, part)
    if one["kind"] == "NetworkPolicy":
        condition, spec["egress"] = f".Values.{part}.networkPolicy.enabled", mark(f"{part}.networkPolicy.egress")
    if one["kind"] == "TriggerAuthentication":
        condition, spec["secretTargetRef"][0]["name"] = f'eq .Values.{part}.scaling "keda"', mark(f"{part}.storeSecret")
    if one["kind"] == "ScaledObject":
        condition, spec["maxReplicaCount"] = f'eq .Values.{part}.scaling "keda"', mark(f"{part}.most")
    if one["kind"] == "HorizontalPodAutoscaler":
        condition, spec["maxReplicas"] = f'eq .Values.{part}.scaling "cpu"', mark(f"{part}.most")
    text = template(found, condition, {}, optional)
    text = text.replace(_SCRIPT_MARK, f'{{{{ .Files.Get "{SCRIPT}" | toJson }}}}')
    return f'{{{{- if has "{scan}" .Values.{part}.scans }}}}\n{text}{{{{- end }}}}\n'


def _mark_pod(spec: Manifest, part: str) -> dict[str, str]:
    """Marks in a Deployment; the lines that are there only if a value is not empty, by that."""
    spec["replicas"] = mark(f"{part}.replicas")
    # What changes the configuration does not know of this object; a worker of another version ends by itself.
    del spec["template"]["metadata"]["annotations"][names.CONFIGURATION_DIGEST]
    pod = spec["template"]["spec"]
    pod |= {key: mark(key) for key in ("imagePullSecrets", "nodeSelector", "tolerations")}
    feeder, scanner = pod["containers"]
    feeder |= {"resources": mark(f"{part}.resources")}
    for own in (feeder, *pod["initContainers"], *([scanner] if scanner["image"] == feeder["image"] else ())):
        own["image"] = mark("image")
    scanner["args"][2] = _SCRIPT_MARK
    store = next(each for each in feeder["env"] if "secretKeyRef" in each.get("valueFrom", ()))
    store["valueFrom"]["secretKeyRef"]["name"] = mark(f"{part}.storeSecret")
    feeder["envFrom"] = [{"secretRef": {"name": mark(f"{part}.environmentSecret")}}]
    optional = {f"- name: {store['name']}": f"{part}.storeSecret", "envFrom:": f"{part}.environmentSecret"}
    for secret, (variable, volume) in SECRETS.items():
        mounted = next(each for each in pod["volumes"] if each["name"] == volume)
        mounted["secret"]["secretName"] = mark(f"{part}.{secret}")
        optional |= dict.fromkeys((f"- name: {variable}", f"- name: {volume}"), f"{part}.{secret}")
    return optional | {f"replicas: '{mark(f'{part}.replicas')}'": f"{part}.replicas"}
