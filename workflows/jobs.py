"""Jobs that events start as Workflows: one task after the other, each in a pod that may do no more than a scanner's.

Texts of a configuration and of events stand in these Workflows word for word: Argo would replace `{{…}}` in them, so
what has a form in which it cannot is written in that (`pods.opaque`), and anything else with `{{` is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from hera.workflows import Container, Steps, Workflow
from hera.workflows import Step as WorkflowStep
from hera.workflows import models as m

from orchestrator.argo import names
from orchestrator.argo.commands import FilesStep
from orchestrator.argo.jobs import JobRecord, RecordedTask
from orchestrator.argo.names import Component, TemplateName
from orchestrator.argo.packed import MOST_BYTES
from orchestrator.git.tokens import secret_key
from orchestrator.git.url import judge_url
from orchestrator.jobs.matching import MOST_VARIABLE
from orchestrator.jobs.model import TaskQuantities
from orchestrator.kit.quantities import parse_cpus, parse_size, spell_size
from orchestrator.repositories.chosen import most_on_disk
from orchestrator.workflows import folders, patches, pods
from orchestrator.workflows.job_network import policies_of_job
from orchestrator.workflows.manifests import object_bytes, plain
from orchestrator.workflows.schedule import every_workflow
from orchestrator.workflows.settings import SCRATCH, RenderError, literal, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.config.jobs import JobsSection
    from orchestrator.config.loading import Config
    from orchestrator.jobs.model import JobTask, TaskSecurity, TaskVariables
    from orchestrator.jobs.order import JobOrder, OrderedTask
    from orchestrator.workflows.manifests import Manifest
    from orchestrator.workflows.settings import Settings

#: Seconds that a task may wait for its pod to be placed, beside the time that it may run.
_PLACING = 120
#: Of what fetches files: memory, and bytes of disk beside what git takes.
_MEMORY, _BESIDE = "512Mi", 64 * 1024**2


class CompiledJob(NamedTuple):
    """A job as it is submitted.

    Attributes:
        workflow: its Workflow.
        pods: of each task the `spec` of its pod, as far as the task decides it, for admission.
        policies: what its tasks may reach, a NetworkPolicy for each.
    """

    workflow: Manifest
    pods: tuple[dict[str, Any], ...]
    policies: tuple[Manifest, ...]


def compiled(order: JobOrder, config: Config) -> CompiledJob:
    """A job as a Workflow.

    Raises:
        RenderError: something of it cannot be written as one; the message names what, and where it was written.
    """
    section, settings = _section(config), settings_of(config)
    tasks = [_template(order, number, task, config) for number, task in enumerate(order.tasks, start=1)]
    called = [names.task_template(number) for number in range(1, len(tasks) + 1)]
    with Steps(name=str(TemplateName.JOB)) as steps:
        for name in called:
            WorkflowStep(name=name, template=name)
    # Whatever the controller does by default: the logs of tasks that succeeded are read as well.
    kept = m.PodGC(strategy="OnWorkflowCompletion", delete_delay_duration=f"{order.kept}s")
    whole = every_workflow(settings) | {"namespace": order.namespace, "pod_gc": kept}
    built = Workflow(
        name=order.name,
        labels={names.PART_OF: names.SCANMATRIX, names.COMPONENT: str(Component.JOB), names.JOB: order.run},
        annotations={names.JOB_ORDER: _record(order, section)},
        entrypoint=str(TemplateName.JOB),
        templates=[steps, *tasks],
        active_deadline_seconds=sum(_seconds(task, section) + _PLACING for task in order.tasks),
        ttl_strategy=m.TTLStrategy(seconds_after_completion=order.kept),
        **whole,
    )
    manifest = plain(built)
    _judge_size(manifest, order)
    found = {each["name"]: each for each in manifest["spec"]["templates"]}
    return CompiledJob(
        manifest, tuple(_pod(manifest, found[name]) for name in called), tuple(policies_of_job(order, config))
    )


def _template(order: JobOrder, number: int, ordered: OrderedTask, config: Config) -> Container:
    """One task: what fetches its files, then the task itself."""
    section, settings = _section(config), settings_of(config)
    matched, task = ordered.matched, ordered.matched.task
    size = files_size(task, config)
    mounts = folders.task_mounts()
    command = _command(ordered)
    labels = {names.PART_OF: names.SCANMATRIX, names.COMPONENT: str(Component.JOB)}
    labels |= {names.JOB: order.run, names.TASK: str(number)}
    where = task.place.at
    own = {literal(key, where=where("labels")): literal(value, where=where("labels"))
           for key, value in task.labels.items()}  # fmt: skip
    noted = {literal(key, where=where("annotations")): literal(value, where=where("annotations"))
             for key, value in task.annotations.items()}  # fmt: skip
    return Container(
        name=names.task_template(number),
        labels=own | labels,
        annotations=noted or None,
        image=literal(ordered.image, where=where("image")),
        image_pull_policy=task.image_pull_policy or "IfNotPresent",
        **command,
        working_dir=literal(task.working_dir, where=where("workingDir")) if task.working_dir else None,
        env=_with_brace([word for words in command.values() for word in words], _variables(ordered)),
        env_from=_sources(matched.secrets, matched.objects),
        volume_mounts=mounts,
        security_context=_security(task.security_context),
        resources=_resources(task, section),
        init_containers=_fetching(order, task, size, settings, config.limits.retries),
        volumes=[
            folders.task_files(size),
            folders.scanner_scratch(names.MAIN, section.resources.disk),
            *(_volumes_of_fetching(order, size, settings) if task.files else []),
        ],
        host_aliases=_aliases(order) if task.files else None,
        active_deadline_seconds=_seconds(ordered, section),
        pod_spec_patch=patches.of_scanners({names.MAIN: mounts}, keeper=False),
        **_account(task, settings),
    )


def files_size(task: JobTask, config: Config) -> int:
    """Bytes that the files of a task may take: what it asks for, or else what every task has."""
    if task.empty_dir_size_limit:
        return parse_size(task.empty_dir_size_limit)
    usual, admission = _section(config).files_size, config.admission
    most = admission.maximum.empty_dir if admission else None
    return min(usual, parse_size(most)) if most else usual


def _section(config: Config) -> JobsSection:
    section = config.events.jobs
    if section is None:
        raise RenderError("events.jobs is not set: name the repository with the job configuration")
    return section


def _seconds(ordered: OrderedTask, section: JobsSection) -> int:
    return min(ordered.matched.task.max_poll_duration, section.longest)


def _record(order: JobOrder, section: JobsSection) -> str:
    record = JobRecord(
        source=order.source,
        event=order.id,
        type=order.event.type,
        action=order.action,
        number=order.number,
        silent=order.silent,
        repository=order.files.repository,
        commit=order.files.commit,
        ttl=order.kept,
        tasks=tuple(_recorded(task, section) for task in order.tasks),
    )
    return msgspec.json.encode(record).decode()


def _recorded(ordered: OrderedTask, section: JobsSection) -> RecordedTask:
    task, seconds = ordered.matched.task, _seconds(ordered, section)
    bound = "maxPollDuration" if seconds == task.max_poll_duration else "events.jobs.longest"
    return RecordedTask(task.name, ordered.image, seconds, bound)


def _command(ordered: OrderedTask) -> dict[str, Any]:
    """Program and arguments; of an image's own program Argo has to know which that is, and may not be able to ask."""
    task = ordered.matched.task
    words = {"command": [pods.opaque(word, expands=True) for word in task.cmd]}
    words["args"] = [pods.opaque(word, expands=True) for word in task.args]
    if not task.cmd:  # the image's own words mean themselves
        words["command"] = [pods.opaque(word, expands=False) for word in ordered.entrypoint]
        words["args"] = words["args"] or [pods.opaque(word, expands=False) for word in ordered.defaults]
    return {name: found for name, found in words.items() if found}


