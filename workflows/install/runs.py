"""What starts runs: the WorkflowTemplate, its schedule, and the configuration that both plan from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.catalog import load_catalog
from orchestrator.inventory import collect
from orchestrator.planning.matrix import wanted_sets
from workflows import schedule
from workflows.install.objects import manifest
from workflows.manifests import plain
from workflows.settings import CONFIG_MAP, RenderError, settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config import Config
    from workflows.install.objects import Manifest

_MOST = 900 * 1024  # an object may have 1 MiB, and more than its data is in it


def configuration(config: Config, contents: Mapping[str, str]) -> list[Manifest]:
    """The ConfigMap, from which a run started without a plan is planned; none without contents.

    Raises:
        RenderError: it would be too large, or hold a password.
    """
    if not contents:
        return []
    if config.store.url:
        raise RenderError("store.url may hold a password, and a ConfigMap is no place for one: take it out of the file")
    if sum(len(text.encode()) for text in contents.values()) > _MOST:
        raise RenderError("configuration and target lists are too large for a ConfigMap (1 MiB): put them into git")
    return [manifest("ConfigMap", CONFIG_MAP, config.argo.namespace, data=dict(contents))]


def template(config: Config) -> Manifest:
    """The WorkflowTemplate."""
    catalog = load_catalog(config)
    limits = config.limits.document(config.volume.budget)
    sets = wanted_sets(collect(config, catalog=catalog), config, catalog) if config.layout == "image" else ()
    return plain(schedule.template(tuple(catalog.values()), limits, sets, settings_of(config)))


def schedules(config: Config) -> list[Manifest]:
    """The CronWorkflow; none without `argo.schedule`."""
    if config.argo.schedule is None:
        return []
    return [plain(schedule.schedule(config.argo.schedule, config.argo, settings_of(config)))]
