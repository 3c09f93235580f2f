"""What every source of targets offers, what it yields, and the errors they all raise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import msgspec

from orchestrator.kit.sources import SourceError
from orchestrator.model import LISTING_BUDGET, PLANNING_BUDGET, Document, Limits, Platform, ReadBudget, TargetKind
from orchestrator.net.allowance import Allowance

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

    from orchestrator.config.cache import CacheSection

    #: The ref of a repository for which nobody names one.
    from orchestrator.config.targets import TargetSource


#: The ref of a repository for which nobody names one.
HEAD = "HEAD"


class Entry(Document, frozen=True):
    """One thing that somebody wants scanned, as its source names it; nothing of it is resolved yet.

    Attributes:
        reference: the image as written (perhaps malformed: planning tells), the absolute path of a local archive, or
            the URL of a source repository.
        scans: names of scans, each known to the catalog; empty for the configured default.
        owner: who answers for it.
        labels: whatever else its source says of it.
        origin: where it stands, for messages: `targets.csv:3`, or `<url>@<commit>:targets.csv:3` out of git.
        local: True for an archive on this machine.
        kind: an image (an archive is one, too) or a source repository.
        ref: branch, tag or full commit of a repository; empty for an image.
        error: why it is not to be looked up, but fails: what its source says of it cannot be.
        listed: whether a registry's list has it, or a pod mounts it, rather than that somebody named it as an image:
            what is no image is no trouble then.
        platform: of the machine that runs the image; None where no machine is known, for those of the configuration.
        skip: who asked that it be left out, and how; empty for nobody.
        note: what else people should know of how it is planned, a sentence.
        look_in: where an image is looked for, as in `TargetSource`; empty for its registry.
        digest: what its tag, or its ref, stood for when somebody pushed it: that is scanned, under the name that it has
            without; empty for what it stands for now.
        also_called: another name of the very same image, by which it is looked up where its registry has it not.
    """

    reference: str
    scans: tuple[str, ...] = ()
    owner: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    origin: str = ""
    local: bool = False
    kind: TargetKind = TargetKind.IMAGE
    ref: str = ""
    error: str = ""
    listed: bool = False
    platform: Platform | None = None
    skip: str = ""
    note: str = ""
    look_in: tuple[str, ...] = ()
    digest: str = ""
    also_called: str = ""

    @property
    def said(self) -> tuple[Hashable, ...]:
        """All that it says, but for its scans and where it stands: entries that say the same are one name."""
        apart = {"scans", "origin", "labels", "listed"}
        fields = (name for name in self.__struct_fields__ if name not in apart)
        return (*(getattr(self, name) for name in fields), frozenset(self.labels.items()))

    @property
    def name(self) -> str:
        """How people see it in plans and ledgers: a repository's URL has its ref beside it, unless that is HEAD."""
        return f"{self.reference}#{self.ref}" if self.ref not in {"", HEAD} else self.reference


class InventoryError(SourceError):
    """A file of targets has mistakes; the message has one line for each, with file and line."""


@dataclass(frozen=True)
class Context:
    """What a source needs to know beside its own section of the configuration.

    Attributes:
        base: folder that relative paths start from.
        scans: names of every scan there is.
        origin: where the section stands, such as `scanmatrix.yaml:4`.
        caches: pull-through caches to read registries by.
        insecure: registry hosts spoken to without TLS verification.
        retries: further attempts where a registry is busy or broken.
        patience: seconds to keep trying while a cluster does not answer.
        listing: what one list of a registry may cost.
        allowance: what all lists may cost together.
    """

    base: Path
    scans: tuple[str, ...]
    origin: str = ""
    caches: tuple[CacheSection, ...] = ()
    insecure: tuple[str, ...] = ()
    retries: int = Limits().retries
    patience: float = 60.0
    listing: ReadBudget = LISTING_BUDGET
    allowance: Allowance = field(default_factory=lambda: Allowance(PLANNING_BUDGET, "limits.planning"))


class Reader(Protocol):
    """One source of targets; an implementation is a function listed in `orchestrator.inventory`."""

    def __call__(self, source: TargetSource, context: Context) -> list[Entry]:
        """The source's entries, in its own order.

        Raises:
            InventoryError: its file has mistakes.
            SourceUnavailableError: it cannot be read as configured.
            SourceBrokenError: it did not answer properly; trying again may help.
        """
        ...
