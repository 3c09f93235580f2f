"""Fields of pods that can be forbidden: the one table, read here and, as CEL, by the API server.

What a container does not say, its pod says (`securityContext` of both); what neither says is Kubernetes' default.
Sources: Pod Security Standards; reference of `SecurityContext` and `PodSpec`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from orchestrator.config.admission import RISKY, RiskyField

Object = Mapping[str, Any]

_LISTS: Final = ("containers", "initContainers", "ephemeralContainers")


class PodRule(NamedTuple):
    """What is risky about a pod.

    Attributes:
        holds: whether a pod's `spec` has it.
        cel: the same of `p`, the `spec`.
    """

    holds: Callable[[Object], bool]
    cel: str


class ContainerRule(NamedTuple):
    """What is risky about a container.

    Attributes:
        holds: whether a container has it, given its pod's `spec`.
        cel: the same of `c`, the container, and `p`, the `spec`.
    """

    holds: Callable[[Object, Object], bool]
    cel: str


def containers_of(pod: Object) -> Iterator[Object]:
    """Every container of a pod's `spec`, those that begin and those that are added later included."""
    for name in _LISTS:
        yield from pod.get(name) or ()


def risky_fields(pod: Object) -> tuple[RiskyField, ...]:
    """What a pod's `spec` has of what can be forbidden, in the order of the table."""
    return tuple(name for name in RISKY if _has(RULES[name], pod))


def _has(rule: PodRule | ContainerRule, pod: Object) -> bool:
    if isinstance(rule, PodRule):
        return rule.holds(pod)
    return any(rule.holds(container, pod) for container in containers_of(pod))


def _security(one: Object) -> Object:
    return one.get("securityContext") or {}


def _own(name: str) -> Callable[[Object, Object], Any]:
    """A field of the container's own security."""
    return lambda container, pod: _security(container).get(name)  # noqa: ARG005 - as all rules


def _either(name: str) -> Callable[[Object, Object], Any]:
    """A field of the container's security, or else of its pod's."""

    def value(container: Object, pod: Object) -> Any:
        found = _security(container).get(name)
        return _security(pod).get(name) if found is None else found

    return value


def _at(found: Any, *names: str) -> Any:
    for name in names:
        found = (found or {}).get(name)
    return found


def _of_both(name: str, *below: str) -> Callable[[Object, Object], tuple[Any, ...]]:
    """What stands below a field of the security of the container, and of its pod: either is in force somewhere."""
    return lambda container, pod: tuple(_at(_security(one).get(name), *below) for one in (container, pod))


def _some(values: Iterable[Any]) -> bool:
    return any(bool(value) for value in values)


def _cel_own(field: str, default: str) -> str:
    return f"c.?securityContext.?{field}.orValue({default})"


def _cel_either(field: str, default: str) -> str:
    return f"c.?securityContext.?{field}.orValue(p.?securityContext.?{field}.orValue({default}))"


def _cel_both(field: str, test: str, default: str) -> str:
    return " || ".join(f"{one}.?securityContext.?{field}.orValue({default}) {test}" for one in ("c", "p"))


def _host(field: str) -> PodRule:
    return PodRule(lambda pod: pod.get(field) is True, f"p.?{field}.orValue(false)")


def _host_path(pod: Object) -> bool:
    return any("hostPath" in volume for volume in pod.get("volumes") or ())


def _host_ports(container: Object, pod: Object) -> bool:  # noqa: ARG001 - as all rules
    return any(port.get("hostPort") for port in container.get("ports") or ())


def _unconfined(field: str) -> ContainerRule:
    both = _of_both(field, "type")
    return ContainerRule(
        lambda container, pod: "Unconfined" in both(container, pod),
        _cel_both(f"{field}.?type", "== 'Unconfined'", "''"),
    )


def _root(container: Object, pod: Object) -> bool:
    return _either("runAsNonRoot")(container, pod) is not True or _either("runAsUser")(container, pod) == 0


_SE_LINUX = ("type", "user", "role")

RULES: Final[Mapping[RiskyField, PodRule | ContainerRule]] = {
    "privileged": ContainerRule(
        lambda container, pod: _own("privileged")(container, pod) is True, _cel_own("privileged", "false")
    ),
    "privilegeEscalation": ContainerRule(
        lambda container, pod: _own("allowPrivilegeEscalation")(container, pod) is not False,
        _cel_own("allowPrivilegeEscalation", "true"),
    ),
    "addedCapabilities": ContainerRule(
        lambda container, pod: bool(_at(_own("capabilities")(container, pod), "add")),
        f"size({_cel_own('capabilities.?add', '[]')}) > 0",
    ),
    "root": ContainerRule(
        _root,
        f"!{_cel_either('runAsNonRoot', 'false')} || {_cel_either('runAsUser', '1')} == 0",
    ),
    "hostNetwork": _host("hostNetwork"),
    "hostPID": _host("hostPID"),
    "hostIPC": _host("hostIPC"),
    "hostPath": PodRule(_host_path, "p.?volumes.orValue([]).exists(v, has(v.hostPath))"),
    "hostPorts": ContainerRule(
        _host_ports, "c.?ports.orValue([]).exists(port, port.?hostPort.orValue(0) > 0)"
    ),
    "hostProcess": ContainerRule(
        lambda container, pod: True in _of_both("windowsOptions", "hostProcess")(container, pod),
        _cel_both("windowsOptions.?hostProcess", "== true", "false"),
    ),
    "unconfinedSeccomp": _unconfined("seccompProfile"),
    "unconfinedAppArmor": _unconfined("appArmorProfile"),
    "procMount": ContainerRule(
        lambda container, pod: _own("procMount")(container, pod) not in {None, "", "Default"},
        "!(" + _cel_own("procMount", "''") + " in ['', 'Default'])",
    ),
    "sysctls": PodRule(
        lambda pod: bool(_security(pod).get("sysctls")), "size(p.?securityContext.?sysctls.orValue([])) > 0"
    ),
    "seLinux": ContainerRule(
        lambda container, pod: any(
            _some(_of_both("seLinuxOptions", name)(container, pod)) for name in _SE_LINUX
        ),
        " || ".join(_cel_both(f"seLinuxOptions.?{name}", "!= ''", "''") for name in _SE_LINUX),
    ),
}  # fmt: skip