def _variables(ordered: OrderedTask) -> list[m.EnvVar]:
    """Variables in order, the last of one name; those of the event mean themselves."""
    values = {"HOME": pods.opaque(SCRATCH, expands=False), "TMPDIR": SCRATCH}
    for each in ordered.matched.environment:
        values.pop(each.name, None)
        values[each.name] = pods.opaque(each.value, expands=not each.is_foreign)
        if len(f"{each.name}={values[each.name]}".encode("utf-8", "surrogatepass")) > MOST_VARIABLE:
            raise RenderError(
                f"{ordered.matched.task.place.at('env')}: the value of {each.name} is longer than the"
                f" {MOST_VARIABLE:,} bytes that a process can be given"
            )
    return [m.EnvVar(name=name, value=value) for name, value in values.items()]


def _with_brace(words: Sequence[str], variables: list[m.EnvVar]) -> list[m.EnvVar]:
    """Variables, and before them the one that stands for a brace where some text refers to it."""
    texts = [*words, *(str(each.value) for each in variables)]
    return [pods.brace(), *variables] if any(f"$({pods.BRACE})" in text for text in texts) else variables


def _sources(secrets: Sequence[str], objects: Sequence[TaskVariables]) -> list[m.EnvFromSource] | None:
    found = [m.EnvFromSource(secret_ref=m.SecretEnvSource(name=literal(name, where="env"))) for name in secrets]
    for each in objects:
        more: dict[str, Any] = {"prefix": each.prefix} if each.prefix else {}
        if each.secret_ref:
            more["secret_ref"] = m.SecretEnvSource(name=literal(each.secret_ref.name, where="envFrom"))
        if each.config_map_ref:
            more["config_map_ref"] = m.ConfigMapEnvSource(name=literal(each.config_map_ref.name, where="envFrom"))
        found.append(m.EnvFromSource(**more))
    return found or None


