"""What an install leaves more open than it need be: said by each install, and refused by one with `--strict`."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from orchestrator.kit.advice import ours
from orchestrator.workflows.install.images import own_images
from orchestrator.workflows.overlays import Overlay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.config.loading import Config

#: Addresses of the network of an API server: more are a network of other things, too.
_MOST = 256
#: Images of the whole folder, which other clusters have from elsewhere, and those of one overlay.
_ARGO, _POSTGRES, _PYTHON = "/argoproj/", "/postgres:", "/python:"


def warnings(config: Config, overlay: Overlay, *, whole: bool) -> Iterator[str]:
    """What is left open, a sentence each.

    Args:
        config: what is installed from.
        overlay: the kind of cluster.
        whole: whether Argo itself is among it.
    """
    wide = [cidr for cidr in config.argo.api_server.cidrs if ipaddress.ip_network(cidr).num_addresses > _MOST]
    if wide:
        yield (
            f"argo.apiServer.cidrs: every pod, scanners among them, reaches ports"
            f" {', '.join(map(str, config.argo.api_server.ports))} of all of {', '.join(wide)}: name the API server's"
            " own addresses (`kubectl get endpoints kubernetes`, `kubectl get service kubernetes`)"
        )
    left_out = (
        _PYTHON,
        *(() if whole else (_ARGO,)),
        *(() if whole and overlay is Overlay.PRODUCTION else (_POSTGRES,)),
    )
    if unpinned := [image for image in own_images(config).unpinned if not any(each in image for each in left_out)]:
        yield (
            f"{', '.join(unpinned)}: pulled by tag, which may mean another image tomorrow: look the digests up with"
            f" {ours('install', '--update-images', 'FILE')}, and name that file in argo.images"
        )
