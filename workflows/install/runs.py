"""What starts runs: the WorkflowTemplate, its schedule, and the configuration that both plan from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.catalog import load_catalog
from orchestrator.inventory import collect
from orchestrator.planning.matrix import wanted_sets
from workflows import schedule
from workflows.install.access import meta
from workflows.manifests import plain
from workflows.settings import CONFIG_MAP, settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config import Config
    from workflows.manifests import Manifest


def configuration(config: Config, contents: Mapping[str, str]) -> list[Manifest]:
    """The ConfigMap, from which a run started without a plan is planned."""
    if not contents:
        return []
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(config, CONFIG_MAP), "data": dict(contents)},
    ]


def workflows(config: Config) -> list[Manifest]:
    """The WorkflowTemplate, and the CronWorkflow when there is a schedule."""
    settings = settings_of(config)
    catalog = load_catalog(config)
    limits = config.limits.document(config.volume.budget)
    sets = wanted_sets(collect(config, catalog=catalog), config, catalog) if config.layout == "image" else ()
    found = [plain(schedule.template(tuple(catalog.values()), limits, sets, settings))]
    if config.argo.schedule is not None:
        found.append(plain(schedule.schedule(config.argo.schedule, config.argo.timezone, settings)))
    return found
