"""The steps of a run as functions: what `from orchestrator import …` offers and the command line calls.

    config = load_config("scanmatrix.yaml")
    plan = make_plan(config)
    ledger = run(plan, config)
    findings = read_findings(config, plan.run)        # a pandas DataFrame

Every function raises `UsageError` for what the caller got wrong and other `ScanmatrixError`s for what broke.
"""

from __future__ import annotations

import logging
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from orchestrator import engines
from orchestrator.config import loading as _config
from orchestrator.config.file import find_config
from orchestrator.config.named import named_source
from orchestrator.config.reuse import without_downloads
from orchestrator.config.targets import TargetSelection
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from orchestrator.config.loading import Config
    from orchestrator.kit.sources import Problem
    from orchestrator.model import Ledger, Plan, Scan, Severity
    from orchestrator.volume.layout import Volume
    from orchestrator.workflows import ManifestKind

_log = logging.getLogger(__name__)

_RUN_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?")


def load_config(
    path: Path | str | None = None,
    *,
    references: Sequence[str] = (),
    targets: Sequence[str] = (),
    volume: Path | str | None = None,
    strict: bool = False,
    fail_on: Severity | None = None,
    downloads: bool = True,
) -> Config:
    """The configuration: a file with the environment laid over it, or the defaults.

    Args:
        path: the YAML file; without it `scanmatrix.yaml` (or `scanmatrix.yml`) of the working directory, if it exists.
        references: what to scan instead of all configured targets, as `orchestrator.config.named` reads it: images,
            also of tools on this machine (`docker:…`), paths of local archives, URLs of repositories (`https://…#ref`).
            Owner, labels and scans of one that the configuration has are kept.
        targets: globs for names of configured targets; only those that match one are scanned.
        volume: folder to use instead of `volume.path`.
        strict: refuse scanner images that are named by a tag, whatever the configuration says.
        fail_on: the policy's `severity`, instead of the configured one.
        downloads: False to use databases as they are on the volume, whatever the configuration says.

    Raises:
        UsageError: the configuration has mistakes, there are two of them, or a reference, glob or volume is empty.
    """
    if path is None:
        path = find_config(Path())
    config = _config.load_config(path) if path is not None else _config.default_config()
    if wrong := engines.unknown(config.engine):
        raise _config.ConfigError([config.wrong(("engine",), wrong)])
    changes: dict[str, object] = {}
    if volume is not None:
        changes["volume"] = config.volume.model_copy(update={"path": _folder(volume)})
    if strict:
        changes["scanners"] = config.scanners.model_copy(update={"strict": True})
    config = failing_on(config.model_copy(update=changes).selecting(selection(references, targets)), fail_on)
    return config if downloads else without_downloads(config)


def failing_on(config: Config, severity: Severity | None) -> Config:
    """The configuration with another `severity` of its policy; None leaves it as it is."""
    if severity is None:
        return config
    return config.model_copy(update={"policy": msgspec.structs.replace(config.policy, severity=severity)})


def selection(references: Sequence[str], globs: Sequence[str]) -> TargetSelection:
    """Which targets somebody means who names some, or globs for configured ones.

    Raises:
        UsageError: both are given, or one of them is empty.
    """
    if references and globs:
        raise UsageError(
            f"name targets, or choose among the configured ones with --target, not both: {references[0]!r} and"
            f" --target {globs[0]!r}"
        )
    if not all(glob.strip() for glob in globs):
        raise UsageError("an empty --target matches nothing; write a name of a target, or a glob such as 'shop/*'")
    return TargetSelection(named=tuple(map(named_source, references)), globs=tuple(globs))


def _folder(volume: Path | str) -> Path:
    """A volume that a person names, absolute; relative ones start from the working directory."""
    if not str(volume).strip():
        raise UsageError("an empty name is no folder for the volume")
    folder = Path(volume).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"the volume {folder} is not a folder")
    return folder


def load_catalog(config: Config | None = None) -> dict[str, Scan]:
    """The scans there are, by name: the shipped ones, and those that the configuration adds.

    Raises:
        UsageError: a template has mistakes.
    """
    from orchestrator.catalog import loading as catalog

    return catalog.load_catalog(config)


def find_template(name: str, config: Config | None = None) -> Path:
    """The file of a scan's template, as `lint` accepts it.

    Raises:
        UsageError: there is no such scan, or a template has mistakes.
    """
    from orchestrator.catalog import loading as catalog

    return catalog.find_template(name, config)


