"""How we ask the Kubernetes API, with the retries that a busy API server needs.

Configuration, authentication and transport are the `kubernetes` package's.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
import urllib3
from kubernetes import client as api
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

from orchestrator.cluster.errors import (
    ConflictError,
    ExpiredError,
    ForbiddenError,
    NoClusterError,
    ObjectExistsError,
    ObjectNotFoundError,
    RejectedError,
    UnreachableError,
)
from orchestrator.cluster.place import why_not_here
from orchestrator.kit.http_headers import asked_wait
from orchestrator.kit.retrying import Backoff, Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_Answer = TypeVar("_Answer")

_BUSY = {408, 429, 500, 502, 503, 504}
_TIMEOUT = (10.0, 60.0)
JSON = "application/json"
#: Path of the API's own objects: pods, namespaces, nodes.
CORE = "/api/v1"
_NAMESPACE = re.compile(r"/namespaces/([^/]+)/")
_MERGE_PATCH = "application/merge-patch+json"
#: Of a list of changes (RFC 6902), and of an object of which the server applies just our fields; JSON is YAML.
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


class _Ask(NamedTuple):
    """One request."""

    method: str
    path: str
    query: Mapping[str, Any] | None = None
    body: Mapping[str, Any] | Sequence[Any] | None = None
    timeout: float | None = None
    accept: str = JSON
    content: str = ""


class Login(NamedTuple):
    """How one is let in, for another client than ours; empty where there is none of it."""

    server: str
    ca_file: str
    insecure: bool
    token: str
    certificate: str
    key: str


class Connection:
    """One API server.

    Args:
        context: of the kubeconfig; by default its current one. Within a pod its service account is used instead.
        patience: seconds to keep trying while the API server is away or busy.

    Raises:
        NoClusterError: there is neither a kubeconfig nor a service account.
    """

    def __init__(self, context: str | None, patience: float) -> None:
        configuration = api.Configuration()
        _configure(configuration, context)
        configuration.retries = urllib3.Retry(0)  # ours below know which errors pass
        self._client = api.ApiClient(configuration)
        self.host = configuration.host
        self._patience = patience

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
        self._client.rest_client.pool_manager.clear()

    def login(self) -> Login:
        """How one is let in here, now: a token of a pod is another one after a while."""
        known = self._client.configuration
        bearer = known.auth_settings().get("BearerToken") or {}
        scheme, _, token = str(bearer.get("value") or "").rpartition(" ")
        return Login(
            server=known.host,
            ca_file=known.ssl_ca_cert or "",
            insecure=not known.verify_ssl,
            token=token if scheme.lower() in {"", "bearer"} else "",
            certificate=known.cert_file or "",
            key=known.key_file or "",
        )

    def request(self, method: str, path: str, **rest: Any) -> bytes:
        """The whole answer, tried again while the API server is away or busy.

        Not for what names a resource version: a conflict of that stays one.
        """
        return self.patiently(lambda: self.whole(method, path, **rest))

    def whole(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        accept: str = JSON,
        content: str = "",
    ) -> bytes:
        """The whole answer, asked for once.

        Args:
            method: of HTTP.
            path: of the API.
            query: behind it.
            body: an object, or a merge patch.
            accept: media type of the answer.
            content: media type of the body; by default a merge patch for PATCH, else JSON.
        """
        answer = self._once(_Ask(method, path, query, body, None, accept, content))
        try:
            return bytes(answer.data)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError(f"{method} {path}: the answer broke off: {error}") from error
        finally:
            answer.release_conn()

    def open(
        self, method: str, path: str, *, query: Mapping[str, Any], timeout: float | None = None, accept: str = JSON
    ) -> Any:
        """The answer's stream; tried again until there is one."""
        return self.patiently(lambda: self._once(_Ask(method, path, query, None, timeout, accept)))

    def patiently(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask again, ever more seldom, while the API server is away or busy, or somebody else changes the object."""
        deadline = time.monotonic() + self._patience
        patience = Patience(
            None,
            backoff=Backoff(0.5, 15.0),
            left=lambda: deadline - time.monotonic(),
            kinds=(UnreachableError, ConflictError),
            loud=True,
        )
        return patience.retry(ask)

    def _once(self, ask: _Ask) -> Any:
        what = f"{ask.method} {ask.path}"
        content = ask.content or (_MERGE_PATCH if ask.method == "PATCH" else JSON)
        headers = {"Accept": ask.accept, "Content-Type": content}
        try:
            answer: Any = self._client.call_api(
                ask.path,
                ask.method,
                query_params=list((ask.query or {}).items()),
                header_params=headers,
                body=ask.body,
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                _preload_content=False,
                _request_timeout=(_TIMEOUT[0], ask.timeout or _TIMEOUT[1]),
            )
        except ApiException as error:
            raise _explain(what, error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError(f"{what}: the API server at {self.host} does not answer: {error}") from error
        return answer


def _configure(configuration: api.Configuration, context: str | None) -> None:
    """From the service account of this pod, or from the kubeconfig."""
    if context is None:
        try:
            load_incluster_config(client_configuration=configuration)
        except ConfigException:
            pass
        else:
            return
    try:
        # The package reads the variable when it is imported, which may be before somebody sets it.
        file = os.environ.get("KUBECONFIG") or None
        load_kube_config(config_file=file, context=context, client_configuration=configuration)
    except (ConfigException, OSError) as error:
        raise NoClusterError(
            f"no cluster to talk to: {error}; set KUBECONFIG to a kubeconfig file, or write ~/.kube/config"
        ) from error


def _explain(what: str, error: ApiException) -> Exception:
    """An error of ours for an HTTP status (Kubernetes API conventions)."""
    message = _message(error)
    status = error.status or 0
    if status in _BUSY:
        asked = asked_wait(error.headers or {})  # priority and fairness says so of what it turns away
        return UnreachableError(f"{what}: the API server is busy ({status}): {message}", retry_after=asked)
    if status == 404:  # noqa: PLR2004
        return ObjectNotFoundError(f"{what}: {message}")
    if status == 409:  # noqa: PLR2004
        exists = _said(error).get("reason") == "AlreadyExists"
        return (ObjectExistsError if exists else ConflictError)(f"{what}: {message}")
    if status == 410:  # noqa: PLR2004
        return ExpiredError(f"{what}: {message}")
    if status in {401, 403}:
        return ForbiddenError(f"{what}: {message}; {_advice(what)}")
    return RejectedError(f"{what}: the API server answered {status}: {message}")


def _advice(what: str) -> str:
    """What to do about a refusal, by the namespace that was asked about."""
    namespace = _NAMESPACE.search(what)
    return (why_not_here(namespace[1]) if namespace else "") or "bind the Role `scanmatrix-operator` to this user"


def _message(error: ApiException) -> str:
    return str(_said(error).get("message") or error.reason)


def _said(error: ApiException) -> Mapping[str, Any]:
    """The API's Status object; nothing of what is none, as from a proxy in between. Versions give bytes, or text."""
    try:
        found = msgspec.json.decode(error.body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
