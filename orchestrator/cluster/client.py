"""A Kubernetes client for Workflows and their pods, with the retries that a busy API server needs.

Built on the `kubernetes` package for configuration, authentication and transport; the objects are decoded into our own
types, which for a Workflow of a thousand nodes is many times as fast as into that package's models.
"""

from __future__ import annotations

import logging
import os
import random
import time
from typing import TYPE_CHECKING, Any, TypeVar

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
from orchestrator.cluster.objects import Pod, PodEvent, Workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType
    from typing import Self

_log = logging.getLogger(__name__)

_Thing = TypeVar("_Thing", Workflow, Pod, PodEvent)
_Answer = TypeVar("_Answer")

ARGO = "/apis/argoproj.io/v1alpha1"
CORE = "/api/v1"
_PAGE = 100
_BUSY = {408, 429, 500, 502, 503, 504}
_TIMEOUT = (10.0, 60.0)
_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"


class Event(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    metadata: dict[str, Any] = {}


class Cluster:
    """One namespace of a cluster.

    Args:
        namespace: where Workflows run.
        context: of the kubeconfig; by default its current one. Within a pod its service account is used instead.
        patience: seconds to go on trying while the API server is away or busy.

    Raises:
        NoClusterError: there is neither a kubeconfig nor a service account.
    """

    def __init__(self, namespace: str, *, context: str | None = None, patience: float = 120.0) -> None:
        self.namespace = namespace
        configuration = api.Configuration()
        _configure(configuration, context)
        configuration.retries = urllib3.Retry(0)  # ours below know which errors pass
        self._client = api.ApiClient(configuration)
        self._host = configuration.host
        self._patience = patience

    def __repr__(self) -> str:
        return f"Cluster({self.namespace!r} on {self._host})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
        self._client.rest_client.pool_manager.clear()

    def workflow(self, name: str) -> Workflow:
        """One Workflow."""
        return msgspec.json.decode(self._request("GET", self._argo("workflows", name)), type=Workflow)

    def workflows(self, selector: str = "") -> Iterator[Workflow]:
        """Workflows by label, page by page, so that memory holds a few of them at a time."""
        return self._list(self._argo("workflows"), selector, Workflow, page=5)

    def create_workflow(self, manifest: Mapping[str, Any]) -> Workflow:
        """Submit a Workflow.

        Raises:
            ObjectExistsError: there is one of that name.
        """
        return msgspec.json.decode(self._request("POST", self._argo("workflows"), body=manifest), type=Workflow)

    def patch_workflow(self, name: str, patch: Mapping[str, Any]) -> Workflow:
        """Change parts of a Workflow by a JSON merge patch (RFC 7386)."""
        return msgspec.json.decode(self._request("PATCH", self._argo("workflows", name), body=patch), type=Workflow)

    def delete_workflow(self, name: str) -> None:
        """Delete a Workflow with all that belongs to it; one that is gone already is no error."""
        try:
            self._request("DELETE", self._argo("workflows", name), query={"propagationPolicy": "Background"})
        except ObjectNotFoundError:
            return

    def workflow_template(self, name: str) -> dict[str, Any]:
        """A WorkflowTemplate as plain data."""
        data = self._request("GET", self._argo("workflowtemplates", name))
        return msgspec.json.decode(data, type=dict[str, Any])

    def put(self, kind: str, manifest: Mapping[str, Any]) -> None:
        """Make an object of Argo's just as the manifest has it, whether there is one yet or not.

        Args:
            kind: in the plural, as in the API's paths: `workflowtemplates`.
            manifest: the whole of it.

        Raises:
            ObjectNotFoundError: the cluster knows no such kind, or not the namespace.
        """
        self._patiently(lambda: self._put_once(kind, manifest))

    def _put_once(self, kind: str, manifest: Mapping[str, Any]) -> None:
        """Create or replace an object; what somebody else did to it meanwhile is a conflict."""
        path = self._argo(kind, manifest["metadata"]["name"])
        try:
            there = msgspec.json.decode(self._request("GET", path), type=dict[str, Any])
        except ObjectNotFoundError:
            try:
                self._whole("POST", self._argo(kind), None, manifest)
            except ObjectExistsError as error:
                raise ConflictError(str(error)) from error
        else:
            metadata = {**manifest["metadata"], "resourceVersion": there["metadata"]["resourceVersion"]}
            self._whole("PUT", path, None, {**manifest, "metadata": metadata})

    def pods(self, selector: str, *, fields: str = "") -> Iterator[Pod]:
        """Pods by label and, if need be, field selector."""
        return self._list(self._core("pods"), selector, Pod, page=_PAGE, fields=fields)

    def warnings(self) -> Iterator[PodEvent]:
        """What Kubernetes warned of about pods of this namespace within the last hour."""
        return self._list(self._core("events"), "", PodEvent, page=500, fields="type=Warning,involvedObject.kind=Pod")

    def log(self, pod: str, *, container: str = "main", lines: int | None = None, limit: int | None = None) -> str:
        """What a container wrote.

        Args:
            pod: its name.
            container: in it.
            lines: only the last so many.
            limit: most bytes.
        """
        query: dict[str, Any] = {"container": container}
        query |= {"tailLines": lines} if lines else {}
        query |= {"limitBytes": limit} if limit else {}
        return self._request("GET", self._core("pods", pod, "log"), query=query).decode(errors="replace")

    def follow_log(self, pod: str, *, container: str = "main") -> Iterator[str]:
        """Lines of a container's log as they are written, until it ends."""
        answer = self._open("GET", self._core("pods", pod, "log"), query={"container": container, "follow": "true"})
        try:
            rest = b""
            for chunk in answer.stream(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line.decode(errors="replace") for line in lines)
            if rest:
                yield rest.decode(errors="replace")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError(f"the log of pod {pod} broke off: {error}") from error
        finally:
            answer.release_conn()

    def list_for_watch(self, selector: str) -> tuple[list[Workflow], str]:
        """Workflows by label and the resource version to watch from."""
        data = self._request("GET", self._argo("workflows"), query={"labelSelector": selector})
        page = msgspec.json.decode(data, type=_Page)
        found = [msgspec.json.decode(item, type=Workflow) for item in page.items]
        return found, str(page.metadata.get("resourceVersion", ""))

    def watch(self, selector: str, version: str, *, seconds: int = 240) -> Iterator[tuple[str, Workflow]]:
        """Changes of Workflows after a resource version: `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`.

        Ends when the API server ends it, or after some minutes; go on from the last resource version seen.

        Raises:
            ExpiredError: list anew.
        """
        query = {
            "watch": "true",
            "labelSelector": selector,
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": seconds,
        }
        answer = self._open("GET", self._argo("workflows"), query=query, timeout=seconds + 30)
        try:
            rest = b""
            for chunk in answer.stream(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = msgspec.json.decode(line, type=Event)
                    if event.type == "ERROR":
                        raise ExpiredError(f"the watch of Workflows {selector} ended: {bytes(event.object)[:300]!r}")
                    yield event.type, msgspec.json.decode(event.object, type=Workflow)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError(f"the watch of Workflows {selector} broke off: {error}") from error
        finally:
            answer.close()

    def _argo(self, *parts: str) -> str:
        return "/".join((ARGO, "namespaces", self.namespace, *parts))

    def _core(self, *parts: str) -> str:
        return "/".join((CORE, "namespaces", self.namespace, *parts))

    def _list(self, path: str, selector: str, kind: type[_Thing], *, page: int, fields: str = "") -> Iterator[_Thing]:
        query: dict[str, Any] = {"limit": page}
        query |= {"labelSelector": selector} if selector else {}
        query |= {"fieldSelector": fields} if fields else {}
        while True:
            found = msgspec.json.decode(self._request("GET", path, query=query), type=_Page)
            yield from (msgspec.json.decode(item, type=kind) for item in found.items)
            query["continue"] = found.metadata.get("continue")
            if not query["continue"]:
                return

    def _request(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
    ) -> bytes:
        """The whole answer, tried again while the API server is away or busy.

        Not for what names a resource version: a conflict of that stays one.
        """
        return self._patiently(lambda: self._whole(method, path, query, body))

    def _whole(self, method: str, path: str, query: Mapping[str, Any] | None, body: Mapping[str, Any] | None) -> bytes:
        answer = self._once(method, path, query, body, None)
        try:
            return bytes(answer.data)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError(f"{method} {path}: the answer broke off: {error}") from error
        finally:
            answer.release_conn()

    def _open(self, method: str, path: str, *, query: Mapping[str, Any], timeout: float | None = None) -> Any:
        """The answer's stream; tried again until there is one."""
        return self._patiently(lambda: self._once(method, path, query, None, timeout))

    def _patiently(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask again, ever more seldom, while the API server is away or busy, or somebody else changes the object."""
        deadline = time.monotonic() + self._patience
        wait = 0.5
        while True:
            try:
                return ask()
            except (UnreachableError, ConflictError) as error:
                if time.monotonic() + wait > deadline:
                    raise
                _log.warning("%s; trying again in %.1f s", error, wait)
                time.sleep(wait * random.uniform(0.8, 1.2))  # noqa: S311 - so that not all come at once
                wait = min(wait * 2, 15.0)

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
        timeout: float | None,
    ) -> Any:
        what = f"{method} {path}"
        headers = {"Accept": _JSON, "Content-Type": _MERGE_PATCH if method == "PATCH" else _JSON}
        try:
            answer: Any = self._client.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                _preload_content=False,
                _request_timeout=(_TIMEOUT[0], timeout or _TIMEOUT[1]),
            )
        except ApiException as error:
            raise _explain(what, error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError(f"{what}: the API server at {self._host} does not answer: {error}") from error
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
        return UnreachableError(f"{what}: the API server is busy ({status}): {message}")
    if status == 404:  # noqa: PLR2004
        return ObjectNotFoundError(f"{what}: {message}")
    if status == 409:  # noqa: PLR2004
        return (ObjectExistsError if "AlreadyExists" in (error.body or "") else ConflictError)(f"{what}: {message}")
    if status == 410:  # noqa: PLR2004
        return ExpiredError(f"{what}: {message}")
    if status in {401, 403}:
        return ForbiddenError(f"{what}: {message}; bind the Role `scanmatrix-operator` to this user")
    return RejectedError(f"{what}: the API server answered {status}: {message}")


def _message(error: ApiException) -> str:
    try:
        return str(msgspec.json.decode(error.body or b"{}").get("message") or error.reason)
    except (msgspec.DecodeError, AttributeError, UnicodeDecodeError):
        return str(error.reason)