def make_plan(
    config: Config,
    *,
    scans: Sequence[str] = (),
    run: str | None = None,
    offline: bool = False,
    partial: bool = False,
) -> Plan:
    """Plan a run: every cell with its decision, every image by digest, every repository by commit, and what it costs.

    Args:
        config: the configuration.
        scans: scans to run instead of those the targets ask for.
        run: id of the run; made from the time when None.
        offline: ask no registry and no git host; the run then downloads no database either.
        partial: whether these are only some of the targets and scans that are wanted, so that what is not in the plan
            is not taken for gone when runs are compared; so it is where `scans` are given, or targets were named or
            chosen when the configuration was loaded.

    Raises:
        UsageError: there is nothing to scan, an unknown scan is asked for, the budget is exceeded, or the ignore file
            or a VEX document has mistakes.
    """
    from orchestrator import planning

    now = datetime.now(UTC)
    catalog = load_catalog(config)
    plan = planning.plan_run(
        config if scans else _with_scanners_at_hand(config, catalog),
        catalog=catalog,
        run=new_run_id(now) if run is None else _run_id(run),
        now=now,
        venue=engines.venue(config),
        scans=scans,
        offline=offline,
        partial=partial,
    )
    if not plan.targets:
        raise UsageError(
            "nothing to scan: name an image, an archive or a repository, or configure targets"
            " (the smallest configuration is `targets: [{csv: {path: targets.csv}}]`)"
        )
    return plan


def _with_scanners_at_hand(config: Config, catalog: Mapping[str, Scan]) -> Config:
    """With the scans for vulnerabilities that this machine can run among the default ones, where these are not set."""
    from orchestrator.api.unlooked import are_default, vulnerability_scans

    if not are_default(config):
        return config
    names = dict.fromkeys((*config.scans.default, *engines.at_hand(config, vulnerability_scans(catalog))))
    return config.model_copy(update={"scans": config.scans.model_copy(update={"default": tuple(names)})})


def new_run_id(now: datetime) -> str:
    """An id that sorts by time, reads as one, and is fit for a file and a Kubernetes object."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def read_plan(config: Config, run: str) -> Plan:
    """The plan of an earlier run.

    Raises:
        UsageError: there is no such run on the volume.
    """
    from orchestrator.upkeep.plans import find_plan

    return find_plan(_run_id(run), _volume(config))


def render(plan: Plan, config: Config, *, kind: ManifestKind | str = "workflow") -> str:
    """The plan as Argo manifests, one YAML document for each object.

    Raises:
        OutOfReachError: the plan has what no pod can reach, such as an archive of this machine.
    """
    from orchestrator import workflows
    from orchestrator.argo.reach import require_reach

    if workflows.ManifestKind(kind) is not workflows.ManifestKind.TEMPLATE:  # which brings no plan
        require_reach(plan)
    return workflows.render(plan, config, kind=workflows.ManifestKind(kind))


def why_refused(plan: Plan, config: Config) -> str:
    """Why the cluster that the configuration names cannot be given this plan; empty when it can, or none is."""
    from orchestrator.argo.reach import OutOfReachError, require_reach

    try:
        if engines.venue(config).in_cluster:
            require_reach(plan)
    except OutOfReachError as error:
        return str(error)
    return ""


def with_spec_size(plan: Plan, config: Config) -> Plan:
    """The plan with the size of the Workflow that brings it to the cluster in its budget, where Argo runs it.

    Warns where Argo would not take it. Costs about as much as rendering.
    """
    if not engines.venue(config).in_cluster:
        return plan
    from orchestrator import workflows
    from orchestrator.argo.packed import oversize

    spec_bytes = workflows.spec_bytes(plan, config, submitted=True)
    if wrong := oversize(spec_bytes, submitted=True):
        _log.warning("%s", wrong)
    return msgspec.structs.replace(plan, budget=msgspec.structs.replace(plan.budget, spec_bytes=spec_bytes))


def results_folder(config: Config, run: str) -> Path:
    """Where the results of a run lie."""
    return _volume(config).results(run)


def read_ledger(config: Config, run: str) -> Ledger:
    """The ledger of a run that ended.

    Raises:
        DocumentError: there is none, or it is damaged.
    """
    from orchestrator import results

    return results.read_ledger(_volume(config), run)


def ledger_frame(ledger: Ledger) -> pd.DataFrame:
    """A ledger as a DataFrame, a row per cell; `docs/results.md` documents columns and dtypes."""
    from orchestrator import results

    return results.ledger_frame(ledger)


def read_findings(config: Config, run: str) -> pd.DataFrame:
    """The findings of a run as a DataFrame, a row per finding; `docs/results.md` documents columns and dtypes."""
    from orchestrator import results

    return results.read_findings(_volume(config), run)


def lint(path: Path | str, config: Path | str | None = None) -> list[Problem]:
    """What is wrong with a file of ours: configuration, CSV of targets, scan template, ignore file, VEX document.

    Args:
        path: the file.
        config: the configuration whose scans a CSV or an ignore file may name; None for the one beside the file.
    """
    from orchestrator.api.lint import lint_file

    return lint_file(Path(path), None if config is None else Path(config))


def _run_id(run: str) -> str:
    """A run's id as the user gave it: with what Argo appends, it must fit a Kubernetes label (63 characters)."""
    if not _RUN_ID.fullmatch(run):
        raise UsageError(
            f"{run!r} cannot be the id of a run: take lower-case letters, digits and dashes, at most 52,"
            " no dash at an end"
        )
    return run


def _volume(config: Config) -> Volume:
    from orchestrator.scanners.rules import volume_of

    return volume_of(config)
