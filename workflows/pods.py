"""What all our pods have in common: an unprivileged user, no token, and the shape of their containers."""

from __future__ import annotations

import json
import re
from signal import SIGTERM
from typing import TYPE_CHECKING, Any

from hera.workflows import UserContainer
from hera.workflows import models as m

from orchestrator.argo import names
from orchestrator.argo.agreed import EXECUTOR, PROGRAM
from orchestrator.argo.command_line import render
from orchestrator.argo.parameters import given
from orchestrator.workflows import disk, folders
from orchestrator.workflows.settings import (
    DOCKER_CONFIG,
    GIT_CREDENTIALS,
    SCRATCH,
    TOKEN_KEY,
    VOLUME,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.argo.arguments import Step
    from orchestrator.argo.parameters import Input
    from orchestrator.model import Online, Resources
    from orchestrator.workflows.settings import Settings

#: One user for all containers, so that a scanner can write the folder which the container before it made.
USER = 65532
# What Kubernetes would take for the beginning of `$(NAME)`, or for an escape of it.
_EXPANDED = re.compile(r"\$(?=[$(])")
# The same from left to right: an escape, a reference by a name that there can be, one by a name that there cannot be,
# which means itself with all that is in it, or the beginning of one without an end.
_REFERENCES = re.compile(r"(?P<kept>\$\$|\$\([-._a-zA-Z][-._a-zA-Z0-9]*\))|(?P<itself>\$\([^)]*\))|\$(?=\()")
#: The variable by which a brace is written where Argo would take two of them for the beginning of an expression.
BRACE = "SCANMATRIX_BRACE"
_SECOND_BRACE = re.compile(r"(?<=\{)\{")

#: A signal that a shell ignores is ignored by what it becomes, too, until that listens for it.
_DEAF = 'trap "" TERM; exec "$0" "$@"'
#: Waits, half a minute at most, until that shell has become the program.
_IS_DEAF = f"seq 300 | while read -r _; do grep -qxs {PROGRAM} /proc/[0-9]*/comm && break; sleep 0.1; done"

CONFIG_FOLDER = "/config"
#: Where a step writes its output parameters.
OUTPUTS = f"{SCRATCH}/outputs"


def pod_security() -> m.PodSecurityContext:
    """For the whole pod: never root, and files on the volume belong to one group."""
    return m.PodSecurityContext(
        run_as_non_root=True,
        run_as_user=USER,
        run_as_group=USER,
        fs_group=USER,
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=m.SeccompProfile(type="RuntimeDefault"),
    )


def container_security() -> m.SecurityContext:
    """For every container of ours and every scanner: nothing but its own files."""
    return m.SecurityContext(
        allow_privilege_escalation=False,
        capabilities=m.Capabilities(drop=["ALL"]),
        privileged=False,
        read_only_root_filesystem=True,
        run_as_non_root=True,
        seccomp_profile=m.SeccompProfile(type="RuntimeDefault"),
    )


def token(account: str) -> dict[str, Any]:
    """What gives a template's container the token of a service account, as keyword arguments for Hera."""
    return {"service_account_name": account, "automount_service_account_token": True}


def step(
    settings: Settings,
    what: Step,
    *,
    registry: bool = False,
    config_map: bool = False,
    git: bool = False,
    memory: str = "512Mi",
    writes: str = "",
    layers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A container that runs one step of ours on the whole volume, as keyword arguments for Hera.

    Args:
        settings: of the manifests.
        what: the step.
        registry: whether it reads images, and so may need the registry's credentials.
        config_map: whether it reads the configuration.
        git: whether it asks git hosts, and so may need their credentials.
        memory: most it may take.
        writes: the one folder of the volume that it may write, which must be there; empty for all of them.
        layers: containers of the scans for which it unpacks the layers of an image, by the scan.
    """
    mounts = [m.VolumeMount(name=folders.VOLUME_NAME, mount_path=VOLUME, read_only=True if writes else None)]
    if writes:
        mounts.append(m.VolumeMount(name=folders.VOLUME_NAME, mount_path=f"{VOLUME}/{writes}", sub_path=writes))
    mounts.append(folders.scratch_mount())
    mounts += [folders.layers_mount(container, scan=scan) for scan, container in (layers or {}).items()]
    env: dict[str, str] = {"HOME": SCRATCH, "TMPDIR": SCRATCH}
    if registry and settings.registry_secret:
        mounts.append(m.VolumeMount(name=folders.SECRET_NAME, mount_path=DOCKER_CONFIG, read_only=True))
        env["DOCKER_CONFIG"] = DOCKER_CONFIG
    if config_map:
        mounts.append(m.VolumeMount(name=folders.CONFIG_NAME, mount_path=CONFIG_FOLDER, read_only=True))
    if git and settings.git_secret:
        mounts.append(m.VolumeMount(name=folders.GIT_NAME, mount_path=GIT_CREDENTIALS, read_only=True))
        env["SCANMATRIX_GIT_CREDENTIALS"] = GIT_CREDENTIALS
    return {
        "image": settings.image,
        "image_pull_policy": "IfNotPresent",
        "command": [PROGRAM],
        "args": render(what),
        "env": variables(env),
        "volume_mounts": mounts,
        "security_context": container_security(),
        "resources": resources("50m", "128Mi", memory, scratch=settings.scratch),
    }


def beside(settings: Settings, what: Step, mounts: list[m.VolumeMount]) -> dict[str, Any]:
    """A container that runs one small step of ours beside others, as long as they run, as keyword arguments for Hera.

    From its very beginning it does not end at once when it is asked to: what it does then, its step decides. The
    containers after it in the pod start when it has come that far: Argo asks as soon as the scanners have ended, and
    would kill what it has only just started.

    Args:
        settings: of the manifests.
        what: the step.
        mounts: all that it sees.
    """
    found = step(settings, what)
    return found | {
        "command": ["/bin/sh", "-c", _DEAF, PROGRAM],
        "lifecycle": m.Lifecycle(post_start=m.LifecycleHandler(exec=m.ExecAction(command=["/bin/sh", "-c", _IS_DEAF]))),
        "volume_mounts": mounts,
        "resources": resources("10m", "32Mi", "128Mi", scratch=1),  # beside its log it writes nothing there
        "env": [],
    }


def sidecar(name: str, container: Mapping[str, Any]) -> dict[str, Any]:
    """A container that Argo tells to end when the scanners have, as keyword arguments for Hera.

    Half a minute later Argo would kill it. It is only asked again, because a report may take longer on a slow volume.
    """
    tell = [f"{EXECUTOR}/argoexec", "kill", str(int(SIGTERM)), "1"]
    return {
        "sidecars": [UserContainer(name=name, **container)],
        "annotations": {f"{names.ARGO_KILL_COMMAND}{name}": json.dumps(tell)},
    }


def without_volume(settings: Settings, what: Step) -> dict[str, Any]:
    """A container that runs one step of ours on nothing but the cluster, as keyword arguments for Hera."""
    found = step(settings, what)
    return found | {"volume_mounts": [folders.scratch_mount()]}


def scanner(
    image: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    mounts: list[m.VolumeMount],
    wanted: m.ResourceRequirements,
) -> dict[str, Any]:
    """A container that runs a stranger's command, as keyword arguments for Hera: nothing but what is given.

    Args:
        image: of the container.
        command: what it runs, word for word.
        environment: its variables.
        mounts: what it sees of the volume.
        wanted: its requests and limits.
    """
    return {
        "image": image,
        "image_pull_policy": "IfNotPresent",
        **exactly(command),
        "env": variables(environment),
        "volume_mounts": mounts,
        "security_context": container_security(),
        "resources": wanted,
    }


def scanner_resources(wanted: Resources, scratch: int) -> m.ResourceRequirements:
    """What a scan's template asks for, and this many bytes of temporary files."""
    return resources(wanted.cpu, wanted.memory, wanted.memory_limit, wanted.cpu_limit, scratch=scratch)


def resources(
    cpu: str, memory: str, memory_limit: str, cpu_limit: str | None = None, *, scratch: int
) -> m.ResourceRequirements:
    """Requests, and limits for memory and disk; of the CPU one that was asked for: a throttled scan is slow, not safer.

    Args:
        cpu: requested.
        memory: requested.
        memory_limit: the limit.
        cpu_limit: likewise.
        scratch: most bytes of temporary files; 0 for no limit.
    """
    wanted = {"cpu": cpu, "memory": memory, disk.EPHEMERAL: disk.REQUESTED}
    limits = {"memory": memory_limit}
    limits |= {"cpu": cpu_limit} if cpu_limit else {}
    limits[disk.EPHEMERAL] = disk.quantity(disk.of_container(scratch) if scratch else disk.UNREACHED)
    return m.ResourceRequirements(requests=_quantities(wanted), limits=_quantities(limits))


def _quantities(values: Mapping[str, str]) -> dict[str, m.Quantity]:
    return {name: m.Quantity(root=value) for name, value in values.items()}


def variables(values: Mapping[str, str]) -> list[m.EnvVar]:
    """Environment variables in the order given."""
    return [m.EnvVar(name=name, value=_as_it_is(value)) for name, value in values.items()]


def exactly(command: Sequence[str]) -> dict[str, list[str]]:
    """A command that a container gets word for word, as keyword arguments for Hera."""
    words = list(map(_as_it_is, command))
    return {"command": words[:1], "args": words[1:]}


def _as_it_is(text: str) -> str:
    """Text that Kubernetes leaves as it is: in commands and variables it replaces `$(NAME)`, and `$$` by `$`."""
    return _EXPANDED.sub("$$", text)


def opaque(text: str, *, expands: bool) -> str:
    """Text of a command or a variable that Argo leaves as it is, whatever stands in it; see `brace`.

    Argo replaces `{{…}}` wherever it stands in a template, also in a variable's value, and has no escape for it. So of
    two braces in a row the second one is written as a reference, which Kubernetes fills in when the container starts.

    Args:
        text: the text.
        expands: whether Kubernetes is to fill in the references `$(NAME)` that are in it.
    """
    plain = _REFERENCES.sub(_of_reference, text) if expands else _as_it_is(text)
    return _SECOND_BRACE.sub(f"$({BRACE})", plain)


def _of_reference(found: re.Match[str]) -> str:
    """What is written for a match of `_REFERENCES`, so that it means for Kubernetes what it meant before."""
    return found["kept"] or (_as_it_is(found["itself"]) if found["itself"] else "$$")


def brace() -> m.EnvVar:
    """The variable that what `opaque` returns refers to; the first one of its container."""
    return m.EnvVar(name=BRACE, value="{")


def tokens(online: Online, settings: Settings) -> list[m.EnvVar]:
    """The tokens of the hosts that a scan asks, as variables out of their Secrets; those that there are."""
    return [
        m.EnvVar(
            name=variable,
            value_from=m.EnvVarSource(
                secret_key_ref=m.SecretKeySelector(name=settings.token_secrets[host], key=TOKEN_KEY)
            ),
        )
        for host, variable in sorted(online.tokens.items())
        if host in settings.token_secrets
    ]


def init_containers(*containers: tuple[str, dict[str, Any]]) -> list[UserContainer | m.UserContainer]:
    """Init containers by name, in order."""
    return [UserContainer(name=name, **fields) for name, fields in containers]


def labels(component: names.Component, *, run: str, target: str = "", scan: str = "") -> dict[str, str]:
    """Labels by which people and network policies find the pods of a run, a target, a scan, or a kind of step."""
    found = {names.PART_OF: names.SCANMATRIX, names.COMPONENT: str(component), names.RUN: run}
    more = {names.TARGET: target, names.SCAN: scan}
    return found | {label: value for label, value in more.items() if value}


def parameters(*inputs: Input) -> list[m.Parameter]:
    """Input parameters without defaults."""
    return [m.Parameter(name=str(name)) for name in inputs]


def arguments(**values: str) -> m.Arguments:
    """What a task gives to its template, by the values of `Input`."""
    return m.Arguments(parameters=[m.Parameter(name=str(name), value=value) for name, value in values.items()])


def passed_on(*inputs: Input) -> m.Arguments:
    """Input parameters of a template as arguments of its own tasks, under the same names."""
    return arguments(**{str(name): given(name) for name in inputs})


def outputs(*names: str) -> list[m.Parameter]:
    """Output parameters, which a step writes into files of their names."""
    return [m.Parameter(name=name, value_from=m.ValueFrom(path=f"{OUTPUTS}/{name}")) for name in names]
