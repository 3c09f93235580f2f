"""What a cluster needs before runs of it: our own objects, with the configuration in them, and the images they name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.admission.files import signer_files
from orchestrator.catalog.lock_file import LOCK
from orchestrator.config.file import CONFIG_FILE
from orchestrator.config.scanners import DISTRUSTED
from orchestrator.errors import UsageError
from orchestrator.kit.advice import ours
from orchestrator.kit.sources import SourceError, read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.config.loading import Config
    from orchestrator.workflows.install import InstallPart, Overlay

_log = logging.getLogger(__name__)


def install(config: Config, overlay: Overlay | str = "single-node", *, strict: bool = False) -> str:
    """What a cluster needs beside Argo, as one YAML stream; see `orchestrator.workflows.install`.

    Args:
        config: what the objects follow from.
        overlay: the kind of cluster.
        strict: refuse what is more open than it need be, instead of a warning.

    Raises:
        UsageError: it cannot be written, has a secret in it, or is too open.
    """
    from orchestrator.workflows import install

    _judge(config, install.Overlay(overlay), whole=False, strict=strict)
    return install.render(config, install.Overlay(overlay), contents=_contents(config))


def install_parts(config: Config, parts: Sequence[InstallPart]) -> str:
    """Optional parts alone, as one YAML stream: service, workers, controller of `ScanMatrix` resources, `admission`.

    Args:
        config: names the image and where the API server is; for the service, it is what was installed.
        parts: which.

    Raises:
        UsageError: the service is among them, and there is no configuration, or one with a secret in it; or the rules
            of `admission` are, and there are none.
    """
    from orchestrator.workflows import install
    from orchestrator.workflows.manifests import to_yaml

    groups = install.parts(config, parts, contents=_contents_of(config, parts))
    return to_yaml([one for objects in groups.values() for one in objects])


def write_parts(config: Config, parts: Sequence[InstallPart], folder: Path | str) -> list[Path]:
    """The same as a folder for `kubectl apply -k`; returns its files.

    Raises:
        UsageError: as `install_parts`.
    """
    from orchestrator.workflows import install

    return _write(folder, install.files_of_parts(config, parts, contents=_contents_of(config, parts)))


def _contents_of(config: Config, parts: Sequence[InstallPart]) -> dict[str, str]:
    from orchestrator.workflows.overlays import InstallPart

    reads = next((part for part in (InstallPart.SERVICE, InstallPart.WORKERS) if part in parts), None)
    if reads and config.path is None:
        raise UsageError(
            f"--{reads} reads the configuration of an installation, and there is no {CONFIG_FILE} in this folder:"
            " name the one that was installed by `--config`"
        )
    if InstallPart.WORKERS in parts and not config.argo.workers.scans:
        raise UsageError(f"{config.file}: no scan has workers: name those that are to have them in argo.workers.scans")
    if InstallPart.ADMISSION in parts and config.admission is None and config.allow is None:
        raise UsageError(f"{config.file}: there are no rules for a cluster: write them under `admission`")
    return _contents(config)


def install_shared(config: Config, *, served: bool = False) -> tuple[list[dict[str, Any]], str]:
    """What a namespace needs that has other pods too, as objects; and the digest by which its configuration is known.

    Args:
        config: what the objects follow from.
        served: with the REST service.

    Raises:
        UsageError: it cannot be written, or has a secret in it.
    """
    from orchestrator.workflows import install
    from orchestrator.workflows.install.scheduler import digest_of

    contents = _contents(config)
    return install.shared(config, contents=contents, served=served), digest_of(contents)


def write_install(
    config: Config, folder: Path | str, overlay: Overlay | str = "single-node", *, strict: bool = False
) -> list[Path]:
    """What `install` gives and Argo itself, as a folder for `kubectl apply -k`; returns its files.

    Raises:
        UsageError: as `install`; or the folder was written before, and what it names cannot be changed to this.
    """
    from orchestrator.workflows import install
    from orchestrator.workflows.install import changes

    kind = install.Overlay(overlay)
    _judge(config, kind, whole=True, strict=strict)
    files = install.files(config, kind, contents=_contents(config))
    before, after = install.objects_of(Path(folder), kind), install.objects_in(files, kind)
    _refuse(changes.refusals(before, after), f"{folder} was written for")
    for left in changes.gone(before, after):
        _log.warning(
            "%s is no longer in the configuration: %s removes it", changes.key(left), ours("install", "--prune")
        )
    return _write(folder, files)


def _write(folder: Path | str, files: Mapping[str, str]) -> list[Path]:
    from orchestrator.volume.layout import PUBLIC, write_atomic

    written = []
    for name, text in files.items():
        written.append(Path(folder) / name)
        write_atomic(written[-1], text.encode(), mode=PUBLIC)
    return written


def check_install(config: Config, overlay: Overlay | str = "single-node") -> tuple[str, ...]:
    """Compare what `install` gives with what the cluster has; nothing is changed.

    Returns:
        Commands that remove what an earlier configuration left in the cluster; `prune_install` does the same.

    Raises:
        UsageError: the cluster has what cannot be changed to this; the message says what to do about each.
        NoClusterError: there is no cluster to talk to.
    """
    from orchestrator.cluster.installed import InstalledObjects
    from orchestrator.workflows.install import changes

    after = _objects(config, overlay)
    with InstalledObjects(config.argo.namespace) as there:
        before = list(there.every())
        grows = there.grows(config.volume.claim)
    _refuse(changes.refusals(map(changes.applied, before), after, grows=grows), "the cluster was installed with")
    return tuple(changes.delete_command(each for each in changes.gone(before, after) if _goes(each)))


def prune_install(config: Config, overlay: Overlay | str = "single-node") -> tuple[str, ...]:
    """Remove what an earlier configuration left in the cluster, and this one does not have.

    Volumes, claims, namespaces and ClusterRoles stay, and so does what does not carry the label of an installation.

    Returns:
        What was removed.

    Raises:
        UsageError: there is no configuration, so that everything of the one that was installed would go.
    """
    if config.path is None:
        raise UsageError(
            f"nothing was removed: there is no {CONFIG_FILE} in this folder, and whatever a configuration brings would"
            " count as left over: name the file that was installed by `--config`"
        )
    from orchestrator.cluster.installed import InstalledObjects
    from orchestrator.workflows.install import changes

    after, removed = _objects(config, overlay), []
    with InstalledObjects(config.argo.namespace) as there:
        for each in changes.gone(list(there.every()), after):
            if _goes(each):
                there.delete(each)
                removed.append(str(changes.key(each)))
    return tuple(removed)


def _objects(config: Config, overlay: Overlay | str) -> list[dict[str, Any]]:
    """What `install` gives, and the parts of the namespace that may be installed beside it or not."""
    from orchestrator.workflows import install

    contents = _contents(config)
    optional = [part for part in install.InstallPart if part is not install.InstallPart.CONTROLLER]
    beside = install.parts(config, optional, contents=contents)
    return [
        *install.objects(config, install.Overlay(overlay), contents=contents),
        *(one for objects in beside.values() for one in objects),
    ]


def _goes(one: dict[str, Any]) -> bool:
    from orchestrator.workflows.install.changes import KEPT

    return one["kind"] not in KEPT


def _refuse(found: Iterable[str], why: str) -> None:
    if several := list(found):
        lines = "\n".join(f"* {each}" for each in several)
        raise UsageError(f"nothing was changed: {why} another configuration, which cannot become this one\n{lines}")


def update_images(config: Config, file: Path | str) -> list[Path]:
    """Look up the digests of the images of our own manifests; see `orchestrator.images.registry.own`.

    Args:
        config: has the registries that are `insecure`.
        file: that names the images; it and the manifests beside it are rewritten.

    Returns:
        The files that changed.

    Raises:
        UsageError: the file cannot be read.
        ImageError: an image was not found; nothing was written.
    """
    from orchestrator.images.registry.client import RegistryClient
    from orchestrator.images.registry.own import update

    with RegistryClient(config.insecure) as client:
        return list(update(Path(file), client, insecure=config.insecure))


def _judge(config: Config, overlay: Overlay, *, whole: bool, strict: bool) -> None:
    from orchestrator.catalog.loading import load_catalog
    from orchestrator.scanners.pinning import UnpinnedError, require_digests
    from orchestrator.workflows.install.warnings import warnings

    found = list(warnings(config, overlay, whole=whole))
    if found and strict:
        try:  # All that strict refuses at once, since each takes a round of editing.
            if config.scanners.strict:
                require_digests(load_catalog(config).values())
        except UnpinnedError as error:
            found.append(str(error))
        raise UsageError("\n".join(found))
    for each in found:
        _log.warning("%s", each)


def _contents(config: Config) -> dict[str, str]:
    """The configuration and the local files it names, as keys of a ConfigMap.

    Raises:
        UsageError: a file lies in a folder below, which a ConfigMap does not have.
    """
    if not config.path:
        return {}
    named = [source.csv.path for source in config.targets if source.csv and source.csv.git is None]
    named += config.scans.templates
    named += _suppression_files(config)
    named += dict.fromkeys(name for _, name in signer_files(config))
    named += [] if config.scanners.deny_file is None else [config.scanners.deny_file]
    plugins = config.events.jobs.plugins if config.events.jobs else ()
    named += plugins
    named += [name for name in (LOCK, DISTRUSTED) if (config.base / name).exists()]
    found = {CONFIG_FILE: config.path.read_text(encoding="utf-8")}
    for name in named:
        if Path(name).name != name or not (config.base / name).is_file():
            raise UsageError(
                f"{config.file}: {name!r} cannot be put into a ConfigMap, which has no folders: put the file beside the"
                " configuration, or keep both in git (`config-git`)"
                + ("; instead of a folder of plugins, name the file of each" if name in plugins else "")
            )
        found[name] = read_text(config.base / name, name=name, marked=True)
    return found


def _suppression_files(config: Config) -> list[str]:
    """The ignore file and the VEX documents, globs expanded."""
    from orchestrator.analysis.suppression import vex

    files, problems = vex.paths(config)
    if problems:
        raise SourceError(problems)
    rules = config.suppression.rules
    return [*([] if rules is None else [rules]), *(name for name, _ in files)]