def _security(asked: TaskSecurity | None) -> m.SecurityContext:
    """As every scanner's, but for what the task asks for; whether it may is for admission to say."""
    found = pods.container_security()
    if asked is None:
        return found
    given = {name: value for name in asked.__struct_fields__ if (value := getattr(asked, name)) is not None}
    if (wanted := asked.capabilities) is not None:
        given["capabilities"] = m.Capabilities(drop=["ALL"], add=list(wanted.add) or None)
    if (profile := asked.seccomp_profile) is not None:
        given["seccomp_profile"] = m.SeccompProfile(type=profile.type, localhost_profile=profile.localhost_profile)
    return found.model_copy(update=given)


def _resources(task: JobTask, section: JobsSection) -> m.ResourceRequirements:
    """What the task asks for, each of it as the installation has it where the task says nothing."""
    usual, asked = section.resources, task.resources
    nothing = TaskQuantities()
    limits, requests = (asked.limits or nothing, asked.requests or nothing) if asked else (nothing, nothing)
    cpu, cpu_limit = _between(requests.cpu, limits.cpu, (usual.cpu, usual.cpu_limit), parse_cpus)
    memory, memory_limit = _between(requests.memory, limits.memory, (usual.memory, usual.memory_limit), parse_size)
    return pods.resources(cpu, memory, memory_limit, cpu_limit, scratch=usual.disk)


def _between(
    reserved: str | None, limit: str | None, usual: tuple[str, str], size: Callable[[str], float]
) -> tuple[str, str]:
    """What is reserved, and the limit, which is never less."""
    least, most = usual
    if reserved and not limit:
        return reserved, max(reserved, most, key=size)
    if limit and not reserved:
        return min(least, limit, key=size), limit
    return (reserved, limit) if reserved and limit else (least, most)


def _fetching(order: JobOrder, task: JobTask, size: int, settings: Settings, retries: int) -> Any:
    """The init container that fetches the files; none for a task without any."""
    if not task.files:
        return None
    step = FilesStep(
        repository=order.files.repository,
        commit=order.files.commit,
        folders=order.files.folders,
        files=task.files,
        size=size,
        retries=retries,
    )
    found = pods.step(settings, step, git=True, memory=_MEMORY)
    found["args"] = [pods.opaque(word, expands=False) for word in found["args"]]
    found["env"] = _with_brace(found["args"], found["env"])
    # Of the volume with the results of scans it sees nothing.
    kept = [mount for mount in found["volume_mounts"] if mount.name != folders.VOLUME_NAME]
    found["volume_mounts"] = [*kept, folders.task_files_mount()]
    found["resources"] = pods.resources("50m", "128Mi", _MEMORY, scratch=_fetched(size))
    return pods.init_containers((names.FILES, found))


def _volumes_of_fetching(order: JobOrder, size: int, settings: Settings) -> list[m.Volume]:
    git = folders.git_of_one_host(settings, secret_key(order.files.repository))
    return [folders.scratch_volume(_fetched(size)), *git]


def _fetched(size: int) -> int:
    """Bytes that git may take on disk for files of a size, and what is made of them."""
    return most_on_disk(size) + _BESIDE


def _aliases(order: JobOrder) -> list[m.HostAlias] | None:
    """The repository's host by its addresses, so that the pod needs no name server for it."""
    host = judge_url(order.files.repository)
    if host in order.files.addresses:
        return None
    return [m.HostAlias(ip=address, hostnames=[host]) for address in order.files.addresses] or None


def _account(task: JobTask, settings: Settings) -> dict[str, Any]:
    """What a task runs as; a token of it only where the task asks for one.

    Raises:
        RenderError: it asks for a token and names no account, or names one of ours.
    """
    where = task.place.at("serviceAccount")
    if not task.service_account:
        if task.enable_kubernetes_api_access:
            raise RenderError(f"{where}: enableKubernetesApiAccess needs a serviceAccount, whose token it then gets")
        return {}
    account = literal(task.service_account, where=where)
    if account == settings.service_account or account.startswith(f"{settings.service_account}-"):
        raise RenderError(f"{where}: {account} is an account of scanmatrix itself; name another one")
    return {
        "service_account_name": account,
        "automount_service_account_token": bool(task.enable_kubernetes_api_access),
    }


def _judge_size(manifest: Manifest, order: JobOrder) -> None:
    size = object_bytes([manifest])
    if size > MOST_BYTES:
        raise RenderError(
            f"action {order.action}: its Workflow has {spell_size(size)}, and Argo runs none of more than"
            f" {spell_size(MOST_BYTES)}: take less of the event into variables, or write fewer tasks"
        )


def _pod(manifest: Manifest, template: Manifest) -> dict[str, Any]:
    """The `spec` of a task's pod as far as the task decides it: what else is in it is the installation's."""
    whole = manifest["spec"]
    return {
        "containers": [template["container"]],
        "volumes": [each for each in template["volumes"] if each["name"] == names.FILES],
        "securityContext": whole["securityContext"],
        "serviceAccountName": template.get("serviceAccountName", ""),
        "automountServiceAccountToken": template.get("automountServiceAccountToken", False),
    }
