"""What every manifest needs from the configuration, and the names and paths that all of them share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.argo.agreed import MOUNT
from orchestrator.errors import UsageError
from orchestrator.volume import layout
from orchestrator.workflows import disk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.loading import Config

#: Where containers find things.
VOLUME = str(MOUNT)
CELL = "/scan"
TARBALL = f"{CELL}/{layout.TARBALL}"
CHECKOUT = f"{CELL}/{layout.CHECKOUT}"
LAYERS = f"/{layout.UNPACKED}"
SBOM = f"{CELL}/{layout.SBOM}"
DATABASE = "/database"
FETCHED = "/fetched"
MAX_AGE = f"{CELL}/{layout.MAX_AGE}"
SCRATCH = "/tmp"  # noqa: S108 - an emptyDir of the pod's own, not the machine's
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - likewise
DOCKER_CONFIG = "/docker"
GIT_CREDENTIALS = "/git"

#: Key of a Secret with the token of a git host.
TOKEN_KEY = "token"  # noqa: S105 - the name of a key

#: Seconds that image pull, scheduling and staging may add to the time a scan itself may take.
ALLOWANCE = 300


class RenderError(UsageError):
    """The plan or the configuration cannot be written as a Workflow; the message says what to change."""


@dataclass(frozen=True)
class Settings:
    """The part of the configuration that shows in manifests.

    Attributes:
        image: the orchestrator's own image.
        claim: PersistentVolumeClaim of the volume.
        namespace: of all manifests.
        service_account: of the executor beside each container; other containers get no token but these:
            `<service_account>-parent` starts shards, `<service_account>-reader` reads how the cells of a run went,
            `<service_account>-planner` does so too, and keeps the WorkflowTemplate of a run for its shards,
            `<service_account>-replacer` stops older runs of the schedule,
            `<service_account>-inventory` looks at what runs in the cluster.
        registry_secret: dockerconfigjson Secret for what pulls images; None when the caches need none.
        git_secret: Secret for what plans or fetches repositories, with their credentials; None when they need none.
        token_secrets: Secrets with the tokens of git hosts, by host, for the cells that ask their APIs.
        layout: `cell` or `image`.
        discovers: whether what plans looks at what runs in the cluster.
        scratch: most bytes of temporary files of a step of ours.
        replaces: whether a run of the schedule stops the older ones.
    """

    image: str
    claim: str
    namespace: str
    service_account: str
    registry_secret: str | None = None
    git_secret: str | None = None
    token_secrets: Mapping[str, str] = field(default_factory=dict)
    layout: str = "cell"
    discovers: bool = False
    scratch: int = 0
    replaces: bool = False

    @property
    def parent(self) -> str:
        """Service account that may create Workflows."""
        return f"{self.service_account}-parent"

    @property
    def reader(self) -> str:
        """Service account that may read Workflows, pods and their logs."""
        return f"{self.service_account}-reader"

    @property
    def planner(self) -> str:
        """Service account of what plans: a reader that keeps the WorkflowTemplate of a run for its shards."""
        return f"{self.service_account}-planner"

    @property
    def replacer(self) -> str:
        """Service account that may stop Workflows."""
        return f"{self.service_account}-replacer"

    @property
    def inventory(self) -> str:
        """Service account that may read pods of all namespaces, and what made them."""
        return f"{self.service_account}-inventory"


def settings_of(config: Config) -> Settings:
    """The settings that a configuration asks for.

    Raises:
        RenderError: the orchestrator's image holds what Argo would replace.
    """
    return Settings(
        image=literal(config.image, where="image"),
        claim=config.volume.claim,
        namespace=config.argo.namespace,
        service_account=config.argo.service_account,
        registry_secret=config.argo.registry_secret,
        git_secret=config.argo.git_secret,
        token_secrets=config.argo.token_secrets,
        layout=config.layout,
        discovers=discovers(config),
        scratch=disk.of_step(config.limits.repository_size),
        replaces=replaces(config),
    )


def discovers(config: Config) -> bool:
    """Whether targets are what runs in the very cluster that runs are planned in."""
    return any(target.cluster is not None and not target.cluster.contexts for target in config.targets)


def replaces(config: Config) -> bool:
    """Whether a run of the schedule stops the older ones."""
    return config.argo.schedule is not None and config.argo.concurrency == "Replace"


def literal(text: str, *, where: str) -> str:
    """Text that Argo will leave as it is.

    Raises:
        RenderError: it holds `{{`, which Argo would replace.
    """
    if "{{" in text:
        raise RenderError(f"{where}: {text!r} holds '{{{{', which Argo Workflows would replace; write it otherwise")
    return text
