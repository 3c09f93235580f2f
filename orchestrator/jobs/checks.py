"""What can be wrong with single values of `job/config.yaml`; each check returns the value, or raises `ValueError`."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Sized
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.config.networks import is_never
from orchestrator.config.section import WrongKey
from orchestrator.jobs.json_paths import check_json_path
from orchestrator.kit.matching import searched
from orchestrator.kit.quantities import parse_cpus, parse_size

if TYPE_CHECKING:
    from orchestrator.jobs.model import EgressTo, JobTask, TaskResources, TaskSeccomp, TaskVariable

S = TypeVar("S", bound=Sized)

_LONGEST = 512
#: Of actions, of tasks, of events, and of other lists: more than any real file has.
_MOST = 100
_MOST_ITEMS = 1000
# https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]{0,252}")
_SECRET = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
#: Domains whose labels and annotations decide how pods are run, and which program they belong to.
_RESERVED = ("kubernetes.io", "k8s.io", "argoproj.io", "scanmatrix.io", "scanmatrix")


def check_expression(value: str) -> str:
    """A regular expression of RE2, of bounded length."""
    if len(value) > _LONGEST:
        raise ValueError(f"is an expression of {len(value):,} characters; at most {_LONGEST} are accepted")
    searched(value)
    return value


def check_few(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """A list of few items."""
    if len(value) > _MOST:
        raise ValueError(f"has {len(value):,} items; at most {_MOST} are accepted")
    return value


def check_bounded(value: S) -> S:
    """A list or mapping that is not endless."""
    if len(value) > _MOST_ITEMS:
        raise ValueError(f"has {len(value):,} items; at most {_MOST_ITEMS:,} are accepted")
    return value


def check_command(value: tuple[str, ...]) -> tuple[str, ...]:
    """A command whose program has a name."""
    if value and not value[0].strip():
        raise ValueError("the first item is the program; it must not be empty")
    return check_bounded(value)


def clean_path(path: str) -> str:
    """A path below the root of a repository, without a slash at either end, as it is looked up.

    Raises:
        ValueError: it leads elsewhere, or to everything.
    """
    parts = path.strip("/").split("/")
    if ".." in parts:
        raise ValueError(f"{path!r} leads out of the repository; list files and folders within it")
    if "" in parts or "." in parts or "\\" in path:
        raise ValueError(f"{path!r} is no path of a file or folder; write it like locust/basic.py")
    return "/".join(parts)


def clean_files(value: tuple[str, ...]) -> tuple[str, ...]:
    """The paths of files and folders as they are looked up, each once."""
    found = []
    for index, path in enumerate(check_bounded(value)):
        try:
            found.append(clean_path(path))
        except ValueError as error:
            raise WrongKey((index,), str(error)) from None
    return tuple(dict.fromkeys(found))


def check_annotations(value: dict[str, str]) -> dict[str, str]:
    """Names that Kubernetes takes, none of them reserved."""
    for key in check_bounded(value):
        domain = key.partition("/")[0] if "/" in key else ""
        if not _LABEL_KEY.fullmatch(key):
            raise WrongKey((key,), f"{key!r} is no name of an annotation or label")
        if any(domain == each or domain.endswith(f".{each}") for each in _RESERVED):
            raise WrongKey((key,), f"names below {domain} decide how pods are run, and are not a task's to set")
    return value


def check_labels(value: dict[str, str]) -> dict[str, str]:
    """The same, with values that Kubernetes takes."""
    for key, text in check_annotations(value).items():
        if not _LABEL.fullmatch(text):
            raise WrongKey((key,), f"{text[:80]!r} is no value of a label; write 63 letters, digits, '-', '_', '.'")
    return value


def of_pairs(value: object) -> object:
    """`K=V` as the source's page writes values of a plugin, as a mapping."""
    if not isinstance(value, str):
        return value
    found: dict[str, str] = {}
    for word in shlex.split(value):
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise ValueError(f"{word[:80]!r} is not NAME=value; write a mapping: NAME: value")
        if key in found:
            raise ValueError(f"{key!r} is there twice")
        found[key] = text
    return found


