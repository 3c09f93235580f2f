"""What runs for one source repository: a pod fetches its commit, then a pod for each cell, whatever the layout.

A cell that asks the API of the repository's host has a template of its own: its pods alone carry the label by which a
network policy lets them out, and the token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hera.workflows import DAG, Container, Task

from orchestrator.argo.commands import PullStep
from orchestrator.argo.items import ONLINE_SUFFIX
from orchestrator.argo.names import Component, TemplateName
from orchestrator.argo.parameters import Input, contains, given
from orchestrator.model import TargetKind
from orchestrator.workflows import folders, pods
from orchestrator.workflows.cell import cell_template, retry, template_name
from orchestrator.workflows.settings import ALLOWANCE, RenderError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import Scan
    from orchestrator.workflows.layouts import Template
    from orchestrator.workflows.settings import Settings
    from orchestrator.workflows.shape import Shape

_INPUTS = (Input.TARGET, Input.SCANS, Input.REPOSITORY, Input.COMMIT, Input.SERVER)
_PULL = str(TemplateName.PULL)


def repository_templates(shape: Shape, settings: Settings) -> list[Template]:
    """The templates of one repository.

    Raises:
        RenderError: two tasks would have the same name.
    """
    scans = [scan for scan in shape.scans if scan.reads(TargetKind.REPOSITORY)]
    online = [scan for scan in scans if is_online(scan, settings)]
    cells = [cell_template(scan, shape, settings, kind=TargetKind.REPOSITORY) for scan in scans]
    asking = [cell_template(scan, shape, settings, kind=TargetKind.REPOSITORY, online=True) for scan in online]
    return [_repository(scans, online), _fetch(shape, settings), *cells, *asking]


def is_online(scan: Scan, settings: Settings) -> bool:
    """Whether some cells of a scan may ask the API of a host."""
    online = scan.repository and scan.repository.online
    return bool(online and online.tokens.keys() & settings.token_secrets.keys())


def _repository(scans: Sequence[Scan], online: Sequence[Scan]) -> DAG:
    """A pod fetches the commit, then a pod for each scan that is in the item's list."""
    names = {scan.name for scan in scans}
    if twice := [scan.name for scan in online if f"{scan.name}-online" in names]:
        raise RenderError(f"scan {twice[0]}-online cannot be a task in Argo beside {twice[0]}: rename it")
    with DAG(name=str(TemplateName.REPOSITORY), inputs=pods.parameters(*_INPUTS), fail_fast=False) as dag:
        fetched = pods.passed_on(Input.TARGET, Input.SERVER)
        Task(name=_PULL, template=str(TemplateName.FETCH), arguments=fetched)
        for scan in scans:
            _cell(scan.name, template_name(scan.name, TargetKind.REPOSITORY), scan.name, Input.TARGET)
        for scan in online:
            template = template_name(scan.name, TargetKind.REPOSITORY, online=True)
            _cell(
                f"{scan.name}-online",
                template,
                f"{scan.name}{ONLINE_SUFFIX}",
                Input.TARGET,
                Input.REPOSITORY,
                Input.COMMIT,
            )
    return dag


def _cell(task: str, template: str, listed: str, *inputs: Input) -> None:
    when = contains(given(Input.SCANS), listed)
    Task(name=task, template=template, arguments=pods.passed_on(*inputs), depends=_PULL, when=when)


def _fetch(shape: Shape, settings: Settings) -> Container:
    """Ask the repository's host for the commit, with what the Secret of git has for this host and no other."""
    target = given(Input.TARGET)
    return Container(
        name=str(TemplateName.FETCH),
        inputs=pods.parameters(Input.TARGET, Input.SERVER),
        volumes=folders.git_of_one_host(settings, given(Input.SERVER)),
        labels=pods.labels(Component.FETCH, run=shape.run, target=target),
        # Each of its own attempts may take as long as git is given.
        active_deadline_seconds=4 * shape.limits.repository_time + ALLOWANCE,
        retry_strategy=retry(shape.limits.retries),
        **pods.step(settings, PullStep(run=shape.run, target=target), git=True, memory="2Gi"),
    )
