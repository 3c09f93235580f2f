"""Plans to Argo manifests: dictionaries, YAML, and the size of what the API server will hold."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import yaml

from orchestrator.argo.agreed import Only
from orchestrator.argo.items import by_task, fit_for_cluster, make_items
from orchestrator.argo.names import TemplateName, sboms_template
from orchestrator.argo.packed import oversize, pack
from orchestrator.argo.parameters import Parameter, set_name
from orchestrator.argo.sbom_batches import sbom_batches, sbom_items
from orchestrator.catalog.loading import load_catalog
from orchestrator.model.plan import pending
from orchestrator.planning.batches import at_once, batches, common_sets, split, usually_wanted, wanted_by_images
from orchestrator.scanners.pinning import require_digests
from orchestrator.workflows import schedule
from orchestrator.workflows.kinds import ManifestKind
from orchestrator.workflows.secrets import refuse_in_scans
from orchestrator.workflows.settings import RenderError, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hera.workflows import Workflow

    from orchestrator.argo.items import Items
    from orchestrator.config.loading import Config
    from orchestrator.model import Plan, Scan
    from orchestrator.workflows.settings import Settings

_log = logging.getLogger(__name__)

Manifest: TypeAlias = dict[str, Any]


def manifests(plan: Plan, config: Config, *, kind: ManifestKind = ManifestKind.WORKFLOW) -> list[Manifest]:
    """A plan as Argo manifests.

    Args:
        plan: of the run; of `ManifestKind.WORKFLOW` there is one for each of its batches.
        config: names the images, the volume's claim, the namespace and the layout.
        kind: which manifests.

    Raises:
        RenderError: the plan or the configuration cannot be written as such, or a scan has a secret in it; or the
            Workflow is larger than Argo takes.
    """
    found = _manifests(plan, config, kind)
    if wrong := oversize(object_bytes(found), submitted=kind is ManifestKind.SUBMISSION):
        raise RenderError(f"run {plan.run}: {wrong}")
    return found


def _manifests(plan: Plan, config: Config, kind: ManifestKind) -> list[Manifest]:
    """The same, however large they are."""
    settings = settings_of(config)
    # The packed plan has them all, those without a template too.
    refuse_in_scans(plan.scans)
    if kind is ManifestKind.TEMPLATE:
        return [workflow_template(config, common_sets(usually_wanted(plan)))]
    if kind is ManifestKind.SCHEDULE:
        if config.argo.schedule is None:
            raise RenderError("argo.schedule is not set; give it five cron fields, such as '0 3 * * *'")
        if config.selection:
            raise RenderError(
                "a schedule scans all configured targets each time it starts: leave out names of targets and --target,"
                " or name another configuration with --config"
            )
        return [plain(schedule.schedule(config.argo.schedule, config.argo, settings))]
    if kind is ManifestKind.SUBMISSION:
        packed = {Parameter.PLAN: pack(fit_for_cluster(plan))}
        return [plain(schedule.submission(plan.run, settings, packed, name=plan.run))]
    fitted = fit_for_cluster(plan)
    parts, most = split(fitted), at_once(fitted, batches(fitted))
    if len(parts) > most:
        _log.warning(
            "the plan has %d batches, each a Workflow: submit them %s, or they do not fit the volume and the cluster",
            len(parts),
            "one by one (argo submit --wait)" if most == 1 else f"at most {most} at a time",
        )
    return [_workflow(part, settings) for part in parts]


def workflow_template(
    config: Config, sets: Sequence[frozenset[str]], catalog: Mapping[str, Scan] | None = None
) -> Manifest:
    """The WorkflowTemplate of a configuration.

    Args:
        config: names the scans, their images, and the limits.
        sets: of scans that get a template of their own.
        catalog: the scans there are, where they are known already.

    Raises:
        RenderError: it cannot be written as such, or a scan has a secret in it.
        UnpinnedError: the configuration is strict, and an image is named by a tag.
    """
    scans = tuple((load_catalog(config) if catalog is None else catalog).values())
    if config.scanners.strict:
        require_digests(scans)
    return plain(
        schedule.workflow_template(scans, config.limits.document(config.volume.budget), sets, settings_of(config))
    )


def _workflow(part: Plan, settings: Settings) -> Manifest:
    """One self-contained Workflow."""
    sets, scans = _sets(part), pending(part)
    named = {set_name(number): members for number, members in enumerate(sets, start=1)}
    items = by_task(make_items(part, scans, scans), named)
    several = sbom_batches(part)
    batches = {sboms_template(scan): sbom_items(several, scan) for scan in {batch.scan for batch in several}}
    return plain(schedule.workflow(part, items, sets, settings), {**items, **batches})


def retry(run: str, config: Config, name: str) -> Manifest:
    """A Workflow that runs again what failed of a run."""
    return plain(schedule.submission(run, settings_of(config), {Parameter.ONLY: Only.FAILED}, name=name))


def results(run: str, config: Config, name: str) -> Manifest:
    """A Workflow that prints the results of a run."""
    manifest = plain(schedule.submission(run, settings_of(config), {Parameter.ONLY: Only.RESULTS}, name=name))
    # The pod stays until it has been read; who reads it deletes the Workflow.
    pods = {"strategy": "OnWorkflowCompletion", "deleteDelayDuration": "600s"}
    manifest["spec"] |= {"entrypoint": str(TemplateName.RESULTS), "podGC": pods}
    return manifest


def _sets(plan: Plan) -> tuple[frozenset[str], ...]:
    """The sets of scans that most images of a plan want."""
    return common_sets(wanted_by_images(plan))


def render(plan: Plan, config: Config, *, kind: ManifestKind = ManifestKind.WORKFLOW) -> str:
    """A plan as YAML, one document for each manifest; see `manifests`."""
    return to_yaml(manifests(plan, config, kind=kind))


def spec_bytes(plan: Plan, config: Config, *, submitted: bool) -> int:
    """Bytes of the largest Workflow that brings a plan, as the API server holds it before it has a status.

    Args:
        plan: of the run.
        config: as for `manifests`.
        submitted: whether that is its submission; otherwise the largest of those rendered.
    """
    kind = ManifestKind.SUBMISSION if submitted else ManifestKind.WORKFLOW
    return object_bytes(_manifests(plan, config, kind))


def object_bytes(found: Iterable[Manifest]) -> int:
    """Bytes of the largest manifest as compact JSON."""
    return max((len(msgspec.json.encode(manifest)) for manifest in found), default=0)


def to_yaml(found: Sequence[Manifest]) -> str:
    """Manifests as a YAML stream; items one a line."""
    return "".join(f"---\n{_dump(manifest)}" for manifest in found) if len(found) > 1 else _dump(*found)


def plain(built: Workflow, items: Items | None = None) -> Manifest:
    """What Hera built as plain data, names of templates and tasks first, and items for their stand-in.

    Args:
        built: the object.
        items: by name of their task; None for an object without any of its own.
    """
    manifest: Manifest = built.to_dict()
    items = items or {}
    spec = manifest["spec"]
    if "templates" in spec:
        spec["templates"] = [_name_first(one) for one in spec["templates"]]
    for template in spec.get("templates", ()):
        if "dag" in template:
            template["dag"]["tasks"] = [_name_first(one) for one in template["dag"]["tasks"]]
        for task in template["dag"]["tasks"] if template["name"] == TemplateName.MATRIX else ():
            if task["name"] in items:
                task["withItems"] = [_Flow(item) for item in items[task["name"]]]
    return manifest


def _name_first(value: Manifest) -> Manifest:
    return {"name": value["name"], **value}


class _Flow(dict[str, Any]):
    """A mapping that is written on one line."""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc] # libyaml's is ten times as fast
    """Writes `_Flow` on one line, and nothing as an alias."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - as the base class has it
        """Argo reads aliases, people do not."""
        return True


# Kubernetes and Argo read numbers as YAML 1.2 and Go spell them, PyYAML as YAML 1.1 does: a text that only they would
# take for a number (digits of a hash: `6386090646374e04`, `0o17`) has to be quoted as well.
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"(?=.*[0-9])[-+]?(0[xob][0-9a-f_]+|[0-9_]*\.?[0-9_]*([e][-+]?[0-9]+)?)$", re.IGNORECASE),
    list("-+.0123456789"),
)
_Dumper.add_representer(
    _Flow, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
)


def _dump(manifest: Manifest) -> str:
    return str(yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True))
