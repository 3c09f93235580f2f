"""What a cluster needs before runs of it: our own objects, with the configuration in them, and the images they name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.catalog.lock_file import LOCK
from orchestrator.config.file import CONFIG_FILE
from orchestrator.config.scanners import DISTRUSTED
from orchestrator.errors import UsageError
from orchestrator.kit.sources import SourceError, read_text

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.workflows.install import Overlay

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


def write_install(
    config: Config, folder: Path | str, overlay: Overlay | str = "single-node", *, strict: bool = False
) -> list[Path]:
    """What `install` gives and Argo itself, as a folder for `kubectl apply -k`; returns its files."""
    from orchestrator.volume.layout import PUBLIC, write_atomic
    from orchestrator.workflows import install

    _judge(config, install.Overlay(overlay), whole=True, strict=strict)
    written = []
    for name, text in install.files(config, install.Overlay(overlay), contents=_contents(config)).items():
        written.append(Path(folder) / name)
        write_atomic(written[-1], text.encode(), mode=PUBLIC)
    return written


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
    named += [] if config.scanners.deny_file is None else [config.scanners.deny_file]
    named += [name for name in (LOCK, DISTRUSTED) if (config.base / name).exists()]
    found = {CONFIG_FILE: config.path.read_text(encoding="utf-8")}
    for name in named:
        if Path(name).name != name or not (config.base / name).is_file():
            raise UsageError(
                f"{config.file}: {name!r} cannot be put into a ConfigMap, which has no folders: put the file beside the"
                " configuration, or keep both in git (`config-git`)"
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
