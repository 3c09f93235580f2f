"""Who may do what: the service accounts of the pods, and the role of people; `docs/install.md` has the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.argo import names
from orchestrator.workflows.install.objects import Manifest, manifest
from orchestrator.workflows.settings import discovers, replaces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.config.argo import Operator
    from orchestrator.config.loading import Config

_RBAC = "rbac.authorization.k8s.io/v1"
_ARGO = "argoproj.io"


def rule(group: str, resources: Iterable[str], verbs: str) -> Manifest:
    """A rule of a role: what may be done, in words, with some kinds of an API group."""
    return {"apiGroups": [group], "resources": list(resources), "verbs": verbs.split()}


#: Argo's executor tells the controller how its container ended; beside a scanner, it can do no more than that.
EXECUTOR = (rule(_ARGO, ["workflowtaskresults"], "create patch"),)
# A parent applies its shards and waits for them; its executor is the pod's only container.
_PARENT = (*EXECUTOR, rule(_ARGO, ["workflows"], "create get patch"))
# How the cells of a run went: the nodes of its Workflows, their pods and the last lines these wrote. By the uid of the
# namespace they know which cluster this is; of namespaces a Role gives them only its own.
_READER = (
    rule(_ARGO, ["workflows"], "get list"),
    rule("", ["pods"], "get list"),
    rule("", ["pods/log"], "get"),
    rule("", ["events"], "list"),
    rule("", ["namespaces"], "get"),
)
# What plans keeps the WorkflowTemplate of its run for the shards; it can change none that is there.
_PLANNER = (*_READER, rule(_ARGO, ["workflowtemplates"], "create get"))
# What runs in the cluster, and what made it; metadata would do, but Kubernetes gives no such right.
_INVENTORY = (
    rule("", ["pods"], "get list watch"),
    rule("", ["namespaces", "nodes", "replicationcontrollers"], "get list"),
    rule("apps", ["daemonsets", "deployments", "replicasets", "statefulsets"], "get list"),
    rule("batch", ["cronjobs", "jobs"], "get list"),
    rule(_ARGO, ["cronworkflows", "rollouts", "workflows"], "get list"),
)
# A run of the schedule stops the older ones (`argo.concurrency: Replace`).
_REPLACER = (rule(_ARGO, ["workflows"], "get list patch"),)
#: Argo's controller puts a template that is too large for an environment variable into a ConfigMap beside the pod.
CONTROLLER = (rule("", ["configmaps"], "create delete"),)
# What keeps results fresh: it starts runs and follows them; their results it reads from the volume. How the cells went
# of runs that ended without their last step it asks as readers do.
_SCHEDULER = (
    *_READER,
    rule(_ARGO, ["workflows"], "create patch watch"),
    rule(_ARGO, ["workflowtemplates"], "get"),
)
# Of a custom resource: how fresh everything is, for the controller to read.
_STATE = ({**rule("", ["configmaps"], "patch"), "resourceNames": [names.STATE]},)
# People, the command line, the service: start, watch, cancel and delete runs.
_OPERATOR = (
    rule(_ARGO, ["workflows"], "create delete get list patch update watch"),
    rule(_ARGO, ["workflowtemplates"], "get list watch"),
    rule(_ARGO, ["cronworkflows"], "get list patch watch"),
    rule("", ["pods"], "get list watch"),
    rule("", ["pods/log"], "get"),
    rule("", ["events"], "get list watch"),
    rule("", ["namespaces"], "get"),
)
#: The service, where tasks of jobs run: it starts, follows and deletes their Workflows, and says what they may reach.
JOBS = (
    rule(_ARGO, ["workflows"], "create delete get list patch"),
    rule("", ["pods"], "get list"),
    rule("", ["pods/log"], "get"),
    rule("networking.k8s.io", ["networkpolicies"], "create delete patch"),
)


def accounts(config: Config, *, shared: bool = False) -> list[Manifest]:
    """Service accounts, their roles, and the tokens that Argo gives to its executors.

    Args:
        config: names them.
        shared: they are made for somebody who may only say what happens in this namespace: what runs is read in it
            alone, and the scheduler keeps its state where the controller reads it.
    """
    name, namespace = config.argo.service_account, config.argo.namespace
    found = []
    for account, rules in ((name, EXECUTOR), (f"{name}-parent", _PARENT), (f"{name}-reader", _READER)):
        # Argo lets a pod have its account's own setting where the template wants a token: only readers do.
        found += account_with(account, namespace, rules, token=rules is _READER)
    found += _planner(config)
    found += [token_of(account, namespace) for account in (name, f"{name}-parent")]
    found += [role_of(f"{name}-controller", namespace, CONTROLLER), controller_binding(name, namespace)]
    if replaces(config):
        found += account_with(f"{name}-replacer", namespace, _REPLACER, token=True)
    scheduler = f"{name}-scheduler"
    found += account_with(scheduler, namespace, (*_SCHEDULER, *(_STATE if shared else ())), token=True)
    if discovers(config):
        found += _inventory(f"{name}-inventory", scheduler, namespace=namespace, everywhere=not shared)
    operator = f"{name}-operator"
    found.append(role_of(operator, namespace, _OPERATOR))
    if config.argo.operators:
        found.append(binding_of(operator, namespace, [_subject(one) for one in config.argo.operators]))
    return found


def service_account(config: Config, *, shared: bool = False) -> list[Manifest]:
    """The account of `scanmatrix serve`, which may do what an operator may, and see what runs where plans need that.

    Args:
        config: names it.
        shared: it looks at no other namespace.
    """
    name, namespace = f"{config.argo.service_account}-{names.Component.SERVICE}", config.argo.namespace
    rules = (*_OPERATOR, *(JOBS[-1:] if config.events.jobs else ()))
    if not discovers(config):
        return account_with(name, namespace, rules, token=True)
    if shared:
        return account_with(name, namespace, (*rules, *_of_namespace(_INVENTORY)), token=True)
    role = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": f"{config.argo.service_account}-inventory",
    }
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]
    return [
        *account_with(name, namespace, rules, token=True),
        manifest("ClusterRoleBinding", f"{name}-{namespace}", None, api=_RBAC, roleRef=role, subjects=subjects),
    ]


def account_names(config: Config) -> tuple[str, ...]:
    """Every account that an installation may have, the one without rights first."""
    name = config.argo.service_account
    roles = ("parent", "reader", "planner", "replacer", "scheduler", "inventory", str(names.Component.SERVICE))
    return (name, *(f"{name}-{role}" for role in roles))


def _of_namespace(rules: Iterable[Manifest]) -> list[Manifest]:
    """Rules for one namespace: nodes are of the whole cluster."""
    return [{**one, "resources": [each for each in one["resources"] if each != "nodes"]} for one in rules]


def _planner(config: Config) -> list[Manifest]:
    """The account of the pods that plan; where these look at all namespaces, they are another's, with the same role."""
    name, namespace = f"{config.argo.service_account}-planner", config.argo.namespace
    found = account_with(name, namespace, _PLANNER, token=True)
    if discovers(config):
        other = {"kind": "ServiceAccount", "name": f"{config.argo.service_account}-inventory", "namespace": namespace}
        found[-1]["subjects"].append(other)
    return found