def check_variable(found: TaskVariable) -> TaskVariable:
    """A variable whose keys go together."""
    is_secret = found.value_from == "secret"
    if is_secret and not _SECRET.fullmatch(found.name):
        raise WrongKey(("name",), f"{found.name[:80]!r} is no name of a secret, which valueFrom: secret asks for")
    if is_secret and found.value is not None:
        raise WrongKey(
            ("value",), "is not read: the name is that of the secret, and each of its keys becomes a variable"
        )
    if not is_secret and not _VARIABLE.fullmatch(found.name):
        raise WrongKey(("name",), f"{found.name[:80]!r} is no name of a variable; write letters, digits, '_'")
    if found.value_from == "event":
        if found.value is None:
            raise WrongKey(("value",), "is missing: the JSONPath of the event's value, such as $.data.project")
        try:
            check_json_path(found.value)
        except ValueError as error:
            raise WrongKey(("value",), str(error)) from None
    elif found.formatting is not None:
        raise WrongKey(("as",), "is only read with valueFrom: event")
    return found


def check_prefix(value: str) -> str:
    """What the name of a variable may begin with."""
    if value and not _VARIABLE.fullmatch(value):
        raise ValueError(f"{value[:80]!r} is no beginning of a variable's name")
    return value


def check_resources(found: TaskResources) -> TaskResources:
    """Resources that say something, none reserved beyond its limit."""
    given = [each for each in (found.limits, found.requests) if each and (each.cpu or each.memory)]
    if not given:
        raise ValueError(
            "is empty, which the original took for no limits at all: leave it out for those of the installation, or"
            " write limits"
        )
    if found.limits and found.requests:
        low, high = found.requests, found.limits
        if low.cpu and high.cpu and parse_cpus(low.cpu) > parse_cpus(high.cpu):
            raise WrongKey(("requests", "cpu"), f"{low.cpu} is more than the limit of {high.cpu}")
        if low.memory and high.memory and parse_size(low.memory) > parse_size(high.memory):
            raise WrongKey(("requests", "memory"), f"{low.memory} is more than the limit of {high.memory}")
    return found


def check_seccomp(found: TaskSeccomp) -> TaskSeccomp:
    """A profile whose keys go together."""
    if (found.type == "Localhost") != (found.localhost_profile is not None):
        raise WrongKey(("localhostProfile",), "belongs to type: Localhost, which needs it")
    return found


def check_egress(found: EgressTo) -> EgressTo:
    """One place that pods may be let reach at all."""
    inside = found.namespace is not None or bool(found.pods)
    if (found.cidr is not None) == inside:
        raise ValueError("give it either cidr, or namespace and pods")
    check_labels(found.pods)
    if found.cidr is not None:
        try:
            network = ipaddress.ip_network(found.cidr)
        except ValueError:
            raise WrongKey(
                ("cidr",), f"{found.cidr[:80]!r} is no network; write it like 203.0.113.0/24, or 203.0.113.7/32"
            ) from None
        if is_never(str(network)):
            raise WrongKey(("cidr",), f"{network} is reached by no pod, whatever its configuration says")
    return found


def check_task(found: JobTask) -> JobTask:
    """A task whose keys go together: with a plugin, the plugin decides what is run."""
    if found.plugin is None:
        if found.values:
            raise WrongKey(("with",), "are values of a plugin; there is none here: use env")
        return found
    for key, given in (("cmd", found.cmd), ("args", found.args), ("workingDir", found.working_dir)):
        if given:
            raise WrongKey((key,), "is decided by the plugin; leave it out")
    if found.image_pull_policy or found.env_from:
        raise WrongKey(
            ("imagePullPolicy" if found.image_pull_policy else "envFrom",), "is decided by the plugin; leave it out"
        )
    return found
