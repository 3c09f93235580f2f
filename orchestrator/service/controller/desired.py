"""What a resource asks for: its configuration, as a file would have it, and the objects that follow from that."""

from __future__ import annotations

import tempfile
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.api.install import install_shared
from orchestrator.config.file import CONFIG_FILE
from orchestrator.config.loading import load_config
from orchestrator.errors import PermanentError
from orchestrator.kit.sources import SourceError
from orchestrator.workflows.manifests import to_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.config.loading import Config

#: Keys of a resource that are none of the configuration.
_OWN = ("files", "ignoreLabel", "suspend")


class InvalidResourceError(PermanentError):
    """A resource asks for what cannot be; the message has all that is wrong with it."""


class Desired(NamedTuple):
    """What a resource asks for.

    Attributes:
        config: its configuration.
        objects: what has to be in its namespace.
        digest: by which the scheduler says whose state it is.
    """

    config: Config
    objects: list[dict[str, Any]]
    digest: str


def desired(namespace: str, spec: Mapping[str, Any]) -> Desired:
    """What a resource asks for.

    Args:
        namespace: of the resource.
        spec: of the resource.

    Raises:
        InvalidResourceError: it cannot be.
    """
    data, files = configuration(namespace, spec), spec.get("files") or {}
    with tempfile.TemporaryDirectory(prefix="scanmatrix-resource-") as made:
        try:
            _refuse(data, files)
            folder = Path(made)
            for name, text in files.items():
                (folder / name).write_text(text, encoding="utf-8")
            (folder / CONFIG_FILE).write_text(to_yaml([data]), encoding="utf-8")
            # Nothing of the controller's own environment is anything of a resource.
            config = load_config(folder / CONFIG_FILE, environment={})
            served = "service" in (spec.get("argo") or {})
            objects, digest = install_shared(config, served=served)
        except SourceError as error:
            told = [f"spec.{one.message}" if one.file.endswith(CONFIG_FILE) else str(one) for one in error.problems]
            raise InvalidResourceError(_named("; ".join(told), made)) from error
        except PermanentError as error:
            raise InvalidResourceError(_named(str(error), made)) from error
    return Desired(config, objects, digest)


def _named(message: str, folder: str) -> str:
    """A message that names files as the resource does: the folder is another one at each look."""
    return message.replace(f"{folder}/{CONFIG_FILE}", "spec").replace(f"{folder}/", "spec.files: ")


def configuration(namespace: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that stands in a resource, as plain data.

    Without targets they are what runs in its namespace; without a schedule, results are kept fresh all the time.
    """
    data: dict[str, Any] = {key: deepcopy(value) for key, value in spec.items() if key not in _OWN}
    data["engine"] = "argo"
    argo = data["argo"] = {**(data.get("argo") or {}), "namespace": namespace}
    scheduler = argo["scheduler"] = {**(argo.get("scheduler") or {})}
    if spec.get("suspend"):
        argo.pop("schedule", None)
        scheduler["replicas"] = 0
    scheduler.setdefault("replicas", 0 if argo.get("schedule") else 1)
    data["targets"] = data.get("targets") or [{"cluster": {}}]
    ignored = spec.get("ignoreLabel")
    for target in data["targets"]:
        cluster = target.get("cluster")
        if cluster is not None and not cluster.get("contexts"):
            cluster.setdefault("namespaces", [namespace])
            cluster.setdefault("ownPods", False)  # they run in the same namespace
            if ignored:
                cluster.setdefault("skipLabel", f"{ignored}=true")
    return data


def _refuse(data: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """What no schema says of a resource, before anything that it names is looked at.

    Raises:
        InvalidResourceError: a path that is none of its files: it would be read where the controller is. Or another
            namespace, which the author of the resource may not see.
    """
    wrong = [f"spec.{key}: {name!r} is none of spec.files" for key, name in _paths(data) if name not in files]
    wrong += [f"spec.files: {name!r} is no plain name" for name in files if Path(name).name != name]
    wrong += [f"spec.files: {CONFIG_FILE} is what the resource itself says"] if CONFIG_FILE in files else []
    namespace = data["argo"]["namespace"]
    for number, target in enumerate(data["targets"]):
        cluster = target.get("cluster") or {}
        if not cluster.get("contexts") and cluster.get("namespaces", [namespace]) != [namespace]:
            wrong.append(
                f"spec.targets[{number}].cluster.namespaces: a resource sees what runs in its own namespace,"
                f" {namespace}: leave the key out"
            )
    if wrong:
        raise InvalidResourceError("; ".join(wrong))


def _paths(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every local file that a configuration names, with its key."""
    for number, target in enumerate(data["targets"]):
        if (found := target.get("csv")) and not found.get("git"):
            yield f"targets[{number}].csv.path", found["path"]
    for number, name in enumerate((data.get("scans") or {}).get("templates") or ()):
        yield f"scans.templates[{number}]", name
    suppression = data.get("suppression") or {}
    for number, name in enumerate(suppression.get("vex") or ()):
        yield f"suppression.vex[{number}]", name
    for number, name in enumerate(((data.get("events") or {}).get("jobs") or {}).get("plugins") or ()):
        yield f"events.jobs.plugins[{number}]", name
    for key, name in (
        ("suppression.rules", suppression.get("rules")),
        ("scanners.denyFile", (data.get("scanners") or {}).get("denyFile")),
    ):
        if name is not None:
            yield key, name
