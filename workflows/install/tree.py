"""The objects put into files for `kubectl apply -k`, with the parts that no configuration changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from orchestrator.errors import UsageError
from orchestrator.workflows.install import runs
from orchestrator.workflows.install.accounts import accounts
from orchestrator.workflows.install.admission import admission
from orchestrator.workflows.install.bounds import bounds
from orchestrator.workflows.install.caches import caches
from orchestrator.workflows.install.chart import chart
from orchestrator.workflows.install.controller import controller
from orchestrator.workflows.install.images import own_images, static_folder
from orchestrator.workflows.install.network import policies
from orchestrator.workflows.install.scheduler import scheduler
from orchestrator.workflows.install.service import service
from orchestrator.workflows.install.storage import STORAGE, kind_of, volumes
from orchestrator.workflows.install.workers import workers
from orchestrator.workflows.manifests import to_yaml
from orchestrator.workflows.overlays import InstallPart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from orchestrator.config.loading import Config
    from orchestrator.workflows.install.objects import Manifest
    from orchestrator.workflows.overlays import Overlay

INSTALL = "argo-install"
VOLUMES = "pv"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HEADER = "# Written by `scanmatrix install`: change the configuration and run it again.\n"


def render(config: Config, overlay: Overlay, *, contents: Mapping[str, str]) -> str:
    """Everything but Argo itself, as one YAML stream: for clusters that have Argo.

    Args:
        config: what the objects follow from.
        overlay: the kind of cluster.
        contents: files of the ConfigMap from which runs are planned in the cluster, by name; none for no ConfigMap.
    """
    return to_yaml(objects(config, overlay, contents=contents))


def objects(config: Config, overlay: Overlay, *, contents: Mapping[str, str]) -> list[Manifest]:
    """The same as objects."""
    found = [one for group in _base(config, contents).values() for one in group]
    return [*found, *volumes(config)[kind_of(config, overlay)], *runs.templates(config)]


def shared(config: Config, *, contents: Mapping[str, str], served: bool = False) -> list[Manifest]:
    """What a namespace needs that has other pods too: all but the namespace, what its pods may use, and volumes.

    The sources of targets are not read, and nothing is made that reaches beyond the namespace.

    Args:
        config: what the objects follow from.
        contents: as for `render`.
        served: with the REST service.
    """
    found = [one for group in _base(config, contents, shared=True).values() for one in group]
    found += service(config, contents, shared=True) if served else []
    return [*found, *runs.templates(config, look=False)]


def parts(config: Config, wanted: Sequence[InstallPart], *, contents: Mapping[str, str]) -> dict[str, list[Manifest]]:
    """The objects of optional parts, by the file that they stand in.

    Args:
        config: what the objects follow from.
        wanted: which parts.
        contents: as for `render`.
    """
    found: dict[str, list[Manifest]] = {}
    if InstallPart.CONTROLLER in wanted:
        definition, *others = controller(config)
        found |= {"controller/definition": [definition], "controller/controller": others}
    if InstallPart.SERVICE in wanted:
        found["service/service"] = service(config, contents)
    if InstallPart.WORKERS in wanted and (working := workers(config, contents)):
        found["workers/workers"] = working
    if InstallPart.ADMISSION in wanted and (rules := admission(config)):
        found["admission/admission"] = rules
    return found


def files_of_parts(config: Config, wanted: Sequence[InstallPart], *, contents: Mapping[str, str]) -> dict[str, str]:
    """A folder for `kubectl apply -k argo-install/<part>`, of each part; of the controller the chart, too."""
    found: dict[str, str] = {}
    for part in wanted:
        if groups := parts(config, [part], contents=contents):
            found |= _kustomization(
                f"{INSTALL}/{part}", {name.rpartition("/")[2]: objects for name, objects in groups.items()}
            )
    return found | (chart(config) if InstallPart.CONTROLLER in wanted else {})


def files(config: Config, overlay: Overlay | None = None, *, contents: Mapping[str, str]) -> dict[str, str]:
    """A folder for `kubectl apply -k argo-install/overlays/<overlay>`.

    Args:
        config: what the objects follow from.
        overlay: with Argo itself, and this overlay; None for what follows from the configuration only.
        contents: as for `render`.

    Returns:
        The text of each file by its path.
    """
    groups = {**_base(config, contents), "workflows": runs.templates(config)}
    found = _kustomization(f"{INSTALL}/base", groups)
    for kind, objects in volumes(config).items():
        found |= _kustomization(f"{VOLUMES}/{kind}", {"volume": objects})
    found |= files_of_parts(config, tuple(InstallPart), contents=contents)
    if overlay:
        found |= _copied(config, "argo") | _copied(config, f"overlays/{overlay}")
        path = f"{INSTALL}/overlays/{overlay}/kustomization.yaml"
        found[path] = _with_volume(found[path], kind_of(config, overlay))
    return found


def objects_in(written: Mapping[str, str], overlay: Overlay) -> list[Manifest]:
    """The objects of ours in a folder for an overlay, without Argo itself.

    Args:
        written: the text of each file by its path, as `files` gives it.
        overlay: the overlay; none of its objects where there is no such overlay.

    Raises:
        UsageError: a file is no YAML.
    """
    wanted = [f"{INSTALL}/base"]
    lines = written.get(f"{INSTALL}/overlays/{overlay}/kustomization.yaml", "").splitlines()
    wanted += [f"{VOLUMES}/{line.rpartition('/')[2].strip()}" for line in lines if f"/{VOLUMES}/" in line]
    found: list[Manifest] = []
    for path, text in written.items():
        if len(wanted) > 1 and path.rpartition("/")[0] in wanted and not path.endswith("/kustomization.yaml"):
            try:
                found += [one for one in yaml.load_all(text, Loader=_Loader) if one]
            except yaml.YAMLError as error:
                raise UsageError(f"{path}: {error}: put it right, or delete it and write the folder again") from None
    return found


def objects_of(folder: Path, overlay: Overlay) -> list[Manifest]:
    """The same of a folder on disk; nothing where there is none yet."""
    places = [f"{INSTALL}/base", f"{INSTALL}/overlays/{overlay}", *(f"{VOLUMES}/{kind}" for kind in STORAGE)]
    paths = [path for place in places for path in sorted((folder / place).glob("*.yaml"))]
    return objects_in(
        {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}, overlay
    )


def _base(config: Config, contents: Mapping[str, str], *, shared: bool = False) -> Mapping[str, Sequence[Manifest]]:
    """The objects of `argo-install/base` by the file they stand in, all but those of Argo's own kinds."""
    found = {
        "namespace": bounds(config, shared=shared),
        "accounts": accounts(config, shared=shared),
        "network": policies(config, shared=shared),
        "caches": caches(config),
        "configuration": runs.configuration(config, contents),
        "scheduler": scheduler(config, contents, shared=shared),
    }
    return {name: objects for name, objects in found.items() if objects}


def _kustomization(folder: str, groups: Mapping[str, Sequence[Manifest]]) -> dict[str, str]:
    """Files of objects, and the one that names them all."""
    found = {f"{folder}/{name}.yaml": _HEADER + to_yaml(list(objects)) for name, objects in groups.items()}
    listed = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{name}.yaml" for name in groups],
    }
    return {f"{folder}/kustomization.yaml": _HEADER + yaml.safe_dump(listed, sort_keys=False), **found}


def _copied(config: Config, folder: str) -> dict[str, str]:
    """Files that only the digests of images change."""
    source, images = static_folder(), own_images(config)
    return {
        f"{INSTALL}/{path.relative_to(source)}": images.written_into(path.read_text(encoding="utf-8"))
        for path in sorted((source / folder).glob("*.yaml"))
    }


def _with_volume(text: str, kind: str) -> str:
    """An overlay with the kind of volume that the configuration asks for."""
    lines = text.splitlines(keepends=True)
    return "".join(f"  - ../../../{VOLUMES}/{kind}\n" if f"/{VOLUMES}/" in line else line for line in lines)
