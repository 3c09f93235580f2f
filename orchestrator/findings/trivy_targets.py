"""What Trivy calls the target of a result: a path, the image of an operating system's packages, a workload."""

import re

import msgspec

from orchestrator.model import Finding

# Results of language packages found one by one carry one of these names in place of a path.
_NOT_A_PATH = frozenset({"Python", "Conda", "Ruby", "Node.js", "Java", "Kubernetes"})
# `ubuntu:20.04 (ubuntu 20.04)`: the result of an operating system's packages, where there is no `Class`.
_SYSTEM = re.compile(r" \([^()]+ [^()]+\)$")
# What Kubernetes puts behind the name of a Deployment: the hash of the template of its pods, new with each change.
_TEMPLATE_HASH = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{6,10}\Z")


def path_of(target: str, class_: str | None) -> str:
    """The file a result is about (a lock file, a binary, a jar); none for an operating system's packages."""
    if class_ == "os-pkgs" or target in _NOT_A_PATH:
        return ""
    return "" if not class_ and _SYSTEM.search(target) else target


def image_of(target: str, class_: str | None) -> str:
    """The image that a result about an operating system's packages names; empty for any other result."""
    found = _SYSTEM.search(target)
    return target[: found.start()] if found and class_ in {None, "os-pkgs"} else ""


def workload(namespace: str | None, kind: str | None, name: str | None, container: str | None = "") -> str:
    """A workload as a path: `default/Deployment/web`, and its container; a ReplicaSet without the hash in its name."""
    if kind == "ReplicaSet":
        name = _TEMPLATE_HASH.sub("", name or "")
    return "/".join(part for part in (namespace, kind, name, container) if part)


def in_workload(finding: Finding, owner: str, image: str) -> Finding:
    """The finding with its workload before the path, and with the image in its place, because images change."""
    location = f"{owner}: {finding.location}" if owner and finding.location else owner or finding.location
    place = f"{image}, {finding.place}" if image and finding.place else image or finding.place
    return msgspec.structs.replace(finding, location=location, place=place)
