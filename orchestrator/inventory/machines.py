"""Which platforms the nodes of a cluster have, as far as they may be read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.cluster.errors import ForbiddenError, ObjectNotFoundError, RejectedError
from orchestrator.errors import UsageError
from orchestrator.images.platforms import parse_platform

if TYPE_CHECKING:
    from orchestrator.cluster.survey import Survey
    from orchestrator.model import Platform

_log = logging.getLogger(__name__)

# What is assumed where the platform of a node is not known.
_ASSUMED = "taken to be for the configured platforms"
_Answer: TypeAlias = "tuple[Platform | None, str]"


class Machines:
    """The platforms of a cluster's nodes, each looked up once.

    All are listed when the first is asked for, by their metadata, which costs little more than one of them whole.

    Args:
        survey: of the cluster.
    """

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._texts: dict[str, str] | None = None
        self._refused = False
        self._known: dict[str, _Answer] = {}

    def platform(self, node: str) -> _Answer:
        """The platform of a node; None and the reason, a sentence, where it is not known."""
        if not node:
            return None, f"its pod names no node: {_ASSUMED}"
        if node not in self._known:
            self._known[node] = self._find(node)
        return self._known[node]

    def _find(self, node: str) -> _Answer:
        text = self._listed().get(node, "")
        if not text and not self._refused:
            try:
                text = self._survey.platform(node)
            except ObjectNotFoundError:
                return None, f"its node {node} is gone: {_ASSUMED}"
            except (ForbiddenError, RejectedError) as error:
                self._refused = True
                _log.warning(
                    "cluster %s: its nodes may not be read, so nobody knows which platform they are; images are %s "
                    "(%s); the ClusterRole `scanmatrix-inventory` has the right to read them",
                    self._survey.name, _ASSUMED, error,
                )  # fmt: skip
        if not text and self._refused:
            return None, f"its node's platform is not known, because nodes may not be read: {_ASSUMED}"
        if not text:
            return None, f"its node {node} does not say its platform: {_ASSUMED}"
        try:
            return parse_platform(text), ""
        except UsageError:
            return None, f"its node {node} says {text!r} of its platform: {_ASSUMED}"

    def _listed(self) -> dict[str, str]:
        if self._texts is None:
            try:
                self._texts = self._survey.platforms()
            except (ForbiddenError, ObjectNotFoundError, RejectedError):
                self._texts = {}  # one of them may perhaps be read
        return self._texts
