"""The kinds of senders: one module each, which knows no other.

To add one: a module with its `SENDER`, its name in `SenderName` of `orchestrator.config.events`, its line
here, and a recorded payload in `tests/unit/receiving/payloads/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.receiving.senders import (
    acr,
    artifactory,
    distribution,
    docker_hub,
    ecr,
    gar,
    ghcr,
    github,
    gitlab,
    harbor,
    quay,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.receiving.senders.interface import SenderKind

#: By the name that `events.senders[].kind` has.
SENDERS: Mapping[str, SenderKind] = {
    "acr": acr.SENDER,
    "artifactory": artifactory.SENDER,
    "distribution": distribution.SENDER,
    "docker-hub": docker_hub.SENDER,
    "ecr": ecr.SENDER,
    "gar": gar.SENDER,
    "ghcr": ghcr.SENDER,
    "github": github.SENDER,
    "gitlab": gitlab.SENDER,
    "harbor": harbor.SENDER,
    "quay": quay.SENDER,
}
