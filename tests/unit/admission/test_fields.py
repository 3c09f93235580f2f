"""Fields that can be forbidden, one by one; that the API server decides the same is in the end-to-end tests."""

from typing import Any

import pytest

from orchestrator.admission.fields import RULES, risky_fields
from orchestrator.config.admission import RISKY

SAFE: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "privileged": False,
                "capabilities": {"drop": ["ALL"]},
                "procMount": "Default",
            },
            "ports": [{"containerPort": 80}],
        }
    ],
    "volumes": [{"name": "v", "emptyDir": {}}],
}


def test_every_field_has_a_rule_and_a_safe_pod_none_of_them() -> None:
    assert set(RULES) == set(RISKY)
    assert risky_fields(SAFE) == ()


OF_CONTAINERS: list[tuple[str, dict[str, Any]]] = [
    ("privileged", {"privileged": True}),
    ("privilegeEscalation", {"allowPrivilegeEscalation": True}),
    ("privilegeEscalation", {"allowPrivilegeEscalation": None}),
    ("addedCapabilities", {"capabilities": {"add": ["NET_BIND_SERVICE"]}}),
    ("root", {"runAsUser": 0}),
    ("root", {"runAsNonRoot": False}),
    ("unconfinedSeccomp", {"seccompProfile": {"type": "Unconfined"}}),
    ("unconfinedAppArmor", {"appArmorProfile": {"type": "Unconfined"}}),
    ("procMount", {"procMount": "Unmasked"}),
    ("seLinux", {"seLinuxOptions": {"type": "spc_t"}}),
    ("hostProcess", {"windowsOptions": {"hostProcess": True}}),
]


@pytest.mark.parametrize("kind", ["containers", "initContainers", "ephemeralContainers"])
@pytest.mark.parametrize(("field", "security"), OF_CONTAINERS)
def test_a_container_of_any_kind_is_looked_at(kind: str, field: str, security: dict[str, Any]) -> None:
    container = {"securityContext": SAFE["containers"][0]["securityContext"] | security}
    assert risky_fields({**SAFE, kind: [*SAFE.get(kind, []), container]}) == (field,)


OF_PODS: list[tuple[str, dict[str, Any]]] = [
    ("hostNetwork", {"hostNetwork": True}),
    ("hostPID", {"hostPID": True}),
    ("hostIPC", {"hostIPC": True}),
    ("hostPath", {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
    ("root", {"securityContext": {}}),
    ("root", {"securityContext": {"runAsNonRoot": True, "runAsUser": 0}}),
    ("sysctls", {"securityContext": {"runAsNonRoot": True, "sysctls": [{"name": "a", "value": "b"}]}}),
    ("unconfinedSeccomp", {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "Unconfined"}}}),
    ("seLinux", {"securityContext": {"runAsNonRoot": True, "seLinuxOptions": {"user": "u"}}}),
]


@pytest.mark.parametrize(("field", "change"), OF_PODS)
def test_what_a_pod_asks_for(field: str, change: dict[str, Any]) -> None:
    assert risky_fields(SAFE | change) == (field,)


def test_a_port_of_the_node() -> None:
    container = {**SAFE["containers"][0], "ports": [{"containerPort": 80, "hostPort": 80}]}
    assert risky_fields({**SAFE, "containers": [container]}) == ("hostPorts",)


def test_a_container_may_be_stricter_than_its_pod() -> None:
    container = {"securityContext": {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "runAsUser": 1}}
    assert risky_fields({"securityContext": {"runAsUser": 0}, "containers": [container]}) == ()


def test_a_pod_that_says_nothing_may_escalate_and_be_root() -> None:
    assert set(risky_fields({"containers": [{}]})) == {"privilegeEscalation", "root"}
