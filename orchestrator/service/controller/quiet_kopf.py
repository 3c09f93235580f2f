"""kopf with nothing of it in the resources but a finalizer: what it has seen last is what is there now."""

from __future__ import annotations

from typing import Any

import kopf

from orchestrator.cluster.transport import Connection
from orchestrator.config.resource import GROUP


class NothingKept(kopf.DiffBaseStorage):  # type: ignore[misc, unused-ignore] # unknown where kopf is not installed
    """In the place of an annotation with the whole of what was handled last: a look needs no difference to it.

    That annotation would double the size of a resource, and a resource with long files could not have it.
    """

    def build(self, *, body: Any, extra_fields: Any = None, **_: Any) -> Any:  # noqa: ARG002 - as kopf calls it
        """Nothing of a resource."""
        return {}

    def fetch(self, *, body: Any) -> Any:  # noqa: ARG002 - as kopf calls it
        """The same, so that nothing ever differs."""
        return {}

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        """Keep nothing."""


def login(**_: Any) -> kopf.ConnectionInfo:
    """Let kopf in as we are let in ourselves; it asks again when it is refused."""
    connection = Connection(None, 0)
    try:
        found = connection.login()
    finally:
        connection.close()
    return kopf.ConnectionInfo(
        server=found.server,
        ca_path=found.ca_file or None,
        insecure=found.insecure or None,
        token=found.token or None,
        certificate_path=found.certificate or None,
        private_key_path=found.key or None,
        priority=1,
    )


def settings() -> kopf.OperatorSettings:
    """Of the operator."""
    found = kopf.OperatorSettings()
    found.posting.enabled = False  # its log lines are no events; ours say what becomes of a resource
    found.persistence.finalizer = f"{GROUP}/controller"
    found.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    found.persistence.diffbase_storage = NothingKept()
    found.watching.server_timeout = 240
    found.watching.client_timeout = 300
    found.networking.request_timeout = 60
    return found
