"""Loopback services that check a request as the documented API of the real one does; none of these runs here.

DefectDojo and Dependency-Track are applications with databases that no package registry has. What these know is from
DefectDojo's OpenAPI (`POST /api/v2/reimport-scan/`) and its documented format "Generic Findings Import", and from
Dependency-Track's (`POST /api/v1/bom`, `GET /api/v1/bom/token/{uuid}`).
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.tools.listening import Listening


@dataclass
class Request:
    """What came: `form` has every field's values in order, files as bytes."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    form: dict[str, list[Any]] = field(default_factory=dict)


@dataclass
class Reply:
    """What to answer; `wait` seconds pass before."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0


class Service(Listening):
    """A server; `first` are answered before anything else, one for each request.

    Args:
        answer: what to answer.
        certificate: PEM file of its key and certificate; with it, it speaks TLS.

    Attributes:
        requests: everything that came.
    """

    def __init__(self, answer: Callable[[Request], Reply], certificate: Path | None = None) -> None:
        self.requests: list[Request] = []
        self.first: list[Reply] = []
        self._answer = answer
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                """Nothing on stderr."""

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path, dict(self.headers), body)
                if self.headers.get_content_type() == "multipart/form-data":
                    request.form = _form(self.headers["Content-Type"], body)
                service.requests.append(request)
                reply = service.first.pop(0) if service.first else service._answer(request)
                service.closing.wait(reply.wait)
                data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(data)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815 - names the base class looks for

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that went away
        super().__init__(server, certificate)


def _form(media_type: str, body: bytes) -> dict[str, list[Any]]:
    message = message_from_bytes(f"Content-Type: {media_type}\r\n\r\n".encode() + body)
    form: dict[str, list[Any]] = {}
    for part in message.get_payload():
        data = part.get_payload(decode=True)
        value = data if part.get_filename() else data.decode()
        form.setdefault(part.get_param("name", header="content-disposition"), []).append(value)
    return form


SEVERITIES = ("Info", "Low", "Medium", "High", "Critical")
_TRUTHS = ("active", "verified", "false_p", "out_of_scope", "risk_accepted", "static_finding", "dynamic_finding")
_LENGTHS = {
    "title": 511,
    "component_name": 500,
    "component_version": 100,
    "file_path": 4000,
    "unique_id_from_tool": 500,
    "vuln_id_from_tool": 500,
}
_TEXTS = {"description", "mitigation", "references", "severity", "date", "cvssv3", *_LENGTHS}
_LISTS = {"tags", "vulnerability_ids"}
_NUMBERS = {"nb_occurences"}


class DefectDojo:
    """What `reimport-scan` does, as far as an export can see.

    Attributes:
        tests: by product type, product, engagement and title, the findings by their id, each with `closed`.
    """

    token = "dojo-token"

    def __init__(self) -> None:
        self.tests: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}

    def __call__(self, request: Request) -> Reply:
        if request.headers.get("Authorization") != f"Token {self.token}":
            return Reply(401, {"detail": f"Invalid token. {request.headers.get('Authorization')}"})
        if (request.method, request.path) != ("POST", "/api/v2/reimport-scan/"):
            return Reply(404, {"detail": "Not found."})
        form = {name: values[0] for name, values in request.form.items()}
        try:
            _check_form(form)
            found = [check_finding(each) for each in json.loads(form["file"])["findings"]]
        except (AssertionError, KeyError, ValueError) as error:
            return Reply(400, {"message": f"{type(error).__name__}: {error}"})
        names = ("product_type_name", "product_name", "engagement_name", "test_title")
        known = self.tests.setdefault(tuple(form[name] for name in names), {})
        found = [e for e in found if SEVERITIES.index(e["severity"]) >= SEVERITIES.index(form["minimum_severity"])]
        present = {each["unique_id_from_tool"]: {**each, "closed": False} for each in found}
        if len(present) != len(found):
            return Reply(400, {"message": "the same finding twice"})
        known.update(present)
        for name in known.keys() - present.keys():
            known[name]["closed"] = known[name]["closed"] or form["close_old_findings"] == "true"
        return Reply(201, {"test": len(self.tests), "test_id": len(self.tests), "statistics": {}})


def _check_form(form: dict[str, Any]) -> None:
    assert form["scan_type"] == "Generic Findings Import", "scan_type"
    assert form["auto_create_context"] == "true", "auto_create_context"
    assert form["minimum_severity"] in SEVERITIES, "minimum_severity"
    for name in ("product_type_name", "product_name", "engagement_name", "test_title"):
        assert 0 < len(form[name]) <= 255, name
    unknown = form.keys() - {
        *("scan_type", "auto_create_context", "minimum_severity", "file", "close_old_findings", "build_id", "version"),
        *("product_type_name", "product_name", "engagement_name", "test_title", "environment", "tags"),
    }
    assert not unknown, unknown


def check_finding(finding: dict[str, Any]) -> dict[str, Any]:
    """Refuse what the format does not allow (AssertionError, ValueError)."""
    assert {"title", "severity", "description"} <= finding.keys(), "required"
    assert not finding.keys() - {*_TRUTHS, *_TEXTS, *_LISTS, *_NUMBERS}, finding.keys()
    assert finding["severity"] in SEVERITIES, finding["severity"]
    date.fromisoformat(finding["date"])
    for name, value in finding.items():
        kind = bool if name in _TRUTHS else list if name in _LISTS else int if name in _NUMBERS else str
        assert isinstance(value, kind), name
        assert name not in _LENGTHS or len(value) <= _LENGTHS[name], name
    assert all(isinstance(each, str) and len(each) <= 50 for each in finding.get("vulnerability_ids", ()))
    assert not (finding["active"] and any(finding.get(name) for name in ("false_p", "out_of_scope", "risk_accepted")))
    assert not (finding["verified"] and finding.get("false_p"))
    return finding


class DependencyTrack:
    """What `bom` does, as far as an export can see.

    Attributes:
        projects: the last BOM by name and version.
        forms: what came with each.
        busy: how often a token is still being processed when asked for.
    """

    key = "odt_key"

    def __init__(self) -> None:
        self.projects: dict[tuple[str, str], dict[str, Any]] = {}
        self.forms: list[dict[str, Any]] = []
        self.parents: set[tuple[str, str]] = set()
        self.busy = 0

    def __call__(self, request: Request) -> Reply:
        return self._serve(request) if request.headers.get("X-Api-Key") == self.key else Reply(401, b"")

    def _serve(self, request: Request) -> Reply:
        if request.method == "GET" and request.path.startswith("/api/v1/bom/token/"):
            self.busy -= 1
            uuid.UUID(request.path.rpartition("/")[2])
            return Reply(200, {"processing": self.busy >= 0})
        if (request.method, request.path) != ("POST", "/api/v1/bom"):
            return Reply(404, b"")
        form = {name: values[0] for name, values in request.form.items()}
        known = {"projectName", "projectVersion", "autoCreate", "projectTags", "parentName", "parentVersion", "bom"}
        if form.keys() - known:
            return Reply(400, {"detail": f"unknown: {form.keys() - known}"})
        project = form["projectName"], form["projectVersion"]
        if project not in self.projects and form["autoCreate"] != "true":
            return Reply(404, b"The project could not be found.")
        if "parentName" in form and (form["parentName"], form["parentVersion"]) not in self.parents:
            return Reply(404, b"The parent component could not be found.")
        self.projects[project] = json.loads(form.pop("bom"))
        self.forms.append(form)
        return Reply(200, {"token": str(uuid.uuid4())})
