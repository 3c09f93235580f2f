"""What starts runs: the WorkflowTemplate, its schedule, and the configuration that both plan from."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from orchestrator.argo.names import CONFIG_MAP
from orchestrator.catalog.loading import load_catalog
from orchestrator.errors import ScanmatrixError
from orchestrator.inventory import collect
from orchestrator.planning.matrix import wanted_sets
from orchestrator.workflows import schedule
from orchestrator.workflows.install.objects import manifest
from orchestrator.workflows.manifests import plain, workflow_template
from orchestrator.workflows.secrets import refuse_in_contents
from orchestrator.workflows.settings import RenderError, settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.loading import Config
    from orchestrator.inventory import Entry
    from orchestrator.model import Scan
    from orchestrator.workflows.install.objects import Manifest

_log = logging.getLogger(__name__)

_MOST = 900 * 1024  # an object may have 1 MiB, and more than its data is in it


def configuration(config: Config, contents: Mapping[str, str]) -> list[Manifest]:
    """The ConfigMap, from which a run started without a plan is planned; none without contents.

    Raises:
        RenderError: it would be too large, or hold a secret.
    """
    if not contents:
        return []
    refuse_in_contents(config, contents)
    if sum(len(text.encode()) for text in contents.values()) > _MOST:
        raise RenderError("configuration and target lists are too large for a ConfigMap (1 MiB): put them into git")
    return [manifest("ConfigMap", CONFIG_MAP, config.argo.namespace, data=dict(contents))]


def templates(config: Config, *, look: bool = True) -> list[Manifest]:
    """The WorkflowTemplate, the reaper, and the CronWorkflow of the runs when there is `argo.schedule`.

    Args:
        config: names them.
        look: whether the sources of targets are read, so that the WorkflowTemplate takes less room.
    """
    catalog = load_catalog(config)
    entries = _entries(config, catalog) if look else ()
    found = [workflow_template(config, wanted_sets(entries, config, catalog), catalog)]
    settings = settings_of(config)
    found.append(plain(schedule.reaper(config.argo, settings)))
    if config.argo.schedule is not None:
        found.append(plain(schedule.schedule(config.argo.schedule, config.argo, settings)))
    return found


def _entries(config: Config, catalog: Mapping[str, Scan]) -> tuple[Entry, ...]:
    """What the configuration names now; a list that cannot be read here may be readable where runs are planned."""
    try:
        return collect(config, catalog=catalog)
    except ScanmatrixError as error:
        _log.warning("the WorkflowTemplate is made without knowing the targets, and so takes more room: %s", error)
        return ()
