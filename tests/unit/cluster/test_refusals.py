"""What the API server's refusals are, however the package of the client hands over the body."""

import json

import pytest
from kubernetes.client.exceptions import ApiException

from orchestrator.cluster.errors import ConflictError, ObjectExistsError
from orchestrator.cluster.transport import _explain


def refusal(status: int, body: object) -> ApiException:
    error = ApiException(status=status, reason="Conflict")
    error.body = body
    return error


@pytest.mark.parametrize("kind", [str, bytes])
@pytest.mark.parametrize(("reason", "expected"), [("AlreadyExists", ObjectExistsError), ("Conflict", ConflictError)])
def test_a_conflict_says_whether_the_object_exists(kind: type, reason: str, expected: type) -> None:
    text = json.dumps({"kind": "Status", "reason": reason, "message": "AlreadyExists is a word of the message"})
    found = _explain("POST /x", refusal(409, text if kind is str else text.encode()))
    assert type(found) is expected
    assert "a word of the message" in str(found)


@pytest.mark.parametrize("body", [None, "", b"", "<html>", b"\xff", "[]", '"AlreadyExists"'])
def test_what_is_no_status_is_a_conflict_by_its_http_reason(body: object) -> None:
    found = _explain("POST /x", refusal(409, body))
    assert type(found) is ConflictError
    assert str(found) == "POST /x: Conflict"