def _inventory(name: str, *others: str, namespace: str, everywhere: bool) -> list[Manifest]:
    """The account of what looks at namespaces: the pods that plan, where targets are what runs in the cluster."""
    if not everywhere:
        made = account_with(name, namespace, _of_namespace(_INVENTORY), token=True)
        made[-1]["subjects"] += [{"kind": "ServiceAccount", "name": each, "namespace": namespace} for each in others]
        return made
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subjects = [{"kind": "ServiceAccount", "name": each, "namespace": namespace} for each in (name, *others)]
    return [
        manifest("ServiceAccount", name, namespace, automountServiceAccountToken=True),
        manifest("ClusterRole", name, None, api=_RBAC, rules=list(_INVENTORY)),
        manifest("ClusterRoleBinding", f"{name}-{namespace}", None, api=_RBAC, roleRef=role, subjects=subjects),
    ]


def account_with(name: str, namespace: str, rules: Iterable[Manifest], *, token: bool) -> list[Manifest]:
    """A service account with a role of its own; with `token`, its pods have one unless they say otherwise."""
    return [
        manifest("ServiceAccount", name, namespace, automountServiceAccountToken=token),
        role_of(name, namespace, rules),
        binding_of(name, namespace, [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]),
    ]


def role_of(name: str, namespace: str, rules: Iterable[Manifest]) -> Manifest:
    """A role with some rules."""
    return manifest("Role", name, namespace, api=_RBAC, rules=list(rules))


def binding_of(name: str, namespace: str, subjects: list[Manifest]) -> Manifest:
    """What gives the role of that name to somebody."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    return manifest("RoleBinding", name, namespace, api=_RBAC, roleRef=role, subjects=subjects)


def controller_binding(name: str, namespace: str) -> Manifest:
    """What lets Argo's controller do in a namespace what it does there.

    Args:
        name: of the service account of pods.
        namespace: where they are.
    """
    return binding_of(
        f"{name}-controller", namespace, [{"kind": "ServiceAccount", "name": "argo", "namespace": "argo"}]
    )


def token_of(account: str, namespace: str) -> Manifest:
    """The token of an executor: Argo mounts this Secret into its own containers only, so the scanner has none."""
    found = manifest(
        "Secret", f"{account}.service-account-token", namespace, type="kubernetes.io/service-account-token"
    )
    found["metadata"]["annotations"] = {"kubernetes.io/service-account.name": account}
    return found


def _subject(operator: Operator) -> Manifest:
    if operator.service_account:
        namespace, _, name = operator.service_account.partition("/")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    kind = "Group" if operator.group else "User"
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": operator.group or operator.user}


def rules_of_all() -> list[Manifest]:
    """Every right that some account may get in a namespace: who makes their roles must have them all."""
    several = (EXECUTOR, _PARENT, _PLANNER, _REPLACER, CONTROLLER, _SCHEDULER, _STATE, _OPERATOR, JOBS, _INVENTORY)
    found: dict[tuple[str, str], set[str]] = {}
    for each in (one for rules in several for one in rules):
        for kind in each["resources"]:
            found.setdefault((each["apiGroups"][0], kind), set()).update(each["verbs"])
    del found["", "nodes"]
    return [rule(group, [kind], " ".join(sorted(verbs))) for (group, kind), verbs in sorted(found.items())]
